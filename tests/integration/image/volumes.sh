#!/bin/bash
# volumes.sh - images as volumes with `image_sub_path`, read-only and nosuid, and VOLUMEs of an
# image by `image_volumes` (mkdir, bind, ignore). A mounted image cannot be removed; removal of the
# pod leaves no mount. ImageSpec: annotations, `runtime_handler`, `image_ref`.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../imagelib.sh"
registry_start
mkdir -p "$SCRATCH/config.d"
printf '[crio.runtime.runtimes.second]\nruntime_path = "%s"\n' "$(command -v runc)" >"$SCRATCH/config.d/30-second.conf"
daemon_start

# An image of files, made beside the test images and pushed: links that lead out, a set-user-ID program.
volume_push() {
	local dir=$SCRATCH/volume
	umoci init --layout "$dir" && umoci new --image "$dir:v" || return
	mkdir -p "$dir.fs/data/sub/deeper"
	echo top >"$dir.fs/top"
	echo deep >"$dir.fs/data/sub/deeper/file"
	ln -s ../../../../../../etc "$dir.fs/data/out"
	ln -s /data/sub "$dir.fs/data/absolute"
	printf '#!/bin/sh\necho ran\n' >"$dir.fs/data/program"
	chmod 4755 "$dir.fs/data/program"
	umoci insert --image "$dir:v" "$dir.fs" / &&
		umoci config --image "$dir:v" --manifest.annotation org.example.vendor=maker --manifest.annotation org.example.level=low &&
		skopeo copy -q --dest-tls-verify=false "oci:$dir:v" "docker://$REGISTRY/volume:1"
} >"$SCRATCH/volume.log" 2>&1
volume_push || { cat "$SCRATCH/volume.log"; bail "the image of files cannot be made"; }
VOLUME=$REGISTRY/volume:1

check "images" eval 'crictl pull "$BUSYBOX" && crictl pull "$VOLUME"' || exit 1
check "a pod" pod_run vol "$HOST_NET" || exit 1
POD=$OUT POD_NAME=vol

# What the first one makes for all that follow stays.
check "a container with a volume comes and goes" eval 'CTR=$(with_volume first "$(mount_at /v)") && crictl rm -f "$CTR"'
world_snapshot >"$SCRATCH/world.pod"

check "a container with an image as a volume" with_volume all "$(mount_at /v)" "$(mount_at /sub data/sub)" "$(mount_at /again)"
CTR=$OUT
check_is "its files are there" top inside cat /v/top
check_is "a part of it" deep inside cat /sub/deeper/file
check_is "the same image a second time" top inside cat /again/top
check_fails "it cannot be written" "Read-only" inside touch /v/new
check_is "its programs run" ran inside /v/data/program
check_is "the kernel gives them no other user, and no devices" 1 eval \
	'inside grep " /v " /proc/self/mountinfo | grep -c " ro,nosuid,nodev,\(rel\|no\)atime "'
check_is "inspect names the image by its id" "$(crictl inspecti "$VOLUME" | jq -r .status.id)" eval \
	'crictl inspect "$CTR" | jq -r ".status.mounts[] | select(.containerPath == \"/v\") | .image.image"'
check_is "inspect has the image's id, as PullImage answers" "$(crictl inspecti "$VOLUME" | jq -r .status.id)" eval \
	'crictl inspect "$CTR" | jq -r ".status.mounts[] | select(.containerPath == \"/v\") | .image.imageRef"'

check "by the image's id, a part behind a link inside" with_volume id \
	"$(mount_at /v data/absolute "$(crictl inspecti "$VOLUME" | jq -r .status.id)")"
CTR2=$OUT
check_is "its files" deep crictl exec --sync "$CTR2" cat /v/deeper/file

refused() { check_fails "refused: $1" "ImageVolumeMountFailed.*$2" with_volume "${1//[^a-z]/-}" "$3"; }
refused "a part that is not there" "no-such" "$(mount_at /v data/no-such)"
refused "an image that is not here" "pull it first" "$(mount_at /v "" "$REGISTRY/nowhere:1")"
check_fails "refused: a part above the image" "image_sub_path" with_volume above "$(mount_at /v ../etc)"
check_fails "refused: a part by its absolute path" "image_sub_path" with_volume absolute "$(mount_at /v /etc)"
check "a link that leads out ends at the image's root" eval '! with_volume out "$(mount_at /v data/out)"'
check "a sub path without an image means nothing" with_volume lone '{container_path: "/v", host_path: "/tmp", image_sub_path: "x"}'
check_fails "refused: an image that could be written" "set readonly" with_volume writable "$(mount_at /v | sed 's/readonly: true/readonly: false/')"
check_fails "refused: both an image and a host path" "exclude" with_volume both \
	"{container_path: \"/v\", host_path: \"/tmp\", image: {image: \"$VOLUME\"}}"

check_fails "the image is in use" "in use" crictl rmi "$VOLUME"
daemon_kill
daemon_again
check_is "after a restart it is there" top inside cat /v/top
check_fails "and still in use" "in use" crictl rmi "$VOLUME"
check_is "and its id is shown" 3 eval 'crictl inspect "$CTR" | jq ".status.mounts[].image.imageRef" | grep -c "sha256:"'
check "its containers are removed" crictl rm -f "$CTR" "$CTR2"
for id in $(crictl ps -aq); do crictl rm -f "$id" >/dev/null; done
world_diff "nothing of the mounts is left" "$SCRATCH/world.pod"
check "now the image can go" crictl rmi "$VOLUME"

# --- ImageSpec of a pull ------------------------------------------------------------------------------------------------

crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
# image_spec: annotations and handler of Image.spec, of ImageStatus and ListImages
image_spec() {
	crictl inspecti "$VOLUME" | jq -c '.status.spec | [.annotations, .runtimeHandler]'
	crictl images -o json | jq -c ".images[] | select(.repoTags[0] == \"$VOLUME\") | .spec | [.annotations, .runtimeHandler]"
}
MANIFEST='"org.example.level":"low","org.example.vendor":"maker"'
# spec_is WHAT ANNOTATIONS HANDLER
spec_is() { check_is "$1" "[{$2},\"$3\"] [{$2},\"$3\"]" eval 'image_spec | xargs -d "\n"'; }
check "pulled again, for a handler" crisp pull --runtime second "$VOLUME"
spec_is "Image.spec: the manifest's annotations, and the handler" "$MANIFEST" second
check_fails "refused: a pull for a handler that is not configured" "image: runtime_handler: \"nope\" is not configured" crisp pull --runtime nope "$VOLUME"
check "pulled for the default handler, too, with annotations" crictl pull -a org.example.level=high -a own=1 "$VOLUME"
spec_is "Image.spec: the request's annotations win, the first handler stays" '"org.example.level":"high","org.example.vendor":"maker","own":"1"' second
daemon_kill
daemon_again
spec_is "after a restart" '"org.example.level":"high","org.example.vendor":"maker","own":"1"' second
check "a container of it" crictl create "$POD" "$(ctr_config spec "$VOLUME" .)" "$SCRATCH/pod-vol.json"
CTR=$OUT
check_is "its status and its list entry name the handler of the image" "second second" eval \
	'echo $(crictl inspect "$CTR" | jq -r .status.image.runtimeHandler) $(crictl ps -a -o json --id "$CTR" | jq -r ".containers[].image.runtimeHandler")'
check_fails "refused: a container of an image for a handler that is not configured" "config.image: runtime_handler: .*nope.* is not configured" \
	crictl create "$POD" "$(ctr_config nope "$VOLUME" '.image.runtime_handler = "nope"')" "$SCRATCH/pod-vol.json"
check_fails "refused: such a volume" "config.mounts\[0\].image: runtime_handler: .*nope.* is not configured" with_volume nope \
	"$(mount_at /v | sed 's/image: {/image: {runtime_handler: "nope", /')"
check "its container is removed" crictl rm "$CTR"
check "removed for the first handler" crisp rmi --runtime second "$VOLUME"
spec_is "the other one keeps it" '"org.example.level":"high","org.example.vendor":"maker","own":"1"' ""
check "removed for a handler without it" crisp rmi --runtime second "$VOLUME"
check "it is still there" crictl inspecti "$VOLUME"
check "removed for all" crictl rmi "$VOLUME"
check_fails "it is gone" "no such image" crictl inspecti "$VOLUME"

# --- VOLUME ------------------------------------------------------------------------------------------------------------

own_volumes_push() {
	local dir=$SCRATCH/own
	skopeo copy -q --src-tls-verify=false "docker://$BUSYBOX" "oci:$dir:v" || return
	mkdir -p "$dir.fs"
	echo hidden >"$dir.fs/file"
	chmod 1770 "$dir.fs"
	chown 7:8 "$dir.fs"
	umoci insert --image "$dir:v" "$dir.fs" /kept && umoci config --image "$dir:v" --config.volume /kept --config.volume /new/deep --config.volume /new &&
		skopeo copy -q --dest-tls-verify=false "oci:$dir:v" "docker://$REGISTRY/own-volumes:1"
} >"$SCRATCH/volume.log" 2>&1
own_volumes_push || { cat "$SCRATCH/volume.log"; bail "the image with volumes cannot be made"; }
OWN=$REGISTRY/own-volumes:1

# volumes_are MODE: the daemon is started with it, and a container of the image
volumes_are() {
	printf '[crio.image]\nimage_volumes = "%s"\n' "$1" >"$SCRATCH/config.d/20-volumes.conf"
	daemon_kill && daemon_again && ctr_run "$POD" "vol.$1" "${2:-.}" "$OWN"
}
volume_mounts() { inside sh -c 'grep -cE " /(kept|new|new/deep) " /proc/self/mountinfo || :'; }
check "the image with volumes" crictl pull "$OWN"
check "mkdir: a container" volumes_are mkdir
CTR=$OUT
check "mkdir: they are directories of its own" inside touch /new/deep/x
check_is "mkdir: with what the image has" hidden inside cat /kept/file
check_is "mkdir: nothing is mounted" 0 volume_mounts
check "mkdir: the container goes" crictl rm -f "$CTR"
check "ignore: a container" volumes_are ignore
CTR=$OUT
check_is "ignore: nothing is made" "" inside sh -c 'ls -d /new 2>/dev/null || :'
check "ignore: the container goes" crictl rm -f "$CTR"
check "bind: a container whose root is read-only" volumes_are bind '.linux.security_context.readonly_rootfs = true'
CTR=$OUT
check_is "bind: each is mounted" 3 volume_mounts
check_is "bind: with owner and mode of the image's directory" "7:8 1770" inside stat -c '%u:%g %a' /kept
check_is "bind: and empty" "" inside sh -c 'ls -A /kept; ls -A /new/deep'
check "bind: it can be written" inside sh -c 'echo written >/kept/x && echo too >/new/deep/x'
daemon_kill
daemon_again
check_is "bind: a restart loses nothing" "written too" inside sh -c 'echo $(cat /kept/x /new/deep/x)'
check "bind: what the kubelet mounts there comes first" ctr_run "$POD" vol.over \
	".mounts = [{container_path: \"/kept\", host_path: \"$SCRATCH/own.fs\"}]" "$OWN"
CTR2=$OUT
check_is "bind: its files" hidden crictl exec --sync "$CTR2" cat /kept/file
check "bind: the containers go" crictl rm -f "$CTR" "$CTR2"
check_is "bind: and their volumes with them" "" find "$ROOT" -path '*/volumes/*'
check "everything is removed" everything_remove
harness_end
