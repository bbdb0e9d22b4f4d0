#!/bin/bash
# 39-image-volumes.sh - images mounted into containers: what is seen, what is refused, how long the image
# stays, and what is left behind.
set -u
. "$(dirname "$0")/lib.sh"
harness_begin "$@"
registry_start
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
		skopeo copy -q --dest-tls-verify=false "oci:$dir:v" "docker://$REGISTRY/volume:1"
} >"$SCRATCH/volume.log" 2>&1
volume_push || { cat "$SCRATCH/volume.log"; bail "the image of files cannot be made"; }
VOLUME=$REGISTRY/volume:1

check "images" eval 'crictl pull "$BUSYBOX" && crictl pull "$VOLUME"' || exit 1
check "a pod" pod_run vol "$HOST_NET" || exit 1
POD=$OUT
# with_volume NAME MOUNT...: a container with image mounts: jq objects
with_volume() {
	local name=$1
	shift
	ctr_run "$POD" "vol.$name" ".metadata.name = \"$name\" | .log_path = \"$name.log\" | .mounts = [$(IFS=,; echo "$*")]"
}
mount_at() { echo "{container_path: \"$1\", image: {image: \"${3:-$VOLUME}\"}, image_sub_path: \"${2:-}\", readonly: true}"; }
inside() { crictl exec --sync "$CTR" "$@"; }

# What the first one makes for all that follow stays.
check "a container with a volume comes and goes" eval 'CTR=$(with_volume first "$(mount_at /v)") && crictl rm -f "$CTR"'
world_snapshot >"$SCRATCH/world.pod"

check "a container with an image as a volume" with_volume all "$(mount_at /v)" "$(mount_at /sub data/sub)" "$(mount_at /again)"
CTR=$OUT
check_is "its files are there" top inside cat /v/top
check_is "a part of it" deep inside cat /sub/deeper/file
check_is "the same image a second time" top inside cat /again/top
check_fails "it cannot be written" "Read-only" inside touch /v/new
check_fails "its programs do not run" "Permission denied" inside /v/data/program
check_is "the kernel says so, too" 1 eval \
	'inside grep " /v " /proc/self/mountinfo | grep -c "ro,.*nosuid,nodev,noexec\|ro,nosuid,nodev,noexec"'
check_is "inspect names the image" "$VOLUME" eval \
	'crictl inspect "$CTR" | jq -r ".status.mounts[] | select(.containerPath == \"/v\") | .image.image"'

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
check_fails "refused: a sub path without an image" "image_sub_path" with_volume lone '{container_path: "/v", host_path: "/tmp", image_sub_path: "x"}'
check_fails "refused: both an image and a host path" "exclude" with_volume both \
	"{container_path: \"/v\", host_path: \"/tmp\", image: {image: \"$VOLUME\"}}"

check_fails "the image is in use" "in use" crictl rmi "$VOLUME"
daemon_kill
daemon_again
check_is "after a restart it is there" top inside cat /v/top
check_fails "and still in use" "in use" crictl rmi "$VOLUME"
check "its containers are removed" crictl rm -f "$CTR" "$CTR2"
for id in $(crictl ps -aq); do crictl rm -f "$id" >/dev/null; done
world_diff "nothing of the mounts is left" "$SCRATCH/world.pod"
check "now the image can go" crictl rmi "$VOLUME"
check "everything is removed" everything_remove
harness_end
