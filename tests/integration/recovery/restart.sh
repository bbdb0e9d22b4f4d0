#!/bin/bash
# restart.sh - twenty pods run, the daemon is killed with -9, and containers exit before it returns:
# state is complete, logs have no gap, exit codes are exact.
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start

PODS=${CRISP_TEST_PODS:-20}
ENDING=5			# so many containers end while the daemon is dead, with exit codes 41, 42, ...
declare -a POD CTR

# Counts lines until /signal/end-N appears, then says so and ends with its own code. Numbers without
# a gap are the proof.
PROGRAM='i=0; while [ ! -e /signal/end-$0 ]; do echo line $i; i=$((i+1)); sleep 0.05; done; echo last $i; exit $((40 + $0))'

counter() {
	mkdir -p "$SCRATCH/signal"
	jq -n --arg program "$PROGRAM" --arg n "$1" '["sh", "-c", $program, $n]'
}

start_pods() {
	local n id net
	for n in $(seq "$PODS"); do
		net=.
		[ $((n % 4)) != 0 ] || net=$HOST_NET
		POD[n]=$(pod_run "p$n" "$net") || return
		CTR[n]=$(ctr_run "${POD[n]}" "p$n" ".command = $(counter "$n") | .mounts = [{container_path: \"/signal\", host_path: \"$SCRATCH/signal\"}]") || return
	done
}

# All running containers' logs count up from 0 without a gap or a repetition.
log_counts() { log_text "p$1" "p$1" | awk '$1 == "line" && $2 != n++ { exit 1 } END { exit !(n > 0) }'; }
logs_count() {
	local n
	for n in $(seq "$PODS"); do log_counts "$n" || { echo "p$n: $(log_text "p$n" "p$n" | tail -n 3)"; return 1; }; done
}
lines() { grep -c . "$SCRATCH/logs/p$1/p$1.log"; }
grows() { local before; before=$(lines "$1"); poll 20 eval '[ $(lines '"$1"') -gt '"$before"' ]'; }
gone() { ! grep -lsz "exit \$((40 + \$0))" /proc/[0-9]*/cmdline | xargs -r -I{} sh -c 'tr "\0" " " <{}' 2>/dev/null | grep -q " $1 $"; }
states() { crictl ps -a -o json | jq -r '.containers[].state' | sort | uniq -c | awk '{ print $2, $1 }'; }
exit_code() { crictl inspect "$1" | jq -r .status.exitCode; }
finished_before() { [ "$(date -d "$(crictl inspect "$1" | jq -r .status.finishedAt)" +%s%N)" -le "$2" ]; }

check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"

check "$PODS pods start" eval 'start_pods >&2; declare -p POD CTR'
eval "$OUT"
for n in $(seq "$PODS"); do poll 20 grep -q 'line 3' "$SCRATCH/logs/p$n/p$n.log"; done
daemon_kill
for n in $(seq "$ENDING"); do touch "$SCRATCH/signal/end-$n"; done
for n in $(seq "$ENDING"); do
	poll 30 gone "$n" || not_ok "container $n did not end"
	check "the log of container $n is complete while the daemon is dead" grep -q last "$SCRATCH/logs/p$n/p$n.log"
done
check "the others write while the daemon is dead" grows "$PODS"
BACK=$(date +%s%N)
daemon_again

check_is "all pods are listed ready" "$PODS" eval 'crictl pods -q --state ready | grep -c .'
for n in $(seq "$ENDING"); do poll 20 ctr_is "${CTR[n]}" CONTAINER_EXITED; done	# its shim may still be at the record
check_is "containers run or have ended" "$(printf 'CONTAINER_EXITED %d\nCONTAINER_RUNNING %d' $ENDING $((PODS - ENDING)))" states
for n in $(seq "$ENDING"); do
	check_is "container $n: its exit code is exact" $((40 + n)) exit_code "${CTR[n]}"
	check "container $n: it ended before the daemon came back" finished_before "${CTR[n]}" "$BACK"
done
check "exec works in a container from before" crictl exec --sync "${CTR[PODS]}" true
check "logs go on" grows "$PODS"

# Dead twice in a row, the second time while it still recovers.
daemon_kill
kill -HUP "$REAPER_PID"
poll 10 daemon_alive
daemon_kill
daemon_again
check_is "killed twice: all pods are listed ready" "$PODS" eval 'crictl pods -q --state ready | grep -c .'
check_is "killed twice: containers as before" "$(printf 'CONTAINER_EXITED %d\nCONTAINER_RUNNING %d' $ENDING $((PODS - ENDING)))" states

# A graceful end is no different.
daemon_kill TERM
daemon_again
check_is "ended by SIGTERM: all pods are listed ready" "$PODS" eval 'crictl pods -q --state ready | grep -c .'
check "no log has a gap" logs_count
for n in 6 7; do
	touch "$SCRATCH/signal/end-$n"
	poll 30 ctr_is "${CTR[n]}" CONTAINER_EXITED
	check_is "container $n ends under the new daemon: its exit code" $((40 + n)) exit_code "${CTR[n]}"
done
check "everything is removed" everything_remove
check_is "no pod is left" "" crictl pods -q
check_is "no container is left" "" crictl ps -a -q
world_diff "nothing is left behind" "$SCRATCH/world.before"
harness_end
