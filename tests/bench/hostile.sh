#!/bin/bash
# hostile.sh - `make bench-hostile`: what another pod pays for hostile containers on its node.
#
# The same calls are measured on an empty node and beside HOSTILE containers: deep trees, floods of the
# pod's files, floods of the log, many files, frozen containers. Each flood has a CPU quota, so that the
# figures show the runtime and not the processor. It prints a table and judges nothing.
#
# usage: hostile.sh [N [HOSTILE]]      (default 20 measurements, 100 hostile containers)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../integration/lib.sh"
harness_begin "$@"
N=${1:-20}
HOSTILE=${2:-100}
PODS=1
FILES=${HOSTILE_FILES:-600000}		# of all containers with many files together

. "$HERE/cribench.sh"

QUOTA='.linux.resources = {cpu_period: 100000, cpu_quota: 1000}'
KINDS=(tree hosts log files frozen)
share=$(((HOSTILE + ${#KINDS[@]} - 1) / ${#KINDS[@]}))

command_of() {
	case $1 in
	tree) echo 'i=0; while [ $i -lt 15000 ]; do mkdir d && cd d || break; i=$((i + 1)); done; sleep 100000' ;;
	hosts) echo 'for f in /etc/hosts /etc/hostname /etc/resolv.conf /dev/shm/x; do cat /dev/zero >>$f; done; sleep 100000' ;;
	log) echo 'while :; do echo a line of a log that never ends; done' ;;
	files) echo "i=0; while [ \$i -lt $((FILES / share)) ]; do : >/f\$i; i=\$((i + 1)); done; sleep 100000" ;;
	frozen) echo 'while :; do sleep 1; done' ;;
	esac
}

hostile() {
	local kind=$1 n=$2 pod=hostile$((n / 20)) id limit=.
	[ "$kind" != log ] || limit=$QUOTA
	[ -e "$SCRATCH/pod-$pod.json" ] || pod_run "$pod" >"$SCRATCH/$pod.id" || return
	id=$(ctr_run "$(cat "$SCRATCH/$pod.id")" "$pod.$n" "$limit | .metadata.name = \"$kind$n\" | .log_path = \"$kind$n.log\"
		| .command = [\"sh\", \"-c\", $(command_of "$kind" | jq -Rs .)]") || return
	[ "$kind" != frozen ] || find /sys/fs/cgroup -path "*$CGROUP_PARENT*crisp-$id/freezer.state" -exec sh -c 'echo FROZEN >"$1"' _ {} \;
}

cribench_build
registry_start
runroot_mount
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"
measure() { cribench latency && cribench hold </dev/null | grep -v ready; }
measure >"$SCRATCH/empty" || bail "the measurement failed"
EMPTY=$(pss "$(daemon_pid)")

n=0
while [ $n -lt "$HOSTILE" ]; do
	hostile "${KINDS[n % ${#KINDS[@]}]}" $n || bail "hostile container $n does not start"
	n=$((n + 1))
done
sleep "${HOSTILE_SETTLE:-60}"		# most of the trees and files are made in this time
for i in 1 2 3; do crictl stats >/dev/null; crictl imagefsinfo >/dev/null; done
measure >"$SCRATCH/beside" || bail "the measurement beside hostile containers failed"
BESIDE=$(pss "$(daemon_pid)")

printf '%-36s %10s %10s %7s\n' "ms (median)" empty hostile ratio
join <(sort "$SCRATCH/empty") <(sort "$SCRATCH/beside") |
	awk '{ printf "%-36s %10s %10s %7.2f\n", $1, $2, $5, $5 / ($2 ? $2 : 1) }'
printf '%-36s %10s %10s\n' "memory of the daemon (PSS), KiB" "$EMPTY" "$BESIDE"
