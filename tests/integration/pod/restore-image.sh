#!/bin/bash
# restore-image.sh - a container made from an image with a checkpoint, as buildah makes one of an archive, counts on where it
# was, with the annotation of CRI-O or of containerd. The policy applies to that image, too; a wrong one is refused by name.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../criulib.sh"
. "$(dirname "$0")/../imagelib.sh"
registry_start
cni_write
echo "crio.image.signature_policy = \"$SCRATCH/policy.json\"" >"$SCRATCH/config.d/50-policy.conf"
ACCEPT='{"default": [{"type": "insecureAcceptAnything"}]}'
echo "$ACCEPT" >"$SCRATCH/policy.json"

CURRENT=$CACHE/peers/runc/usr/sbin/runc
[ ! -x "$CURRENT" ] || echo "crio.runtime.runtimes.current.runtime_path = \"$CURRENT\"" >"$SCRATCH/config.d/50-runtimes.conf"

mkdir "$SCRATCH/out"
criu_moody
daemon_start

mkdir -p "$BLOBS"
echo '{"imageLayoutVersion":"1.0.0"}' >"$LAY/oci-layout"
echo '{"schemaVersion":2,"manifests":[]}' >"$LAY/index.json"
CRIO='{"io.kubernetes.cri-o.annotations.checkpoint.name": "counter"}'
CONTAINERD='{"org.criu.checkpoint.container.name": "counter"}'
# made NAME ANNOTATIONS LAYER...: an image in the registry, here
made() {
	local IMAGE_ANNOTATIONS=$2 name=$1
	shift 2
	put_image "$name" "$@" || return
	skopeo copy -q --dest-tls-verify=false "oci:$LAY:$name" "docker://$REGISTRY/saved/$name:1" || return
	crictl pull "$REGISTRY/saved/$name:1"
}
# from NAME CTR [JQ]: a container of it
from() { saved "$POD" "$2" "${3:-.}" "$REGISTRY/saved/$1:1"; }
# changed COMMAND: an archive from $SCRATCH/dir after COMMAND in a copy of it
changed() {
	rm -rf "$SCRATCH/x"
	cp -a "$SCRATCH/dir" "$SCRATCH/x"
	(cd "$SCRATCH/x" && eval "$1") && tar -S -cf "$SCRATCH/out/x.tar" -C "$SCRATCH/x" .
}

check "pull" crictl pull "$BUSYBOX"
check "a pod before" pod_run first
check "with a container" ctr_run "$OUT" first
check "go" everything_remove
world_snapshot >"$SCRATCH/world.before"

check "a pod" pod_run p
check "a container" ctr_run "$OUT" p "$COUNTER"
CTR=$OUT
poll 20 test -s "$SCRATCH/logs/p/p.log"
check "it writes a file" crictl exec "$CTR" sh -c 'echo kept >/new; rm /bin/true'
check "a checkpoint" crictl checkpoint --export="$ARCHIVE" "$CTR"
AT=$(tar -xOf "$ARCHIVE" io.kubernetes.cri-o.LogPath | tail -n 1 | cut -d ' ' -f 4)
check "pod and container go" everything_remove
mkdir "$SCRATCH/dir" && tar -xf "$ARCHIVE" -C "$SCRATCH/dir"
chmod 700 "$SCRATCH/dir"
check "an image as CRI-O's" made crio "$CRIO" "$ARCHIVE"
check_is "its status shows the annotation" counter eval \
	'crictl inspecti "$REGISTRY/saved/crio:1" | jq -r ".status.spec.annotations[\"io.kubernetes.cri-o.annotations.checkpoint.name\"]"'
check "an image as containerd's, with a directory that its owner alone may enter" eval 'changed "chown -R 1000:1000 ." && gzip -n "$SCRATCH/out/x.tar" && made ctd "$CONTAINERD" "$SCRATCH/out/x.tar.gz=sha256:$(zcat "$SCRATCH/out/x.tar.gz" | sha256sum | cut -d " " -f 1)"'

# --- they go on
check "a pod" pod_run q
POD=$OUT
for image in crio ctd; do
	check "a container from $image" from $image q.$image
	CTR=$OUT
	check_is "waits for its start" CONTAINER_CREATED ctr_state "$CTR"
	check_is "has the image of the checkpoint" "$BUSYBOX" bash -c 'jq -r ".status.image.image" <<<"$1"' bash "$(crictl inspect "$CTR")"
	check "its start" crictl start "$CTR"
	check "it counts on" poll 20 eval '[ "$(log_text q q.$image | tail -n 1)" -gt $((AT + 3)) ]'
	check_is "its files" kept crictl exec "$CTR" cat /new
	check_fails "its deleted files" "No such file" crictl exec "$CTR" ls /bin/true
	check_is "inspect says so" true bash -c 'jq .info.restored <<<"$1"' bash "$(crictl inspect "$CTR")"
done
check "by the id of the image" saved "$POD" q.id . "$(crictl inspecti "$REGISTRY/saved/crio:1" | jq -r .status.id)"
CTR=$OUT
check "its image may be removed: the files are unpacked" crictl rmi "$REGISTRY/saved/crio:1"
daemon_kill
check "the daemon is killed before the start" daemon_again
check "it starts" crictl start "$CTR"
check "and counts" poll 20 eval '[ "$(log_text q q.id | tail -n 1)" -gt $((AT + 3)) ]'

# --- others are refused
check "it is pulled again" crictl pull "$REGISTRY/saved/crio:1"
check_fails "another command" "FailedPrecondition.*config.command" from crio q.20 '.command = ["sleep", "1"]'
check_fails "a terminal" "FailedPrecondition.*config.tty" from crio q.20 '.tty = true'
check_fails "fewer capabilities" "PermissionDenied.*bounding capabilities" from crio q.20 '.linux.security_context.capabilities.drop_capabilities = ["CHOWN"]'
# bad WHAT PATTERN COMMAND: no container comes from an image whose layer is changed
BAD=0
bad() {
	BAD=$((BAD + 1))
	changed "$3" && made "bad$BAD" "$CRIO" "$SCRATCH/out/x.tar" >/dev/null && check_fails "$1" "$2" from "bad$BAD" q.20
}
bad "no checkpoint in it" "FailedPrecondition.*checkpoint image.*config.dump is missing" 'rm -r *; echo x >file'
bad "no images" "FailedPrecondition.*inventory.img is missing" 'rm checkpoint/inventory.img'
bad "links instead of images" "InvalidArgument.*/checkpoint is no directory" 'rm -r checkpoint; ln -s /root checkpoint'
bad "a link as a member" "InvalidArgument.*config.dump is no regular file" 'ln -sf /etc/passwd config.dump'
bad "a device as an image" "InvalidArgument.*checkpoint/core-9.img is no regular file" 'mknod checkpoint/core-9.img c 1 3'
bad "another root image" "NotFound.*none/such:1.*pull" "jq '.rootfsImageName = \"none/such:1\" | .rootfsImageRef = \"$(printf 'e%.0s' {1..64})\"' config.dump >c && mv c config.dump"
bad "a file of 1 TiB, all of it a hole" "InvalidArgument|FailedPrecondition" 'rm checkpoint/inventory.img; truncate -s 1000G checkpoint/inventory.img'
check_fails "two layers" "FailedPrecondition.*has 2 layers instead of one" eval 'changed "rm -r *; echo x >file"; made two "$CRIO" "$ARCHIVE" "$SCRATCH/out/x.tar" >/dev/null && from two q.20'
check "an image without the annotation" made plain '{}' "$SCRATCH/out/x.tar"
check_fails "is no checkpoint, whatever the pull says" "no command" eval 'crictl pull --annotation org.criu.checkpoint.container.name=x "$REGISTRY/saved/plain:1" >/dev/null
	saved "$POD" q.20 "del(.command)" "$REGISTRY/saved/plain:1"'

# --- configuration
jq '.transports.docker["'"$REGISTRY"'/saved/crio"] = [{type: "reject"}]' <<<"$ACCEPT" >"$SCRATCH/policy.json"
check_fails "a policy that rejects the image" "SignatureValidationFailed.*saved/crio" from crio q.20
echo "$ACCEPT" >"$SCRATCH/policy.json"
if [ -x "$CURRENT" ]; then
	MAP='[{host_id: 3000000, container_id: 0, length: 65536}]'
	USERNS=".linux.security_context.namespace_options.userns_options = {mode: 0, uids: $MAP, gids: $MAP}"
	check "a pod with a user namespace" crictl runp -r current "$(pod_config u "$USERNS")"
	check_fails "has no restore" "FailedPrecondition.*saved/crio:1.*is a checkpoint.*user namespace" saved "$OUT" u "$USERNS" "$REGISTRY/saved/crio:1"
fi
echo 'crio.runtime.enable_criu_support = false' >"$SCRATCH/config.d/50-criu.conf"
daemon_kill
daemon_again
check_fails "switched off" "FailedPrecondition.*enable_criu_support" from crio q.20
rm "$SCRATCH/config.d/50-criu.conf"
check "everything is removed" everything_remove
check "and the images" bash -c '"$1" -c "$2" images | awk "\$1 ~ /\/saved\// { print \$3 }" | xargs "$1" -c "$2" rmi' bash "$CACHE/bin/crictl" "$SCRATCH/crictl.yaml"
world_diff "nothing is left" "$SCRATCH/world.before"
harness_end
