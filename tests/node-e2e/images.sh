#!/bin/bash
# images.sh - the images that Kubernetes' node tests pull, under the names and tags that the tests ask for.
#
# Programs that the tests know by what they do (agnhost, nonewprivs) are built from Kubernetes' module, busybox and the
# rest by tests/conformance/images.sh, and a few come from this Debian with their libraries. What must hold: the tags are
# read from the module's own list, and nothing is downloaded.
#
# usage: images.sh build                   build into the cache if needed, print the layout directory
#        images.sh push LAYOUT HOST:PORT    push every image of the layout to a registry (plain HTTP)
#   CRISP_CACHE   the cache folder, where tools/test-deps.sh --node-e2e put the programs
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../conformance/images.sh"

SCRIPT=$(realpath "${BASH_SOURCE[0]}")
E2E=e2e-test-images

kube_source() { cat "$CACHE"/kubernetes-"$(cat "$CACHE/bin/.agnhost.version")"/source; }

# tag ID: the tag of the image that the tests know by that identifier
tag() {
	sed -nE "s/^\tconfigs\[$1\] = Config\{.*\"([^\"]+)\"\}.*/\1/p" "$(kube_source)/test/utils/image/manifest.go" | grep . ||
		die "Kubernetes' list of test images has no $1"
}

# debian_add ROOT PROGRAM...: programs of this machine with the libraries they need
debian_add() {
	local root=$1 program library
	shift
	mkdir -p "$root/usr/bin"
	for program in "$@"; do
		cp -L "$(command -v "$program")" "$root/usr/bin/"
		ldd "$(command -v "$program")" | grep -o '/[^ ]*' | while read -r library; do
			mkdir -p "$root$(dirname "$library")"
			cp -L "$library" "$root$library"
		done
	done
}

# registry_put DIRECTORY <BLOB: as agnhost's registry finds a blob; prints its digest
registry_put() {
	local hex
	cat >"$1.tmp"
	hex=$(sha256sum <"$1.tmp" | cut -d ' ' -f 1)
	mkdir -p "$1/sha256/${hex:0:2}/$hex"
	mv "$1.tmp" "$1/sha256/${hex:0:2}/$hex/data"
	echo "sha256:$hex"
}

# registry_add LAYOUT ROOT MANIFEST-DESCRIPTOR: agnhost's registry serves pause:testing from files
registry_add() {
	local layout=$1 registry=$2/var/registry/pause manifest blob digest
	mkdir -p "$registry/manifests" "$registry/blobs"
	manifest=$(jq -c '{schemaVersion, mediaType: "application/vnd.oci.image.manifest.v1+json", config, layers}' \
		"$layout/blobs/sha256/$(jq -r '.digest | sub("sha256:"; "")' <<<"$3")")
	for blob in $(jq -r '.config.digest, .layers[].digest | sub("sha256:"; "")' <<<"$manifest"); do
		registry_put "$registry/blobs" <"$layout/blobs/sha256/$blob" >/dev/null
	done
	digest=$(printf %s "$manifest" | registry_put "$registry/manifests")
	jq -n -c --arg digest "$digest" --argjson size "${#manifest}" '{schemaVersion: 2,
		mediaType: "application/vnd.oci.image.index.v1+json", manifests: [{digest: $digest, size: $size,
		mediaType: "application/vnd.oci.image.manifest.v1+json", platform: {architecture: "amd64", os: "linux"}}]}' |
		tr -d '\n' | registry_put "$registry/manifests" >"$registry/manifests/testing"
}

# e2e_agnhost LAYOUT WORK BUSYBOX-LAYER PAUSE-DESCRIPTOR: two versions that differ in a label
e2e_agnhost() {
	local layout=$1 root=$2/agnhost base=$3 id tools layer
	debian_add "$2/tools" curl bash
	mkdir -p "$2/tools/bin" "$root"/{etc,uploads,home/user-defined-in-image}
	ln -s ../usr/bin/bash "$2/tools/bin/bash"
	tools=$(layer_add "$layout" "$2/tools" gzip)
	cp "$CACHE/bin/agnhost" "$root/agnhost"
	ln -s agnhost "$root/agnhost-2"
	cp "$(kube_source)"/test/images/agnhost/porter/localhost.{crt,key} "$root/"
	chmod 644 "$root"/localhost.*
	cp "$2/busybox/etc/passwd" "$2/busybox/etc/group" "$root/etc/"
	echo 'user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh' >>"$root/etc/passwd"
	printf '%s\n' user-defined-in-image:x:1000: group-defined-in-image:x:50000:user-defined-in-image >>"$root/etc/group"
	registry_add "$layout" "$root" "$4"
	layer=$(layer_add "$layout" "$root" gzip)
	# Volumes of images are tested with this one: a picture with its description, on the same base.
	mkdir -p "$2/kitten/etc"
	cp "$(kube_source)"/test/images/kitten/html/{data.json,kitten.jpg} "$2/kitten/"
	chmod 644 "$2/kitten"/*.*
	echo 'NAME="Alpine Linux"' >"$2/kitten/etc/os-release"
	image_add "$layout" "$E2E/kitten:$(tag Kitten)" "{$CONFIG_PATH, \"Entrypoint\": [\"/agnhost\"], \"Cmd\": [\"test-webserver\"]}" \
		"$base" "$layer" "$(layer_add "$layout" "$2/kitten" gzip)" >/dev/null
	for id in Agnhost AgnhostPrev; do
		image_add "$layout" "$E2E/agnhost:$(tag $id)" "{$CONFIG_PATH, \"Entrypoint\": [\"/agnhost\"], \"Cmd\": [\"pause\"],
			\"ExposedPorts\": {\"80/tcp\": {}, \"8080/tcp\": {}, \"8081/tcp\": {}, \"9376/tcp\": {}, \"5000/tcp\": {}},
			\"Labels\": {\"id\": \"$id\"}}" "$base" "$tools" "$layer" >/dev/null
	done
}

# e2e_small LAYOUT WORK BUSYBOX-LAYER
e2e_small() {
	local layout=$1 work=$2 base=$3 id layer
	for id in 1.36.1-1 "$(tag BusyBox)"; do
		image_add "$layout" "$E2E/busybox:$id" "{$CONFIG_PATH, \"Cmd\": [\"sh\"], \"Labels\": {\"id\": \"$id\"}}" "$base" >/dev/null
	done
	image_add "$layout" "$E2E/nonroot:$(tag NonRoot)" "{$CONFIG_PATH, \"Cmd\": [\"sh\"], \"User\": \"1234\"}" "$base" >/dev/null
	mkdir -p "$work/privs/usr/local/bin"
	cp "$CACHE/bin/nonewprivs" "$work/privs/usr/local/bin/nnp"
	chmod 6755 "$work/privs/usr/local/bin/nnp"
	image_add "$layout" "$E2E/nonewprivs:$(tag Nonewprivs)" "{$CONFIG_PATH, \"Cmd\": [\"nnp\"]}" "$base" \
		"$(layer_add "$layout" "$work/privs" gzip)" >/dev/null
	mkdir -p "$work/web/usr/sbin"
	compile web "$work/web/usr/sbin/nginx"
	layer=$(layer_add "$layout" "$work/web" gzip)
	for id in Nginx NginxNew; do
		image_add "$layout" "$E2E/nginx:$(tag $id)" "{$CONFIG_PATH, \"Cmd\": [\"/usr/sbin/nginx\", \"80\"],
			\"ExposedPorts\": {\"80/tcp\": {}}, \"Labels\": {\"id\": \"$id\"}}" "$base" "$layer" >/dev/null
	done
	debian_add "$work/ipc" ipcs ipcmk ipcrm
	image_add "$layout" "$E2E/ipc-utils:$(tag IpcUtils)" "{$CONFIG_PATH, \"Cmd\": [\"sh\"]}" "$base" \
		"$(layer_add "$layout" "$work/ipc" gzip)" >/dev/null
	# `hostname -f` asks glibc's resolver; busybox's would not do.
	debian_add "$work/dns" hostname getent
	mkdir -p "$work/dns/bin" "$work/dns/etc"
	mv "$work/dns/usr/bin/hostname" "$work/dns/bin/"
	echo 'hosts: files dns' >"$work/dns/etc/nsswitch.conf"
	image_add "$layout" "$E2E/glibc-dns-testing:$(tag GlibcDnsTesting)" "{$CONFIG_PATH, \"Cmd\": [\"sh\"]}" "$base" \
		"$(layer_add "$layout" "$work/dns" gzip)" >/dev/null
}

e2e_build() {
	local layout work base pause applet busybox layer tag
	for applet in agnhost nonewprivs; do
		[ -x "$CACHE/bin/$applet" ] || die "$applet is missing: run tools/test-deps.sh --node-e2e first"
	done
	exec 8>"$CACHE/e2e-images.lock"
	flock 8
	layout=$CACHE/e2e-images-$(cat "$SCRIPT" "$HERE/images.sh" "$HERE"/images/*.c "$CACHE/bin/.agnhost.version" | sha256sum | cut -c 1-16)
	if [ ! -e "$layout/index.json" ]; then
		busybox=$(busybox_build)
		say "building the images of Kubernetes' node tests"
		find "$CACHE" -maxdepth 1 -name 'e2e-images-*' -mtime +1 -exec rm -rf {} +
		work=$(mktemp -d "$CACHE/work.XXXXXX")
		layout_begin "$work/layout"
		mkdir -p "$work/pause"
		compile pause "$work/pause/pause"
		layer=$(layer_add "$work/layout" "$work/pause" gzip)
		# 3.10: what peers.sh gives containerd
		for tag in 3.10 "$(tag Pause)"; do
			pause=$(image_add "$work/layout" "pause:$tag" "{$CONFIG_PATH, \"Entrypoint\": [\"/pause\"], \"User\": \"65535:65535\",
				\"Labels\": {\"tag\": \"$tag\"}}" "$layer")
		done
		cp -a "$busybox" "$work/busybox"
		rm -f "$work/busybox/linuxrc"
		rootfs_base "$work/busybox"
		# The tests know each applet by its name in /bin.
		for applet in $("$work/busybox/bin/busybox" --list); do
			[ -e "$work/busybox/bin/$applet" ] || ln "$work/busybox/bin/busybox" "$work/busybox/bin/$applet"
		done
		base=$(layer_add "$work/layout" "$work/busybox" gzip)
		e2e_small "$work/layout" "$work" "$base"
		e2e_agnhost "$work/layout" "$work" "$base" "$pause"
		layout_end "$work/layout"
		mv "$work/layout" "$layout"
		rm -rf "$work"
	fi
	echo "$layout"
}

case ${1:-} in
build) e2e_build ;;
push) images_push "$2" "$3" ;;
*) die "usage: images.sh build | push LAYOUT HOST:PORT" ;;
esac
