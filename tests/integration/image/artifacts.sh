#!/bin/bash
# artifacts.sh - OCI artifacts are pulled, listed and removed like images, and their blobs are files
# of an image volume. A container of an artifact and an unsupported artifact are refused and leave
# nothing.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../imagelib.sh"
registry_start
daemon_start

# --- artifacts in the registry -------------------------------------------------------------------------------------------

# blob_put FILE: uploaded; prints its digest
blob_put() {
	local digest where
	digest=sha256:$(sha256sum <"$1" | cut -d' ' -f1)
	where=$(curl -fsS -X POST -D - -o /dev/null "http://$REGISTRY/v2/files/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	curl -fsS -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$where&digest=$digest" && echo "$digest"
}

# described FILE [TITLE]: the descriptor of a blob that is uploaded
described() {
	local digest
	digest=$(blob_put "$1") && jq -cn --arg d "$digest" --argjson s "$(stat -c %s "$1")" --arg t "${2:-}" \
		'{mediaType: "text/plain", digest: $d, size: $s} + if $t == "" then {} else {annotations: {"org.opencontainers.image.title": $t}} end'
}

# manifest_put TAG JQ DESCRIPTOR...: JQ changes the manifest
manifest_put() {
	local tag=$1 change=$2
	shift 2
	printf '%s\n' "$@" | jq -cs --argjson config "$EMPTY" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
		artifactType: "application/vnd.example.files", config: ($config + {mediaType: "application/vnd.oci.empty.v1+json"}), layers: .} | '"$change" \
		>"$SCRATCH/manifest-$tag.json"
	curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$SCRATCH/manifest-$tag.json" \
		"http://$REGISTRY/v2/files/manifests/$tag"
}

F=$SCRATCH/files
mkdir "$F"
printf '{}' >"$F/empty.json"
echo "hello" >"$F/hello"
head -c 3000000 /dev/urandom >"$F/model"
: >"$F/nothing"
tar -C "$F" -cf "$F/archive.tar" hello
EMPTY=$(described "$F/empty.json") && HELLO=$(described "$F/hello" hello.txt) && MODEL=$(described "$F/model" data/model.bin) &&
	NOTHING=$(described "$F/nothing" data/deep/nothing) && UNNAMED=$(described "$F/hello") && ARCHIVE=$(described "$F/archive.tar" archive.tar) ||
	bail "the blobs cannot be uploaded"
FILES=$REGISTRY/files:v1
manifest_put v1 . "$HELLO" "$MODEL" "$NOTHING" "$UNNAMED" "$ARCHIVE" || bail "the artifact cannot be uploaded"
# Nothing but the config says what it is; one file is that of the first.
manifest_put v2 'del(.artifactType)' "$MODEL" || bail "the second artifact cannot be uploaded"
V2=$REGISTRY/files:v2
HELLO_HEX=$(sha256sum <"$F/hello" | cut -d' ' -f1)

# --- pull and list -------------------------------------------------------------------------------------------------------

check "an image" crictl pull "$BUSYBOX" || exit 1
check "a pod" pod_run art "$HOST_NET" || exit 1
POD=$OUT POD_NAME=art VOLUME=$FILES
images_now() { find "$ROOT/images/layers" "$ROOT/images/staging" -mindepth 1 -maxdepth 2 | sort; }

check "a container with a volume comes and goes" eval 'CTR=$(with_volume first "$(mount_at /v "" "$BUSYBOX")") && crictl rm -f "$CTR"'
images_now >"$SCRATCH/images.before"
world_snapshot >"$SCRATCH/world.pod"
check "an artifact is pulled" crictl pull "$FILES"
check_is "its id is the digest of its manifest" "sha256:$(sha256sum <"$SCRATCH/manifest-v1.json" | cut -d' ' -f1)" \
	eval 'crictl inspecti "$FILES" | jq -r .status.id'
check_is "it is listed with its names" "$FILES $REGISTRY/files@sha256:$(sha256sum <"$SCRATCH/manifest-v1.json" | cut -d' ' -f1)" \
	eval 'crictl images -o json | jq -r ".images[] | select(.repoTags[0] == \"$FILES\") | .repoTags[0] + \" \" + .repoDigests[0]"'
check_is "its size is that of its files" $((3000000 + 6 + 6 + $(stat -c %s "$F/archive.tar"))) eval 'crictl inspecti "$FILES" | jq -r .status.size'
check_is "what it is is told" application/vnd.example.files eval 'crictl inspecti "$FILES" | jq -r .info.artifactType'
check "another one that shares a file" crictl pull "$V2"
check_is "it is on the disk once" 1 eval 'find "$ROOT/images/layers" -name model.bin | wc -l'

# --- mounted -------------------------------------------------------------------------------------------------------------

check "a container with its files" with_volume all "$(mount_at /v)" "$(mount_at /part data)" "$(mount_at /one hello.txt)" "$(mount_at /v2 "" "$V2")"
CTR=$OUT
check_is "a file" hello inside cat /v/hello.txt
check_is "one without a title is named by its digest" hello inside cat "/v/$HELLO_HEX"
check_is "a large one" "$(sha256sum <"$F/model")" eval 'inside sha256sum /v/data/model.bin | sed "s,/v.*,-,"'
check_is "an archive is not unpacked" "$(sha256sum <"$F/archive.tar")" eval 'inside sha256sum /v/archive.tar | sed "s,/v.*,-,"'
check_is "an empty one, modes and owners" "data/deep/nothing 644 0:0 0" inside sh -c 'cd /v && stat -c "%n %a %u:%g %s" data/deep/nothing'
check_is "nothing else" "$HELLO_HEX archive.tar data hello.txt" eval 'inside ls /v | sort | xargs'
check_is "a directory of it" "deep model.bin" eval 'inside ls /part | xargs'
check_is "a file of it" hello inside cat /one
check_is "the other one" "$(sha256sum <"$F/model")" eval 'inside sha256sum /v2/data/model.bin | sed "s,/v2.*,-,"'
check_fails "it cannot be written" "Read-only" inside touch /v/new
check_fails "nor a file of it" "Read-only" inside sh -c 'echo x >/one'
check_fails "a part that is not there" "ImageVolumeMountFailed.*no-such" with_volume nosuch "$(mount_at /v no-such)"

# --- refused -------------------------------------------------------------------------------------------------------------

check_fails "no container is made from it" "FailedPrecondition.*$FILES.*is an artifact \(application/vnd.example.files\)" \
	ctr_run "$POD" art.from ".metadata.name = \"from\" | .image.image = \"$FILES\""
images_now >"$SCRATCH/images.two"
# hostile TAG PATTERN JQ DESCRIPTOR...
hostile() {
	local tag=$1 pattern=$2
	shift 2
	manifest_put "$tag" "$@" || bail "the manifest $tag cannot be uploaded"
	check_fails "refused: $tag" "$pattern" crictl pull "$REGISTRY/files:$tag"
}
titled() { jq -c --arg t "$1" '.annotations = {"org.opencontainers.image.title": $t}' <<<"$HELLO"; }
hostile above 'layers\[1\].*image\.title.*\.\./x' . "$MODEL" "$(titled ../x)"
hostile absolute 'layers\[0\].*image\.title.*/etc/x' . "$(titled /etc/x)"
hostile whiteout 'image\.title.*\.wh\.data' . "$(titled .wh.data)"
hostile twice 'exclude each other' . "$HELLO" "$(titled hello.txt)"
hostile below 'exclude each other' . "$HELLO" "$(titled hello.txt/x)"
hostile type 'no media type' '.artifactType = "a b"' "$HELLO"
echo sized >"$F/sized"
hostile size 'layer 2 of 2.*(size|bytes)' '.layers[1].size += 1' "$MODEL" "$(described "$F/sized" sized)"

# A blob that changed in the registry's storage.
echo changed >"$F/changed"
manifest_put changed . "$(described "$F/changed" changed)" || bail "the manifest cannot be uploaded"
hex=$(sha256sum <"$F/changed" | cut -d' ' -f1)
echo CHANGED >"$SCRATCH/registry/data/docker/registry/v2/blobs/sha256/${hex:0:2}/$hex/data"
check_fails "refused: a blob with another digest" "digest" crictl pull "$REGISTRY/files:changed"
check_is "nothing is left of what was refused" "$(cat "$SCRATCH/images.two")" images_now

# --- kept and removed ----------------------------------------------------------------------------------------------------

check_fails "it is in use" "in use" crictl rmi "$FILES"
daemon_kill
daemon_again
check_is "after a restart its files are there" hello inside cat /v/hello.txt
check_is "and it is listed" 1 eval 'crictl images -o json | jq "[.images[] | select(.repoTags[0] == \"$FILES\")] | length"'
check "its container is removed" crictl rm -f "$CTR"
check "it is removed" crictl rmi "$FILES"
check_is "the shared file stays" 1 eval 'find "$ROOT/images/layers" -name model.bin | wc -l'
check "without a container" eval 'for id in $(crictl ps -aq); do crictl rm -f "$id" || exit; done'

daemon_kill TERM
printf '[crio.image]\noci_artifact_mount_support = false\n' >"$SCRATCH/config.d/artifacts.conf"
daemon_again
check "switched off: it is pulled" crictl pull "$FILES"
check_fails "switched off: no mount of one that is here" "code = Unknown desc = ImageVolumeMountFailed: .*oci_artifact_mount_support is off" \
	with_volume off "$(mount_at /v "" "$V2")"
check "they can be removed" crictl rmi "$V2" "$FILES"
world_diff "nothing of artifacts is left" "$SCRATCH/world.pod"
check_is "nor of their files" "$(cat "$SCRATCH/images.before")" images_now
check "everything is removed" everything_remove
harness_end
