#!/bin/bash
# images.sh - the images that the conformance suite and the integration scripts pull, built here
# from source.
#
# One OCI layout directory holds them all. What must hold: the same inputs give the same bytes
# (files sorted by name, times zero, numeric owners, gzip without a name), so that image ids can be
# compared between runs; nothing is downloaded except busybox's source package from Debian; the
# result is cached by a hash of what it was made from.
#
# usage: images.sh build                  build into the cache if needed, print the layout directory
#        images.sh push LAYOUT HOST:PORT   push every image of the layout to a registry (plain HTTP)
#        images.sh bench-build            the same for the benchmark images (1.3 GiB), prints their layout
#        images.sh list LAYOUT            print REPOSITORY:TAG of each image of a layout
#   CRISP_CACHE   the cache folder (default: ${XDG_CACHE_HOME:-$HOME/.cache}/crisp)
# Sourced, it offers its functions alone (tests/node-e2e/images.sh).
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${CRISP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/crisp}
CC=${CC:-gcc}

say() { echo "images: $*" >&2; }
die() { say "$*"; exit 1; }

# --- busybox -----------------------------------------------------------------------------------------------------------

# The suite needs a busybox with upstream's defaults: all applets, and a shell that runs /bin/ls
# instead of its own `ls`. Debian's packages are configured otherwise, so it is compiled from
# Debian's source package. Its index is fetched through a private apt state; the machine's own apt
# configuration is read, never written.
busybox_fetch() {
	local dir=$1 apt=$1/apt file
	mkdir -p "$apt/lists/partial" "$apt/sources.d"
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -e "$file" ] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/sources.d/${file##*/}"
	done
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -e "$file" ] && sed -n 's/^deb\(-src\)\?\([[:space:]]\)/deb-src\2/p' "$file" >"$apt/sources.d/${file##*/}.list"
	done
	local opts=(-qq -o "Dir::State::lists=$apt/lists" -o Dir::Etc::SourceList=/dev/null
		-o "Dir::Etc::SourceParts=$apt/sources.d" -o "Dir::Cache::srcpkgcache=" -o "Dir::Cache::pkgcache="
		-o APT::Get::List-Cleanup=false -o APT::Sandbox::User=root)
	# A third party's repository in the sources may have no source index: what counts is whether
	# busybox was found.
	apt-get "${opts[@]}" update >&2 || true
	(cd "$dir" && apt-get "${opts[@]}" --download-only source busybox >&2) ||
		die "Debian's source package of busybox could not be fetched; do the apt sources name a Debian mirror?"
	# Without Debian's patches: one has the shell drop variables whose names a shell cannot have.
	(cd "$dir" && dpkg-source --no-check --skip-patches -x busybox_*.dsc source >"$dir/unpack.log" 2>&1) ||
		die "busybox's source package could not be unpacked, see $dir/unpack.log"
}

busybox_build() {
	local out=$CACHE/busybox-static-2 dir
	if [ ! -x "$out/bin/busybox" ]; then
		say "compiling busybox"
		dir=$(mktemp -d "$CACHE/busybox.XXXXXX")
		busybox_fetch "$dir"
		make -C "$dir/source" defconfig >"$dir/build.log" 2>&1
		sed -i -e 's/^# CONFIG_STATIC is not set/CONFIG_STATIC=y/' \
			-e 's/^CONFIG_INSTALL_APPLET_SYMLINKS=y/# CONFIG_INSTALL_APPLET_SYMLINKS is not set/' \
			-e 's/^# CONFIG_INSTALL_APPLET_HARDLINKS is not set/CONFIG_INSTALL_APPLET_HARDLINKS=y/' \
			"$dir/source/.config"
		(yes '' || true) | make -C "$dir/source" oldconfig >>"$dir/build.log" 2>&1
		nice -n 5 make -C "$dir/source" -j2 "CONFIG_PREFIX=$dir/root" install >>"$dir/build.log" 2>&1 ||
			die "busybox does not compile, see $dir/build.log"
		rm -rf "$out"
		mv "$dir/root" "$out"
		rm -rf "$dir"
	fi
	echo "$out"
}

# --- OCI layout --------------------------------------------------------------------------------------------------------

# blob_add LAYOUT FILE: moves FILE into the layout, prints its digest
blob_add() {
	local hex
	hex=$(sha256sum <"$2" | cut -d ' ' -f 1)
	mkdir -p "$1/blobs/sha256"
	mv "$2" "$1/blobs/sha256/$hex"
	echo "sha256:$hex"
}

# layer_add LAYOUT ROOTFS gzip|zstd: prints "DIFFID DIGEST SIZE MEDIATYPE" of a layer with the
# content of ROOTFS
layer_add() {
	local layout=$1 root=$2 how=$3 tmp=$1/layer.tmp diff digest type
	tar -C "$root" --sort=name --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
		--mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$tmp" .
	diff=sha256:$(sha256sum <"$tmp" | cut -d ' ' -f 1)
	case $how in
	gzip) gzip -n -6 <"$tmp" >"$tmp.z" ; type=application/vnd.oci.image.layer.v1.tar+gzip ;;
	zstd) zstd -q -3 <"$tmp" >"$tmp.z" ; type=application/vnd.oci.image.layer.v1.tar+zstd ;;
	esac
	rm "$tmp"
	digest=$(blob_add "$layout" "$tmp.z")
	echo "$diff $digest $(stat -c %s "$layout/blobs/sha256/${digest#sha256:}") $type"
}

# image_add LAYOUT NAME CONFIG-JSON LAYER...: adds an image whose layers are lines of layer_add;
# prints its descriptor. The manifest has no mediaType, as umoci writes them: clients have to go by
# the registry's Content-Type.
image_add() {
	local layout=$1 name=$2 config=$3 tmp=$1/json.tmp layers config_digest config_size digest
	shift 3
	layers=$(printf '%s\n' "$@" | jq -R 'split(" ") | {diff: .[0], digest: .[1], size: (.[2] | tonumber), type: .[3]}' | jq -s -c .)
	jq -n -c --argjson config "$config" --argjson layers "$layers" '{
		created: "1970-01-01T00:00:00Z", architecture: "amd64", os: "linux", config: $config,
		rootfs: {type: "layers", diff_ids: [$layers[].diff]},
		history: [$layers[] | {created: "1970-01-01T00:00:00Z", created_by: "crisp tests"}]}' >"$tmp"
	config_size=$(stat -c %s "$tmp")
	config_digest=$(blob_add "$layout" "$tmp")
	jq -n -c --arg digest "$config_digest" --argjson size "$config_size" --argjson layers "$layers" '{
		schemaVersion: 2,
		config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $digest, size: $size},
		layers: [$layers[] | {mediaType: .type, digest, size}]}' >"$tmp"
	local size
	size=$(stat -c %s "$tmp")
	digest=$(blob_add "$layout" "$tmp")
	jq -n -c --arg digest "$digest" --argjson size "$size" \
		'{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $digest, size: $size}' |
		index_add "$layout" "$name"
}

# index_add LAYOUT NAME <DESCRIPTOR: names a descriptor in the layout's index, passes the descriptor
# on
index_add() {
	local layout=$1 name=$2 descriptor
	read -r descriptor
	jq -n -c --argjson d "$descriptor" --arg name "$name" \
		'$d + {annotations: {"org.opencontainers.image.ref.name": $name}}' >>"$layout/index.lines"
	echo "$descriptor"
}

# multi_add LAYOUT NAME DESCRIPTOR OTHER: an index of two platforms; the other architecture comes
# first and is another image, so that whoever takes the wrong entry is found out.
multi_add() {
	local layout=$1 name=$2 descriptor=$3 other=$4 tmp=$1/json.tmp digest size
	jq -n -c --argjson d "$descriptor" --argjson o "$other" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [
		($o + {platform: {architecture: "s390x", os: "linux"}}),
		($d + {platform: {architecture: "amd64", os: "linux"}})]}' >"$tmp"
	size=$(stat -c %s "$tmp")
	digest=$(blob_add "$layout" "$tmp")
	jq -n -c --arg digest "$digest" --argjson size "$size" \
		'{mediaType: "application/vnd.oci.image.index.v1+json", digest: $digest, size: $size}' |
		index_add "$layout" "$name" >/dev/null
}

layout_begin() {
	mkdir -p "$1/blobs/sha256"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
	: >"$1/index.lines"
}

layout_end() {
	jq -s -c '{schemaVersion: 2, manifests: .}' "$1/index.lines" >"$1/index.json"
	rm "$1/index.lines"
}

# --- the images --------------------------------------------------------------------------------------------------------

CONFIG_PATH='"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'

compile() { "$CC" -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -Os -static -s -o "$2" "$HERE/images/$1.c"; }

# rootfs_base DIR: what any image with a shell has besides busybox itself
rootfs_base() {
	local root=$1
	mkdir -p "$root"/{dev,etc,home,proc,root,run,sys,tmp,usr,var/www}
	ln -s ../run "$root/var/run"
	chmod 1777 "$root/tmp"
	chmod 700 "$root/root"
	cat >"$root/etc/passwd" <<-PASSWD
	root:x:0:0:root:/root:/bin/sh
	www-data:x:33:33:www-data:/var/www:/bin/false
	nobody:x:65534:65534:nobody:/home:/bin/false
	PASSWD
	cat >"$root/etc/group" <<-GROUP
	root:x:0:
	www-data:x:33:
	nogroup:x:65534:
	GROUP
}

images_pause() {
	local layout=$1 work=$2 layer
	mkdir -p "$work/pause"
	compile pause "$work/pause/pause"
	layer=$(layer_add "$layout" "$work/pause" gzip)
	image_add "$layout" pause:3.9 "{$CONFIG_PATH, \"Entrypoint\": [\"/pause\"], \"User\": \"65535:65535\"}" "$layer" >/dev/null
	image_add "$layout" pause:3.10 "{$CONFIG_PATH, \"Entrypoint\": [\"/pause\"], \"User\": \"65535:65535\", \
		\"Labels\": {\"role\": \"sandbox\"}}" "$layer" >/dev/null
}

# images_web LAYOUT WORK BUSYBOX-LAYER: the web servers need a shell beside them
images_web() {
	local layout=$1 work=$2 base=$3 layer
	mkdir -p "$work/nginx/usr/sbin" "$work/httpd/usr/local/bin"
	compile web "$work/nginx/usr/sbin/nginx"
	cp "$work/nginx/usr/sbin/nginx" "$work/httpd/usr/local/bin/httpd"
	layer=$(layer_add "$layout" "$work/nginx" gzip)
	image_add "$layout" e2e-test-images/nginx:1.14-2 \
		"{$CONFIG_PATH, \"Cmd\": [\"/usr/sbin/nginx\", \"80\"], \"ExposedPorts\": {\"80/tcp\": {}}, \"StopSignal\": \"SIGQUIT\"}" \
		"$base" "$layer" >/dev/null
	image_add "$layout" k8s-staging-cri-tools/hostnet-nginx-amd64:latest \
		"{$CONFIG_PATH, \"Cmd\": [\"/usr/sbin/nginx\", \"12003\"], \"StopSignal\": \"SIGQUIT\"}" "$base" "$layer" >/dev/null
	layer=$(layer_add "$layout" "$work/httpd" gzip)
	image_add "$layout" e2e-test-images/httpd:2.4.39-4 \
		"{$CONFIG_PATH, \"Cmd\": [\"/usr/local/bin/httpd\", \"80\"], \"ExposedPorts\": {\"80/tcp\": {}}}" "$base" "$layer" >/dev/null
}

# images_users LAYOUT WORK BUSYBOX-LAYER
images_users() {
	local layout=$1 work=$2 base=$3 layer pair root=$2/group
	for pair in user-uid=1002 user-username=www-data user-uid-group=1003:1004 user-username-group=www-data:1004; do
		image_add "$layout" "k8s-staging-cri-tools/test-image-${pair%%=*}:latest" \
			"{$CONFIG_PATH, \"Cmd\": [\"sh\"], \"User\": \"${pair#*=}\"}" "$base" >/dev/null
	done
	mkdir -p "$root/etc" "$root/home/default-user"
	cp "$work/busybox/etc/passwd" "$work/busybox/etc/group" "$root/etc"
	echo "default-user:x:1000:1000::/home/default-user:/bin/sh" >>"$root/etc/passwd"
	printf '%s\n' "default-user:x:1000:" "group-defined-in-image:x:50000:default-user" >>"$root/etc/group"
	layer=$(layer_add "$layout" "$root" gzip)
	image_add "$layout" k8s-staging-cri-tools/test-image-predefined-group:latest \
		"{$CONFIG_PATH, \"Cmd\": [\"sh\"], \"User\": \"1000\"}" "$base" "$layer" >/dev/null
}

# images_distinct LAYOUT WORK BUSYBOX-LAYER: images that only differ, and one image with three names
images_distinct() {
	local layout=$1 work=$2 base=$3 name layer tag descriptor root
	for name in latest:latest tag:test tag:all 1:latest 2:latest 3:latest digest:latest tags:1; do
		root=$work/distinct-${name/:/-}
		mkdir -p "$root"
		echo "$name" >"$root/name"
		layer=$(layer_add "$layout" "$root" gzip)
		descriptor=$(image_add "$layout" "k8s-staging-cri-tools/test-image-$name" "{$CONFIG_PATH, \"Cmd\": [\"sh\"]}" "$base" "$layer")
	done
	for tag in 2 3; do
		index_add "$layout" "k8s-staging-cri-tools/test-image-tags:$tag" <<<"$descriptor" >/dev/null
	done
}

# images_own LAYOUT WORK BUSYBOX-LAYER: what our own scenarios ask for beyond the suite: zstd, a
# manifest list, whiteouts, and a layer that tries to leave its root in every way a tar file allows.
images_own() {
	local layout=$1 work=$2 base=$3 layer root=$2/own descriptor other tmp name
	mkdir -p "$root/zstd" "$root/white/etc" "$root/white/home"
	echo zstd >"$root/zstd/compressed-with"
	layer=$(layer_add "$layout" "$root/zstd" zstd)
	descriptor=$(image_add "$layout" crisp-tests/zstd:1 "{$CONFIG_PATH, \"Cmd\": [\"sh\"]}" "$base" "$layer")
	other=$(image_add "$layout" crisp-tests/other:1 "{$CONFIG_PATH, \"Cmd\": [\"/wrong\"]}" "$layer")
	multi_add "$layout" crisp-tests/multi:1 "$descriptor" "$other"
	: >"$root/white/etc/.wh.group"
	: >"$root/white/home/.wh..wh..opq"
	layer=$(layer_add "$layout" "$root/white" gzip)
	image_add "$layout" crisp-tests/whiteout:1 "{$CONFIG_PATH, \"Cmd\": [\"sh\"]}" "$base" "$layer" >/dev/null
	image_add "$layout" crisp-tests/corrupt:1 "{$CONFIG_PATH, \"Cmd\": [\"sh\"], \"Labels\": {\"unique\": \"corrupt\"}}" "$base" \
		"$(mkdir -p "$root/corrupt" && echo corrupt >"$root/corrupt/file" && layer_add "$layout" "$root/corrupt" gzip)" >/dev/null
	mkdir -p "$root/escape"
	echo escaped >"$root/escape/payload"
	ln -s / "$root/escape/absolute"
	ln -s ../../../../../.. "$root/escape/upward"
	tmp=$layout/layer.tmp
	# GNU tar strips nothing with -P; the transform plants names that point out of the root, and
	# through the two links.
	tar -C "$root/escape" -P --format=gnu --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$tmp" absolute upward
	for name in ../../../../../../tmp/crisp-escape-dotdot /tmp/crisp-escape-absolute absolute/tmp/crisp-escape-link \
		upward/tmp/crisp-escape-uplink; do
		tar -C "$root/escape" -P --format=gnu --mtime=@0 --owner=0 --group=0 --numeric-owner \
			--transform "s,^payload\$,$name," -rf "$tmp" payload
	done
	gzip -n -6 <"$tmp" >"$tmp.z"
	layer="sha256:$(sha256sum <"$tmp" | cut -d ' ' -f 1)"
	rm "$tmp"
	descriptor=$(blob_add "$layout" "$tmp.z")
	layer="$layer $descriptor $(stat -c %s "$layout/blobs/sha256/${descriptor#sha256:}") application/vnd.oci.image.layer.v1.tar+gzip"
	image_add "$layout" crisp-tests/escape:1 "{$CONFIG_PATH, \"Cmd\": [\"sh\"]}" "$base" "$layer" >/dev/null
}

images_build() {
	local hash layout work base busybox
	mkdir -p "$CACHE"
	exec 8>"$CACHE/images.lock"
	flock 8
	hash=$(cat "$HERE/images.sh" "$HERE"/images/*.c | sha256sum | cut -c 1-16)
	layout=$CACHE/images-$hash
	if [ ! -e "$layout/index.json" ]; then
		busybox=$(busybox_build)
		say "building the images"
		# Another clone may be using what it has built; what is old is nobody's.
		find "$CACHE" -maxdepth 1 -name 'images-*' -mtime +1 -exec rm -rf {} +
		work=$(mktemp -d "$CACHE/work.XXXXXX")
		layout_begin "$work/layout"
		images_pause "$work/layout" "$work"
		cp -a "$busybox" "$work/busybox"
		rm -f "$work/busybox/linuxrc"
		rootfs_base "$work/busybox"
		base=$(layer_add "$work/layout" "$work/busybox" gzip)
		image_add "$work/layout" e2e-test-images/busybox:1.29-2 "{$CONFIG_PATH, \"Cmd\": [\"sh\"]}" "$base" >/dev/null
		mkdir -p "$work/privs"
		compile nonewprivs "$work/privs/nonewprivs"
		chmod 4755 "$work/privs/nonewprivs"
		image_add "$work/layout" e2e-test-images/nonewprivs:1.3 \
			"{$CONFIG_PATH, \"Entrypoint\": [\"/nonewprivs\"]}" "$base" "$(layer_add "$work/layout" "$work/privs" gzip)" >/dev/null
		images_web "$work/layout" "$work" "$base"
		images_users "$work/layout" "$work" "$base"
		images_distinct "$work/layout" "$work" "$base"
		images_own "$work/layout" "$work" "$base"
		layout_end "$work/layout"
		mv "$work/layout" "$layout"
		rm -rf "$work"
	fi
	echo "$layout"
}

# bench_noise KEY MIB and bench_text FIRST MIB: what does not compress, a cipher stream of a fixed
# key, and what does.
bench_noise() {
	openssl enc -aes-128-ctr -K "$(printf '%032d' "$1")" -iv 0 -in /dev/zero 2>/dev/null | head -c $(($2 << 20)) || true
}
bench_text() {
	{ seq -f "line %.0f of a text that compresses well, as programs and documents do" "$1" $(($1 + $2 * 20000)) || true; } |
		head -c $(($2 << 20)) || true
}

# The benchmark images: four layers of 50 MiB, half noise, half text; two layers of 5,000 small
# files; one layer of 1 GiB, half and half again, in eight files.
bench_build() {
	local layout=$CACHE/bench-images-2 work layers=() i j
	mkdir -p "$CACHE"
	exec 8>"$CACHE/bench-images.lock"
	flock 8
	if [ ! -e "$layout/index.json" ]; then
		say "building the benchmark images"
		work=$(mktemp -d "$CACHE/work.XXXXXX")
		layout_begin "$work/layout"
		for i in 1 2 3 4; do
			mkdir -p "$work/large-$i"
			bench_noise "$i" 25 >"$work/large-$i/noise-$i"
			bench_text "${i}000000" 25 >"$work/large-$i/text-$i"
			layers+=("$(layer_add "$work/layout" "$work/large-$i" gzip)")
		done
		image_add "$work/layout" crisp-bench/large:1 "{$CONFIG_PATH, \"Cmd\": [\"/none\"]}" "${layers[@]}" >/dev/null
		layers=()
		for i in 1 2; do
			for j in $(seq 5000); do
				[ $((j % 50)) != 1 ] || mkdir -p "$work/small-$i/d$i-$((j / 50))"
				echo "small file $j of layer $i" >"$work/small-$i/d$i-$(((j - 1) / 50))/f$j"
			done
			layers+=("$(layer_add "$work/layout" "$work/small-$i" gzip)")
		done
		image_add "$work/layout" crisp-bench/small:1 "{$CONFIG_PATH, \"Cmd\": [\"/none\"]}" "${layers[@]}" >/dev/null
		mkdir -p "$work/huge"
		for i in 1 2 3 4; do
			bench_noise "1$i" 128 >"$work/huge/noise-$i"
			bench_text "1${i}00000000" 128 >"$work/huge/text-$i"
		done
		layers=("$(layer_add "$work/layout" "$work/huge" gzip)")
		image_add "$work/layout" crisp-bench/huge:1 "{$CONFIG_PATH, \"Cmd\": [\"/none\"]}" "${layers[@]}" >/dev/null
		layout_end "$work/layout"
		mv "$work/layout" "$layout"
		rm -rf "$work"
	fi
	echo "$layout"
}

images_list() { jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' "$1/index.json"; }

# Names in the layout are paths in the registry: each of the suite's registry hosts is mapped to
# this one registry, see lib.sh.
images_push() {
	local layout=$1 registry=$2 name
	while read -r name; do
		skopeo --insecure-policy copy -q --all --preserve-digests --dest-tls-verify=false \
			"oci:$layout:$name" "docker://$registry/$name" >&2 || die "pushing $name to $registry failed"
	done < <(images_list "$layout")
}

# Another script of images has sourced this one.
[ "${BASH_SOURCE[0]}" = "$0" ] || return 0

case ${1:-} in
build) images_build ;;
bench-build) bench_build ;;
push) images_push "$2" "$3" ;;
list) images_list "$2" ;;
*) die "usage: images.sh build | bench-build | push LAYOUT HOST:PORT | list LAYOUT" ;;
esac
