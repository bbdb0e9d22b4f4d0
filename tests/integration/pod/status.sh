#!/bin/bash
# status.sh - Status, ContainerStatus, ImageStatus and errors as a kubelet reads them: the image's name, the
# stop signal in force, a command that cannot be run.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../imagelib.sh"
registry_start
daemon_start

status_of() { crictl inspect "$1" | jq -r ".status$2"; }
# The names of the schema of v0.37 have SIGNAL_ in front.
signal_of() { local s; s=$(status_of "$1" .stopSignal) && echo "${s#SIGNAL_}"; }

check "pull" crictl pull "$BUSYBOX"
ID=$(crictl inspecti "$BUSYBOX" | jq -r .status.id)
DIGEST=$(crictl inspecti "$BUSYBOX" | jq -r '.status.repoDigests[0]')
check "run a pod" pod_run names "$HOST_NET"
POD=$OUT

# create NAME JQ [IMAGE]: a container in the pod, prints its id
create() { crictl create "$POD" "$(ctr_config "$1" "${3:-$BUSYBOX}" "$2")" "$SCRATCH/pod-names.json"; }

# --- the node's runtime handlers ---------------------------------------------------------------------------------------

handler() { crictl info | jq -r --arg name "$1" '[.runtimeHandlers[] | select((.name // "") == $name) | .features.recursive_read_only_mounts // false] | join(" ")'; }
RRO=$(runc features | jq '.mountOptions | index("rro") != null')
check_is "a runtime handler and its features" "$RRO" handler runc
check_is "the default one, which has no name" "$RRO" handler ""
check_is "one that is not configured" "" handler nope

# --- the image's name --------------------------------------------------------------------------------------------------

# shown WHAT EXPECTED IMAGESPEC: the name that ContainerStatus shows
shown() {
	local what=$1 expected=$2 spec=$3 id
	check "$what: create" create "n$TESTS" ".image = $spec" || return
	id=$OUT
	check_is "$what: image.image" "$expected" status_of "$id" .image.image
	check_is "$what: image_ref" "$DIGEST" status_of "$id" .imageRef
	check_is "$what: image_id" "$ID" status_of "$id" .imageId
	check_is "$what: ListContainers has the request's image" "$(jq -r .image <<<"$spec")" eval \
		"crictl ps -a -o json --id $id | jq -r '.containers[].image.image'"
}
shown "as the kubelet asks" "$BUSYBOX" "{\"image\": \"$ID\", \"user_specified_image\": \"$BUSYBOX\"}"
shown "a digest of the user" "$BUSYBOX" "{\"image\": \"$ID\", \"user_specified_image\": \"$DIGEST\"}"
shown "an id alone" "$BUSYBOX" "{\"image\": \"$ID\"}"
shown "a name alone" "$BUSYBOX" "{\"image\": \"$BUSYBOX\"}"
shown "a name of another image" "$BUSYBOX" "{\"image\": \"$ID\", \"user_specified_image\": \"other.example/x:1\"}"
shown "a short name" "$BUSYBOX" "{\"image\": \"$ID\", \"user_specified_image\": \"e2e-test-images/busybox:1.29-2\"}"

# --- an index: its digest, and that of this machine's manifest ---------------------------------------------------------

MANIFESTS=http://$REGISTRY/v2/${BUSYBOX#*/}
MANIFESTS=${MANIFESTS%:*}/manifests
OCI=application/vnd.oci.image
curl -fsS -H "Accept: $OCI.manifest.v1+json" "$MANIFESTS/${DIGEST#*@}" >"$SCRATCH/manifest"
jq -c -n --arg d "${DIGEST#*@}" --argjson s "$(stat -c %s "$SCRATCH/manifest")" --arg t "$OCI" --arg a "$(dpkg --print-architecture)" '{
	schemaVersion: 2, mediaType: ($t + ".index.v1+json"), manifests: [
	{mediaType: ($t + ".manifest.v1+json"), digest: $d, size: $s, platform: {os: "linux", architecture: $a}}]}' >"$SCRATCH/list"
curl -fsS -X PUT -H "Content-Type: $OCI.index.v1+json" --data-binary @"$SCRATCH/list" "$MANIFESTS/list" || bail "the index cannot be pushed"
LIST=${DIGEST%@*}@sha256:$(sha256sum <"$SCRATCH/list" | cut -d" " -f1)
digests() { crictl inspecti "$1" | jq -r '.status.repoDigests | join(" ")'; }
check "an index: the image is pulled by its digest alone" eval 'crictl rm -fa && crictl rmi "$BUSYBOX" && crictl pull "$LIST"'
check_is "an index: it has both digests" "$LIST $DIGEST" digests "$LIST"
check_is "an index: and is found by either" "$LIST $DIGEST" digests "$DIGEST"
check "an index: create" create list ".image = {image: \"$LIST\"}"
check_is "an index: without a tag the container shows the digest" "$LIST" status_of "$OUT" .image.image
check "an index: the image with its tag" crictl pull "$BUSYBOX"

# --- the stop signal in force ------------------------------------------------------------------------------------------

check "the default signal: create" create term .
check_is "the default signal" SIGTERM signal_of "$OUT"
check "a signal of the request: create" create usr1 '.stop_signal = 29'
check_is "a signal of the request" SIGUSR1 signal_of "$OUT"

# --- a command that cannot be run --------------------------------------------------------------------------------------

# start_fails WHAT TEXT JQ: CreateContainer succeeds, StartContainer fails, the status tells why
start_fails() {
	local what=$1 text=$2 name=s$TESTS id
	check "$what: create" create "$name" "$3" || return
	id=$OUT
	check_is "$what: created" CONTAINER_CREATED ctr_state "$id"
	check_fails "$what: start" "$text" crictl start "$id"
	check_is "$what: exited" CONTAINER_EXITED ctr_state "$id"
	check_is "$what: reason" StartError status_of "$id" .reason
	check_is "$what: exit code" 128 status_of "$id" .exitCode
	check "$what: message" grep -Eq "$text" <(status_of "$id" .message)
	check "$what: the message names the container once" eval \
		'! status_of "$1" .message | grep -q "container.*${1:0:13}.*${1:0:13}"' _ "$id"
	check "$what: the same create again" create "$name" "$3"
	check_is "$what: is the same container" "$id" echo "$OUT"
	check_fails "$what: a second start" "EXITED|exited|state" crictl start "$id"
	check "$what: rm" crictl rm "$id"
}
start_fails "no such command" "no-such-program" '.command = ["no-such-program"]'
start_fails "not executable" "ermission denied|not executable" '.command = ["/etc/passwd"]'
start_fails "a directory" "/etc" '.command = ["/etc"]'

# --- /sys of a privileged container ------------------------------------------------------------------------------------

check "/sys: run a pod" pod_run sys '.linux.security_context.privileged = true'
SYS=$OUT
check "/sys: an unprivileged container first" ctr_run "$SYS" sys.plain '.metadata.name = "plain"'
PLAIN=$OUT
check "/sys: a privileged one" ctr_run "$SYS" sys.priv '.metadata.name = "priv" | .linux.security_context.privileged = true'
PRIV=$OUT
queue() { crictl exec --sync "$1" sh -c 'echo 77 >/sys/class/net/lo/tx_queue_len'; }
check "/sys: the privileged one writes" queue "$PRIV"
check_fails "/sys: the unprivileged one does not" "read-only" queue "$PLAIN"
check "/sys: a second unprivileged one" ctr_run "$SYS" sys.late '.metadata.name = "late"'
check_fails "/sys: does not either" "read-only" queue "$OUT"
check "/sys: rmp" crictl rmp -f "$SYS"

# --- errors that a kubelet recognizes ----------------------------------------------------------------------------------

# The kubelet wants code UNKNOWN in a pull, and the word at the beginning of the text.
check_fails "no registry there" "code = Unknown desc = RegistryUnavailable: " crictl pull 127.0.0.1:9/t/none
volume() { create "v$TESTS" ".mounts = [{container_path: \"/v\", readonly: true, image: {image: \"$1\"}, image_sub_path: \"$2\"}]"; }
check_fails "an image volume that is not here" "code = Unknown desc = ImageVolumeMountFailed: config.mounts\[0\].image: " volume "$REGISTRY/no/such:1" ""
check_fails "an image volume without the sub path" "code = Unknown desc = ImageVolumeMountFailed: .*no-such" volume "$BUSYBOX" no-such
check_fails "a container that does not exist" "code = NotFound" crictl inspect 0123456789abcdef

# --- a refused container outlives crispd -------------------------------------------------------------------------------

check "refused, then kill -9 of crispd: create" create again '.command = ["no-such-program"]'
CTR=$OUT
daemon_kill
daemon_again
check_is "refused, then kill -9 of crispd: created" CONTAINER_CREATED ctr_state "$CTR"
check_fails "refused, then kill -9 of crispd: start" "no-such-program" crictl start "$CTR"
check_is "refused, then kill -9 of crispd: reason" StartError status_of "$CTR" .reason

check "refused and stopped: create" create stopped '.command = ["no-such-program"]'
CTR=$OUT
check "refused and stopped: stop" crictl stop "$CTR"
check_is "refused and stopped: exited" CONTAINER_EXITED ctr_state "$CTR"
check "refused, and its pod ends: create" create ends '.command = ["no-such-program"]'
CTR=$OUT
check "refused, and its pod ends: stopp" crictl stopp "$POD"
check_is "refused, and its pod ends: reason" StartError status_of "$CTR" .reason
check "rmp" crictl rmp "$POD"
harness_end
