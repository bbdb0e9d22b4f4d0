#!/bin/bash
# demo.sh - crisp in a minute: a pod from an image, its log, an exec, kill -9 of the daemon, and the
# container that did not notice.  Everything lives in a scratch directory, a cgroup and a bridge of its
# own and is gone at the end, also when the demo is interrupted.
#
# usage: demo.sh [BUILD_DIR]      (root; `make demo` builds first; without a folder: the installed programs)
set -euo pipefail
programs=${1:+$(cd "$1" && pwd)/}
work=$(mktemp -d /tmp/crisp-demo.XXXXXX)
name=demo${RANDOM}
bridge=crd${RANDOM}
subnet=10.213.$((RANDOM % 256)).0/24		# two demos at the same time do not share a route
daemon=

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
crisp() { command "${programs}crisp" --socket "$work/run/crisp.sock" "$@"; }

start_daemon() {
	"${programs}crispd" --root "$work/root" --runroot "$work/run" --cgroup-manager cgroupfs \
		--config-dir "$work/none" --cni-config-dir "$work/cni" --cni-plugin-dir /usr/lib/cni \
		--default-cgroup-parent "/crisp-$name" --log-level warn 2>>"$work/crispd.log" &
	daemon=$!
	for _ in $(seq 100); do
		crisp version >/dev/null 2>&1 && return 0
		kill -0 $daemon 2>/dev/null || break
		sleep 0.1
	done
	echo "crispd did not come up" >&2
	return 1
}

# wait_log LINES: until the container has written more than that many.
wait_log() {
	for _ in $(seq 100); do
		[ "$(crisp logs "$name" | wc -l)" -le "$1" ] || return 0
		sleep 0.1
	done
	echo "the container has stopped writing" >&2
	return 1
}

# The cgroup parent and the bridge are the demo's own, as a kubelet's are the kubelet's: it removes
# them.  A cgroup that still has something in it stays, and is reported.
remove_own() {
	find /sys/fs/cgroup -maxdepth 3 -type d -name "crisp-$name" -exec rmdir {} \; -prune 2>/dev/null || true
	ip link del "$bridge" 2>/dev/null || true
}

# What of this demo still exists, one per line.
list_left() {
	local d
	for d in "$work"/run/pods "$work"/run/containers "$work"/run/ns "$work"/root/containers; do
		[ ! -d "$d" ] || find "$d" -mindepth 1 ! -path "$work/root/containers/trash"
	done
	grep -F "$work" /proc/self/mountinfo || true
	find /sys/fs/cgroup -type d -path "*/crisp-$name*"
	ip -o link show "$bridge" 2>/dev/null || true
	grep -lsF "$work/run/" /proc/[0-9]*/cmdline || true
}

# The daemon empties its trash in the background.
wait_trash() {
	for _ in $(seq 100); do
		[ -n "$(ls -A "$work/root/containers/trash" 2>/dev/null)" ] || return 0
		sleep 0.1
	done
}

finish() {
	local rc=$?
	trap - EXIT
	trap : INT TERM HUP		# not ignored: the programs started here would inherit that
	# A pod outlives its daemon: when that is gone too, a new one takes the pod down.
	if [ -n "$daemon" ]; then
		for _ in $(seq 50); do
			kill -0 "$daemon" 2>/dev/null || start_daemon || break
			crisp rm -f "$name" >/dev/null 2>&1 || true
			[ -n "$(ls "$work/run/pods" 2>/dev/null)" ] || break
			sleep 0.1
		done
		kill "$daemon" 2>/dev/null && wait "$daemon" || true
	fi
	remove_own
	if [ $rc -ne 0 ]; then
		tail -n 20 "$work/crispd.log" >&2 || true
		list_left | sed 's/^/left behind: /' >&2
	fi
	rm -rf --one-file-system "$work"
	exit $rc
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# One blob of an OCI layout: its digest on stdout.
blob() {
	local digest
	digest=$(sha256sum "$1" | cut -d' ' -f1)
	cp "$1" "$work/image/blobs/sha256/$digest"
	echo "$digest"
}

# An image of busybox, as an OCI layout: what `crisp load` takes.
make_image() {
	local rootfs=$work/rootfs diff layer config manifest
	mkdir -p "$rootfs"/{bin,etc,tmp,proc,sys,dev} "$work/image/blobs/sha256"
	cp /bin/busybox "$rootfs/bin/busybox"
	for applet in $(/bin/busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$rootfs/bin/$applet"
	done
	echo 'root:x:0:0:root:/:/bin/sh' >"$rootfs/etc/passwd"
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$rootfs" -cf "$work/layer.tar" .
	diff=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
	gzip -n -1 "$work/layer.tar"
	layer=$(blob "$work/layer.tar.gz")
	printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$(dpkg --print-architecture)" "$diff" >"$work/config.json"
	config=$(blob "$work/config.json")
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%d}]}' \
		"$config" "$(stat -c %s "$work/config.json")" "$layer" "$(stat -c %s "$work/layer.tar.gz")" >"$work/manifest.json"
	manifest=$(blob "$work/manifest.json")
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d}]}' \
		"$manifest" "$(stat -c %s "$work/manifest.json")" >"$work/image/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$work/image/oci-layout"
}

make_network() {
	mkdir -p "$work/cni"
	cat >"$work/cni/10-demo.conflist" <<-JSON
	{"cniVersion":"1.0.0","name":"$name","plugins":[
	 {"type":"bridge","bridge":"$bridge","isGateway":true,
	  "ipam":{"type":"host-local","dataDir":"$work/ipam","ranges":[[{"subnet":"$subnet"}]]}},
	 {"type":"portmap","capabilities":{"portMappings":true}}]}
	JSON
}

[ "$(id -u)" = 0 ] || { echo "demo.sh needs root: namespaces, mounts, cgroups" >&2; exit 1; }
make_image
make_network

say "The daemon starts in $work"
start_daemon
show crisp version

say "An image, without a registry"
show crisp load "$work/image" example.test/busybox:demo
show crisp images

say "A pod with a CNI network and a container from that image"
show crisp run -d --name "$name" --net cni example.test/busybox:demo \
	sh -c 'echo "hello from pid $$, $(ip -o -4 addr show eth0 | cut -d" " -f7)"; i=0; while :; do i=$((i+1)); echo "line $i"; sleep 1; done'
show crisp ps
wait_log 0
show crisp logs "$name"

say "Exec into it"
show crisp exec "$name" cat /proc/1/cmdline | tr '\0' ' '
echo

say "kill -9 of the daemon, then a new one"
seen=$(crisp logs "$name" | wc -l)
{ kill -9 "$daemon"; wait "$daemon"; } 2>/dev/null || true
start_daemon
wait_log "$seen"
show crisp ps
show crisp exec "$name" sh -c 'echo still here'
show crisp explain "$name"
show crisp logs --tail 3 "$name"

say "Gone again"
show crisp rm -f "$name"
show crisp ps -a
wait_trash
kill "$daemon"
wait "$daemon" || true
daemon=
remove_own
left=$(list_left)
echo "left behind: ${left:-nothing}"
[ -z "$left" ]
