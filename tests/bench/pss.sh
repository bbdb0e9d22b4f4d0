#!/bin/bash
# pss.sh - `make bench-pss`: what the monitors of many pods cost, with one container each and with
# three: crisp's shims, containerd's, and conmon, which has one for each container.
#
# What must hold: memory is PSS from /proc/PID/smaps_rollup of every process that is a monitor, helpers
# included, while all pods run; it prints a table and judges nothing.
#
# usage: pss.sh [PODS]      (default 50)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../integration/lib.sh"
. "$HERE/cribench.sh"
. "$HERE/conmon.sh"
PODS=${1:-50}
if [ -z "${2:-}" ]; then
	for peer in crispd conmon containerd; do CRISP_TEST_PEER=$peer bash "$0" "$PODS" one || exit; done
	exit
fi
harness_begin "$@"

# All monitors, one a line.
monitor_pids() {
	local pid
	case $PEER in
	crispd)
		for pid in $(find "$RUNROOT" -name shim.pid -exec cut -d ' ' -f 1 {} +); do
			echo "$pid"
			pgrep -P "$pid" -x crisp-shim
		done ;;
	containerd) pgrep -f "^[^ ]*containerd-shim.* -address $SOCKET" ;;
	conmon) conmon_pids ;;
	esac
}

# row CONTAINERS: KiB a pod
row() {
	local all
	mapfile -t pids < <(monitor_pids)
	all=$(pss "${pids[@]}" | awk '{ s += $1 } END { print s + 0 }')
	printf '%-12s %4d pods x %d containers %6d processes %10d KiB %8.1f KiB a pod\n' "$PEER" "$PODS" "$1" "${#pids[@]}" "$all" \
		"$(awk -v a="$all" -v n="$PODS" 'BEGIN { print a / n }')"
}

# container POD NUMBER
container() {
	if [ "$PEER" = conmon ]; then
		conmon_run "p$1.$2" 0
	else
		ctr_run "${ids[$1]}" "p$1.$2"
	fi >/dev/null || bail "$PEER: container $2 of pod $1 does not run"
}

ids=()
if [ "$PEER" = conmon ]; then
	command -v conmon >/dev/null || bail "conmon is missing: run tools/test-deps.sh first"
	logwriter_build
	touch "$SCRATCH/go/go"
else
	[ "$PEER" != containerd ] || command -v "$(peer_containerd_bin)" >/dev/null || skip_all "containerd is not installed"
	registry_start
	runroot_mount
	daemon_start
	crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"
	for i in $(seq "$PODS"); do ids[i]=$(pod_run "p$i" "$HOST_NET") || bail "pod $i does not run"; done
fi
for i in $(seq "$PODS"); do container "$i" 1; done
row 1
for i in $(seq "$PODS"); do container "$i" 2; container "$i" 3; done
row 3
[ "$PEER" = conmon ] || exit 0
for i in $(seq "$PODS"); do names+=("p$i".{1,2,3}); done
conmon_end "${names[@]}"
