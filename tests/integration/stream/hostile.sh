#!/bin/bash
# hostile.sh - hostile streaming clients: disconnects after each byte, floods, thousands of
# connections, silence. Nothing of them is left and the next client is served.
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ -x "$CACHE/bin/goclient" ] || bail "goclient is missing: run tools/test-deps.sh first"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run hostile
POD=$OUT
check "a container" ctr_run "$POD" hostile.a '.metadata.name = "a" | .log_path = "a.log"'
CTR=$OUT
descriptors() { find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l; }
resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$(daemon_pid)/status"; }
processes() { ps -o args= -p "$(pgrep -d , --ns "$(crictl inspect "$CTR" | jq .info.pid)" --nslist pid)"; }

check_is "a first session" x crictl exec "$CTR" echo x
BEFORE=$(descriptors)
KIB=$(resident_kib)
while read -r line; do
	case $line in
	"ok "*) ok "${line#ok }" ;;
	"not ok "*) not_ok "${line#not ok }" ;;
	*) diag <<<"$line" ;;
	esac
done < <("$CACHE/bin/goclient" hostile -socket "$SOCKET" -pod "$POD" -container "$CTR" 2>&1 || echo "status $?")
check "the daemon has the descriptors of before" poll 60 eval '[ "$(descriptors)" -le '"$BEFORE"' ]'
check "and not much more memory ($KIB KiB, then $(resident_kib))" [ "$(resident_kib)" -le $((KIB + 20000)) ]
check "no exec is left in the container" poll 30 eval '! processes | grep -E "^cat"'
check_is "the next client is served" x crictl exec "$CTR" echo x

# --- a session in which nothing is said ----------------------------------------------------------------------------------

printf '[crio.api]\nstream_idle_timeout = "2s"\n' >"$SCRATCH/config.d/70-idle.conf"
daemon_kill TERM
daemon_again
for T in spdy websocket; do
	check_fails "$T: it ends, and not as a success" 'stream_idle_timeout' \
		eval 'timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" exec -r '$T' -i "$CTR" cat < <(exec sleep 60)'
done
check_is "one that talks goes on" "$(seq 6)" crictl exec "$CTR" sh -c 'for i in 1 2 3 4 5 6; do echo $i; sleep 1; done'
check "all is removed" everything_remove
daemon_stop
check_is "the daemon ends well" 0 echo "$DAEMON_STATUS"
harness_end
