#!/bin/bash
# shim-cgroup.sh - the cgroup of a pod's shim is not below the pod's, so that ending all processes of
# the pod's cgroup spares the shim; monitor_cgroup and conmon_cgroup name another place.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ "$CGROUP_MANAGER" = cgroupfs ] || skip_all "the systemd manager keeps shims below crispd's own cgroup"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
POD_PARENT=$CGROUP_PARENT/pods/one

shim_of() { cut -d ' ' -f 1 "$RUNROOT/pods/$1/shim.pid" 2>/dev/null || cut -d ' ' -f 1 "$(find "$RUNROOT" -path "*$1*" -name shim.pid)"; }
# place WANTED POD: all cgroups of the shim's process with its own name are WANTED/crisp-shim-POD
place() {
	local found
	found=$(grep -o "/.*/crisp-shim-$2\$" "/proc/$(shim_of "$2")/cgroup" | sort -u)
	[ "$found" = "$1/crisp-shim-$2" ] || { echo "$found" >&2; return 1; }
}
in_pod() { crictl runp "$(pod_config "$1" "$HOST_NET | .linux.cgroup_parent = \"$POD_PARENT\"")"; }
pids_of_pod() { cgroups_ours | grep -F "$POD_PARENT" | while read -r dir; do cat "$dir/cgroup.procs"; done 2>/dev/null | sort -u; }
no_cgroup_of() { [ -z "$(cgroups_ours | grep -F "$1")" ]; }
conf_is() { printf '%s\n' "$@" >"$SCRATCH/config.d/monitor.conf"; daemon_kill; daemon_again; }

check "run a pod" in_pod own
POD=$OUT
SHIM=$(shim_of "$POD")
check "the shim is not in the pod's cgroup" place "$CGROUP_PARENT" "$POD"
check "run a container" ctr_run "$POD" own
CTR=$OUT
check "the pod's cgroup has the container" eval '[ -n "$(pids_of_pod)" ]'
# As a kubelet cleans the cgroup of a pod that it does not know.
for pid in $(pids_of_pod); do kill -KILL "$pid"; done
poll 30 ctr_is "$CTR" CONTAINER_EXITED
check_is "all processes of the pod's cgroup are killed: the exit code" 137 eval "crictl inspect $CTR | jq .status.exitCode"
check_is "the shim is the same" "$SHIM" shim_of "$POD"

conf_is '[crio.runtime.runtimes.runc]' 'monitor_cgroup = "pod"'
check "monitor_cgroup = pod: a pod" in_pod pod
INSIDE=$OUT
check "monitor_cgroup = pod: below the pod's cgroup" place "$POD_PARENT" "$INSIDE"
check "the pod of before is removed" crictl rmp -f "$POD"
check "with the shim's cgroup" no_cgroup_of "crisp-shim-$POD"

conf_is '[crio.runtime]' "conmon_cgroup = \"$CGROUP_PARENT/monitors\"" '[crio.runtime.runtimes.runc]' 'monitor_cgroup = "pod"'
check "conmon_cgroup wins: a pod" in_pod path
POD=$OUT
check "conmon_cgroup wins: below its path" place "$CGROUP_PARENT/monitors" "$POD"
check "conmon_cgroup: removed" crictl rmp -f "$POD"
check "with the shim's cgroup" no_cgroup_of "crisp-shim-$POD"
check "the pod with its shim inside is removed" crictl rmp -f "$INSIDE"
check "with the shim's cgroup" no_cgroup_of "crisp-shim-$INSIDE"

conf_is '[crio.runtime]' 'conmon_cgroup = "system.slice"'
check "system.slice, CRI-O's default: a pod" in_pod slice
POD=$OUT
check "system.slice: not in the pod's cgroup" place "$CGROUP_PARENT" "$POD"
# The daemon is killed while the pod ends: the next one removes the cgroup.
crictl rmp -f "$POD" >/dev/null 2>&1 &
daemon_kill
wait $!
daemon_again
check "killed while the pod ends: removed" crictl rmp -f "$POD"
check "with the shim's cgroup" no_cgroup_of "crisp-shim-$POD"
harness_end
