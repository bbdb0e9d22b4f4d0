#!/bin/bash
# sessions.sh - crictl exec, attach and port-forward over SPDY and WebSocket: each byte arrives,
# exit codes are the command's, a token works once, bad requests get a clear error, sessions end
# with a reason when the daemon stops.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
command -v script >/dev/null || skip_all "script(1) is not installed"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run stream
POD=$OUT
check "a container" ctr_run "$POD" stream.a '.metadata.name = "a" | .log_path = "a.log"'
CTR=$OUT

# The URL of a session that crictl has had to its end.
url_used() {
	crictl -D "$@" </dev/null >"$SCRATCH/debug" 2>&1
	grep -om1 'http://[0-9.:]*/[a-z]*/[0-9a-f]*' "$SCRATCH/debug"
}
http_status() { curl -s -o /dev/null -w '%{http_code}' --max-time 20 "$@"; }
upgrade() {
	http_status -X POST -H 'Connection: Upgrade' -H 'Upgrade: SPDY/3.1' -H "X-Stream-Protocol-Version: $2" "$1"
}

# --- exec --------------------------------------------------------------------------------------------------------------

MIB16=$(head -c 16000000 /dev/zero | tr '\0' z | sha256sum)
exec_both() { crictl exec -r "$T" "$CTR" sh -c 'echo o; echo e >&2'; }
for T in spdy websocket; do
	check_is "$T: stdout of an exec" o exec_both
	check_is "$T: and its stderr" e eval 'exec_both 2>&1 >/dev/null'
	check_fails "$T: an exit code is told" 'exit code 3' crictl exec -r $T "$CTR" sh -c 'exit 3'
	check_fails "$T: a signal is 128 and its number" 'exit code 137' crictl exec -r $T "$CTR" sh -c 'kill -9 $$'
	check_fails "$T: a program that does not exist is named" 'no-such-program' crictl exec -r $T "$CTR" no-such-program
	check_is "$T: stdin goes in, and its end" "$(seq 20000 | sha256sum)" \
		eval 'seq 20000 | crictl exec -r '$T' -i "$CTR" cat | sha256sum'
	check_is "$T: 16 MB come out" "$MIB16" \
		eval 'crictl exec -r '$T' "$CTR" sh -c "head -c 16000000 /dev/zero | tr \"\\0\" z" | sha256sum'
	check_is "$T: 16 MB go in" "$MIB16" \
		eval 'head -c 16000000 /dev/zero | tr "\0" z | crictl exec -r '$T' -i "$CTR" sha256sum'
	check_is "$T: a reader that comes late has it all, and the exit code" "$(printf '4000000\n1')" eval \
		'{ crictl exec -r '$T' "$CTR" sh -c "head -c 4000000 /dev/zero; exit 9"; echo $? >&3; } 3>"$SCRATCH/code" | { sleep 2; wc -c; }; cat "$SCRATCH/code"'
	check_is "$T: a child that keeps the output open does not hold the client" started \
		timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" exec -r $T "$CTR" sh -c 'sleep 4321 & echo started'
	# A terminal of 30 lines and 90 columns, on both sides.
	check_is "$T: an exec has the client's terminal" "30 90" eval \
		'script -qec "stty rows 30 cols 90; $CACHE/bin/crictl -c $SCRATCH/crictl.yaml exec -r '$T' -it $CTR sh -c \"until [ \\\"\\\$(stty size 2>/dev/null)\\\" = \\\"30 90\\\" ]; do :; done; stty size; tty >/dev/null\"" /dev/null </dev/null | grep -ao "30 90"'
done

# --- attach ------------------------------------------------------------------------------------------------------------

READER='.command = ["sh", "-c", "while read l; do echo got $l; done; echo over"] | .stdin = true | .stdin_once = true'
for T in spdy websocket; do
	check "$T: a container that reads" ctr_run "$POD" stream.r$T ".metadata.name = \"r$T\" | .log_path = \"r$T.log\" | $READER"
	R=$OUT
	check_is "$T: an attached client types and reads, and its end is the container's" "$(printf 'got one\ngot two\nover')" \
		eval 'printf "one\ntwo\n" | timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" attach -r '$T' -i "$R"'
	check "$T: which has ended" poll 20 ctr_is "$R" CONTAINER_EXITED
	check "$T: a container that keeps its stdin" ctr_run "$POD" stream.k$T \
		".metadata.name = \"k$T\" | .log_path = \"k$T.log\" | $READER | .stdin_once = false"
	R=$OUT
	check "$T: a client that leaves" \
		eval 'printf "one\n" | timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" attach -r '$T' -i "$R" >/dev/null'
	check "$T: was read" poll 20 grep -q 'got one' "$SCRATCH/logs/stream/k$T.log"
	check "$T: and the container runs on" ctr_is "$R" CONTAINER_RUNNING
done
check_fails "attach to a terminal that the container has not" 'has no terminal' crictl attach -i -t "$CTR"

# --- port-forward ------------------------------------------------------------------------------------------------------

check "a server in the pod" ctr_run "$POD" stream.web '.metadata.name = "web" | .log_path = "web.log"
	| .command = ["sh", "-c", "mkdir /www && echo served >/www/index.html && head -c 9000000 /dev/zero >/www/large && exec httpd -f -p 127.0.0.1:8080 -h /www"]'
check "which listens" poll 20 port_open "$OUT" 8080
LARGE=$(head -c 9000000 /dev/zero | sha256sum)
many() {
	local i bad=0 pids=()
	for i in $(seq 20); do
		{ [ "$(curl -fsS --max-time 60 "http://127.0.0.1:$1/")" = served ] || exit 1; } &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || bad=$((bad + 1)); done
	[ $bad = 0 ]
}
PORT=18080 # in a network namespace of our own
for T in spdy websocket; do
	PORT=$((PORT + 10))
	"$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" port-forward -r $T "$POD" $PORT:8080 >"$SCRATCH/forward" 2>&1 &
	FORWARD=$!
	check "$T: a port is forwarded" poll 20 curl -fsS --max-time 20 "http://127.0.0.1:$PORT/"
	check "$T: 20 connections at a time" many $PORT
	check_is "$T: 9 MB" "$LARGE" eval 'curl -fsS --max-time 60 "http://127.0.0.1:$PORT/large" | sha256sum'
	kill $FORWARD
	wait $FORWARD
	: >"$SCRATCH/refused"
	"$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" port-forward -r $T "$POD" $((PORT + 1)):9 >"$SCRATCH/refused" 2>&1 &
	FORWARD=$!
	poll 20 grep -q Forwarding "$SCRATCH/refused"
	curl -s --max-time 20 "http://127.0.0.1:$((PORT + 1))/" >/dev/null
	check "$T: a port where nobody listens is reported" poll 20 grep -qi 'connection refused' "$SCRATCH/refused"
	kill $FORWARD 2>/dev/null
	wait $FORWARD
done

# --- tokens and requests -----------------------------------------------------------------------------------------------

U=$(url_used exec "$CTR" true)
check "a URL is what it should be" grep -Eq '^http://127\.0\.0\.1:[0-9]+/exec/[0-9a-f]{32}$' <<<"$U"
check_is "a used token" 404 upgrade "$U" v4.channel.k8s.io
check_is "an invented token" 404 upgrade "${U%/*}/00000000000000000000000000000000" v4.channel.k8s.io
check_is "another path" 404 http_status "${U%/exec/*}/"
check_is "another method" 405 http_status -X PUT "$U"
check_is "a request with a body" 400 http_status -X POST -d x "$U"
check_is "a request that is too long" 431 http_status -H "X: $(head -c 40000 /dev/zero | tr '\0' x)" "$U"
check_fails "exec in a container that does not exist" 'NotFound|not found' crictl exec no-such true
crictl stop "$CTR" >/dev/null
check_fails "exec in a container that has ended" 'not running' crictl exec "$CTR" true

# --- restart -----------------------------------------------------------------------------------------------------------

check "a container for the daemon's end" ctr_run "$POD" stream.z '.metadata.name = "z" | .log_path = "z.log"'
CTR=$OUT
exec {TYPED}< <(exec sleep 300)
"$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" exec -i "$CTR" sh -c 'echo up; cat' <&"$TYPED" >"$SCRATCH/up" 2>"$SCRATCH/up.err" &
CLIENT=$!
check "a session runs" poll 20 grep -q up "$SCRATCH/up"
daemon_kill TERM
RC=0
wait $CLIENT || RC=$?
check "it ends with the daemon, and not as a success" [ $RC != 0 ]
check "and the client knows why" grep -q 'shutting down' "$SCRATCH/up.err"
daemon_again
check_is "the next daemon goes on" again crictl exec "$CTR" echo again

check "all is removed" everything_remove
harness_end
