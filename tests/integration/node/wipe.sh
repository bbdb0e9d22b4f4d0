#!/bin/bash
# wipe.sh - `crisp wipe` removes all pods and containers, with -i all images: without a daemon, or
# with -f through the one that runs. Killed at any moment and run again it leaves what it left
# before.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ -x "$BUILD_DIR/crisp" ] || bail "$BUILD_DIR/crisp is missing: build it first"
registry_start
daemon_start

crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
mapfile -t ARGV < <(peer_argv)
# offline [OPTION...]: with the options of the daemon under test
offline() { crisp wipe "$@" -- "${ARGV[@]:1}"; }
# offline_killed SECONDS: it becomes crispd, with the same pid. Fails if it has ended by then.
offline_killed() {
	local rc=0
	"$BUILD_DIR/crisp" --socket "$SOCKET" wipe -- "${ARGV[@]:1}" >/dev/null 2>&1 &
	sleep "$1"
	kill -KILL $! 2>/dev/null || rc=1
	wait $! 2>/dev/null
	return $rc
}
# Images come and go here by design; what a pod has must not.
snapshot() { world_snapshot | grep -Ev '^file . .*/images(/|$)'; }
left() {
	local tries
	for tries in 1 2 3 4 5; do
		snapshot >"$SCRATCH/world.now"
		cmp -s "$SCRATCH/world.before" "$SCRATCH/world.now" && return
		sleep 0.5			# what was killed needs a moment to leave /proc
	done
	diff "$SCRATCH/world.before" "$SCRATCH/world.now" >&2
	return 1
}
port() { echo '.port_mappings = [{protocol: 0, container_port: 80, host_port: '"$1"'}]'; }
pods_up() {
	local n net pod
	for n in 1 2 3; do
		net=$(port $((8080 + n)))
		[ $n != 3 ] || net=$HOST_NET
		pod=$(pod_run "p$n" "$net") && ctr_run "$pod" "p$n" >/dev/null || return
	done
}
stopped() { daemon_kill TERM; }

check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm "$(port 8080)"
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
poll 60 trash_is_gone
stopped
check "wipe of a node without pods" offline
snapshot >"$SCRATCH/world.before"
daemon_again
check_is "its images stay" 1 eval 'crisp images -q | wc -l'

check "pods" pods_up
check_fails "a daemon that runs is refused" "crispd runs: stop it first, or use -f" crisp wipe
check_fails "also by crispd" "another|in use|lock|runs" "${ARGV[@]}" --wipe
check_is "its pods run on" 3 eval 'crisp ps -q | wc -l'
check_is "options of crispd are refused then" 2 eval 'rc=0; crisp wipe -f -- --root /nowhere 2>/dev/null || rc=$?; echo $rc'
stopped
check "wipe" offline
check "nothing of the pods is left" left
daemon_again
check_is "the next daemon has no pod" "" crisp pods -q
check_is "nor a container" "" crisp ps -aq
check_is "its image is there" 1 eval 'crisp images -q | wc -l'
check "pods with the same names" pods_up

# Killed at each moment of its work.
stopped
killed=0
for delay in 0.01 0.02 0.05 0.1 0.15 0.2 0.3 0.5 1; do
	! offline_killed $delay || killed=$((killed + 1))
done
check "it was killed at work" [ $killed -gt 3 ]
check "run again it ends" offline
check "nothing of the pods is left" left
daemon_again
check_is "the next daemon has no pod" "" crisp pods -q
check_is "everything is at rest" "everything is at rest" crisp explain

# The next daemon recovers what a killed wipe leaves.
check "pods" pods_up
stopped
offline_killed 0.3
daemon_again
check "wipe -f through the daemon" crisp wipe -f
check_is "no pod is left" "" crisp pods -q
check_is "the image is there" 1 eval 'crisp images -q | wc -l'

check "pods" pods_up
check "wipe -f -i through the daemon" crisp wipe -f -i
check_is "no image is left" "" crisp images -q
check "pull" crictl pull "$BUSYBOX"
check "pods" pods_up
stopped
check "wipe -i" offline -i
check "nothing of the pods is left" left
check "nor of images" [ ! -e "$ROOT/images" ]
daemon_again
check_is "the next daemon has no image" "" crisp images -q
check "and pulls it" crictl pull "$BUSYBOX"
check "and runs pods" pods_up
harness_end
