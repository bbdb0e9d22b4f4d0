#!/bin/bash
# puller.sh - pulls without the daemon (pulldrv.c): trees equal to umoci's, hostile and damaged
# images refused with the reason, resume by range. Removal keeps each layer that a pull uses.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

. "$LIB_DIR/imagelib.sh"
pulldrv_build

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

for kind in gzip zstd docker; do
	images_begin
	check "pull $kind" pull "127.0.0.1:5000/t/odd:$kind" || continue
	PULLED=$OUT
	same_tree "$kind, read-only" ro
	OUT=$PULLED
	same_tree "$kind, writable" rw
	check "$kind: staging is empty" rmdir "$IMAGES/staging/layers" "$IMAGES/staging"
	OUT=$PULLED
	check_is "$kind: one tag" "127.0.0.1:5000/t/odd:$kind" awk '$1 == "tag" { print $2 }' <<<"$OUT"
done
OUT=$PULLED
DIGEST=$(awk '$1 == "digest" { print $2 }' <<<"$PULLED")
INODES=$(stat -c %i "$(layer_dir "$(diff_ids | head -n 1)")")
check "pull by digest" pull "$DIGEST"
check_is "a digest says nothing about tags" 0 awk '$1 == "tag" { n++ } END { print n + 0 }' <<<"$OUT"
check_is "layers that are here stay as they are" "$INODES" stat -c %i "$(layer_dir "$(awk '$1 == "layer" { print $2; exit }' <<<"$PULLED")")"

images_begin
check_fails "a layout with several images wants a name" "several|say which" pull "" "layout=$LAY"
check "load by name" pull localhost/my/image:odd "layout=$LAY"
LOADED=$OUT
check_is "under that name" localhost/my/image:odd awk '$1 == "tag" { print $2 }' <<<"$LOADED"
OUT=$LOADED
same_tree "layout" ro

# An index: the entry of this machine is taken, the digest is the index's.
AMD=$(jq -c '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "odd")' "$LAY/index.json")
ARCH=$(case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac)
for tag in odd zstd; do
	M=$(jq -c --arg t $tag '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $t)' "$LAY/index.json")
	P=$([ $tag = odd ] && echo s390x || echo "$ARCH")
	jq -c --arg a "$P" 'del(.annotations) + {platform: {os: "linux", architecture: $a}}' <<<"$M"
done | jq -cs '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .}' >"$SCRATCH/list.json"
LIST=sha256:$(sha256sum <"$SCRATCH/list.json" | cut -d' ' -f1)
for tag in gzip zstd; do push "docker://127.0.0.1:5000/t/odd:$tag" docker://127.0.0.1:5000/t/many:$tag --src-tls-verify=false; done
curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary @"$SCRATCH/list.json" \
	http://127.0.0.1:5000/v2/t/many/manifests/list >"$SCRATCH/make.log" 2>&1 || bail "the index cannot be pushed"
check "pull from an index" pull 127.0.0.1:5000/t/many:list
check_is "the digest is the index's" "127.0.0.1:5000/t/many@$LIST" awk '$1 == "digest" { print $2 }' <<<"$OUT"

# --- what is refused -----------------------------------------------------------------------------------------------------

T=$SCRATCH/t
mkdir -p "$T/sub" && echo evil >"$T/evil" && echo x >"$SCRATCH/outside"
tar -C "$T" -cf "$T/up.tar" --transform 's,^evil,../../escape,' -P evil
put_image up "$T/up.tar"
refused "a name with .." "leads out of the layer" a:up "layout=$LAY"

tar -C "$T" -cf "$T/link.tar" --transform 's,^evil,../../outside,' -P evil 2>/dev/null
ln -s "$SCRATCH" "$T/way"
tar -C "$T" -cf "$T/through.tar" way && tar -C "$T" -rf "$T/through.tar" --transform 's,^evil,way/escape,' evil
put_image through "$T/through.tar"
refused "a name through a link that leads out" "way" a:through "layout=$LAY"

ln "$T/evil" "$T/hard" && tar -C "$T" -cf "$T/hard.tar" --transform 's,^evil$,../../outside,;s,^hard$,hard,' -P evil hard 2>/dev/null
put_image hard "$T/hard.tar"
refused "a hard link out of the layer" "leads out of the layer" a:hard "layout=$LAY"

tar -C / -cf "$T/abs.tar" -P --transform "s,^$T/evil,$SCRATCH/escape," "$T/evil" 2>/dev/null
put_image abs "$T/abs.tar"
images_begin
check "an absolute name ends inside the layer" pull a:abs "layout=$LAY"
check_is "where the image means it" evil cat "$(layer_dir "$(diff_ids)")/fs$SCRATCH/escape"
check "nothing was made outside" test ! -e "$SCRATCH/escape"
check_is "nothing was changed outside" x cat "$SCRATCH/outside"

tar -C "$T" -cf "$T/good.tar" evil
put_image diff "$T/good.tar=sha256:$(printf '%064d' 5)"
refused "a wrong diffID" "sha256:0*5" a:diff "layout=$LAY"

head -c 514 "$T/good.tar" >"$T/short.tar"
put_image short "$T/short.tar"
refused "an archive that is cut off" "middle of an entry" a:short "layout=$LAY"

put_image digest "$T/good.tar"
printf 'X' | dd of="$BLOBS/$LAYER_BLOB" conv=notrunc bs=1 seek=600 status=none
refused "a blob that is not the one" "digest" a:digest "layout=$LAY"
truncate -s 100 "$BLOBS/$LAYER_BLOB"
refused "a blob that is too short" "10240 bytes" a:digest "layout=$LAY"
rm "$BLOBS/$LAYER_BLOB"
refused "a blob that is missing" "No such file" a:digest "layout=$LAY"

refused "an unknown tag" "not found" 127.0.0.1:5000/t/odd:none
refused "an unknown repository" "not found" 127.0.0.1:5000/t/none
refused "no registry there" "^UNAVAILABLE: RegistryUnavailable: " 127.0.0.1:9/t/none
refused "a reference that is none" "image reference" 127.0.0.1:5000/T/none
refused "a short name that nobody knows" "unqualified-search" busybox
printf '[[registry]]\nlocation = "127.0.0.1:5000"\nblocked = true\n' >"$SCRATCH/blocked.conf"
refused "a registry that is blocked" "blocked" 127.0.0.1:5000/t/odd:gzip "registries=$SCRATCH/blocked.conf"

# --- removal and pulls ---------------------------------------------------------------------------------------------------

images_begin
"$SCRATCH/pulldrv" pull "$BUILD_DIR/crisp-pull" "$IMAGES" "$PULL_ID" 127.0.0.1:5000/t/odd:gzip "hold=$SCRATCH/go" >"$SCRATCH/held" &
HOLDER=$!
check "a pull is done, not yet committed" poll 30 grep -q ^layer "$SCRATCH/held"
OUT=$(cat "$SCRATCH/held")
IDS=$(diff_ids)
# shellcheck disable=SC2086
check "removal skips what a pull holds" "$SCRATCH/pulldrv" remove "$IMAGES" $IDS
check_is "the layers are there" "$(wc -w <<<"$IDS")" bash -c "ls '$IMAGES/layers' | wc -l"
: >"$SCRATCH/go"
wait $HOLDER
# The puller lets go when it has seen the end of the stream.
removed() { "$SCRATCH/pulldrv" remove "$IMAGES" $IDS && [ -z "$(ls "$IMAGES/layers")" ]; }
check "afterwards they go" poll 10 removed
check_is "the trash is empty" "" ls "$IMAGES/trash"

check "pull again" pull 127.0.0.1:5000/t/odd:gzip
IDS=$(diff_ids)
mkdir -p "$IMAGES/staging/$(printf '%064d' 8)/0/fs" "$IMAGES/layers/0123456789abcdef01234567/fs"
# shellcheck disable=SC2086
check "sweep" "$SCRATCH/pulldrv" sweep "$IMAGES" $IDS
check_is "takes staging" layers ls "$IMAGES/staging"
check_is "and layers that nobody owns" "$(for i in $IDS; do basename "$(layer_dir "$i")"; done | sort)" ls "$IMAGES/layers"

# --- registries that misbehave -------------------------------------------------------------------------------------------

cc -std=gnu17 -D_GNU_SOURCE -O1 -I"$TOP/src" -o "$SCRATCH/badregistry" "$LIB_DIR/badregistry.c" "$BUILD_DIR/libcrisp.a" -lpthread || bail "badregistry does not compile"
"$SCRATCH/badregistry" 5001 "$LAY" >"$SCRATCH/badregistry.log" 2>&1 &
REGISTRIES="$REGISTRIES $!"
poll 30 bash -c "</dev/tcp/127.0.0.1/5001" || bail "badregistry does not start"
bad() { local name=$1; shift; images_begin; pull "127.0.0.1:5001/$name/x:odd" "$@"; }

check "plain" bad plain
PLAIN=$(diff_ids)
same() { [ "$(diff_ids)" = "$PLAIN" ]; }
check "503 with Retry-After, then the answer" bad flaky && check "all layers" same
check "a connection that is cut goes on where it stopped" bad cut && check "all layers" same
check "a server that ignores ranges" bad norange && check "all layers" same
check "blobs elsewhere, which get no credentials" bad redirect username=user password=pass && check "all layers" same
check "Basic" bad basic username=user password=pass
check "the same as auth" bad basic "auth=$(printf user:pass | base64)"
printf '{"auths":{"127.0.0.1:5001":{"auth":"%s"}}}' "$(printf user:pass | base64)" >"$SCRATCH/auth.json"
check "the same from a file" bad basic "auth-file=$SCRATCH/auth.json"
check "a token" bad token username=user password=pass
check "a token for a refresh token" bad token identity-token=refresh
check "a token brought along" bad token registry-token=good
refused "no credentials" "UNAUTHENTICATED.*user name" 127.0.0.1:5001/basic/x:odd
refused "wrong credentials" "UNAUTHENTICATED.*credentials" 127.0.0.1:5001/basic/x:odd username=user password=wrong
refused "wrong credentials for a token" "UNAUTHENTICATED.*token server" 127.0.0.1:5001/token/x:odd username=user password=wrong
refused "a wrong token" "UNAUTHENTICATED" 127.0.0.1:5001/token/x:odd registry-token=evil
refused "redirects without end" "redirects" 127.0.0.1:5001/loop/x:odd
refused "always 500" "RegistryUnavailable.*HTTP 500" 127.0.0.1:5001/broken/x:odd
refused "a manifest without end" "sends more" 127.0.0.1:5001/endless/x:odd
refused "a blob longer than said" "sends more|more than the" 127.0.0.1:5001/longer/x:odd
refused "another blob of the same size" "digest" 127.0.0.1:5001/other/x:odd
printf '[[registry]]\nlocation = "127.0.0.1:5001/none"\n[[registry.mirror]]\nlocation = "127.0.0.1:5001/broken"\n[[registry.mirror]]\nlocation = "127.0.0.1:5001/plain"\n' \
	>"$SCRATCH/mirrors.conf"
images_begin
check "a mirror that fails, one that works" pull 127.0.0.1:5001/none/x:odd "registries=$SCRATCH/mirrors.conf"
check_is "the name is the registry's" 127.0.0.1:5001/none/x:odd awk '$1 == "tag" { print $2 }' <<<"$OUT"

images_begin
check_fails "cancelled in the middle" "^progress" pull 127.0.0.1:5001/stuck/x:odd cancel=1
check "its staging can be removed" "$SCRATCH/pulldrv" clean "$IMAGES" "$PULL_ID"
check "nothing is left of it" nothing_left

# The death of the daemon does not end a pull; told to end, it cleans up behind itself.
"$SCRATCH/pulldrv" pull "$BUILD_DIR/crisp-pull" "$IMAGES" "$PULL_ID" 127.0.0.1:5001/stuck/x:odd >"$SCRATCH/stuck" &
HOLDER=$!
check "a pull is under way" poll 30 grep -q '^progress [1-9]' "$SCRATCH/stuck"
kill -KILL $HOLDER
wait $HOLDER 2>/dev/null
check "its puller has not noticed" test -S "$SCRATCH/$PULL_ID.sock"
check "it is told to end" "$SCRATCH/pulldrv" end "$IMAGES" "$PULL_ID"
check "and cleans up" poll 30 nothing_left

harness_end
