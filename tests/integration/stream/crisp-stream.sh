#!/bin/bash
# crisp-stream.sh - `crisp exec -it`, `attach`, `port-forward` and `logs -f` over the operator's
# socket, with and without a terminal.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start

crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
CRISP="$BUILD_DIR/crisp --socket $SOCKET"
status_of() { local rc=0; "$@" >/dev/null 2>&1 || rc=$?; echo $rc; }

check "an image" crisp pull "$BUSYBOX" || exit 1
check "a container in a pod with a network" crisp run --log-dir "$SCRATCH/logs" -d --name web "$BUSYBOX" sh -c \
	'trap "exit 0" TERM; httpd -p 80 -h /etc; nc -lk -p 7 -e cat & while :; do sleep 1 & wait $!; done' || exit 1

# --- exec --------------------------------------------------------------------------------------------------------------

check_is "exec: both streams" "$(printf 'out\nerr')" eval 'crisp exec web sh -c "echo out; sleep 0.2; echo err >&2" 2>&1'
check_is "exec: stderr goes to stderr" out eval 'crisp exec web sh -c "echo out; echo err >&2" 2>/dev/null'
check_is "exec: a signal is 128 and its number" 137 status_of crisp exec web sh -c 'kill -9 $$'
check_fails "exec: a program that does not exist is named" no-such-program crisp exec web no-such-program
check_is "exec -i: stdin goes in, and its end" "$(seq 200000 | sha256sum)" eval 'seq 200000 | crisp exec -i web cat | sha256sum'
seq 200000 >"$SCRATCH/numbers"
check_is "exec -i: a file, too" "$(seq 200000 | sha256sum)" eval 'crisp exec -i web cat <"$SCRATCH/numbers" | sha256sum'
first_line() {
	local pid rc=0
	"$BUILD_DIR/crisp" --socket "$SOCKET" exec web sh -c "echo first; exec sleep 3600" >"$SCRATCH/first" &
	pid=$!
	poll 20 grep -q first "$SCRATCH/first" || rc=1
	kill $pid
	return $rc
}
check "exec: output comes as it is written, not at the end" first_line
check_is "exec: 64 MB to a slow reader" "64000000" eval \
	'crisp exec web sh -c "head -c 64000000 /dev/zero" | { sleep 1; wc -c; }'
check_is "exec --timeout: in time" done crisp exec --timeout 30 web echo done
check_fails "exec --timeout: too late" "DEADLINE_EXCEEDED" crisp exec --timeout 1 web sleep 3600
check_is "exec --timeout -i is a mistake" 2 status_of crisp exec --timeout 1 -i web cat
check_is "exec -t: a terminal of the client's size" "30 90" eval \
	'script -qec "stty rows 30 cols 90; '"$CRISP"' exec -it web sh -c \"until [ \\\"\\\$(stty size 2>/dev/null)\\\" = \\\"30 90\\\" ]; do :; done; stty size\"" /dev/null </dev/null | grep -ao "30 90"'
check_is "exec -t: returns the exit code" 5 eval \
	'script -qec "'"$CRISP"' exec -t web sh -c \"exit 5\"" /dev/null </dev/null >/dev/null; echo $?'

# --- attach ------------------------------------------------------------------------------------------------------------

crictl_pod() { jq -n --arg log "$SCRATCH/logs/reader" '{metadata: {name: "reader", namespace: "t", uid: "reader", attempt: 1},
	log_directory: $log, linux: {security_context: {namespace_options: {network: 2}}}}'; }
reader_config() { jq -n --arg image "$BUSYBOX" '{metadata: {name: "reader"}, image: {image: $image}, log_path: "0.log",
	command: ["sh", "-c", "while read l; do echo got $l; done; echo over; exit 4"], stdin: true, stdin_once: true}'; }
reader_start() {
	crictl_pod >"$SCRATCH/pod.json"
	reader_config >"$SCRATCH/reader.json"
	mkdir -p "$SCRATCH/logs/reader"
	crictl run "$SCRATCH/reader.json" "$SCRATCH/pod.json"
}
check "a container that reads" reader_start
check_is "attach -i: what is typed is read, its end is the container's, whose exit code is returned" "$(printf 'got one\ngot two\nover\n4')" \
	eval 'printf "one\ntwo\n" | timeout 60 '"$CRISP"' attach -i "$(crisp ps -q -p reader)"; echo $?'
reader_is_gone() { [ "$(crisp inspect "$(crisp ps -aq -p reader)" | jq -r .status.exitCode)" = 4 ]; }
check "attach: the container has ended" poll 20 reader_is_gone
check_fails "attach to what has ended" "run" crisp attach "$(crisp ps -aq -p reader)"
check "the pod is removed" crisp rm -f reader

# A shell with a terminal: Ctrl-P Ctrl-Q leaves it running.
tty_start() {
	crictl_pod | jq '.metadata.uid = "tty" | .metadata.name = "tty"' >"$SCRATCH/pod.json"
	reader_config | jq '.metadata.name = "tty" | .command = ["sh"] | .tty = true | .stdin_once = false' >"$SCRATCH/tty.json"
	crictl run "$SCRATCH/tty.json" "$SCRATCH/pod.json"
}
typed() { script -qec "$CRISP attach -it $(crisp ps -q -p tty); echo left with \$?" /dev/null; }
check "a container with a terminal" tty_start
check "attach -it: a line typed is run, Ctrl-P Ctrl-Q leaves" eval \
	'{ echo "echo \$((40+2)) typed"; sleep 2; printf "\020\021"; sleep 1; } | timeout 60 bash -c "$(declare -f typed crisp); CRISP=\"$CRISP\" BUILD_DIR=$BUILD_DIR SOCKET=$SOCKET; typed" >"$SCRATCH/typed"; grep -aq "42 typed" "$SCRATCH/typed" && grep -aq "left with 0" "$SCRATCH/typed"'
check_is "attach -it: the container runs on" Running eval 'crisp ps | grep -o "Running *tty" | cut -d" " -f1'
check "the pod is removed" crisp rm -f tty

# --- port-forward ------------------------------------------------------------------------------------------------------

"$BUILD_DIR/crisp" --socket "$SOCKET" port-forward web :80 :7 :9 >"$SCRATCH/ports" 2>"$SCRATCH/ports.err" &
FORWARD=$!
serves() { port_open "$(crictl ps -q --name web)" 80 && port_open "$(crictl ps -q --name web)" 7; }
check "port-forward: the container serves" poll 20 serves
port_of() { sed -n "s/^Forwarding from 127.0.0.1:\([0-9]*\) -> $1\$/\1/p" "$SCRATCH/ports"; }
three_ports() { [ -n "$(port_of 9)" ]; }
check "port-forward: says its ports" poll 20 three_ports
check "port-forward: a page" eval 'curl -fsS "http://127.0.0.1:$(port_of 80)/passwd" | grep -q root'
check_is "port-forward: 8 MB there and back, the client's end is passed on" "$(head -c 8000000 /dev/zero | sha256sum)" eval \
	'head -c 8000000 /dev/zero | timeout 60 socat -t60 - "TCP:127.0.0.1:$(port_of 7)" | sha256sum'
check_is "port-forward: a client that reads late gets all of it" 8000000 eval \
	'head -c 8000000 /dev/zero | timeout 60 socat -t60 - "TCP:127.0.0.1:$(port_of 7)" | { sleep 2; wc -c; }'
many() {
	local i pids=()
	for i in $(seq 40); do curl -fsS "http://127.0.0.1:$(port_of 80)/passwd" -o "$SCRATCH/page$i" & pids+=($!); done
	for i in "${pids[@]}"; do wait "$i" || return 1; done
}
check "port-forward: 40 connections at a time" many
check_fails "port-forward: a port where nobody listens" "." curl -fsS "http://127.0.0.1:$(port_of 9)/"
refusal_told() { grep -q "port 9: .*refused" "$SCRATCH/ports.err"; }
check "port-forward: and it is said" poll 20 refusal_told
check "port-forward: the session goes on" eval 'curl -fsS "http://127.0.0.1:$(port_of 80)/passwd" | grep -q root'
kill -TERM $FORWARD
FORWARD_RC=0
wait $FORWARD || FORWARD_RC=$?
check_is "port-forward: ends when it is told to" 0 echo $FORWARD_RC
check_fails "port-forward: what is no port" "not .*REMOTE" crisp port-forward web 80x

# --- logs -f -----------------------------------------------------------------------------------------------------------

check "a container that writes" crisp run --log-dir "$SCRATCH/logs" -d --name writer --net host "$BUSYBOX" sh -c \
	'for i in $(seq 40); do echo line $i; usleep 25000; done' || exit 1
check_is "logs -f: all that is written until the end" "$(seq -f 'line %g' 40)" crisp logs -f writer

check "everything is removed" crisp rm -f $(crisp pods -q)
check_is "nothing is left" "" crisp pods -q
harness_end
