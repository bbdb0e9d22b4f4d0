#!/bin/bash
# 35-image.sh - pulls and layers without the daemon (pulldrv.c): what is unpacked equals what umoci unpacks from the same
# image, damaged and hostile images are refused with the reason and leave nothing, and removal never takes what a pull holds.
. "$(dirname "$0")/lib.sh"
harness_begin "$@"

cc -std=gnu17 -D_GNU_SOURCE -Ulinux -O1 ${CRISP_TEST_CFLAGS:-} -I"$TOP/src" -I"$TOP" -I"$TOP/gen" -o "$SCRATCH/pulldrv" \
	"$LIB_DIR/pulldrv.c" "$BUILD_DIR/libcrisp.a" -lprotobuf-c -ljansson -lxxhash -lpthread || bail "pulldrv does not compile"

LAY=$SCRATCH/layout
BLOBS=$LAY/blobs/sha256
IMAGES=$SCRATCH/images
ID=$(printf '%064d' 7)

pull() { "$SCRATCH/pulldrv" pull "$BUILD_DIR/crisp-pull" "$IMAGES" "$ID" "$@"; }

# The diffIDs of a pull's output, the lowest first.
diff_ids() { awk '$1 == "layer" { print $2 }' <<<"$OUT"; }

layer_dir() { echo "$IMAGES/layers/$(cut -c8-31 <<<"$1")"; }

# registry_plain PORT DIR [YAML]: a docker-registry of this script's own; harness_cleanup knows only one, so pids are kept.
REGISTRIES=
registry_plain() {
	printf '%s\n' "version: 0.1" "log: {level: error, accesslog: {disabled: true}}" \
		"storage: {filesystem: {rootdirectory: $2}}" "http: {addr: \"127.0.0.1:$1\"${4:+, $4}}" "${3:-}" >"$SCRATCH/registry-$1.yml"
	docker-registry serve "$SCRATCH/registry-$1.yml" >"$SCRATCH/registry-$1.log" 2>&1 &
	REGISTRIES="$REGISTRIES $!"
	poll 30 bash -c "</dev/tcp/127.0.0.1/$1" || bail "docker-registry does not start: $(tail -n 3 "$SCRATCH/registry-$1.log")"
}
end() {
	local rc=$?
	kill $REGISTRIES 2>/dev/null
	(exit $rc)
	harness_cleanup
}
trap end EXIT

# Everything about a tree that an image decides: type, mode, owner, time, link, size, links, device, xattrs, content.
tree_of() {
	(cd "$1" && LC_ALL=C && {
		find . -type f -printf '%p|f|%m|%U:%G|%T@|%s|%n\n' -o -type l -printf '%p|l|%U:%G|%T@|%l\n' -o -printf '%p|%y|%m|%U:%G|%T@\n'
		find . \( -type b -o -type c \) -exec stat -c '%n dev %t:%T' {} +
		find . -type f -exec sha256sum {} +
		find . \( -type f -o -type d \) -exec getfattr --absolute-names -d -m '^(user\.|security\.capability)' {} +
	} | sort)
}

# --- images --------------------------------------------------------------------------------------------------------------

# An image with one of everything, then a layer on top that changes each of them.
make_odd() {
	local r=$SCRATCH/odd/rootfs long
	umoci new --image "$LAY:odd" && umoci unpack --image "$LAY:odd" "$SCRATCH/odd" || return 1
	long=$(printf 'x%.0s' {1..200})
	mkdir -p "$r"/{bin,etc/deep/er,usr/lib,gone/sub,swap,again/old,empty,sticky} "$r/$long/$long"
	echo content >"$r/etc/file"; echo long >"$r/$long/$long/$long"; echo u >"$r/etc/Grüße"
	cp /bin/busybox "$r/bin/busybox"; chmod 4755 "$r/bin/busybox"
	ln "$r/bin/busybox" "$r/bin/hard"; ln -s /etc/file "$r/etc/absolute"; ln -s ../../outside "$r/etc/outside"
	ln -s usr/lib "$r/lib"; ln -s "$long/$long" "$r/longlink"
	mkfifo "$r/etc/fifo"; mknod -m 640 "$r/etc/null" c 1 3; mknod "$r/etc/disk" b 8 1
	echo x >"$r/gone/sub/file"; echo x >"$r/swap/file"; echo x >"$r/flip"; echo x >"$r/again/old/file"
	truncate -s 10M "$r/sparse"; printf end >>"$r/sparse"
	chown 1000:2000 "$r/etc/file" "$r/empty"; chown -h 1000:2000 "$r/etc/absolute"
	chmod 1777 "$r/sticky"; chmod 2750 "$r/empty"; chmod 000 "$r/etc/deep/er"
	setfattr -n user.note -v hello "$r/etc/file"; setfattr -n user.dir -v d "$r/etc/deep"
	setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 "$r/bin/busybox"
	touch -d '2001-02-03 04:05:06.789' "$r/etc/file"; touch -hd '2002-02-03 04:05:06' "$r/etc/absolute"
	touch -d '1965-01-01 00:00:00' "$r/etc/Grüße"; find "$r" -type d -exec touch -d '2003-03-03 03:03:03' {} +
	umoci repack --image "$LAY:odd" "$SCRATCH/odd" || return 1
	rm -rf "$SCRATCH/odd2"; umoci unpack --image "$LAY:odd" "$SCRATCH/odd2" || return 1
	r=$SCRATCH/odd2/rootfs
	rm -r "$r/gone"; rm -r "$r/swap"; echo file >"$r/swap"; rm "$r/flip"; mkdir "$r/flip"; echo in >"$r/flip/in"
	rm -r "$r/again"; mkdir "$r/again"; echo new >"$r/again/new"; chmod 600 "$r/etc/file"; echo more >"$r/usr/lib/more"
	umoci repack --image "$LAY:odd" "$SCRATCH/odd2" || return 1
	umoci config --image "$LAY:odd" --config.cmd /bin/busybox
}

put_blob() { digest=$(sha256sum <"$1" | cut -d' ' -f1); size=$(stat -c %s "$1"); cp "$1" "$BLOBS/$digest"; }

put_manifest() {
	put_blob "$2"
	jq -c --arg d "sha256:$digest" --argjson s "$size" --arg t "$1" \
		'.manifests += [{mediaType:"application/vnd.oci.image.manifest.v1+json",digest:$d,size:$s,annotations:{"org.opencontainers.image.ref.name":$t}}]' \
		"$LAY/index.json" >"$SCRATCH/index.json" && cp "$SCRATCH/index.json" "$LAY/index.json"
}

# tar_image TAG TAR [DIFFID]: an image with that file as its only layer, built by hand so that anything can be wrong with it.
tar_image() {
	local diff=${3:-sha256:$(sha256sum <"$2" | cut -d' ' -f1)} config manifest
	put_blob "$2"
	local layer='{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:'$digest'","size":'$size'}'
	LAYER_BLOB=$digest
	config=$SCRATCH/config.json manifest=$SCRATCH/manifest.json
	printf '{"os":"linux","architecture":"amd64","config":{},"rootfs":{"type":"layers","diff_ids":["%s"]}}' "$diff" >"$config"
	put_blob "$config"
	printf '{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' \
		"$digest" "$size" "$layer" >"$manifest"
	put_manifest "$1" "$manifest"
}

# zstd_image TAG FROM: the image FROM with its layers compressed anew.
zstd_image() {
	local manifest=$SCRATCH/manifest.json layer layers=
	cp "$BLOBS/$(jq -r --arg t "$2" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $t).digest[7:]' \
		"$LAY/index.json")" "$manifest"
	for layer in $(jq -r '.layers[].digest[7:]' "$manifest"); do
		zcat "$BLOBS/$layer" | zstd -q >"$SCRATCH/layer.zst"
		put_blob "$SCRATCH/layer.zst"
		layers="$layers,{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+zstd\",\"digest\":\"sha256:$digest\",\"size\":$size}"
	done
	jq -c --argjson l "[${layers#,}]" '.layers = $l' "$manifest" >"$manifest.new"
	put_manifest "$1" "$manifest.new"
}

umoci init --layout "$LAY"
{ make_odd; } >"$SCRATCH/make.log" 2>&1 || bail "umoci cannot make the image: $(tail -n 5 "$SCRATCH/make.log")"
registry_plain 5000 "$SCRATCH/reg"
push() { skopeo copy -q --dest-tls-verify=false "$@" >"$SCRATCH/make.log" 2>&1 || bail "skopeo cannot push: $(tail -n 5 "$SCRATCH/make.log")"; }
push "oci:$LAY:odd" docker://127.0.0.1:5000/t/odd:gzip
zstd_image zstd odd
push "oci:$LAY:zstd" docker://127.0.0.1:5000/t/odd:zstd
push --format v2s2 "oci:$LAY:odd" docker://127.0.0.1:5000/t/odd:docker
umoci unpack --image "$LAY:odd" "$SCRATCH/reference" >/dev/null 2>&1 || bail "umoci cannot unpack its image"
tree_of "$SCRATCH/reference/rootfs" >"$SCRATCH/reference.tree"

# --- what is unpacked ----------------------------------------------------------------------------------------------------

# same_tree WHAT MODE: the layers of the last pull, mounted, equal the reference.
same_tree() {
	local what=$1 mode=$2
	rm -rf "$SCRATCH/m.upper" "$SCRATCH/m.work"
	# shellcheck disable=SC2046
	check "$what: mounted" "$SCRATCH/pulldrv" mount "$IMAGES" "$SCRATCH/m" "$mode" $(diff_ids) || return 1
	tree_of "$SCRATCH/m" >"$SCRATCH/tree"
	check "$what: equal to umoci's" diff "$SCRATCH/reference.tree" "$SCRATCH/tree"
	umount "$SCRATCH/m"
}

images_begin() { rm -rf "$IMAGES"; }
nothing_left() { [ -z "$(ls -A "$IMAGES/staging" "$IMAGES/layers" 2>/dev/null | grep -v ':$')" ]; }

for kind in gzip zstd docker; do
	images_begin
	check "pull $kind" pull "127.0.0.1:5000/t/odd:$kind" || continue
	PULLED=$OUT
	same_tree "$kind, read-only" ro
	OUT=$PULLED
	same_tree "$kind, writable" rw
	check "$kind: staging is empty" rmdir "$IMAGES/staging"
	OUT=$PULLED
	check_is "$kind: one tag" "127.0.0.1:5000/t/odd:$kind" awk '$1 == "tag" { print $2 }' <<<"$OUT"
done
OUT=$PULLED
DIGEST=$(awk '$1 == "digest" { print $2 }' <<<"$PULLED")
INODES=$(stat -c %i "$(layer_dir "$(diff_ids | head -n 1)")")
check "pull by digest" pull "$DIGEST"
check_is "no tag is claimed by it" "" grep -c '^tag ' <<<"$OUT" || true
