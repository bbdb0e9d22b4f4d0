#!/bin/bash
# pss.sh - `make bench-pss`: what the shims of many pods cost, with one container each and with
# three.
#
# What must hold: memory is PSS from /proc/PID/smaps_rollup of everything in the shims' cgroups that
# runs crisp-shim, helpers included, while all pods run; it prints a table and judges nothing.
#
# usage: pss.sh [PODS]      (default 50)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../integration/lib.sh"
harness_begin "$@"
. "$HERE/cribench.sh"
PODS=${1:-50}

# All processes of the shims, one a line.
shim_pids() {
	local pid
	for pid in $(find "$RUNROOT" -name shim.pid -exec cut -d ' ' -f 1 {} +); do
		echo "$pid"
		pgrep -P "$pid" -x crisp-shim
	done
}

# row CONTAINERS: KiB a pod
row() {
	local all
	mapfile -t pids < <(shim_pids)
	all=$(pss "${pids[@]}" | awk '{ s += $1 } END { print s + 0 }')
	printf '%6d pods x %d containers %8d processes %10d KiB %8.1f KiB a pod\n' "$PODS" "$1" "${#pids[@]}" "$all" \
		"$(awk -v a="$all" -v n="$PODS" 'BEGIN { print a / n }')"
}

registry_start
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"
ids=()
for i in $(seq "$PODS"); do
	ids[i]=$(pod_run "p$i" "$HOST_NET") && ctr_run "${ids[i]}" "p$i.1" >/dev/null || bail "pod $i does not run"
done
row 1
for i in $(seq "$PODS"); do
	for n in 2 3; do ctr_run "${ids[i]}" "p$i.$n" >/dev/null || bail "container $n of pod $i does not run"; done
done
row 3
