#!/bin/bash
# pull.sh - `make bench-pull`: the same images pulled by crispd and by Debian's containerd from one
# docker-registry on loopback, in turn, several rounds in one run.
#
# What must hold: both daemons run all the time, each in a cgroup of its own, with their data on one
# file system made for this run (so that a sync waits for nothing else), and pull through the same
# client. Before each pull the image is removed, and what that left to write is written. Wall time
# is the client's; "synced" is the time until all of it is on the disk as well, which crispd waits
# for and containerd leaves to the kernel. CPU time is the cgroup's, so it counts the daemon and
# whatever it starts; memory is the highest resident set (VmHWM) of the daemon and of its children
# during the pulls of an image. It prints medians and judges nothing.
#
# usage: pull.sh [ROUNDS [IMAGE...]]      (default 5, large small huge)
#   CRISP_BENCH_PEERS   which daemons (default "crispd containerd")
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${CRISP_TEST_INSIDE:-}" ]; then
	"$HERE/../conformance/images.sh" bench-build >/dev/null || exit 1
fi
. "$HERE/../integration/lib.sh"
harness_begin "$@"
ROUNDS=${1:-5}
IMAGES=("${@:2}")
[ ${#IMAGES[@]} -gt 0 ] || IMAGES=(large small huge)
read -ra PEERS <<<"${CRISP_BENCH_PEERS:-crispd containerd}"
BASE=$SCRATCH
declare -A REAPERS=()

# side PEER: what lib.sh's functions work on from here
side() {
	PEER=$1
	SCRATCH=$BASE/$PEER
	SOCKET=$SCRATCH/run/crisp.sock
	ROOT=$BASE/disk/$PEER
	RUNROOT=$SCRATCH/run/root
	REGISTRIES_CONF=$SCRATCH/registries.conf
	REAPER_PID=${REAPERS[$PEER]:-}
	mkdir -p "$SCRATCH/run" "$SCRATCH/config.d" "$ROOT"
	[ -e "$SCRATCH/subreaper" ] || ln -s "$BASE/subreaper" "$SCRATCH/subreaper"
}

end() {
	local rc=$? peer
	for peer in "${PEERS[@]}"; do
		side "$peer"
		daemon_end
	done
	SCRATCH=$BASE
	(exit $rc)
	harness_cleanup
}
trap end EXIT

# --- what is measured --------------------------------------------------------------------------------------------------

# One hierarchy of version 2, or version 1's controller of CPU time.
CPU_ROOT=$(awk '{ for (i = 7; i <= NF; i++) if ($i == "-" && ($(i + 1) == "cgroup" && $NF ~ /(^|,)cpuacct/)) { print $5; exit } }' /proc/self/mountinfo)
CPU_ROOT=${CPU_ROOT:-/sys/fs/cgroup}
cpu_dir() { echo "$CPU_ROOT$CGROUP_PARENT/$PEER"; }

cpu_us() {
	if [ -e "$(cpu_dir)/cpuacct.usage" ]; then
		echo $(($(cat "$(cpu_dir)/cpuacct.usage") / 1000))
	else
		awk '$1 == "usage_usec" { print $2 }' "$(cpu_dir)/cpu.stat"
	fi
}

peak_kib() { awk '$1 == "VmHWM:" { print $2 }' "/proc/$1/status" 2>/dev/null; }

descendants() {
	local pid
	for pid in $(pgrep -P "$1"); do
		echo "$pid"
		descendants "$pid"
	done
}

# The peaks of the daemon's descendants, sampled while $BASE/watch is there; the sum of those that are
# there at the same time counts.
watch_children() {
	local most=0 sum pid kib
	while [ -e "$BASE/watch" ]; do
		sum=0
		for pid in $(descendants "$(daemon_pid)"); do
			kib=$(peak_kib "$pid")
			sum=$((sum + ${kib:-0}))
		done
		[ $sum -le $most ] || most=$sum
		sleep 0.1
	done
	echo $most >>"$BASE/$1.children"
}

now_us() { echo "${EPOCHREALTIME/./}"; }

gone() { ! crictl inspecti -q "$1" >/dev/null 2>&1; }

# The removed image's files are gone from the disk, and nothing is dirty.
settle() {
	local before after=-1 tries
	for tries in $(seq 100); do
		sync -f "$BASE/disk"
		before=$after
		after=$(stat -f -c %f "$BASE/disk")
		[ "$before" != "$after" ] || return 0
		sleep 0.1
	done
}

# one IMAGE: removes and pulls it once, adds the results to $BASE/IMAGE.PEER.*
one() {
	local name=$REGISTRY/crisp-bench/$1:1 at=$1.$PEER t0 t1 c0 c1 watcher
	crictl rmi "$name" >/dev/null 2>&1
	poll 60 gone "$name" || bail "$PEER: $name is not removed"
	settle
	echo 5 >"/proc/$(daemon_pid)/clear_refs"
	: >"$BASE/watch"
	watch_children "$at" &
	watcher=$!
	c0=$(cpu_us)
	t0=$(now_us)
	crictl pull "$name" >"$BASE/pull.log" 2>&1 || bail "$PEER: $(tail -n 2 "$BASE/pull.log")"
	t1=$(now_us)
	c1=$(cpu_us)
	sync -f "$BASE/disk"
	echo $(($(now_us) - t0)) >>"$BASE/$at.synced"
	rm "$BASE/watch"
	wait $watcher
	echo $((t1 - t0)) >>"$BASE/$at.wall"
	echo $((c1 - c0)) >>"$BASE/$at.cpu"
	peak_kib "$(daemon_pid)" >>"$BASE/$at.daemon"
}

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
most() { sort -n "$1" | tail -n 1; }
seconds() { awk -v us="$1" 'BEGIN { printf "%.2f", us / 1000000 }'; }
mib() { awk -v kib="$1" 'BEGIN { printf "%.1f", kib / 1024 }'; }

# ratio IMAGE WHAT: the first daemon's to the second's
ratio() {
	awk -v a="$(median "$BASE/$1.${PEERS[0]}.$2")" -v b="$(median "$BASE/$1.${PEERS[1]}.$2")" 'BEGIN { printf "%.2f", a / b }'
}

row() { printf '%-8s %-12s %9s %9s %9s %12s %14s\n' "$@"; }

report() {
	local image at
	row image daemon "wall s" "synced s" "CPU s" "daemon MiB" "children MiB"
	for image in "${IMAGES[@]}"; do
		for PEER in "${PEERS[@]}"; do
			at=$BASE/$image.$PEER
			row "$image" "$PEER" "$(seconds "$(median "$at.wall")")" "$(seconds "$(median "$at.synced")")" \
				"$(seconds "$(median "$at.cpu")")" "$(mib "$(most "$at.daemon")")" "$(mib "$(most "$at.children")")"
		done
		[ ${#PEERS[@]} != 2 ] ||
			row "$image" ratio "$(ratio "$image" wall)" "$(ratio "$image" synced)" "$(ratio "$image" cpu)" "" ""
	done
	echo "# medians of $ROUNDS rounds, memory: the highest of them"
}

# --- the run -----------------------------------------------------------------------------------------------------------

# The registry with the images is filled once and then only read.
registry_fill() {
	local layout data
	layout=$("$TOP/tests/conformance/images.sh" bench-build) || bail "the images do not build"
	data=$layout.registry
	REGISTRY_DATA=$data
	[ ! -d "$data" ] || return 0
	REGISTRY_DATA=$data.$RUN_ID
	registry_serve
	"$TOP/tests/conformance/images.sh" push "$layout" "$REGISTRY" || bail "the images cannot be pushed"
	registry_stop
	mv -T "$REGISTRY_DATA" "$data" 2>/dev/null || rm -rf "$REGISTRY_DATA"
	REGISTRY_DATA=$data
}

registry_serve() {
	printf '%s\n' "version: 0.1" "log: {level: error, accesslog: {disabled: true}}" \
		"storage: {filesystem: {rootdirectory: $REGISTRY_DATA}}" "http: {addr: \"$REGISTRY\"}" >"$BASE/registry.yml"
	docker-registry serve "$BASE/registry.yml" >"$BASE/registry.log" 2>&1 &
	REGISTRY_PID=$!
	poll 30 curl -fsS "http://$REGISTRY/v2/" || bail "docker-registry does not start: $(tail -n 3 "$BASE/registry.log")"
}

disk_make() {
	local device
	truncate -s 12G "$BASE/disk.img"
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$BASE/disk.img" || bail "mkfs.ext4 fails"
	mkdir "$BASE/disk"
	# Past the page cache of the file below, where it would be kept a second time.
	device=$(losetup -f --show --direct-io=on "$BASE/disk.img") || skip_all "there is no loop device here"
	mount "$device" "$BASE/disk" || bail "the file system for the run cannot be mounted"
	losetup -d "$device" # when it is unmounted
}

for PEER in "${PEERS[@]}"; do
	case $PEER in
	crispd) [ -x "$BUILD_DIR/crispd" ] || bail "build crispd first" ;;
	containerd) command -v "$(peer_containerd_bin)" >/dev/null || skip_all "containerd is not installed" ;;
	esac
done
registry_fill
registry_serve
disk_make
for peer in "${PEERS[@]}"; do
	side "$peer"
	mkdir -p "$(cpu_dir)"
	cni_write
	printf '#!/bin/sh\necho $$ >"%s/cgroup.procs" && exec "$@"\n' "$(cpu_dir)" >"$SCRATCH/enter"
	chmod 755 "$SCRATCH/enter"
	CRISP_TEST_WRAP=$SCRATCH/enter daemon_start
	REAPERS[$peer]=$REAPER_PID
done
# The first round warms the registry's pages and the daemons up, and does not count.
for round in $(seq 0 "$ROUNDS"); do
	for image in "${IMAGES[@]}"; do
		for peer in "${PEERS[@]}"; do
			side "$peer"
			one "$image"
		done
	done
	[ "$round" != 0 ] || rm -f "$BASE"/*.{wall,synced,cpu,daemon,children}
done
report
