#!/bin/bash
# numbers.sh - containers write numbers while daemon, shim or both are killed again and again: each
# number is in the log exactly once and in order.
#
#   NUMBERS_SECONDS   how long each of the three goes on (default 15)
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
SECONDS_EACH=${NUMBERS_SECONDS:-15}
mkdir "$SCRATCH/signal"

shim_pid() { cut -d " " -f 1 "$RUNROOT/pods/$POD/shim.pid" 2>/dev/null; }
shim_kill() { OLD=$(shim_pid); kill -KILL "$OLD"; }
# Many in a row that die at once are given up: the next one works for a second before it dies, too.
shim_is_new() { [ -n "$(shim_pid)" ] && [ "$(shim_pid)" != "$OLD" ]; }
shim_works() { poll 60 shim_is_new && sleep 1; }
count() { grep -c "msg=\"move\" sbx=${POD:0:13} $1" "$SCRATCH/daemon.log"; }

# A piece of a line, a pause now and then, the rest of it: what a reader has in hand is never whole lines.
PROGRAM='i=0; while [ ! -e /signal/end ]; do echo -n "num"; [ $((i % 100)) != 0 ] || usleep 2000; echo "ber $i"; echo "number $i" >&2; i=$((i+1)); done; echo last $i; echo last $i >&2'
# whole STREAM: records are joined to lines first
whole() {
	awk -v stream="$1" '$2 == stream { line = line substr($0, index($0, $4)); if ($3 == "F") { print line; line = "" } }' "$SCRATCH/logs/numbers/numbers.log" |
		awk '$1 == "number" { if ($2 > n) { lost += $2 - n } else if ($2 < n) { twice++ } n = $2 + 1; next } $1 == "last" { last = $2 == n; next } { odd++ }
			END { printf "%d lost, %d twice, %d torn%s\n", lost, twice, odd, last ? "" : ", no end" }'
}
numbers() { grep -c 'number' "$SCRATCH/logs/numbers/numbers.log"; }

# storm WHAT COMMAND...: do it for SECONDS_EACH, once a second
storm() {
	local what=$1 until=$(($(date +%s) + SECONDS_EACH)) n=0
	shift
	while [ "$(date +%s)" -lt "$until" ]; do
		"$@"
		n=$((n + 1))
		sleep 1
	done
	check "$what: the pod is ready" poll 60 eval 'crictl inspectp "$POD" | jq -e ".status.state == \"SANDBOX_READY\""'
	check "$what: the container runs" ctr_is "$CTR" CONTAINER_RUNNING
	echo "# $what: $n times, $(numbers) numbers so far, $(count from=REPLACING_SHIM.event=is_set_up) shims replaced"
}

check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run numbers
POD=$OUT
check "a container" ctr_run "$POD" numbers ".mounts = [{container_path: \"/signal\", host_path: \"$SCRATCH/signal\"}] | .command = $(jq -n --arg p "$PROGRAM" '["sh", "-c", $p]')"
CTR=$OUT
daemon_dies() { daemon_kill; daemon_again; }
shim_dies() { shim_kill; shim_works; }
both_die() { daemon_kill; shim_kill; daemon_again; shim_works; }
storm "the daemon" daemon_dies
storm "the shim" shim_dies
storm "both" both_die
touch "$SCRATCH/signal/end"
check "the container ends" poll 60 ctr_is "$CTR" CONTAINER_EXITED
check_is "with its exit code" 0 eval 'crictl inspect "$CTR" | jq .status.exitCode'
for stream in stdout stderr; do
	check_is "$stream: every number is there once" "0 lost, 0 twice, 0 torn" whole $stream
done
check "everything is removed" everything_remove
harness_end
