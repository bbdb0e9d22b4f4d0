#!/bin/bash
# crisp.sh - each subcommand of crisp against a daemon: output and exit code.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start

[ -x "$BUILD_DIR/crisp" ] || bail "$BUILD_DIR/crisp is missing: build it first"
crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
crisp_run() { crisp run --log-dir "$SCRATCH/logs" "$@"; }
status_of() { local rc=0; "$@" >/dev/null 2>&1 || rc=$?; echo $rc; }
nothing_left() { [ -z "$(crisp ps -aq)$(crisp pods -q)" ]; }

check_is "version: client and server" 2 eval 'crisp version | grep -Ec "^(client|server): crisp [0-9.]+"'
check_is "version -o json: both, and no more" '{"client":["name","version"],"server":["name","version"],"api":"v1"}' eval \
	'crisp version -o json | jq -c "{client: (.client | keys), server: (.server | keys), api}"'
check_is "version without a daemon is 1" 1 status_of "$BUILD_DIR/crisp" --socket "$SCRATCH/nothing" version
check_is "and names the client's" null eval '"$BUILD_DIR/crisp" --socket "$SCRATCH/nothing" version -o json 2>/dev/null | jq .server'
check "status: the daemon is up" eval 'crisp status | grep -q "is up, on $SOCKET"'
check_is "status: nothing is there" '{"ready":0,"not ready":0} {"created":0,"running":0,"exited":0,"unknown":0} 0 []' eval \
	'crisp status -o json | jq -rc "\"\(.pods) \(.containers) \(.pulls) \(.waits)\""'
check_is "status: conditions" '{"NetworkReady":true,"RuntimeReady":true}' eval 'crisp status -o json | jq -Sc .conditions'
check_fails "status without a daemon says so" 'connect to .*nothing' "$BUILD_DIR/crisp" --socket "$SCRATCH/nothing" status
check_is "also as JSON" false eval '"$BUILD_DIR/crisp" --socket "$SCRATCH/nothing" -o json status 2>/dev/null | jq .up'
check_is "status takes no argument" 2 status_of crisp status all
check "info" crisp info
check_is "info -o json: the runtime is ready" true eval \
	'crisp -o json info | jq ".status.conditions[] | select(.type == \"RuntimeReady\").status"'
check "a socket may be written as a URL" "$BUILD_DIR/crisp" --socket "unix://$SOCKET" version
check_fails "nobody listens: says so" "connect to .*nothing.* No such file" "$BUILD_DIR/crisp" --socket "$SCRATCH/nothing" ps
check_is "a mistake in the usage is 2" 2 status_of crisp ps --no-such-option
check_is "an unknown command is 2" 2 status_of crisp sp
check_fails "an unknown command is answered with the nearest" "did you mean inspect" crisp inspct

# Images
check "pull" crisp pull "$BUSYBOX"
check "images lists it" eval 'crisp images | grep -Eq "busybox +1.29-2 +[0-9a-f]{13} +[0-9.]+[kM]?B"'
check "inspect an image by the beginning of its id" eval \
	'crisp inspect "$(crisp images -q | cut -c 8-20)" | jq -e .image.repoTags'
check_fails "pull of what does not exist fails" "." crisp pull "$REGISTRY/no-such-image:1"

# run
check_is "run: prints the log" "hello there" crisp_run --net host "$BUSYBOX" echo hello there
check_is "run: stderr goes to stderr" "" eval 'crisp_run --net host "$BUSYBOX" sh -c "echo oops >&2" 2>/dev/null'
check_is "run: returns the exit code" 7 status_of crisp_run --net host "$BUSYBOX" sh -c "exit 7"
check_is "run: environment" "a b" crisp_run --net host -e "X=a b" "$BUSYBOX" sh -c 'echo "$X"'
mkdir "$SCRATCH/data" && echo content >"$SCRATCH/data/file"
check_is "run: mounts" content crisp_run --net host -v "$SCRATCH/data:/data:ro" "$BUSYBOX" cat /data/file
check_fails "run: a read-only mount" "Read-only" crisp_run --net host -v "$SCRATCH/data:/data:ro" "$BUSYBOX" touch /data/new
check "run: with a CNI network" eval 'crisp_run "$BUSYBOX" ip addr show eth0 | grep -q "inet 10.88."'
check_fails "run: a program that does not exist" "no-such-program" crisp_run --net host "$BUSYBOX" no-such-program
check "run: leaves nothing behind" nothing_left
check_is "run: nor log directories" "" find "$SCRATCH/logs" -mindepth 1

interrupt_run() {
	local pid rc=0
	"$BUILD_DIR/crisp" --socket "$SOCKET" run --log-dir "$SCRATCH/logs" --name interrupted --net host "$BUSYBOX" sh -c \
		'trap "exit 5" TERM; echo ready; while :; do sleep 1 & wait $!; done' >"$SCRATCH/interrupted" &
	pid=$!
	poll 20 grep -q ready "$SCRATCH/interrupted" || return 1
	kill -TERM $pid
	wait $pid || rc=$?
	echo $rc
}
check_is "run: a signal stops the container, whose exit code is returned" 5 interrupt_run
check "run: and then nothing is left behind" nothing_left

# A container that stays
check "run -d" crisp_run -d --name web --net host "$BUSYBOX" sh -c \
	'echo one; echo two; echo three >&2; trap "exit 0" TERM; while :; do sleep 1 & wait $!; done' || exit 1
ctr=$OUT
check "ps: lists it with its pod" eval 'crisp ps | grep -Eq "^${ctr:0:13} .* Running +web +0 +[0-9a-f]{13} +web"'
check "pods: lists the pod" eval 'crisp pods | grep -Eq "^[0-9a-f]{13} .* Ready +web +crisp "'
check_is "ps -q" "$ctr" crisp ps -q
check_is "ps -p" "$ctr" crisp ps -q -p "$(crisp pods -q)"
check_is "ps -o json" web eval 'crisp ps -o json | jq -r ".containers[0].metadata.name"'
check_is "inspect by the beginning of the id" CONTAINER_RUNNING eval 'crisp inspect "${ctr:0:6}" | jq -r .status.state'
check_is "inspect by the name of a pod and its container: the container" "$ctr" eval "crisp inspect web | jq -r .status.id"
check_fails "inspect of what is not there" "nothing here is called" crisp inspect no-such-thing
check_is "exec" "hi" crisp exec web echo hi
check_is "exec returns the exit code" 3 status_of crisp exec web sh -c "exit 3"
check_is "exec: options after the command are the command's" "-t" crisp exec web echo -t
poll 20 eval 'crisp logs web 2>&1 | grep -q three'
check_is "logs" "$(printf 'one\ntwo')" eval 'crisp logs web 2>/dev/null'
check_is "logs -n" "two" eval 'crisp logs -n 2 web 2>/dev/null'
check "logs -t" eval 'crisp logs -t -n 3 web | grep -Eq "^20[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+) one$"'
if [ "$PEER" = crispd ]; then
	check "explain by id" eval 'crisp explain "$ctr" | grep -q RUNNING'
	check "explain: its history" eval 'crisp explain "$ctr" | grep -Eq -- "-.*-> RUNNING"'
	check "explain of a pod: the line to its shim" eval 'crisp explain "$(crisp pods -q)" | grep -A 1 "^shim " | grep -q "UP (rest)"'
	check_is "explain: nothing waits" "everything is at rest" crisp explain
	check_fails "explain of what is not there" "nothing here has an id" crisp explain 0000000000000
	layout=("$CACHE"/images-????????????????)
	check_fails "load of what is no layout" "." crisp load "$SCRATCH/data"
	check "load, of several images one" crisp load "${layout[0]}" e2e-test-images/busybox:1.29-2
	check_fails "load, of several images none is named" "say which one" crisp load "${layout[0]}"
fi
check_fails "rm of a running container is refused" "stop it first, or use -f" crisp rm "${ctr:0:13}"
crisp logs -f web >"$SCRATCH/followed" 2>&1 &
follower=$!
check_is "stop" "$ctr" crisp stop "${ctr:0:13}"
wait $follower
check_is "logs -f: ends with the container" "one three two" eval 'sort "$SCRATCH/followed" | xargs'
check "ps -a: it has exited" eval 'crisp ps -a | grep -Eq "^${ctr:0:13} .* Exited +web"'
check_is "ps without -a does not list it" "" crisp ps -q
check_is "rm" "$ctr" crisp rm "${ctr:0:13}"
check_fails "rm of a ready pod is refused" "is ready: stop it first" crisp rm web
check "rm -f of the pod" crisp rm -f web
check "nothing is left" nothing_left
check "rmi" crisp rmi "$BUSYBOX"
check_fails "rmi of what is not there" "nothing here is called" crisp rmi no-such-image
harness_end
