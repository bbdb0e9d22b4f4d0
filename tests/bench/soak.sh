#!/bin/bash
# soak.sh - 1,000 pods come and go: descriptors and threads of the daemon stay, its memory grows by
# less than 256 bytes a pod.
#
# Memory, descriptors and threads are compared before and after.
#
# What must hold: after a warm-up of a tenth of the cycles, the daemon has as many descriptors and
# threads at the end as at the beginning (give or take four, far fewer than any leak of one a
# cycle), and its private memory has grown by less than 256 bytes a cycle. Under a
# checker (CRISP_TEST_WRAP, see harness.mk) its exit status decides instead, since most of the
# memory is the checker's own.
#
# usage: soak.sh [CYCLES]      (default 1000)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../integration/lib.sh"
harness_begin "$@"
. "$HERE/cribench.sh"
CYCLES=${1:-1000}
N=$CYCLES
PODS=0

private_kib() { awk '/^Private_(Clean|Dirty):/ { s += $2 } END { print s }' "/proc/$(daemon_pid)/smaps_rollup"; }
descriptors() { find "/proc/$(daemon_pid)/fd" -mindepth 1 -maxdepth 1 | wc -l; }
threads() { find "/proc/$(daemon_pid)/task" -mindepth 1 -maxdepth 1 | wc -l; }
objects() { crictl pods -q; crictl ps -a -q; }

cribench_build
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "warm-up" cribench -n $((CYCLES / 10 + 20)) cycle
BEFORE_KIB=$(private_kib)
BEFORE_FDS=$(descriptors)
BEFORE_THREADS=$(threads)
world_snapshot >"$SCRATCH/world.before"
check "$CYCLES cycles" cribench cycle
check_is "no object is left" "" objects
# What is being torn down when the last call returns may hold a descriptor for a moment.
poll 10 eval '[ $(descriptors) -le '"$BEFORE_FDS"' ]'
echo "# private memory: $BEFORE_KIB KiB before, $(private_kib) KiB after; descriptors: $BEFORE_FDS, $(descriptors); threads: $BEFORE_THREADS, $(threads)"
check "no descriptor is left open" [ "$(descriptors)" -le $((BEFORE_FDS + 4)) ]
check "no thread is left" [ "$(threads)" -le $((BEFORE_THREADS + 4)) ]
world_diff "nothing is left behind" "$SCRATCH/world.before"
if [ -z "${CRISP_TEST_WRAP:-}" ]; then
	check "memory does not grow with the cycles" [ $(($(private_kib) - BEFORE_KIB)) -le $((CYCLES / 4 + 128)) ]
else
	daemon_stop
	check_is "the daemon ends well: ${CRISP_TEST_WRAP%% *} has found nothing" 0 echo "$DAEMON_STATUS"
	tail -n 30 "$SCRATCH/daemon.log" | grep '^==' | diag
fi
harness_end
