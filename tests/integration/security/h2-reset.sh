#!/bin/bash
# h2-reset.sh - ten thousands of HTTP/2 calls opened and reset at once: other clients are answered,
# memory stays bounded, and many patient calls at a time all get an answer.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ -x "$CACHE/bin/goclient" ] || bail "goclient is missing: run tools/test-deps.sh first"
daemon_start
of_status() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$(daemon_pid)/status"; }
calm() { [ "$(of_status VmRSS)" -le $((${RESET_MIB:-20} * 1024)) ]; }
PEAK_KIB=$((${RESET_PEAK_MIB:-160} * 1024))
others() { timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" pods; }
client() { timeout 120 "$CACHE/bin/goclient" "$@" -socket "$SOCKET"; }

# resets WHAT ARG...: the peak is of this attack alone
resets() {
	local what=$1
	shift
	echo 5 >"/proc/$(daemon_pid)/clear_refs"
	check "$what" client resets "$@"
	check "others are served" others
	diag <<<"peak: $(of_status VmHWM) KiB, now $(of_status VmRSS)"
	check "at most $PEAK_KIB KiB were taken meanwhile" [ "$(of_status VmHWM)" -le "$PEAK_KIB" ]
}

check "a first call" crictl pods
diag <<<"resident at first: $(of_status VmRSS) KiB"
for rpc in Version ListPodSandbox Nonsense; do
	resets "20,000 resets of $rpc" -count 20000 -rpc $rpc
	resets "40,000 resets of $rpc on one connection" -count 40000 -per-connection 40000 -rpc $rpc
done
resets "40,000 resets without a request" -count 40000 -per-connection 40000 -data=false
resets "40,000 resets on 8 connections" -count 40000 -parallel 8
client calls -count 200 >"$SCRATCH/calls" 2>&1
check "200 calls at a time over one connection" eval '! grep "^not ok" "$SCRATCH/calls" && grep -c "^ok" "$SCRATCH/calls"'
check_is "are all there" 4 echo "$OUT"
client calls -count 700 >"$SCRATCH/calls" 2>&1
check "700 calls at a time, more than a connection may have" eval '! grep "^not ok" "$SCRATCH/calls" && grep -c "^ok" "$SCRATCH/calls"'
check "the memory comes back" poll 30 calm
diag <<<"resident at the end: $(of_status VmRSS) KiB"
daemon_stop
check_is "the daemon ends well" 0 echo "$DAEMON_STATUS"
harness_end
