#!/bin/bash
# restore.sh - a container made from a checkpoint counts on where it was: in a new pod, with its files and its log, twice at
# once, after kill -9 of the daemon. Restores that fail, are stopped or removed leave nothing; hostile archives, and requests
# that differ from the checkpoint, are refused by name.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../criulib.sh"
registry_start
cni_write

mkdir "$SCRATCH/out"
criu_moody
daemon_start

# grows POD NAME: its log
grows() { local n; n=$(log_text "$1" "$2" | wc -l); poll 20 eval "[ \"\$(log_text $1 $2 | wc -l)\" -gt $n ]"; }
no_rest() { [ -z "$(find "$ROOT/containers" -maxdepth 2 -name restore)" ]; }

check "pull" crictl pull "$BUSYBOX"
check "a pod before" pod_run first
check "with a container" ctr_run "$OUT" first
check "go" everything_remove
world_snapshot >"$SCRATCH/world.before"

check "a pod on the bridge" pod_run p
POD=$OUT
check "a container" ctr_run "$POD" p "$COUNTER"
CTR=$OUT
poll 20 test -s "$SCRATCH/logs/p/p.log"
check "it changes its files" crictl exec "$CTR" sh -c 'echo kept >/new; mkdir /made; echo x >/made/file; ln /new /made/hard; chmod 4755 /made/file; rm /bin/true; ln -s /etc/passwd /made/link'
check "a checkpoint" crictl checkpoint --export="$ARCHIVE" "$CTR"
check_is "has the keys of stdio" 1 bash -c 'tar -xOf "$1" stdio.dump | jq ".stdout | length"' bash "$ARCHIVE"
AT=$(tar -xOf "$ARCHIVE" io.kubernetes.cri-o.LogPath | tail -n 1 | cut -d ' ' -f 4)
check "the container and its pod are removed" everything_remove

# --- it goes on
check "another pod" pod_run q
POD=$OUT
check "a container from the archive" saved "$POD" q
CTR=$OUT
check_is "waits for its start" CONTAINER_CREATED ctr_state "$CTR"
check_is "has its pod's name" q bash -c 'jq -r ".status.metadata.name" <<<"$1"' bash "$(crictl inspect "$CTR")"
check_is "and the image of the checkpoint" "$BUSYBOX" bash -c 'jq -r ".status.image.image" <<<"$1"' bash "$(crictl inspect "$CTR")"
check_fails "takes no commands" "FailedPrecondition" crictl exec "$CTR" true
check_fails "has no new checkpoint" "FailedPrecondition" crictl checkpoint --export="$SCRATCH/out/none.tar" "$CTR"
check "its start" crictl start "$CTR"
check_is "it runs" CONTAINER_RUNNING ctr_state "$CTR"
check "and counts on" counts_past q $((AT + 3))
check_is "its log begins at the beginning" 1 bash -c 'log_text() { cut -d " " -f 4- "$1"; }; log_text "$1" | head -n 1' bash "$SCRATCH/logs/q/q.log"
check_is "its files" "kept x 4755 /etc/passwd" crictl exec "$CTR" sh -c 'echo $(cat /new /made/file; stat -c %a /made/file; readlink /made/link)'
check_is "one file with two names" 2 crictl exec "$CTR" stat -c %h /new
check_fails "its deleted files" "No such file" crictl exec "$CTR" ls /bin/true
check_is "the network of its pod" "$(crictl inspectp "$POD" | jq -r .status.network.ip)" \
	crictl exec "$CTR" sh -c 'ip -4 addr show eth0 | sed -n "s|.*inet \([0-9.]*\)/.*|\1|p"'
check_is "inspect says so" true bash -c 'jq .info.restored <<<"$1"' bash "$(crictl inspect "$CTR")"
check "and when the checkpoint was made" bash -c 'jq -e ".info.checkpointedAt | startswith(\"20\")" <<<"$1"' bash "$(crictl inspect "$CTR")"
check "its images are removed" poll 20 no_rest
check "a checkpoint of the restored one" crictl checkpoint --export="$SCRATCH/out/b.tar" "$CTR"
check "its stop" crictl stop --timeout 0 "$CTR"
check_is "is an exit" 137 bash -c 'jq .status.exitCode <<<"$1"' bash "$(crictl inspect "$CTR")"
check_fails "it cannot be started again" "FailedPrecondition" crictl start "$CTR"
check "its removal" crictl rm "$CTR"

# --- twice at once, and again
check "a pod" pod_run r
POD=$OUT
check "one of two" saved "$POD" r
ONE=$OUT
check "the other" saved "$POD" r.2
TWO=$OUT
check "start of the first" crictl start "$ONE"
check "start of the second" crictl start "$TWO"
check "the first counts" counts_past r $((AT + 3))
check "the second has files of its own" crictl exec "$TWO" sh -c 'echo two >/new'
check_is "the first keeps its own" kept crictl exec "$ONE" cat /new
check "from the second checkpoint" saved "$POD" r.3 . "$SCRATCH/out/b.tar"
check "it starts" crictl start "$OUT"
check "a directory with the members" bash -c 'mkdir "$1" && tar -xf "$2" -C "$1"' bash "$SCRATCH/out/dir" "$ARCHIVE"
check "is a source, too" saved "$POD" r.4 . "$SCRATCH/out/dir"
check "it starts" crictl start "$OUT"
check_is "and is not changed" 1 bash -c 'ls "$1"/checkpoint/inventory.img | wc -l' bash "$SCRATCH/out/dir"

# --- accidents
check "a container" saved "$POD" r.5
CTR=$OUT
daemon_kill
check "the daemon is killed before its start" daemon_again
check_is "it waits" CONTAINER_CREATED ctr_state "$CTR"
touch "$SCRATCH/mood/slow"
crictl start "$CTR" >"$SCRATCH/start.out" 2>&1 &
CLIENT=$!
poll 30 test -e "$SCRATCH/mood/begun"
daemon_kill
rm "$SCRATCH/mood/slow"
wait "$CLIENT"
check "and during it" daemon_again
check "it runs" poll 40 ctr_is "$CTR" CONTAINER_RUNNING
check "it counts" grows r r.5
touch "$SCRATCH/mood/dies"
check "a container" saved "$POD" r.6
CTR=$OUT
check_fails "whose CRIU is killed" "restore failed" crictl start "$CTR"
check_is "has not started" "CONTAINER_EXITED 128 StartError" bash -c 'jq -r ".status | [.state, .exitCode, .reason] | join(\" \")" <<<"$1"' bash "$(crictl inspect "$CTR")"
rm "$SCRATCH/mood/dies"
check "a container" saved "$POD" r.7
CTR=$OUT
rm -f "$SCRATCH/mood/begun"
touch "$SCRATCH/mood/slow"
crictl start "$CTR" >"$SCRATCH/start.out" 2>&1 &
CLIENT=$!
poll 30 test -e "$SCRATCH/mood/begun"
kill -KILL "$(cut -d ' ' -f 1 "$RUNROOT/pods/$POD/shim.pid")"
rm "$SCRATCH/mood/slow"
wait "$CLIENT"
check "its shim is killed meanwhile: it is restored by another" poll 60 ctr_is "$CTR" CONTAINER_RUNNING
check "it counts" grows r r.7
check "there is one of it" test "$(crictl exec "$CTR" sh -c 'ps | grep -c "[s]h -c i=0"')" = 1
check "stop instead of start" eval 'saved "$POD" r.8 >"$SCRATCH/id" && crictl stop "$(cat "$SCRATCH/id")"'
check_is "is an end" CONTAINER_EXITED ctr_state "$(cat "$SCRATCH/id")"
check "removal instead of start" eval 'saved "$POD" r.9 >"$SCRATCH/id" && crictl rm "$(cat "$SCRATCH/id")"'

# --- other requests
check_fails "another command" "FailedPrecondition.*config.command" saved "$POD" r.20 '.command = ["sleep", "1"]'
check_fails "a terminal" "FailedPrecondition.*config.tty" saved "$POD" r.20 '.tty = true'
check_fails "fewer capabilities" "PermissionDenied.*bounding capabilities have 0x1 more" saved "$POD" r.20 '.linux.security_context.capabilities.drop_capabilities = ["CHOWN"]'
check_fails "no_new_privs" "PermissionDenied.*no_new_privs" saved "$POD" r.20 '.linux.security_context.no_new_privs = true'
check_fails "another user" "PermissionDenied.*uid is not" saved "$POD" r.20 '.linux.security_context.run_as_user.value = 1000'
check_fails "another seccomp profile" "FailedPrecondition.*seccomp" saved "$POD" r.20 '.linux.security_context.seccomp.profile_type = 1'
check_fails "more masked paths" "PermissionDenied.*nothing is mounted at /proc/stat" saved "$POD" r.20 '.linux.security_context.masked_paths = ["/proc/stat"] | .linux.security_context.readonly_paths = []'
check_fails "no file" "NotFound" saved "$POD" r.20 . "$SCRATCH/out/missing.tar"
check_fails "a pipe" "InvalidArgument" eval 'mkfifo "$SCRATCH/out/pipe"; saved "$POD" r.20 . "$SCRATCH/out/pipe"'
mkdir "$SCRATCH/volume"
check "a container with a volume" ctr_run "$POD" r.21 "$COUNTER | .mounts = [{container_path: \"/vol\", host_path: \"$SCRATCH/volume\"}]"
check "its checkpoint" crictl checkpoint --export="$SCRATCH/out/vol.tar" "$OUT"
check_fails "without the volume" "FailedPrecondition.*/vol" saved "$POD" r.20 . "$SCRATCH/out/vol.tar"
check "with it" saved "$POD" r.22 ".mounts = [{container_path: \"/vol\", host_path: \"$SCRATCH/volume\"}]" "$SCRATCH/out/vol.tar"
check "it starts" crictl start "$OUT"

# --- hostile archives. changed NAME COMMAND: an archive from $SCRATCH/out/dir after COMMAND in a copy of it
changed() {
	rm -rf "$SCRATCH/x"
	cp -a "$SCRATCH/out/dir" "$SCRATCH/x"
	(cd "$SCRATCH/x" && eval "$2") || return
	tar -cf "$SCRATCH/out/$1.tar" -C "$SCRATCH/x" $(ls -A "$SCRATCH/x")
}
hostile() { changed x "$3" && check_fails "$1" "$2" saved "$POD" r.20 . "$SCRATCH/out/x.tar"; }
hostile "no spec.dump" "FailedPrecondition.*spec.dump is missing" 'rm spec.dump'
hostile "no images" "FailedPrecondition.*inventory.img is missing" 'rm checkpoint/inventory.img'
hostile "another image" "NotFound.*none/such:1.*pull" "jq '.rootfsImageName = \"none/such:1\" | .rootfsImageRef = \"$(printf 'e%.0s' {1..64})\"' config.dump >c && mv c config.dump"
hostile "config.dump is a link" "InvalidArgument.*config.dump" 'ln -sf /etc/passwd config.dump'
hostile "an image is a link" "InvalidArgument.*checkpoint/core-9.img" 'ln -s /etc/shadow checkpoint/core-9.img'
hostile "an image is a device" "InvalidArgument.*checkpoint/core-9.img" 'mknod checkpoint/core-9.img c 1 3'
hostile "a truncated image" "InvalidArgument.*pstree.img" 'truncate -s -3 checkpoint/pstree.img'
hostile "an image of another kind" "InvalidArgument.*core-1.img.*magic" 'cp checkpoint/pstree.img checkpoint/core-1.img'
hostile "an older version of images" "FailedPrecondition.*version 1 of images" 'printf "\x01" | dd of=checkpoint/inventory.img bs=1 seek=9 conv=notrunc status=none'
hostile "another architecture" "FailedPrecondition.*another architecture" 'printf "\x04" | dd of=checkpoint/core-1.img bs=1 seek=13 conv=notrunc status=none'
hostile "keys that are options" "InvalidArgument.*stdio.dump" "echo '{\"stdout\": [\"file[1:2]\\nshell-job\"]}' >stdio.dump"
hostile "a file outside" "InvalidArgument.*changed files|PermissionDenied" 'tar -P -cf rootfs-diff.tar --transform "s|^|../../../|" config.dump'
hostile "a deleted file outside" "InvalidArgument.*changed files|deleted" "echo '[\"../../../../etc/passwd\"]' >deleted.files"
head -c 20000 "$ARCHIVE" >"$SCRATCH/out/cut.tar"
check_fails "a truncated archive" "InvalidArgument" saved "$POD" r.20 . "$SCRATCH/out/cut.tar"
python3 - "$SCRATCH/out/huge.tar" <<'PY'
import sys, tarfile
info = tarfile.TarInfo("rootfs-diff.tar")
info.size = 100 << 30
open(sys.argv[1], "wb").write(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 4096)
PY
check_fails "a header with 100 GiB" "InvalidArgument" saved "$POD" r.20 . "$SCRATCH/out/huge.tar"
chmod 666 "$SCRATCH/out/x.tar"
check_fails "an archive that anybody may change" "PermissionDenied" saved "$POD" r.20 . "$SCRATCH/out/x.tar"
check "nothing was written outside" test ! -e "$ROOT/config.dump" -a -e /etc/passwd

# --- configuration
echo 'crio.checkpoint_restore.container_level_enabled = "checkpoint_only"' >"$SCRATCH/config.d/50-criu.conf"
daemon_kill
daemon_again
check_fails "switched off" "FailedPrecondition.*container_level_enabled" saved "$POD" r.20
rm "$SCRATCH/config.d/50-criu.conf"
check "everything is removed" everything_remove
check "and its files" poll 20 no_rest
world_diff "nothing is left" "$SCRATCH/world.before"
harness_end
