#!/bin/bash
# cli.sh - the crisp command without a registry: load an image from a directory, run, exec, logs,
# inspect, explain, stop and remove, with the program's exit code.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ "$PEER" = crispd ] || skip_all "crisp speaks to crispd"
[ -x "$BUILD_DIR/crisp" ] || bail "$BUILD_DIR/crisp does not exist: build it first"
LAYOUT=$("$TOP/tests/conformance/images.sh" build) || bail "the test images do not build"
skopeo --insecure-policy copy -q "oci:$LAYOUT:e2e-test-images/busybox:1.29-2" "oci:$SCRATCH/layout:1" ||
	bail "the layout cannot be copied"
daemon_start

IMAGE=localhost/from/layout:1
crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
run() { crisp run --log-dir "$SCRATCH/logs" "$@"; }
ended_with() {
	local rc=0
	"$@" >/dev/null 2>&1 || rc=$?
	echo $rc
}

check "version" crisp version
check_is "version as JSON" "crisp crisp v1" eval 'crisp -o json version | jq -r "\"\(.client.name) \(.server.name) \(.api)\""'
check "info" crisp info
# Before the good one: a layer that is here already is not read again.
cp -r "$SCRATCH/layout" "$SCRATCH/broken"
find "$SCRATCH/broken/blobs" -type f -size +100k -exec sh -c 'printf X | dd of="$1" bs=1 seek=99 conv=notrunc status=none' sh {} \;
check_fails "load of a layout with a damaged layer" 'digest|sha256|mismatch' crisp load "$SCRATCH/broken" localhost/broken:1
check_fails "it is not there" 'nothing here is called' crisp inspect localhost/broken:1
check "load" crisp load "$SCRATCH/layout" "$IMAGE"
check "load again" crisp load "$SCRATCH/layout" "$IMAGE"
check "images lists it" eval 'crisp images | grep -q from/layout'
check "crictl sees it too" crictl inspecti "$IMAGE"
check_fails "load of what is no layout" 'oci-layout|index.json|layout' crisp load "$SCRATCH/logs"

check_is "run" "hello from inside" run "$IMAGE" echo hello from inside
check_is "run --net host" lo run --net host "$IMAGE" sh -c 'ls /sys/class/net | grep -x lo'
check_is "run with an environment" value run -e NAME=value "$IMAGE" sh -c 'echo $NAME'
mkdir -p "$SCRATCH/volume"
echo shared >"$SCRATCH/volume/file"
check_is "run with a volume" shared run -v "$SCRATCH/volume:/volume:ro" "$IMAGE" cat /volume/file
check_is "run returns the program's exit code" 42 ended_with run "$IMAGE" sh -c 'exit 42'
check_is "run leaves no container" "" crisp ps -a -q
check_is "run leaves no pod" "" crisp pods -q
check "run --detach" run -d -n lasting "$IMAGE" sh -c 'echo begun; exec sleep 3600'
CTR=$OUT
check_is "ps lists it" 1 eval 'crisp ps -q | grep -c .'
check_is "pods lists its pod" 1 eval 'crisp pods -q | grep -c .'
check "inspect" eval 'crisp inspect "$CTR" | jq -e .'
check_is "exec" inside crisp exec "$CTR" echo inside
check_is "exec returns the program's exit code" 6 ended_with crisp exec "$CTR" sh -c 'exit 6'
poll 10 eval 'crisp logs "$CTR" | grep -q begun'
check_is "logs" begun crisp logs "$CTR"
check "explain shows the state" eval 'crisp explain "$CTR" | grep -i running'
check "explain takes the beginning of an id" eval 'crisp explain "${CTR:0:10}" | grep -i running'
check "explain without an id" crisp explain
check_fails "explain of an unknown id" 'not ?found|no such|nothing' crisp explain 0123456789abcdef
check "stop" crisp stop -t 1 "$CTR"
check "explain shows how it got there" eval 'crisp explain "$CTR" | grep -e "->"'
check "rm of the pod" eval 'crisp rm -f $(crisp pods -q)'
check_is "ps: nothing is left" "" crisp ps -a -q
check "rmi" crisp rmi "$IMAGE"
check_is "images: nothing is left" "" crisp images -q
check_is "an unknown command is a usage error" 2 ended_with crisp no-such-command
check_is "no daemon is a failure" 1 ended_with "$BUILD_DIR/crisp" --socket "$SCRATCH/none.sock" version
harness_end
