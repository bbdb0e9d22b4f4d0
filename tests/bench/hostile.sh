#!/bin/bash
# hostile.sh - `make bench-hostile`: what another pod pays for hostile containers on its node.
#
# Two daemons of one build run at the same time, one with an empty node, one beside HOSTILE containers:
# deep trees, floods of the pod's files, floods of the log, many files, frozen containers, processes in
# uninterruptible sleep. They are measured in turn, ROUNDS times, by the same client, so that what
# disturbs one disturbs both; while the empty one is measured, the hostile containers are frozen and
# their daemon is stopped. The hostile pods are where a kubelet puts pods that ask for nothing: below
# a cgroup with the smallest share of the processors. A list of all containers has those as well: the
# list to compare is that of the pod. It prints medians and judges nothing.
#
# usage: hostile.sh [ROUNDS [HOSTILE]]      (default 10 rounds of 3 pods of each kind, 100 hostile containers)
#   HOSTILE_FILES    of all containers with many files together (600,000)
#   HOSTILE_SETTLE   seconds for trees and files to be made before the first round (60)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../integration/lib.sh"
harness_begin "$@"
ROUNDS=${1:-10}
HOSTILE=${2:-100}
N=3
PODS=1
FILES=${HOSTILE_FILES:-600000}
BASE=$SCRATCH
PARENT=$CGROUP_PARENT
declare -A REAPERS=()

. "$HERE/cribench.sh"

KINDS=(tree hosts log files frozen sleeper)
SHARE=$(((HOSTILE + ${#KINDS[@]} - 1) / ${#KINDS[@]}))

# side empty|hostile: what lib.sh's functions work on from here
side() {
	SCRATCH=$BASE/$1
	SOCKET=$SCRATCH/run/crisp.sock
	ROOT=$SCRATCH/root
	RUNROOT=$SCRATCH/run/root
	REGISTRIES_CONF=$SCRATCH/registries.conf
	CGROUP_PARENT=$PARENT/$1
	REAPER_PID=${REAPERS[$1]:-}
	mkdir -p "$SCRATCH"/{run,root,logs,config.d}
	[ -e "$SCRATCH/subreaper" ] || ln -s "$BASE/subreaper" "$SCRATCH/subreaper"
}

# What is frozen cannot be killed.
thaw_all() {
	find /sys/fs/cgroup -path "*$PARENT/*" \( -name freezer.state -exec sh -c 'echo THAWED >"$1"' _ {} \; \
		-o -name cgroup.freeze -exec sh -c 'echo 0 >"$1"' _ {} \; \) 2>/dev/null
}

end() {
	local rc=$? side
	thaw_all
	for side in empty hostile; do
		side $side
		kill -CONT "$(daemon_pid)" 2>/dev/null
		daemon_end
	done
	SCRATCH=$BASE
	CGROUP_PARENT=$PARENT
	(exit $rc)
	harness_cleanup
}
trap end EXIT

# --- hostile containers ------------------------------------------------------------------------------------------------

cat >"$BASE/sleeper.c" <<'C'
/* A parent waits in uninterruptible sleep for a child of vfork that does not leave. */
#include <unistd.h>

int main(void)
{
	if (vfork() == 0)
		for (;;)
			pause();
	return 0;
}
C

command_of() {
	case $1 in
	tree) echo '/bench/deeptree 15000 10' ;;
	hosts) echo 'for f in /etc/hosts /etc/hostname /etc/resolv.conf /dev/shm/x; do cat /dev/zero >>$f; done; sleep 100000' ;;
	log) echo 'while :; do echo a line of a log that never ends; done' ;;
	files) echo "/bench/deeptree 0 $((FILES / SHARE))" ;;
	frozen) echo 'while :; do sleep 1; done' ;;
	sleeper) echo 'while :; do /bench/sleeper; done' ;;
	esac
}

hostile_container() {
	local kind=$1 n=$2 id
	local pod=hostile$((n / 20))
	[ -e "$SCRATCH/pod-$pod.json" ] || pod_run "$pod" ".linux.cgroup_parent = \"$CGROUP_PARENT/besteffort\"" >"$SCRATCH/$pod.id" || return
	id=$(ctr_run "$(cat "$SCRATCH/$pod.id")" "$pod.$n" ".metadata.name = \"$kind$n\" | .log_path = \"$kind$n.log\"
		| .linux.resources = {cpu_shares: 2} | .command = [\"sh\", \"-c\", $(command_of "$kind" | jq -Rs .)]
		| .mounts = [{container_path: \"/bench\", host_path: \"$BASE/bench\", readonly: true}]") || return
	[ "$kind" != frozen ] || find /sys/fs/cgroup -path "*$CGROUP_PARENT*crisp-$id/freezer.state" -exec sh -c 'echo FROZEN >"$1"' _ {} \; \
		-o -path "*$CGROUP_PARENT*crisp-$id/cgroup.freeze" -exec sh -c 'echo 1 >"$1"' _ {} \;
}

# In every hierarchy, as the kubelet makes it.
besteffort_make() {
	local dir
	for dir in /sys/fs/cgroup /sys/fs/cgroup/*/; do
		[ -e "${dir%/}/cgroup.procs" ] || continue
		mkdir -p "${dir%/}$PARENT/hostile/besteffort"
		echo 2 >"${dir%/}$PARENT/hostile/besteffort/cpu.shares"
		echo 1 >"${dir%/}$PARENT/hostile/besteffort/cpu.weight"
	done 2>/dev/null
}

freeze() {
	local dir
	for dir in /sys/fs/cgroup /sys/fs/cgroup/*/; do
		dir=${dir%/}$PARENT/hostile/besteffort
		[ ! -e "$dir/freezer.state" ] || echo "$1" >"$dir/freezer.state"
		[ ! -e "$dir/cgroup.freeze" ] || { [ "$1" != FROZEN ]; echo $? >"$dir/cgroup.freeze"; }
	done 2>/dev/null
}

# --- measurement -------------------------------------------------------------------------------------------------------

round() {
	side hostile
	freeze FROZEN
	kill -STOP "$(daemon_pid)"
	side empty
	cribench samples >>"$BASE/empty.samples" || bail "the measurement of the empty node failed"
	side hostile
	kill -CONT "$(daemon_pid)"
	freeze THAWED
	sleep 1
	cribench samples >>"$BASE/hostile.samples" || bail "the measurement beside hostile containers failed"
}

# medians FILE: "NAME MEDIAN", by name
medians() { sort -k 1,1 -k 2,2n "$1" | awk '{ v[$1, n[$1]++] = $2 } END { for (k in n) print k, v[k, int(n[k] / 2)] }' | sort; }

of_status() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$(daemon_pid)/status"; }

cribench_build
registry_start
mkdir "$BASE/bench"
for program in "$TOP/tests/integration/security/deeptree" "$BASE/sleeper"; do
	cc -std=gnu17 -D_GNU_SOURCE -O1 -static -o "$BASE/bench/${program##*/}" "$program.c" || bail "$program.c does not compile"
done
for name in empty hostile; do
	side $name
	runroot_mount
	daemon_start
	REAPERS[$name]=$REAPER_PID
	crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"
	cribench -n 1 samples >/dev/null || bail "the warm-up failed"
done
besteffort_make
n=0
while [ $n -lt "$HOSTILE" ]; do
	hostile_container "${KINDS[n % ${#KINDS[@]}]}" $n || bail "hostile container $n does not start"
	n=$((n + 1))
done
sleep "${HOSTILE_SETTLE:-60}"		# most of the trees and files are made in this time
for i in 1 2 3; do crictl stats >/dev/null; crictl imagefsinfo >/dev/null; done
echo "# $HOSTILE hostile containers run, load average $(cut -d ' ' -f 1-3 /proc/loadavg)"
for i in $(seq "$ROUNDS"); do round; done

printf '%-36s %10s %10s %7s\n' "ms (median of $((ROUNDS * N)))" empty hostile ratio
join <(medians "$BASE/empty.samples") <(medians "$BASE/hostile.samples") |
	awk '{ printf "%-36s %10.2f %10.2f %7.2f\n", $1, $2, $3, $3 / ($2 ? $2 : 1) }'
for field in VmRSS VmHWM; do
	side empty
	a=$(of_status $field)
	side hostile
	printf '%-36s %10s %10s\n' "$field of the daemon, KiB" "$a" "$(of_status $field)"
done
echo "# load average at the end: $(cut -d ' ' -f 1-3 /proc/loadavg)"
