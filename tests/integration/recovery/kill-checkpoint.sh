#!/bin/bash
# kill-checkpoint.sh - a pod of two containers with a TCP connection is written, removed and restored, while crispd, its
# shim, the runtime or CRIU is killed with -9 at a random moment: the client asks again, both go on, nothing is left.
#
# Takes minutes. CRISP_TEST_ROUNDS checkpoints and as many restores, CRISP_TEST_SEED repeats a run.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../criulib.sh"
SEED=${CRISP_TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
echo "# seed $SEED (CRISP_TEST_SEED repeats it)"
RANDOM=$SEED
ROUNDS=${CRISP_TEST_ROUNDS:-4}
registry_start
cni_write
criu_moody
daemon_start

SERVER='.command = ["sh", "-c", "mkfifo /f; while :; do i=0; nc -l -p 7000 </f | while read -r x; do i=$((i + 1)); echo $i $x; done >/f; done"]'
CLIENT='.command = ["sh", "-c", "sleep 1; mkfifo /f; nc 127.0.0.1 7000 </f | while read -r n x; do echo $n $x; done & i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05 & wait $!; done >/f"]'
CTR_PID='.linux.security_context.namespace_options.pid = 1'
crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
number() { log_text p p.client | tail -n 1 | cut -d' ' -f1; }
goes_on() { local n; n=$(number); poll 20 eval "[ \"\$(number)\" -gt ${n:-0} ]"; }
restored() { crisp restore -p "$SCRATCH/pod-p.json" -c "$SCRATCH/ctr-p.client.json" -c "$SCRATCH/ctr-p.server.json" "$SCRATCH/out"; }
started() { ctr_is "$1" CONTAINER_RUNNING || crictl start "$1" || ctr_is "$1" CONTAINER_RUNNING; }

# ours NAME: pids of our processes with this program name
ours() {
	local pid
	for pid in $(pgrep -x "$1"); do
		! { tr "\0" " " <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF "$SCRATCH" || echo "$pid"
	done
}
# strike: kill one of them, if there is one
strike() {
	local victims=(crispd crispd crisp-shim runc criu) victim
	victim=${victims[RANDOM % ${#victims[@]}]}
	if [ "$victim" = crispd ]; then daemon_kill; else ours "$victim" | shuf -n 1 | xargs -r kill -KILL; fi
	STRUCK=$victim
}
alive() { kill -0 "$(daemon_pid)" 2>/dev/null || daemon_again; }
# struck LIMIT-MS COMMAND...: one is killed within LIMIT-MS
struck() {
	local ms=$((RANDOM % $1)) client
	shift
	"$@" >"$SCRATCH/struck.out" 2>&1 &
	client=$!
	sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
	strike
	wait "$client"
	STATUS=$?
	alive
}
# thawed: none of our cgroups stands still
thawed() { ! find /sys/fs/cgroup -path "*$CGROUP_PARENT*" -name freezer.state -exec cat {} + 2>/dev/null | grep -q FR; }
pods_named() { crictl pods -q --no-trunc --name '^p$' --state ready; }
fresh() {
	check "$1: a pod" pod_run p "$CTR_PID"
	POD=$OUT
	check "$1: a server" ctr_run "$POD" p.server "$SERVER"
	check "$1: a client" ctr_run "$POD" p.client "$CLIENT"
	check "$1: they talk" poll 20 eval '[ "$(number)" -gt 2 ]'
}

check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run first
check "with a container" ctr_run "$OUT" first
check "is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"
fresh "at first"

for round in $(seq "$ROUNDS"); do
	rm -rf "$SCRATCH/out"
	mkdir "$SCRATCH/out"
	struck 1500 crisp checkpoint "$POD" "$SCRATCH/out"
	what="round $round, $STRUCK killed in a checkpoint"
	check "$what: nothing stands still" poll 30 thawed
	# Killed CRIU may end the processes that it controls; a pod without them is made anew.
	if ! poll 5 eval '[ "$(crictl ps -q --pod "$POD" | wc -l)" = 2 ]' || ! goes_on; then
		check "$what: a pod whose processes ended is removed" everything_remove
		rm -rf "$SCRATCH"/logs/p/*
		fresh "$what"
	fi
	if [ "$STATUS" != 0 ]; then
		check_is "$what: no part of it is left" "" find "$SCRATCH/out" -mindepth 1
		check "$what: it is asked for again" crisp checkpoint "$POD" "$SCRATCH/out"
	fi
	check "$what: it goes on" goes_on
	check "$what: the pod is removed" everything_remove
	rm -rf "$SCRATCH"/logs/p/*

	struck 1500 restored
	what="round $round, $STRUCK killed in a restore"
	check "$what: it is asked for again" restored
	POD=$(head -n 1 <<<"$OUT")
	ids=$(awk 'NR > 1 { print $1 }' <<<"$OUT")
	check_is "$what: there is one pod" "$POD" pods_named
	check_is "$what: with two containers" 2 eval 'crictl ps -aq --pod "$POD" | wc -l'
	victim=$(shuf -n 1 <<<"$ids")
	struck 1000 crictl start "$victim"
	what="round $round, $STRUCK killed in a start"
	if ! poll 2 started "$victim"; then
		# Killed runtime or CRIU: that container has not started, and says so.
		check_is "$what: it has ended" CONTAINER_EXITED ctr_state "$victim"
		check "$what: the pod is removed" everything_remove
		rm -rf "$SCRATCH"/logs/p/*
		check "$what: it is restored again" restored
		POD=$(head -n 1 <<<"$OUT")
		ids=$(awk 'NR > 1 { print $1 }' <<<"$OUT")
	fi
	for id in $ids; do
		check "$what: it is started" poll 2 started "$id"
	done
	check "$what: it goes on" goes_on
done
check "the pod is removed" everything_remove
check "nothing stands still" thawed
harness_end
