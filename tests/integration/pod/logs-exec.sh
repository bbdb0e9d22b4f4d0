#!/bin/bash
# logs-exec.sh - each byte of a container is in its CRI log once and in order, for lines of any
# length and bytes that are no text. Forty execs at a time return their own output and exit code;
# output above 16 MiB is cut.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run logs
POD=$OUT
CREATED=0

# check_written WHAT PROGRAM: runs it in a container to its end; the container is $CTR, its log $LOG
check_written() {
	CREATED=$((CREATED + 1))
	LOG=$SCRATCH/logs/logs/$CREATED.log
	check "$1" run_to_end "$2"
	CTR=$OUT
}
run_to_end() {
	local id
	id=$(ctr_run "$POD" "logs.$CREATED" "$(jq -n -r --arg p "$1" --arg n "$CREATED" \
		'".metadata.name = \"c\($n)\" | .log_path = \"\($n).log\" | .command = [\"sh\", \"-c\", \($p | tojson)]"')") || return
	poll 60 ctr_is "$id" CONTAINER_EXITED && echo "$id"
}
# The text again, as a reader of the format puts it together: what has the tag P goes on in the next
# record.
log_whole() {
	awk -v stream="$2" '{ s = $2; t = $3; text = substr($0, length($1) + length($2) + length($3) + 4) }
		s == stream { printf "%s%s", text, (t == "P" ? "" : "\n") }' "$1"
}
log_sum() { LC_ALL=C log_whole "$LOG" "$1" | sha256sum; }
# check_log WHAT STREAM SUM: what is in the pipe when the container ends may be written after its
# end is known, but it is.
check_log() {
	poll 20 eval '[ "$(log_sum '"$2"')" = "'"$3"'" ]'
	check_is "$1" "$3" log_sum "$2"
}
format_is_right() { ! grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]+(Z|[+-][0-9:]{5}) (stdout|stderr) [FP]( |$)' "$1"; }
# Of one stream: two pipes are read one after the other. Digits that a fraction lacks are zeros.
times_ascend() { awk -v s="$2" '$2 == s { t = $1; sub(/Z$/, "", t); while (length(t) < 29) t = t "0"; print t }' "$1" | LC_ALL=C sort -c; }

check_written "200,000 lines" 'seq 200000'
check_log "each is there once, in order" stdout "$(seq 200000 | sha256sum)"
check "each record has the CRI format" format_is_right "$LOG"
check_written "two streams" 'for i in $(seq 500); do echo out $i; echo err $i >&2; done'
check_log "stdout is whole" stdout "$(seq -f 'out %.0f' 500 | sha256sum)"
check_log "stderr is whole" stderr "$(seq -f 'err %.0f' 500 | sha256sum)"
check "the times ascend" times_ascend "$LOG" stdout
check_written "a line of 100,000 bytes" 'head -c 100000 /dev/zero | tr "\0" x; echo; echo short'
check_log "it is whole" stdout "$({ head -c 100000 /dev/zero | tr '\0' x; echo; echo short; } | sha256sum)"
check "it is in parts that a reader has room for" awk 'length($0) > 33000 { exit 1 }' "$LOG"
check_written "bytes that are no text" "printf 'a\\377\\376b\\001\\ttab\\n\\nend\\n'"
check_log "are unchanged" stdout "$(printf 'a\377\376b\001\ttab\n\nend\n' | sha256sum)"
check_written "a last line without an end" 'printf unfinished'
check "is not lost" poll 20 grep -q unfinished "$LOG"
check_written "a container that closes its output and goes on" 'exec >&- 2>&-; sleep 1; exit 5'
check_is "ends with its own code" 5 eval 'crictl inspect "$CTR" | jq .status.exitCode'
check_written "a container that dies by a signal" 'kill -9 $$'
check_is "has 128 + signal" 137 eval 'crictl inspect "$CTR" | jq .status.exitCode'

check "a container to exec in" ctr_run "$POD" logs.target '.metadata.name = "target" | .log_path = "target.log"'
CTR=$OUT
check_is "stdout and stderr of an exec are apart" "$(printf 'o')" eval 'crictl exec --sync '"$CTR"' sh -c "printf o; printf e >&2" 2>/dev/null | tr -d e'
many() {
	local i bad=0 pids=()
	for i in $(seq 40); do
		{ [ "$(crictl exec --sync "$CTR" sh -c "sleep 0.$((i % 10)); echo $i")" = "$i" ] || exit 1; } &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || bad=$((bad + 1)); done
	[ $bad = 0 ] || { echo "$bad of 40 returned something else" >&2; return 1; }
}
check "40 execs at a time return each its own output" many
check_is "a megabyte comes back whole" "$(head -c 1000000 /dev/zero | tr '\0' y | sha256sum)" \
	eval 'crictl exec --sync '"$CTR"' sh -c "head -c 1000000 /dev/zero | tr \"\\0\" y" | head -c 1000000 | sha256sum'
# More than the limit is cut or refused; the daemon does not keep it, and goes on.
crictl exec --sync "$CTR" sh -c 'head -c 60000000 /dev/zero' >"$SCRATCH/large" 2>/dev/null
check "more than 16 MiB does not come back" [ "$(stat -c %s "$SCRATCH/large")" -le $((16 << 20)) ]
check "the daemon answers" crictl version
check_fails "an exec that outlives its timeout" 'time|deadline' crictl exec --sync --timeout 1 "$CTR" sh -c 'trap "" TERM; exec sleep 4321'
check_is "leaves no process" "" eval 'crictl exec --sync '"$CTR"' sh -c "pgrep -f ^sleep.4321 || :"'
check_is "an exec whose child keeps its output open comes back" begun crictl exec --sync "$CTR" sh -c 'sleep 5 >/dev/null 2>&1 & echo begun'
check "everything is removed" everything_remove
harness_end
