#!/bin/bash
# namespace-mismatch.sh - a container that asks for the host's namespace in a pod with its own, or
# the reverse, is refused with the field's name.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"

OPTIONS='.linux.security_context.namespace_options'
create() { crictl create "$POD" "$(ctr_config "$1" "$BUSYBOX" "$2")" "$SCRATCH/pod-${1%%.*}.json"; }
# refused POD FIELD JQ
refused() { check_fails "$1: $3 is refused" "InvalidArgument.*config.linux.security_context: namespace_options.$2 is .*that of the pod sandbox is" create "$1.bad" "$OPTIONS = $3"; }
N=0
# runs POD JQ: created and started, and its PID namespace is RELATION (own, pod, host)
runs() {
	N=$((N + 1))
	check "$1: $2 runs" ctr_run "$POD" "$1.n$N" ".metadata.name = \"n$N\" | $2"
	CTR=$OUT
}
pidns() { readlink "/proc/$1/ns/pid"; }
pidns_is() { [ "$(pidns "$(crictl inspect "$CTR" | jq .info.pid)")" = "$1" ]; }

# POD 0, CONTAINER 1, NODE 2
check "shared: a pod" pod_run shared .
POD=$OUT
SHARED=$(pidns "$(cut -d ' ' -f 1 "$RUNROOT/pods/$POD/init.pid")")
refused shared pid '{pid: 2}'
refused shared network '{network: 2}'
refused shared ipc '{ipc: 2}'
refused shared network '{network: 2, ipc: 2, pid: 2}'
refused shared userns_options.mode '{userns_options: {mode: 0}}'
runs shared .
check "shared: without options it is in the pod's PID namespace" pidns_is "$SHARED"
runs shared '.linux.security_context = {}'
runs shared "$OPTIONS = {}"
check "shared: with empty options, too" pidns_is "$SHARED"
runs shared "$OPTIONS = {pid: 1, userns_options: {mode: 2}}"
check "shared: a PID namespace of its own is granted" eval '! pidns_is "$SHARED" && ! pidns_is "$(pidns self)"'

check "own: a pod" pod_run own "$OPTIONS.pid = 1"
POD=$OUT
refused own pid '{pid: 2}'
refused own pid '{pid: 0}'
runs own .
check "own: it is alone" eval '! pidns_is "$(pidns self)"'

check "host: a pod" pod_run host "$OPTIONS = {network: 2, ipc: 2, pid: 2}"
POD=$OUT
refused host network '{network: 0, ipc: 2, pid: 2}'
refused host ipc '{network: 2, ipc: 0, pid: 2}'
refused host pid '{network: 2, ipc: 2, pid: 0}'
runs host .
check "host: it is in the host's PID namespace" pidns_is "$(pidns self)"
runs host "$OPTIONS = {network: 2, ipc: 2, pid: 1}"
check "host: a PID namespace of its own is granted" eval '! pidns_is "$(pidns self)"'
check "nothing is left of what was refused" eval '[ "$(crictl ps -aq | wc -l)" = 7 ]'
check "all is removed" everything_remove
harness_end
