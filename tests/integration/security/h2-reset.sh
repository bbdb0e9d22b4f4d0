#!/bin/bash
# h2-reset.sh - calls that are opened and given up at once, by the ten thousand, and large ones: the daemon
# answers others, and its memory comes back.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ -x "$CACHE/bin/goclient" ] || bail "goclient is missing: run tools/test-deps.sh first"
daemon_start
resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$(daemon_pid)/status"; }
calm() { [ "$(resident_kib)" -le $((${RESET_MIB:-20} * 1024)) ]; }
check "a first call" crictl pods
diag <<<"resident at first: $(resident_kib) KiB"
for rpc in Version ListPodSandbox Nonsense; do
	check "20,000 resets of $rpc" timeout 120 "$CACHE/bin/goclient" resets -socket "$SOCKET" -count 20000 -rpc $rpc
	diag <<<"resident: $(resident_kib) KiB"
	check "others are served" timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" pods
done
check "20,000 resets without a request" timeout 120 "$CACHE/bin/goclient" resets -socket "$SOCKET" -count 20000 -data=false
diag <<<"resident: $(resident_kib) KiB"
check "others are served" timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" pods
check "the memory comes back" poll 30 calm
diag <<<"resident at the end: $(resident_kib) KiB"
daemon_stop
check_is "the daemon ends well" 0 echo "$DAEMON_STATUS"
harness_end
