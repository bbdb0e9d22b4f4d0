#!/bin/bash
# exec-tree.sh - an exec has a cgroup of its own where the runtime supports that (runc 1.1, crun on
# v2): a time-out ends its whole process tree, processes that may stay go on, and no cgroup remains.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run tree
POD=$OUT
check "a container" ctr_run "$POD" tree.target '.metadata.name = "target" | .log_path = "target.log"'
CTR=$OUT

trees() { find /sys/fs/cgroup -type d -path "*$CGROUP_PARENT*" -name 'crisp-exec-*' 2>/dev/null; }
no_trees() { [ -z "$(trees)" ]; }
# The processes of our containers that sleep that long.
runs() {
	local pid
	for pid in $(cgroups_ours | sed "s|$|/cgroup.procs|" | xargs cat | sort -u); do
		[ "$(tr "\0" " " <"/proc/$pid/cmdline")" != "sleep $1 " ] || echo "$pid"
	done 2>/dev/null | grep .
}
runs_not() { ! runs "$1"; }
in_tree() { grep -q crisp-exec- "/proc/$(runs "$1" | head -n 1)/cgroup"; }

# Left to init twice over, in sessions of their own, deaf to SIGTERM and SIGHUP.
escapes() { echo "trap '' TERM HUP; setsid sh -c 'setsid sleep $1 & exit 0' & (setsid sh -c '(sleep $1 &)' &); exec sleep $1"; }

if runc exec --help | grep -q '<controller>:\|--cgroup' && [ "${CRISP_TEST_RUNTIME:-runc}" = runc ]; then
	crictl exec --sync --timeout 60 "$CTR" sleep 5001 >/dev/null 2>&1 &
	check "an exec is in a cgroup of its own" poll 20 in_tree 5001
	check_is "of one hierarchy" 1 eval 'trees | wc -l'
	check "and its memory is its container's" grep -q "memory:.*crisp-$CTR\$\|^0::" "/proc/$(runs 5001)/cgroup"
	kill $(runs 5001)
	check "which goes with it" poll 20 no_trees
fi

check_fails "an exec past its time" 'DeadlineExceeded' crictl exec --sync --timeout 1 "$CTR" sh -c "$(escapes 5002)"
check "everything it has started ends" poll 20 runs_not 5002
check "and its cgroup" poll 20 no_trees

t0=$SECONDS
check_is "a child that keeps the output does not hold the answer" "answer" \
	crictl exec --sync --timeout 60 "$CTR" sh -c 'setsid sleep 5003 & echo answer'
check "for longer than it is waited for" [ $((SECONDS - t0)) -lt 30 ]
check "what an exec leaves behind on purpose goes on" runs 5003
kill $(runs 5003)
check "its cgroup is removed when it ends" poll 90 no_trees
check_is "the output that was there is whole" "200000" eval \
	'crictl exec --sync "$CTR" sh -c "head -c 200000 /dev/zero; (setsid sleep 5004 &)" | head -c 200000 | wc -c'
check_is "the exit code is that of the command" "exit 7" eval \
	'crictl exec --sync "$CTR" sh -c "setsid sleep 5004 & exit 7" 2>&1 | grep -oE "exit (code|status)?:? ?7" | grep -oE "7" | head -1 | sed "s/^/exit /"'
kill $(runs 5004)
check "both outputs together stay below the limit of a message" eval \
	'[ "$(crictl exec --sync "$CTR" sh -c "head -c 12000000 /dev/zero; head -c 12000000 /dev/zero >&2" 2>&1 | wc -c)" -le $((16 << 20)) ]'

crictl exec --sync --timeout 100 "$CTR" sh -c "$(escapes 5005)" >/dev/null 2>&1 &
check "an exec runs" poll 20 runs 5005
daemon_kill
daemon_again
check "after kill -9 of the daemon all of it is ended" poll 30 runs_not 5005
check "and its cgroup" poll 20 no_trees
crictl exec --sync --timeout 100 "$CTR" sh -c "$(escapes 5006)" >/dev/null 2>&1 &
check "another one runs" poll 20 runs 5006
check "a container is stopped with its execs" crictl stop -t 1 "$CTR"
check "all of it is ended" poll 20 runs_not 5006
check "everything is removed" everything_remove
check "no cgroup is left" poll 20 no_trees
harness_end
