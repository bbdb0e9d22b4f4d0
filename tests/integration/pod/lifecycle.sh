#!/bin/bash
# lifecycle.sh - each crictl command of an operator works on a pod with a CNI network and on a pod
# of the host's network.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start

pod_json() { crictl inspectp "$1" | jq -r "$2"; }
ctr_json() { crictl inspect "$1" | jq -r "$2"; }
images_json() { crictl images -o json | jq -r "$1"; }
ready() { crictl info | jq -r ".status.conditions[] | select(.type == \"$1\").status"; }
no_such() { ! crictl "$@" >/dev/null 2>&1; }

check "version" crictl version
check_is "info: the runtime is ready" true ready RuntimeReady
check_is "info: the network is ready" true ready NetworkReady
check "pull" crictl pull "$BUSYBOX"
check "pull again" crictl pull "$BUSYBOX"
check_is "images: listed once under its name" "$BUSYBOX" images_json '.images[].repoTags[]'
check "inspecti" crictl inspecti "$BUSYBOX"
check "imagefsinfo" crictl imagefsinfo

# lifecycle NAME JQ-FOR-THE-POD: leaves nothing behind
lifecycle() {
	local name=$1 change=$2 pod ctr
	check "$name: runp" pod_run "$name" "$change" || return
	pod=$OUT
	check_is "$name: pods lists it" "$pod" crictl pods -q --no-trunc --state ready --label "test=$name"
	check_is "$name: inspectp: ready" SANDBOX_READY pod_json "$pod" .status.state
	check_is "$name: inspectp: labels are kept" "$name" pod_json "$pod" .status.labels.test
	check "$name: create" crictl create "$pod" "$(ctr_config "$name" "$BUSYBOX" \
		'.command = ["sh", "-c", "echo to-stdout; echo to-stderr >&2; trap \"exit 7\" TERM; while :; do sleep 1 & wait $!; done"]
		 | .envs = [{key: "GREETING", value: "hello there"}] | .working_dir = "/tmp"')" "$SCRATCH/pod-$name.json" || return
	ctr=$OUT
	check_is "$name: created" CONTAINER_CREATED ctr_state "$ctr"
	check "$name: start" crictl start "$ctr"
	check_is "$name: running" CONTAINER_RUNNING ctr_state "$ctr"
	check_is "$name: ps lists it" "$ctr" crictl ps -q --no-trunc --pod "$pod"
	check_is "$name: inspect: the image as asked for" "$BUSYBOX" ctr_json "$ctr" '[.status.image.userSpecifiedImage, .status.image.image] | map(select(. != "" and . != null))[0]'
	check_is "$name: exec --sync" "hello there" crictl exec --sync "$ctr" sh -c 'echo $GREETING'
	check_is "$name: exec --sync in the working directory" /tmp crictl exec --sync "$ctr" pwd
	check_fails "$name: exec --sync returns the exit code" "exited with 3|exit code 3" crictl exec --sync "$ctr" sh -c 'exit 3'
	check_fails "$name: exec --sync of what does not exist" "no-such-program" crictl exec --sync "$ctr" no-such-program
	check_fails "$name: exec --sync ends at its timeout" "time" crictl exec --sync --timeout 1 "$ctr" sleep 600
	poll 20 grep -q to-stderr "$SCRATCH/logs/$name/$name.log"
	check_is "$name: logs" "$(printf 'to-stdout\nto-stderr')" eval 'crictl logs '"$ctr"' 2>&1 | sort -r'
	check "$name: the log has the CRI format" grep -Eq \
		'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]+(Z|[+-][0-9:]{5}) stdout F to-stdout$' "$SCRATCH/logs/$name/$name.log"
	check "$name: stop" crictl stop --timeout 20 "$ctr"
	check_is "$name: exited" CONTAINER_EXITED ctr_state "$ctr"
	check_is "$name: the exit code is the program's" 7 ctr_json "$ctr" .status.exitCode
	check "$name: stop again" crictl stop "$ctr"
	check_fails "$name: exec in a container that ended" "not running|exited|stopped|no running|EXITED" crictl exec --sync "$ctr" true
	check "$name: rm" crictl rm "$ctr"
	check "$name: it is gone" no_such inspect "$ctr"
	check "$name: stopp" crictl stopp "$pod"
	check_is "$name: not ready" SANDBOX_NOTREADY pod_json "$pod" .status.state
	check "$name: stopp again" crictl stopp "$pod"
	check "$name: rmp" crictl rmp "$pod"
	check "$name: the pod is gone" no_such inspectp "$pod"
}

# The first pod creates what stays: the bridge, the plugins' iptables chains, directories.
everything() {
	lifecycle "$1-cni" .
	lifecycle "$1-host" "$HOST_NET"
}
everything first
world_snapshot >"$SCRATCH/world.before"
everything second
world_diff "nothing is left behind" "$SCRATCH/world.before"

# Network: an address on our bridge, reachable; a forced removal with everything running.
check "net: runp with a host port" pod_run net '.port_mappings = [{protocol: 0, container_port: 80, host_port: 12080}] | .hostname = "crisp-pod"
	| .dns_config = {servers: ["10.9.8.7"], searches: ["crisp.test"], options: ["ndots:3"]}'
POD=$OUT
check "net: pull the server" crictl pull "$REGISTRY/e2e-test-images/nginx:1.14-2"
check "net: run the server" ctr_run "$POD" net 'del(.command)' "$REGISTRY/e2e-test-images/nginx:1.14-2"
CTR=$OUT
IP=$(pod_json "$POD" .status.network.ip)
check "net: the pod answers on its address $IP" curl -fsS --retry 20 --retry-delay 1 --retry-connrefused -m 60 "http://$IP/"
check "net: the pod answers on the host port" curl -fsS --retry 20 --retry-delay 1 --retry-connrefused -m 60 http://127.0.0.1:12080/
check_is "net: hostname" crisp-pod crictl exec --sync "$CTR" hostname
check_is "net: resolv.conf" "$(printf 'search crisp.test\nnameserver 10.9.8.7\noptions ndots:3')" crictl exec --sync "$CTR" cat /etc/resolv.conf
check "net: /etc/hosts has the pod" eval 'crictl exec --sync '"$CTR"' cat /etc/hosts | grep -q localhost'
check "net: rmp --force of a running pod" crictl rmp -f "$POD"
check "rmi of the server" crictl rmi "$REGISTRY/e2e-test-images/nginx:1.14-2"
check "rmi" crictl rmi "$BUSYBOX"
check_is "images: none is left" "" images_json '.images[].repoTags[] | select(contains("pause") | not)'
harness_end
