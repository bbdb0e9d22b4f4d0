#!/bin/bash
# checkpoint.sh - crictl checkpoint with real runc and CRIU: the archive has the names and modes of CRI-O's, and the
# container counts on. Bad locations, full disks, hanging, failing and killed CRIU, a stop and a killed daemon meanwhile:
# a clear error, no frozen process, no part of an archive.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../criulib.sh"
registry_start

mkdir "$SCRATCH/out"
criu_moody
daemon_start

COUNTER='.command = ["sh", "-c", "i=0; while :; do i=$((i + 1)); echo $i; echo $i >/number; sleep 0.05 & wait $!; done"]'
number() { log_text "$1" "$1" | tail -n 1; }
# counts POD: it writes a number above the last one
counts() { local n; n=$(number "$1"); poll 20 eval "[ \"\$(number $1)\" -gt $n ]"; }
checkpoint() { crictl checkpoint --export="$1" "$2"; }
nothing_left() { [ -z "$(find "$SCRATCH/out" -mindepth 1; find "$ROOT/containers" -maxdepth 2 -name dump)" ]; }
# with_slow ARCHIVE CONTAINER: a checkpoint in the background, whose CRIU waits
with_slow() {
	rm -f "$SCRATCH/mood/begun"
	touch "$SCRATCH/mood/slow"
	checkpoint "$1" "$2" >"$SCRATCH/slow.out" 2>&1 &
	CLIENT=$!
	poll 30 test -e "$SCRATCH/mood/begun"
}

check "pull" crictl pull "$BUSYBOX"
# The runtime makes its directory for the first container.
check "a pod before" pod_run first "$HOST_NET"
check "with a container" ctr_run "$OUT" first
check "go" everything_remove
world_snapshot >"$SCRATCH/world.before"
check "a pod" pod_run p "$HOST_NET"
POD=$OUT
ctr_config p "$BUSYBOX" "$COUNTER" >/dev/null
check "a container that waits for its start" crictl create "$POD" "$SCRATCH/ctr-p.json" "$SCRATCH/pod-p.json"
CTR=$OUT
check_fails "has no checkpoint" "FailedPrecondition" checkpoint "$SCRATCH/out/c.tar" "$CTR"
check "its start" crictl start "$CTR"
poll 20 test -s "$SCRATCH/logs/p/p.log"
check "it changes its files" crictl exec "$CTR" sh -c 'echo kept >/new; mkdir /made; echo x >/made/file; ln /new /made/hard; rm /bin/true'

# --- the archive
ARCHIVE=$SCRATCH/out/checkpoint-p_crisp-test-p-2026-01-01T00:00:00Z.tar
BEFORE=$(number p)
check "a checkpoint" checkpoint "$ARCHIVE" "$CTR"
check "the container counts on" counts p
check "from where it was" test "$(log_text p p | head -n 1)" = 1
check_is "of the owner alone" 600 stat -c %a "$ARCHIVE"
check_is "with nothing beside" "$ARCHIVE" find "$SCRATCH/out" -type f
check_is "the archive's names" "bind.mounts checkpoint/ config.dump deleted.files dump.log io.kubernetes.cri-o.LogPath rootfs-diff.tar spec.dump stats-dump stdio.dump" \
	bash -c 'tar -tf "$1" | grep -v "^checkpoint/." | LC_ALL=C sort | xargs' bash "$ARCHIVE"
check "has CRIU's images" bash -c 'tar -tf "$1" | grep -q "^checkpoint/inventory.img\$" && tar -tf "$1" | grep -q "^checkpoint/pages-1.img\$"' bash "$ARCHIVE"
mkdir "$SCRATCH/x"
tar -xf "$ARCHIVE" -C "$SCRATCH/x"
check_is "config.dump" "$CTR k8s_p_p_crisp-test_uid-p_0 $BUSYBOX runc false" \
	jq -r '[.id, .name, .rootfsImageName, .runtime, .restored] | join(" ")' "$SCRATCH/x/config.dump"
check_is "spec.dump" 'cri-o {"name":"p","attempt":0} sh' \
	jq -r '[.annotations["io.container.manager"], .annotations["io.kubernetes.cri-o.Metadata"], .process.args[0]] | join(" ")' "$SCRATCH/x/spec.dump"
check_is "bind.mounts" "/etc/hosts file" jq -r '.[] | select(.destination == "/etc/hosts") | .destination + " " + .file_type' "$SCRATCH/x/bind.mounts"
check_is "deleted.files" '["/bin/true"]' jq -c . "$SCRATCH/x/deleted.files"
check_is "rootfs-diff.tar has the changes and no mount point" "made/ made/file made/hard new number" \
	bash -c 'tar -tf "$1" | grep -v "^\(bin\|etc\|dev\|root\|run\|tmp\)/" | LC_ALL=C sort | xargs' bash "$SCRATCH/x/rootfs-diff.tar"
check_is "their content" kept tar -xOf "$SCRATCH/x/rootfs-diff.tar" new
check "the number is of the moment" test "$(tar -xOf "$SCRATCH/x/rootfs-diff.tar" number)" -ge "$BEFORE"
check "the log" grep -q ' stdout F 1$' "$SCRATCH/x/io.kubernetes.cri-o.LogPath"
check "a second one to the same place" checkpoint "$ARCHIVE" "$CTR"
check "replaces the first" tar -tf "$ARCHIVE" stats-dump
rm -rf "$ARCHIVE" "$SCRATCH/x"

# --- bad locations
check_fails "no directory" "InvalidArgument.*location: directory .*/none: No such file" checkpoint "$SCRATCH/out/none/c.tar" "$CTR"
check_fails "no clean path" "InvalidArgument.*location.*clean" checkpoint "$SCRATCH/out/../c.tar" "$CTR"
mkdir "$SCRATCH/out/dir"
check_fails "a directory" "InvalidArgument.*no regular file" checkpoint "$SCRATCH/out/dir" "$CTR"
rmdir "$SCRATCH/out/dir"
check_fails "of crispd itself" "InvalidArgument.*belongs to crispd" checkpoint "$ROOT/containers/c.tar" "$CTR"
mkdir -m 777 "$SCRATCH/open"
check_fails "that all may write" "PermissionDenied.*location.*$SCRATCH/open" checkpoint "$SCRATCH/open/c.tar" "$CTR"
mkdir "$SCRATCH/small"
mount -t tmpfs -o size=64k tmpfs "$SCRATCH/small"
check_fails "on a full disk" "ResourceExhausted.*Wrote only|ResourceExhausted.*No space left" checkpoint "$SCRATCH/small/c.tar" "$CTR"
check_is "which stays empty" "" ls -A "$SCRATCH/small"
umount "$SCRATCH/small"
check_fails "a container that is not there" "NotFound" checkpoint "$SCRATCH/out/c.tar" "${CTR//[0-9]/e}"
check "the container counts on" counts p

# --- CRIU that fails
touch "$SCRATCH/mood/fails"
check_fails "CRIU fails" "Internal.*runc checkpoint: exit status 1" checkpoint "$SCRATCH/out/c.tar" "$CTR"
rm "$SCRATCH/mood/fails"
touch "$SCRATCH/mood/dies"
check_fails "CRIU is killed" "Internal.*runc checkpoint: exit status 1" checkpoint "$SCRATCH/out/c.tar" "$CTR"
rm "$SCRATCH/mood/dies"
check "nothing is left" nothing_left
check "the container counts on" counts p

# --- while it waits
with_slow "$SCRATCH/out/c.tar" "$CTR"
check_is "it is running to clients" CONTAINER_RUNNING ctr_state "$CTR"
check_fails "takes no commands" "FailedPrecondition" crictl exec "$CTR" true
daemon_kill
rm "$SCRATCH/mood/slow"
wait "$CLIENT"
check "the daemon is killed meanwhile" daemon_again
check "the container counts on" poll 40 counts p
check "nothing is left" poll 20 nothing_left

with_slow "$SCRATCH/out/c.tar" "$CTR"
daemon_kill
wait "$CLIENT"
check "it is killed while CRIU hangs" daemon_again
check "the container counts on" poll 40 counts p
check "nothing is left" poll 20 nothing_left
rm "$SCRATCH/mood/slow"
check "a checkpoint afterwards" checkpoint "$ARCHIVE" "$CTR"
rm "$ARCHIVE"

touch "$SCRATCH/mood/slow"
check_fails "CRIU hangs longer than the request's timeout" "DeadlineExceeded" crictl -t 4s checkpoint --export="$SCRATCH/out/c.tar" "$CTR"
check "the container counts on" poll 20 counts p
check "nothing is left" poll 20 nothing_left
rm "$SCRATCH/mood/slow"

with_slow "$SCRATCH/out/c.tar" "$CTR"
kill -KILL "$(crictl inspect "$CTR" | jq .info.pid)"
rm "$SCRATCH/mood/slow"
check "it is killed meanwhile: it ends" poll 60 ctr_is "$CTR" CONTAINER_EXITED
wait "$CLIENT" && rm "$SCRATCH/out/c.tar"		# on cgroup v1 a frozen process dies when it is thawed
check_is "its exit code is known" 137 bash -c 'jq .status.exitCode <<<"$1"' bash "$(crictl inspect "$CTR")"
check "nothing is left" poll 20 nothing_left
check_fails "a container that has ended has no checkpoint" "FailedPrecondition" checkpoint "$SCRATCH/out/c.tar" "$CTR"

check "another container" ctr_run "$POD" p.2 "$COUNTER"
CTR=$OUT
with_slow "$SCRATCH/out/c.tar" "$CTR"
BEGAN=$SECONDS
check "is stopped meanwhile" crictl stop --timeout 30 "$CTR"
check "without a wait" test $((SECONDS - BEGAN)) -lt 20
wait "$CLIENT"
check "its client is told" grep -q "was ended during its checkpoint" "$SCRATCH/slow.out"
rm "$SCRATCH/mood/slow"
check "nothing is left" poll 20 nothing_left

# --- configuration
check "a third one" ctr_run "$POD" p.3 "$COUNTER"
CTR=$OUT
mv "$SCRATCH/bin/criu" "$SCRATCH/criu"
if command -v criu >/dev/null; then
	ok "without criu in PATH # SKIP this machine has one"
else
	check_fails "without criu in PATH" "FailedPrecondition.*criu is not installed" checkpoint "$SCRATCH/out/c.tar" "$CTR"
fi
mv "$SCRATCH/criu" "$SCRATCH/bin/criu"
echo 'crio.runtime.enable_criu_support = false' >"$SCRATCH/config.d/50-criu.conf"
daemon_kill
daemon_again
check_fails "switched off" "FailedPrecondition.*enable_criu_support" checkpoint "$SCRATCH/out/c.tar" "$CTR"
echo 'crio.checkpoint_restore.container_level_enabled = "none"' >"$SCRATCH/config.d/50-criu.conf"
daemon_kill
daemon_again
check_fails "for containers" "FailedPrecondition.*container_level_enabled" checkpoint "$SCRATCH/out/c.tar" "$CTR"
check "everything is removed" everything_remove
world_diff "nothing is left" "$SCRATCH/world.before"
harness_end
