#!/bin/bash
# log.sh - `make bench-log`: how fast containers' output gets into their CRI log files and what
# that costs, beside Debian's conmon (run by hand with runc) and containerd, in one run.
#
# What must hold: the same program writes the same bytes for all of them, lines of 100 bytes on both
# streams of two containers at once; the time is from the start signal to the last write of the log
# files; the processor time is that of everything that stands between the pipe and the file: the
# monitors, and the daemon where it takes part. They take turns, several rounds; it prints medians
# and judges nothing.
#
# usage: log.sh [MIB [ROUNDS]]      (default 128, for each of the four streams, and 3)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../integration/lib.sh"
. "$HERE/cribench.sh"
. "$HERE/conmon.sh"
MIB=${1:-128}
ROUNDS=${2:-3}
PEERS=(crispd conmon containerd)

# median PEER FIELD: of the rounds' lines
median() { grep "^$1 " | awk -v n="$2" '{ print $n }' | sort -n | sed -n "$(((ROUNDS + 1) / 2))p"; }
if [ "$ROUNDS" != one ]; then
	results=
	for _ in $(seq "$ROUNDS"); do
		for peer in "${PEERS[@]}"; do results+=$(CRISP_TEST_PEER=$peer bash "$0" "$MIB" one)$'\n' || exit; done
	done
	printf '%-12s %10s %16s\n' log "MB/s" "CPU s per GiB"
	for peer in "${PEERS[@]}"; do
		printf '%-12s %10s %16s\n' "$peer" "$(median "$peer" 2 <<<"$results")" "$(median "$peer" 3 <<<"$results")"
	done
	echo "# medians of $ROUNDS rounds"
	exit
fi
harness_begin "$@"
BYTES=$((MIB << 20))

# Nanoseconds on a processor of all threads of what moves the bytes.
monitors() { pgrep -f "$SCRATCH" | while read -r pid; do case $(cat "/proc/$pid/comm" 2>/dev/null) in conmon | crisp-shim | crispd | containerd*) echo "$pid" ;; esac; done; }
cpu_ns() { local pid; for pid in $(monitors); do cat /proc/"$pid"/task/*/schedstat; done 2>/dev/null | awk '{ s += $1 } END { printf "%d", s }'; }

# All is there when nothing comes any more and both streams have ended.
is_whole() {
	local size
	size=$(stat -c %s "$1")
	sleep 0.3
	[ "$size" = "$(stat -c %s "$1")" ] && [ "$(grep -cE " (stdout|stderr) F END\$" "$1")" = 2 ]
}

# The containers wait for the file go in their directory.
measure() {
	local log before after t0 t1=0 t
	before=$(cpu_ns)
	t0=$(date +%s%N)
	touch "$SCRATCH/go/go"
	for log in "$@"; do poll 120 is_whole "$log" || bail "$PEER: the log is not whole"; done
	after=$(cpu_ns)
	for log in "$@"; do
		t=$(date +%s%N -r "$log")
		[ "$t" -le "$t1" ] || t1=$t
	done
	awk -v peer="$PEER" -v bytes=$((4 * BYTES)) -v ns=$((t1 - t0)) -v cpu=$((after - before)) 'BEGIN {
		printf "%s %.0f %.2f\n", peer, bytes / ns * 1000, cpu / 1e9 / (bytes / 2 ^ 30) }'
}

logwriter_build
if [ "$PEER" = conmon ]; then
	command -v conmon >/dev/null || bail "conmon is missing: run tools/test-deps.sh first"
	for name in a b; do conmon_run "$name" "$BYTES" || bail "conmon does not run a container"; done
	measure "$SCRATCH"/{a,b}/log
	conmon_end a b
	exit
fi
registry_start
runroot_mount
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"
POD=$(pod_run log "$HOST_NET") || bail "the pod does not run"
for name in a b; do
	ctr_run "$POD" "log.$name" ".metadata.name = \"$name\" | .log_path = \"$name.log\" | .command = [\"/logwriter\", \"/go\", \"$BYTES\"]
		| .mounts = [{container_path: \"/logwriter\", host_path: \"$SCRATCH/logwriter\", readonly: true},
		             {container_path: \"/go\", host_path: \"$SCRATCH/go\"}]" >/dev/null || bail "the container does not run"
done
measure "$SCRATCH"/logs/log/{a,b}.log
everything_remove
