#!/bin/bash
# space.sh - image space: layers damaged by a power loss are found, quarantined and pulled again
# alone. Pinned images, removal by tag, digest and id (`remove_image`), images in use, ImageFsInfo,
# `crisp images --tree`, `crisp gc`, a full disk.
set -u
# The boot id is a file of ours, seen by this script and what it starts.
if [ -z "${CRISP_TEST_MOUNTNS:-}" ]; then
	[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP only root can run pods"; exit 77; }
	exec env CRISP_TEST_MOUNTNS=1 unshare --mount --propagation private bash "$0" "$@"
fi
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

new_boot() { cat /proc/sys/kernel/random/uuid >"$SCRATCH/boot_id"; }
new_boot
mount --bind "$SCRATCH/boot_id" /proc/sys/kernel/random/boot_id || skip_all "the boot id cannot be covered"

# --- images and their registry -------------------------------------------------------------------------------------------

# Two images on one base: a shell, a set-id program, a link, a file with an attribute.
make_images() {
	local lay=$SCRATCH/layout r name
	umoci init --layout "$lay" && umoci new --image "$lay:base" && umoci unpack --image "$lay:base" "$SCRATCH/base" || return
	r=$SCRATCH/base/rootfs
	mkdir -p "$r"/{bin,etc,data}
	cp "$(command -v busybox)" "$r/bin/busybox" && ln -s busybox "$r/bin/sh" && ln -s busybox "$r/bin/sleep" || return
	head -c 300000 /dev/zero | tr '\0' 'x' >"$r/etc/big"
	echo text >"$r/etc/small"; chmod 4755 "$r/bin/busybox"; setfattr -n user.note -v hello "$r/etc/small"
	umoci repack --image "$lay:base" "$SCRATCH/base" && umoci config --image "$lay:base" --config.cmd /bin/sh || return
	for name in one two; do
		rm -rf "${SCRATCH:?}/${name:?}"
		umoci unpack --image "$lay:base" "$SCRATCH/$name" || return
		head -c 100000 /dev/zero | tr '\0' "${name:0:1}" >"$SCRATCH/$name/rootfs/data/$name"
		umoci repack --image "$lay:$name" "$SCRATCH/$name" || return
	done
	for name in one two; do
		skopeo copy -q --dest-tls-verify=false "oci:$lay:$name" "docker://$REGISTRY/t/$name:1" || return
	done
	skopeo copy -q --dest-tls-verify=false "oci:$lay:one" "docker://$REGISTRY/t/other:2"
}

registry_logged() {
	mkdir -p "$SCRATCH/registry"
	printf '%s\n' "version: 0.1" "log: {level: error}" "storage: {filesystem: {rootdirectory: $SCRATCH/registry/data}}" \
		"http: {addr: \"$REGISTRY\"}" >"$SCRATCH/registry/config.yml"
	docker-registry serve "$SCRATCH/registry/config.yml" >"$SCRATCH/registry/log" 2>&1 &
	REGISTRY_PID=$!
	poll 30 curl -fsS "http://$REGISTRY/v2/" || bail "docker-registry does not start: $(tail -n 3 "$SCRATCH/registry/log")"
}

ONE=$REGISTRY/t/one:1
TWO=$REGISTRY/t/two:1
OTHER=$REGISTRY/t/other:2
registry_logged
make_images >"$SCRATCH/make.log" 2>&1 || bail "the images cannot be made: $(tail -n 5 "$SCRATCH/make.log")"

# layer NAME N: the directory of the Nth layer (from 0) of an image
layer() {
	local diff
	diff=$(umoci stat --image "$SCRATCH/layout:$1" --json >/dev/null && skopeo inspect --config "oci:$SCRATCH/layout:$1" |
		jq -r ".rootfs.diff_ids[$2]")
	echo "$ROOT/images/layers/${diff:7:24}"
}

blob() { skopeo inspect --raw "oci:$SCRATCH/layout:$1" | jq -r ".layers[$2].digest"; }
# blobs_of NAME N: how often the registry was asked for that layer's blob
gets() { grep -c "GET /v2/t/[a-z]*/blobs/$(blob "$1" "$2")" "$SCRATCH/registry/log"; }

crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
here() { crictl inspecti "$1" >/dev/null 2>&1; }
absent() { ! here "$1"; }
logged() { tail -n "+$((MARK + 1))" "$SCRATCH/daemon.log" | grep -Eq "$1"; }
mark() { MARK=$(wc -l <"$SCRATCH/daemon.log"); }

# reboot: the daemon is gone, so is what it kept in memory
reboot() {
	everything_remove
	daemon_kill
	new_boot
	mark
	daemon_again
}

# all that is under way in the background is done
verified() { poll 60 eval '! crisp -o json explain | grep -q VERIFYING'; }

# --- verification --------------------------------------------------------------------------------------------------------

daemon_start
check "pull of the first image" crictl pull "$ONE"
check "pull of the second" crictl pull "$TWO"
BASE=$(layer one 0)
check_is "their base is one layer" "$BASE" layer two 0
check "each layer has a sum" eval "grep -q '^sum xxh3:' '$BASE/meta' '$(layer one 1)/meta'"
tree() { (cd "$1/fs" && find . -printf '%p %y %m %U %G %s %l\n' -o -quit | sort; find . -type f -exec sha256sum {} + | sort); }
tree "$BASE" >"$SCRATCH/base.tree"

reboot
check "after a reboot images of the last boot are verified" poll 60 logged 'img=.* from=VERIFYING event=whole to=PRESENT'
check "and are there all the while" here "$ONE"
verified
mark
daemon_kill
daemon_again
check "once" eval '! logged "event=check"'
reboot
check "and never again" eval '! logged "event=check"'
check "a pod runs from it" pod_run after
check "with a container" ctr_run "$OUT" after '.command = ["/bin/sh", "-c", "sleep 1000"]' "$ONE"
everything_remove

# damaged WHAT COMMAND: what the disk has lost is noticed after the next reboot; both images are
# pulled anew before, so that they are of the last boot.
damaged() {
	local what=$1 before_base before_top
	crictl rmi "$ONE" "$TWO" >/dev/null 2>&1
	crictl pull "$ONE" >/dev/null && crictl pull "$TWO" >/dev/null || { not_ok "$what: pull"; return; }
	everything_remove
	daemon_kill
	eval "$2" || { not_ok "$what: $2"; return; }
	new_boot
	mark
	daemon_again
	check "$what: the layer is quarantined or known to be missing" poll 60 logged "layer (quarantined|missing)"
	check "$what: the images that have it are absent" poll 60 eval 'absent "$ONE" && absent "$TWO"'
	check "$what: not listed either" eval '! crictl images | grep -q "/t/one"'
	check "$what: explain says why" eval 'crisp explain | grep -Eq "layer sha256:[0-9a-f]+ is (damaged|missing)"'
	before_base=$(gets one 0) before_top=$(gets one 1)
	check "$what: a pull brings it back" crictl pull "$ONE"
	check_is "$what: by that layer" $((before_base + 1)) gets one 0
	check_is "$what: alone" "$before_top" gets one 1
	check "$what: the other image follows" crictl pull "$TWO"
	check_is "$what: without fetching anything" $((before_base + 1)) gets one 0
	check "$what: the layer is as it was" eval 'tree "$BASE" | cmp -s - "$SCRATCH/base.tree"'
	check "$what: everything is at rest" eval 'crisp explain | grep -q "at rest"'
}
flip() { printf '\x79' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
keep_time() { local t; t=$(stat -c %y "$1"); shift; "$@"; touch -d "$t" "$BASE/fs/etc/big"; }
damaged "a flipped byte" 'keep_time "$BASE/fs/etc/big" flip "$BASE/fs/etc/big" 200000'
damaged "a missing file" 'rm "$BASE/fs/etc/small"'
damaged "a wrong mode" 'chmod 755 "$BASE/fs/bin/busybox"'
damaged "a truncated file" 'keep_time "$BASE/fs/etc/big" truncate -s 299999 "$BASE/fs/etc/big"'
damaged "a lost attribute" 'setfattr -x user.note "$BASE/fs/etc/small"'
damaged "a missing layer" 'rm -rf "$BASE"'
damaged "a meta file of nulls" 'truncate -s 0 "$BASE/meta"; truncate -s 300 "$BASE/meta"'

# The same boot: a layer that is missing at a start is noticed without reading.
daemon_kill
rm -rf "$BASE"
mark
daemon_again
check "a layer that is missing at a start without a reboot is noticed" poll 30 absent "$ONE"
check "and pulled again" crictl pull "$ONE"
check "for both" crictl pull "$TWO"

# While the daemon runs: the container that cannot be made tells.
rm -rf "$BASE"
check "a layer vanishes below the daemon: pod" pod_run lost
POD=$OUT
check_fails "a layer vanishes below the daemon: a container says so" "missing: pull the image again" ctr_run "$POD" lost . "$ONE"
check "then its image is absent, so that the kubelet pulls it" poll 30 absent "$ONE"
check "and it comes back" crictl pull "$ONE"
check "with a container" ctr_run "$POD" lost '.command = ["/bin/sh", "-c", "sleep 1000"]' "$ONE"
crictl pull "$TWO" >/dev/null
everything_remove

# Damage in a layer that a running container uses: the container goes on.
crictl rmi "$ONE" "$TWO" >/dev/null
crictl pull "$ONE" >/dev/null
daemon_kill
flip "$BASE/fs/etc/small" 0
new_boot
mark
daemon_again
poll 60 logged "layer quarantined"
check "an image is damaged" poll 60 absent "$ONE"
check_is "what is left of it waits in quarantine" 1 eval 'ls "$ROOT/images/quarantine" | wc -l'
daemon_kill
daemon_again
check_is "until the next start" 0 eval 'ls "$ROOT/images/quarantine" | wc -l'
check "it is pulled again" crictl pull "$ONE"
check "it is removed" crictl rmi "$ONE"
check "with what it had" eval '[ -z "$(ls "$ROOT/images/layers" | grep -v empty)" ]'

# --- tags and pins -------------------------------------------------------------------------------------------------------

removes_all() { crictl rmi "$ONE" && absent "$ONE" && absent "$OTHER"; }
pinned() { crictl images -o json | jq -r --arg n "$1" '.images[] | select(.repoTags[] == $n).pinned'; }
config() { { echo '[crio.image]'; printf '%s\n' "$@"; } >"$SCRATCH/config.d/50-image.conf"; daemon_kill TERM; daemon_again; }

check "one image under two tags: pull" eval 'crictl pull "$ONE" && crictl pull "$OTHER"'
check_is "one image" 1 eval 'crictl images -q | sort -u | wc -l'
check "removing one tag removes the image" removes_all
config 'remove_image = "untag"' "pinned_images = [\"${ONE%e:1}*\", \"*/two*\", \"other\"]"
check "pull under two tags again, and another image" eval 'crictl pull "$ONE" && crictl pull "$OTHER" && crictl pull "$TWO"'
check_is "a beginning pins" true pinned "$ONE"
check_is "a keyword pins" true pinned "$TWO"
ID=$(crictl inspecti "$ONE" | jq -r .status.id)
check "untag: a tag goes" crictl rmi "$OTHER"
check "untag: alone" eval 'absent "$OTHER" && here "$ONE"'
check_is "untag: exactly" "$ONE" eval 'crictl inspecti "$ID" | jq -r ".status.repoTags[]"'
daemon_kill
daemon_again
check "untag: for good" eval 'absent "$OTHER" && here "$ONE"'
check "a pinned image can be removed: with its last tag it goes" crictl rmi "$ONE"
check "and is gone" absent "$ID"
config "pinned_images = [\"$TWO\"]"
check "a pull with other pins" crictl pull "$ONE"
check_is "the configuration of now counts for images of before: not pinned" false pinned "$ONE"
check_is "the exact name is" true pinned "$TWO"

# --- in use --------------------------------------------------------------------------------------------------------------

check "a pod with a container" eval 'POD=$(pod_run user) && CTR=$(ctr_run "$POD" user ".command = [\"/bin/sh\", \"-c\", \"sleep 1000\"]" "$ONE")'
POD=$(crictl pods -q) CTR=$(crictl ps -q)
ID=$(crictl inspecti "$ONE" | jq -r .status.id)
for ref in "$ONE" "$ID" "${ID:7:12}" "$(crictl inspecti "$ONE" | jq -r '.status.repoDigests[0]')"; do
	check_fails "an image in use is not removed: $ref" "in use by container" crictl rmi "$ref"
done

# --- who has what --------------------------------------------------------------------------------------------------------

tree_json() { crisp -o json images --tree | jq -r "$1"; }
check_is "tree: both images" 2 tree_json '.images | length'
check_is "tree: the base is shared" "$(crictl inspecti "$TWO" | jq -r .status.id)" \
	tree_json '.images[] | select(.names[0] == "'"$ONE"'").layers[0].sharedWith[0]'
check_is "tree: what is on top is not" 0 tree_json '.images[] | select(.names[0] == "'"$ONE"'").layers[1].sharedWith | length'
check_is "tree: the container" "$CTR" tree_json '.images[] | select(.names[0] == "'"$ONE"'").containers[0]'
check_is "tree: the pin" true tree_json '.images[] | select(.names[0] == "'"$TWO"'").pinned'
du_of() { find "$1/fs" -type f -printf '%b\n' -o -type d -printf '8\n' | awk '{ n += $1 * 512 } END { print n }'; }
near() { [ "$1" -ge $(($2 - 65536)) ] && [ "$1" -le $(($2 + 65536)) ] || { echo "$1 is not near $2"; return 1; }; }
check "tree: its own bytes are those on disk" near "$(tree_json '.images[] | select(.names[0] == "'"$ONE"'").uniqueBytes')" "$(du_of "$(layer one 1)")"
check "tree: for people" eval 'crisp images --tree "$ONE" | grep -Eq "\|- .*also of"'
check_fails "tree: an image that is not here" "is not here" crisp images --tree nothing

fs_info() { crictl imagefsinfo -o json | jq -r "$1"; }
check "ImageFsInfo: bytes of images as on disk" near "$(fs_info '.status.imageFilesystems[0].usedBytes.value')" \
	"$(du -s --block-size=1 "$ROOT/images/layers" | cut -f 1)"
check "ImageFsInfo: inodes" near "$(fs_info '.status.imageFilesystems[0].inodesUsed.value')" "$(find "$ROOT/images/layers" | wc -l)"
BEFORE=$(fs_info '.status.containerFilesystems[0].usedBytes.value')
crictl exec --sync "$CTR" /bin/sh -c 'busybox head -c 3000000 /dev/zero >/data/new' || crictl exec --sync "$CTR" /bin/busybox dd if=/dev/zero of=/data/new bs=1000000 count=3
check "ImageFsInfo: what a container writes" poll 60 eval \
	'[ "$(fs_info .status.containerFilesystems[0].usedBytes.value)" -ge $((BEFORE + 2900000)) ]'

# --- garbage -------------------------------------------------------------------------------------------------------------

gc_json() { crisp -o json gc "$@"; }
item() { jq -r --arg n "$1" '.items[] | select(.name == $n) | "\(.removed) \(.why)"'; }
check "gc --dry-run" eval 'gc_json --dry-run >"$SCRATCH/gc.json"'
check_is "gc: what a container uses stays" "false container ${CTR:0:13} uses it" eval 'item "$ONE" <"$SCRATCH/gc.json"'
check_is "gc: what is pinned stays" "false it is pinned" eval 'item "$TWO" <"$SCRATCH/gc.json"'
config 'pinned_images = []'
mkdir -p "$ROOT/images/layers/0123456789abcdef01234567/fs" "$ROOT/images/trash/old"
sed "s/^diff_id .*/diff_id sha256:0123456789abcdef01234567$(printf '%040d' 1)/" "$BASE/meta" >"$ROOT/images/layers/0123456789abcdef01234567/meta"
check "gc --dry-run again" eval 'gc_json --dry-run >"$SCRATCH/gc.json"'
check_is "gc: an unused image would go" "true no container uses it" eval 'item "$TWO" <"$SCRATCH/gc.json"'
check_is "gc: so would a layer without an image, and trash" "layer true trash true" \
	eval 'jq -r "[.items[] | select(.kind == \"layer\" or .kind == \"trash\") | \"\(.kind) \(.removed)\"] | join(\" \")" "$SCRATCH/gc.json"'
check "gc: a dry run leaves everything" eval 'here "$TWO" && [ -d "$ROOT/images/trash/old" ]'
check_is "gc: only what it has alone is freed with an image" "$(tree_json '.images[] | select(.names[0] == "'"$TWO"'").uniqueBytes')" \
	eval 'jq -r ".items[] | select(.name == \"$TWO\").bytes" "$SCRATCH/gc.json"'
check "gc for people" eval 'crisp gc | grep -Eq "^remove +image .*no container uses it"'
check "gc: the unused image is gone, the other one stays" eval 'absent "$TWO" && here "$ONE"'
check "gc: and what nobody has" poll 20 eval '[ "$(ls "$ROOT/images/layers" | grep -vc empty)" = 2 ] && [ -z "$(ls "$ROOT/images/trash")" ]'

# A damaged layer that a container has stays in quarantine until the container goes.
crictl stop --timeout 0 "$CTR" >/dev/null
crictl stopp "$POD" >/dev/null
daemon_kill
flip "$BASE/fs/etc/small" 0
new_boot
daemon_again
check "an image is damaged again" poll 60 absent "$ONE"
check "gc leaves what a container has" eval 'crisp gc | grep -Eq "^keep +quarantine .*a container uses it"'
everything_remove
check "gc removes it with the container gone" eval 'crisp gc | grep -Eq "^remove +image .*damaged"'
check "with everything it had" poll 20 eval '[ "$(ls "$ROOT/images/layers" | grep -vc empty)" = 0 ]'
check_is "and quarantine is empty" 0 eval 'ls "$ROOT/images/quarantine" | wc -l'
check_is "then there is nothing to collect" "0B freed" crisp gc

# --- a full disk ---------------------------------------------------------------------------------------------------------

daemon_stop
rm -rf "$ROOT"
mkdir "$ROOT"
mount -t tmpfs -o size=80m crisp-small "$ROOT" || bail "tmpfs cannot be mounted here"
daemon_start
check "full disk: pull" eval 'crictl pull "$ONE" && crictl pull "$TWO"'
cat /dev/zero >"$ROOT/filler" 2>/dev/null
check_fails "full disk: there is no space left" "No space" dd if=/dev/zero of="$ROOT/probe" bs=4096 count=16
check "full disk: rmi works" crictl rmi "$ONE"
rm -f "$ROOT/probe"
cat /dev/zero >>"$ROOT/filler" 2>/dev/null
check "full disk: gc works" eval 'crisp gc | grep -q "^remove *image"'
check_is "full disk: nothing is left" "" eval 'crictl images -q'
check "full disk: no layer either" poll 20 eval '[ "$(ls "$ROOT/images/layers" | grep -vc empty)" = 0 ]'
rm -f "$ROOT/filler"
check "with space again: pull" crictl pull "$ONE"

harness_end
