#!/bin/bash
# run.sh - `make bench`: memory and latency of the daemon, beside the bare runtime and the bare
# network plugins, in one run.
#
# What must hold: floors and daemon are measured on the same machine minutes apart, with the same
# bundle, plugins and configuration; medians of N after a warm-up; memory is PSS from
# /proc/PID/smaps_rollup. It prints a table, targets beside it, and judges nothing.
#
# usage: run.sh [N]      (default 20; CRISP_TEST_PEER=containerd measures a peer)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../integration/lib.sh"
harness_begin "$@"
N=${1:-20}
PODS=50

. "$HERE/cribench.sh"
. "$HERE/../integration/imagelib.sh"

# Upper bounds of the medians, in ms; of /cpu, of the processor time.
declare -A TARGET=(
	[Status]=0.2 [ImageFsInfo]=0.3 [ListContainerStats/cpu]=3 [RemoveImage/10000-files]=50
	[burst:RunPodSandbox/longest-by-median]=3
	[StopContainer/17-deep-trees]="as empty" [Stop+RemovePodSandbox/17-deep-trees]="as empty"
)

now_us() { echo "${EPOCHREALTIME/./}"; }

# row NAME MEDIAN P90 COUNT [TARGET]; times are in ms
row() { printf '%-44s %10s %10s %6s %10s\n' "$1" "$2" "$3" "$4" "${5:-}"; }

# report NAME <microseconds, one a line
report() {
	sort -n | awk -v name="$1" '{ v[NR - 1] = $1 / 1000 } END { if (NR) printf "%s\t%.2f\t%.2f\t%d\n", name, v[int(NR / 2)], v[int(NR * 9 / 10)], NR }' |
		while IFS=$'\t' read -r name median p90 count; do row "$name" "$median" "$p90" "$count"; done
}

below_reaper() {
	local pid=$1
	while [ "$pid" -gt 1 ]; do
		[ "$pid" != "$REAPER_PID" ] || return 0
		pid=$(awk '$1 == "PPid:" { print $2 }' "/proc/$pid/status" 2>/dev/null) || return 1
		[ -n "$pid" ] || return 1
	done
	return 1
}

shims() {
	local pid
	for pid in $(pgrep 'shim'); do ! below_reaper "$pid" || echo "$pid"; done
}

# A bundle of a container that runs now, as the daemon wrote it, is started again by the bare
# runtime N times.
floor_runtime() {
	local bundle=$SCRATCH/bundle from i t0 t1
	from=$(find "$RUNROOT" -name config.json -path '*' -exec grep -l '"sleep"' {} + 2>/dev/null | head -n 1)
	if [ -z "$from" ]; then
		echo "# no bundle of a running container was found below $RUNROOT: no floor of the runtime"
		return
	fi
	mkdir -p "$bundle"
	# Relative root paths are relative to the original bundle. A pod's cgroup has limits of its
	# own: take another below the parent.
	jq --arg dir "${from%/*}" --arg cgroup "$CGROUP_PARENT/floor" 'del(.hooks) | .linux.cgroupsPath = $cgroup
		| .root.path |= (if startswith("/") then . else $dir + "/" + . end)' "$from" >"$bundle/config.json"
	: >"$SCRATCH/floor.run"
	: >"$SCRATCH/floor.exec"
	for i in $(seq 0 "$N"); do
		t0=$(now_us)
		runc --root "$SCRATCH/runc" create --bundle "$bundle" "floor$i" </dev/null >"$SCRATCH/floor.log" 2>&1 &&
			runc --root "$SCRATCH/runc" start "floor$i" || { echo "# bare runc fails: $(tail -n 1 "$SCRATCH/floor.log")"; break; }
		t1=$(now_us)
		[ "$i" = 0 ] || echo $((t1 - t0)) >>"$SCRATCH/floor.run"
		t0=$(now_us)
		runc --root "$SCRATCH/runc" exec "floor$i" true </dev/null >>"$SCRATCH/floor.log" 2>&1
		t1=$(now_us)
		[ "$i" = 0 ] || echo $((t1 - t0)) >>"$SCRATCH/floor.exec"
		runc --root "$SCRATCH/runc" delete -f "floor$i" 2>/dev/null
	done
	report "floor: runc create + start, same bundle" <"$SCRATCH/floor.run"
	report "floor: runc exec, same bundle" <"$SCRATCH/floor.exec"
}

# cni_conf PLUGIN PREVIOUS-RESULT: the plugin's part of the configuration, as the specification puts
# it together
cni_conf() {
	jq -c --arg type "$1" --argjson prev "${2:-null}" '{cniVersion, name} + (.plugins[] | select(.type == $type)) | del(.capabilities)
		| . + {runtimeConfig: {portMappings: []}} + (if $prev then {prevResult: $prev} else {} end)' "$CNI_CONF/10-test.conflist"
}

# cni_call COMMAND PLUGIN: with the configuration in $SCRATCH/floor-PLUGIN.json
cni_call() {
	CNI_COMMAND=$1 CNI_CONTAINERID=floor CNI_NETNS=$SCRATCH/floor-netns CNI_IFNAME=eth0 CNI_PATH=$CNI_PLUGINS \
		"$CNI_PLUGINS/$2" <"$SCRATCH/floor-$2.json"
}

floor_network() {
	local i t0 t1
	: >"$SCRATCH/floor.add"
	: >"$SCRATCH/floor.del"
	: >"$SCRATCH/floor-netns"
	cni_conf bridge >"$SCRATCH/floor-bridge.json"
	for i in $(seq 0 "$N"); do
		unshare --net="$SCRATCH/floor-netns" true
		t0=$(now_us)
		cni_call ADD bridge >"$SCRATCH/floor-result.json"
		[ "$i" != 0 ] || cni_conf portmap "$(cat "$SCRATCH/floor-result.json")" >"$SCRATCH/floor-portmap.json"
		cni_call ADD portmap >/dev/null
		t1=$(now_us)
		[ "$i" = 0 ] || echo $((t1 - t0)) >>"$SCRATCH/floor.add"
		t0=$(now_us)
		cni_call DEL portmap >/dev/null
		cni_call DEL bridge >/dev/null
		t1=$(now_us)
		[ "$i" = 0 ] || echo $((t1 - t0)) >>"$SCRATCH/floor.del"
		umount "$SCRATCH/floor-netns"
	done
	report "floor: CNI ADD, bridge + portmap" <"$SCRATCH/floor.add"
	report "floor: CNI DEL, portmap + bridge" <"$SCRATCH/floor.del"
}

print_rows() {
	local name median p90 count
	while read -r name median p90 count; do row "$PEER: $name" "$median" "$p90" "$count" "${TARGET[$name]:-}"; done
}

# An image with a layer of 10,000 files is in the registry as $MANY.
many_files_push() {
	MANY=$REGISTRY/t/many-files:1
	mkdir -p "$BLOBS" "$SCRATCH/files"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$LAY/oci-layout"
	echo '{"schemaVersion":2,"manifests":[]}' >"$LAY/index.json"
	(cd "$SCRATCH/files" && mkdir "d"{0..99} && for d in d*; do (cd "$d" && for i in {0..98}; do echo "$d $i" >"$i"; done); done) &&
		tar -C "$SCRATCH/files" -cf "$SCRATCH/files.tar" . && put_image many "$SCRATCH/files.tar" &&
		skopeo copy -q --dest-tls-verify=false "oci:$LAY:many" "docker://$MANY"
}

cribench_build
registry_start
runroot_mount
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"
IDLE=$(pss "$(daemon_pid)")
row "ms" median p90 n target
cribench latency >"$SCRATCH/latency" || bail "the measurement failed"
print_rows <"$SCRATCH/latency"

cribench burst >"$SCRATCH/burst" || bail "the burst of $PODS pods failed"
print_rows <"$SCRATCH/burst"

many_files_push || bail "the image of 10,000 files cannot be made"
cribench images "$MANY" >"$SCRATCH/images.rows" || bail "the measurement of RemoveImage failed"
print_rows <"$SCRATCH/images.rows"
mkdir "$SCRATCH/bench"
cc -std=gnu17 -D_GNU_SOURCE -O1 -static -o "$SCRATCH/bench/deeptree" "$TOP/tests/integration/security/deeptree.c" || bail "deeptree does not compile"
cribench trees "$SCRATCH/bench" >"$SCRATCH/trees" || bail "the measurement of deep trees failed"
print_rows <"$SCRATCH/trees"

coproc HOLD { cribench hold; }
while read -r line <&"${HOLD[0]}"; do
	[ "$line" != ready ] || break
	print_rows <<<"$line"
done
[ "${line:-}" = ready ] || bail "$PODS pods could not be started"
LOADED=$(pss "$(daemon_pid)")
mapfile -t SHIMS < <(shims)
SHIM_PSS=$(pss "${SHIMS[@]}" | sort -n)
floor_runtime
floor_network
eval "exec ${HOLD[1]}>&-"
wait "$HOLD_PID"

echo "# load average $(cut -d ' ' -f 1-3 /proc/loadavg)"

echo
printf '%-44s %10s\n' "memory (PSS)" KiB
printf '%-44s %10s\n' "$PEER: daemon, idle after one pull" "$IDLE"
printf '%-44s %10s\n' "$PEER: daemon, $PODS pods" "$LOADED"
printf '%-44s %10s\n' "$PEER: monitors of a pod, mean" "$(awk -v n="$PODS" '{ s += $1 } END { printf "%d", s / n }' <<<"$SHIM_PSS")"
printf '%-44s %10s\n' "$PEER: all monitors" "$(awk '{ s += $1 } END { print s + 0 }' <<<"$SHIM_PSS")"
