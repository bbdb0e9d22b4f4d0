#!/bin/bash
# exec-urls.sh - exec URLs that no client fetches, with large commands: their bytes count against a
# bound, commands above the kernel's limit are refused, and the memory returns. Requests of a
# foreign web page get no session.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ -x "$CACHE/bin/goclient" ] || bail "goclient is missing: run tools/test-deps.sh first"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run urls
POD=$OUT
check "a container" ctr_run "$POD" urls.a '.metadata.name = "a" | .log_path = "a.log"'
CTR=$OUT
resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$(daemon_pid)/status"; }
check_is "a first session" x crictl exec "$CTR" echo x
KIB=$(resident_kib)
while read -r line; do
	case $line in
	"ok "*) ok "${line#ok }" ;;
	"not ok "*) not_ok "${line#not ok }" ;;
	*) diag <<<"$line" ;;
	esac
done < <(for what in urls origins; do
	"$CACHE/bin/goclient" $what -socket "$SOCKET" -pod "$POD" -container "$CTR" 2>&1 || echo "status $?"
done)
check "the daemon holds no more than they may ($KIB KiB, then $(resident_kib))" [ "$(resident_kib)" -le $((KIB + 40000)) ]
check_is "the next client is served" x crictl exec "$CTR" echo x
check "all is removed" everything_remove
daemon_stop
check_is "the daemon ends well" 0 echo "$DAEMON_STATUS"
harness_end
