#!/bin/bash
# pod-checkpoint.sh - CheckpointPod with real runc and CRIU: two containers with a TCP connection stand still at one
# moment, are written, and go on. Bad requests, failing and hanging CRIU, ends and killed daemons meanwhile: a clear
# error, no frozen pod, an empty directory.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../criulib.sh"
registry_start

mkdir "$SCRATCH/out"
criu_moody 2
preload_build
export CRISP_TEST_WRAP="env LD_PRELOAD=$SCRATCH/preload.so DIE_AT=$SCRATCH/die"
daemon_start

# The server answers each line with its number; the client writes and prints them.
SERVER='.command = ["sh", "-c", "mkfifo /f; while :; do i=0; nc -l -p 7000 </f | while read -r x; do i=$((i + 1)); echo $i $x; done >/f; done"]'
CLIENT='.command = ["sh", "-c", "sleep 1; mkfifo /f; nc 127.0.0.1 7000 </f | while read -r n x; do echo $n $x; echo $n >/number; done & i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05 & wait $!; done >/f"]'
CTR_PID='.linux.security_context.namespace_options.pid = 1'
number() { log_text p p.client | tail -n 1 | cut -d' ' -f1; }
# goes_on: the client gets a higher answer than the last one
goes_on() { local n; n=$(number); poll 20 eval "[ \"\$(number)\" -gt ${n:-0} ]"; }
ck() { rm -f "$SCRATCH/mood/count"; "$BUILD_DIR/crisp" --socket "$SOCKET" checkpoint "$@"; }
none_left() { [ -z "$(find "$SCRATCH/out" -mindepth 1)" ]; }

# with_slow ARGUMENTS...: a checkpoint in the background, whose CRIU waits for its second container
with_slow() {
	rm -f "$SCRATCH/mood/begun"
	touch "$SCRATCH/mood/slow"
	ck "$@" >"$SCRATCH/slow.out" 2>&1 &
	CALLER=$!
	poll 30 test -e "$SCRATCH/mood/begun"
}
frozen() {
	local id
	for id in "$SERVER_ID" "$CLIENT_ID"; do
		grep -qs FROZEN "$(crictl inspect "$id" | jq -r .info.pid | xargs -I{} awk -F: '$2 == "freezer" { print "/sys/fs/cgroup/freezer" $3 "/freezer.state" }' /proc/{}/cgroup)" || return
	done
}
state_of() { crictl inspectp "$POD" | jq -r .status.state; }

check "pull" crictl pull "$BUSYBOX"
check "a pod before" pod_run first "$CTR_PID"
check "with a container" ctr_run "$OUT" first
check "go" everything_remove
world_snapshot >"$SCRATCH/world.before"
mkdir -p "$SCRATCH/kubelet/volumes/kubernetes.io~empty-dir/mem"
mount -t tmpfs -o size=1m tmpfs "$SCRATCH/kubelet/volumes/kubernetes.io~empty-dir/mem"
MEM=".mounts += [{host_path: \"$SCRATCH/kubelet/volumes/kubernetes.io~empty-dir/mem\", container_path: \"/mem\"}]"
check "a pod" pod_run p "$CTR_PID"
POD=$OUT
check "a server" ctr_run "$POD" p.server "$SERVER | $MEM"
SERVER_ID=$OUT
check "a client" ctr_run "$POD" p.client "$CLIENT | $MEM"
CLIENT_ID=$OUT
check "one beside" ctr_run "$POD" p.beside '.command = ["sh", "-c", "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05 & wait $!; done"]'
BESIDE_ID=$OUT
check "server and client talk" poll 20 eval '[ "$(number)" -gt 2 ]'
check "they have files in memory" crictl exec "$CLIENT_ID" sh -c 'echo in-shm >/dev/shm/x; echo in-mem >/mem/x'

# --- the files
check "a checkpoint" ck "$POD" "$SCRATCH/out" "$SERVER_ID" "$CLIENT_ID"
check "the connection goes on" goes_on
check "its first answer is still the first" test "$(log_text p p.client | head -n 1)" = "1 1"
DIR=$SCRATCH/out/pod
check_is "all is in one directory" "$DIR" find "$SCRATCH/out" -mindepth 1 -maxdepth 1
check_is "of the owner alone" "700 600 600" eval 'stat -c %a "$DIR" "$DIR/pod.json" "$DIR/pod.json.sum" | xargs'
check_is "pod.json" '[1,"p","crisp-test",["p.client","p.server"],2]' \
	jq -c '[.version, .pod.name, .pod.namespace, ([.containers[].name] | sort), (.volumes | length)]' "$DIR/pod.json"
check_is "it names every other file with its size" "" eval 'diff <(jq -r ".files | to_entries[] | \"\(.key) \(.value.size)\"" "$DIR/pod.json" | sort) \
	<(cd "$DIR" && find . -type f ! -name "pod.json*" -printf "%P %s\n" | sort)'
check_is "the members of a container's archive" "bind.mounts checkpoint config.dump dump.log io.kubernetes.cri-o.LogPath rootfs-diff.tar spec.dump stats-dump stdio.dump" \
	eval 'ls "$DIR/containers/p.client" | xargs'
check "with the connection" test -n "$(ls "$DIR"/containers/p.client/checkpoint/tcp-stream-*)"
check_is "files in /dev/shm" in-shm tar -xOf "$DIR/volumes/0.tar" ./x
check_is "a volume in memory" in-mem tar -xOf "$DIR/volumes/1.tar" ./x
check_is "it is of both" '["p.client /mem","p.server /mem"]' jq -c '[.volumes[1].mounts[] | .container + " " + .path] | sort' "$DIR/pod.json"
check_fails "not into a directory with files" "in the way.*INVALID" ck "$POD" "$SCRATCH/out" "$SERVER_ID"
touch "$SCRATCH/out/.partial"
rm -r "$DIR"
check_fails "nor with a hidden one" "/out/.partial is in the way.*INVALID" ck "$POD" "$SCRATCH/out" "$SERVER_ID"
check_is "which stays" ".partial" ls -A "$SCRATCH/out"
rm "$SCRATCH/out/.partial"
check "one of the containers alone" ck "$POD" "$SCRATCH/out" "$BESIDE_ID"
check_is "has no other" p.beside ls "$DIR/containers"
rm -r "$DIR"
check "with other options" ck -O tcp-established=true -O file-locks=false -O ext-unix-sk=true "$POD" "$SCRATCH/out" "$CLIENT_ID"
rm -r "$DIR"
check_fails "a connection without its option" "CRIU cannot write its processes.*PRECONDITION" ck -O tcp-established=false "$POD" "$SCRATCH/out" "$CLIENT_ID"

# --- requests
bad() { check_fails "$1" "$2" ck "${@:3}"; check "$1: nothing is left" none_left; }
bad "no container" "nothing here is called" "$POD" "$SCRATCH/out" "${SERVER_ID//[0-9]/e}"
bad "a container twice" "container_ids: .* twice.*INVALID" "$POD" "$SCRATCH/out" "$SERVER_ID" "$SERVER_ID"
bad "an unknown option" "options: there is no option .x..*INVALID" -O x=true "$POD" "$SCRATCH/out"
bad "an option's bad value" "options: file-locks is .maybe..*INVALID" -O file-locks=maybe "$POD" "$SCRATCH/out"
bad "no directory" "output_path: .*No such file.*INVALID" "$POD" "$SCRATCH/out/none"
bad "no clean path" "output_path.*clean.*INVALID" "$POD" "$SCRATCH/out/../out"
bad "a file" "no directory.*INVALID" "$POD" "$SCRATCH/daemon.log"
bad "a directory of crispd's" "belongs to crispd.*INVALID" "$POD" "$ROOT"
mkdir -m 777 "$SCRATCH/open"
bad "one that all may write" "output_path.*$SCRATCH/open.*DENIED" "$POD" "$SCRATCH/open"
mkdir "$SCRATCH/small"
mount -t tmpfs -o size=300k tmpfs "$SCRATCH/small"
check_fails "a full disk" "EXHAUSTED" ck "$POD" "$SCRATCH/small"
check_is "which is empty again" "" ls -A "$SCRATCH/small"
umount "$SCRATCH/small"
check "another pod" pod_run other "$HOST_NET"
check "with a container" ctr_run "$OUT" other
OTHER=$OUT
bad "a container of another pod" "belongs to another sandbox.*INVALID" "$POD" "$SCRATCH/out" "$OTHER"
check "one that has not started" crictl create "$POD" "$(ctr_config p.new "$BUSYBOX" .)" "$SCRATCH/pod-p.json"
bad "and cannot be written" "CREATED; only running.*PRECONDITION" "$POD" "$SCRATCH/out" "$OUT"
check "the connection goes on" goes_on

# --- failures in between
touch "$SCRATCH/mood/fails"
bad "CRIU fails with the second" "runc checkpoint: exit status 1" "$POD" "$SCRATCH/out"
rm "$SCRATCH/mood/fails"
check "the connection goes on" goes_on

with_slow "$POD" "$SCRATCH/out" "$SERVER_ID" "$CLIENT_ID"
check "both stand still while the second is written" frozen
check_is "the pod is ready to clients" SANDBOX_READY state_of
check_is "its containers run to clients" CONTAINER_RUNNING ctr_state "$SERVER_ID"
check_fails "they take no commands" "FailedPrecondition" crictl exec "$CLIENT_ID" true
check "others do" crictl exec "$BESIDE_ID" true
check "explain says what goes on" eval '"$BUILD_DIR/crisp" --socket "$SOCKET" explain | grep -q DUMPING'
daemon_kill
wait "$CALLER"
check "the daemon is killed meanwhile, and CRIU hangs" daemon_again
rm "$SCRATCH/mood/slow"
check "the connection goes on" poll 40 goes_on
check "nothing is left" poll 20 none_left

echo "$DIR" >"$SCRATCH/die"
ck "$POD" "$SCRATCH/out" "$SERVER_ID" "$CLIENT_ID" >"$SCRATCH/slow.out" 2>&1 &
CALLER=$!
poll 60 eval '! daemon_alive'
check "the daemon is killed when all is complete" test -e "$DIR/pod.json"
wait "$CALLER"
rm "$SCRATCH/die"
daemon_again
check "nothing is left, as the client has no answer" poll 20 none_left
check "which asks again" ck "$POD" "$SCRATCH/out" "$SERVER_ID" "$CLIENT_ID"
check "the connection goes on" goes_on
check_fails "a call that is refused" "in the way.*INVALID" ck "$POD" "$SCRATCH/out" "$SERVER_ID"
check "leaves the last checkpoint" test -e "$DIR/pod.json"
rm -r "$DIR"

touch "$SCRATCH/mood/slow"
check_fails "CRIU hangs longer than the call's deadline" "DEADLINE" ck -t 4 "$POD" "$SCRATCH/out" "$SERVER_ID" "$CLIENT_ID"
check "the connection goes on" goes_on
check "nothing is left" none_left
rm "$SCRATCH/mood/slow"

with_slow "$POD" "$SCRATCH/out" "$BESIDE_ID" "$SERVER_ID"
check "a container is stopped meanwhile" crictl stop --timeout 0 "$BESIDE_ID"
wait "$CALLER"
check "the client is told" grep -q "checkpoint" "$SCRATCH/slow.out"
rm "$SCRATCH/mood/slow"
check "the connection goes on" goes_on
check "nothing is left" none_left

check "a checkpoint afterwards" ck "$POD" "$SCRATCH/out" "$SERVER_ID" "$CLIENT_ID"
rm -r "$DIR"
with_slow "$POD" "$SCRATCH/out" "$SERVER_ID" "$CLIENT_ID"
BEGAN=$SECONDS
check "the pod is stopped meanwhile" crictl stopp "$POD"
check "without a wait" test $((SECONDS - BEGAN)) -lt 20
wait "$CALLER"
check "the client is told" grep -q "the pod was ended during its checkpoint" "$SCRATCH/slow.out"
rm "$SCRATCH/mood/slow"
check "nothing is left" none_left
check_fails "a pod that has ended has no checkpoint" "PRECONDITION" ck "$POD" "$SCRATCH/out" "$SERVER_ID"

umount "$SCRATCH/kubelet/volumes/kubernetes.io~empty-dir/mem"
check "everything is removed" everything_remove
world_diff "nothing is left" "$SCRATCH/world.before"
harness_end
