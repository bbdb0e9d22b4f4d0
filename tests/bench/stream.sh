#!/bin/bash
# stream.sh - `make bench-stream`: execs and forwarded ports of crispd and of Debian's containerd,
# through the client libraries of Kubernetes, and execs of the bare runtime, in one run.
#
# What must hold: both daemons are asked by the same client on the same machine one after the other;
# an exec of each kind is made in turn with one of the bare runtime in the same container, so that
# what disturbs one disturbs the others. It prints a table and judges nothing.
#
# usage: stream.sh [ROUNDS [MIB]]      (default 50 execs of each kind, 256 MiB a connection)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../integration/lib.sh"
. "$HERE/cribench.sh"
ROUNDS=${1:-50} MIB=${2:-256}
if [ -z "${3:-}" ]; then
	for peer in crispd containerd; do
		CRISP_TEST_PEER=$peer bash "$0" "$ROUNDS" "$MIB" one || exit
	done
	exit
fi
[ "$PEER" != containerd ] || command -v "$(peer_containerd_bin)" >/dev/null || skip_all "containerd is not installed"
harness_begin "$@"

# Where the daemon has the bare runtime keep its containers.
runtime_root() {
	case $PEER in
	crispd) echo "$SCRATCH/run/runc" ;;
	containerd) echo /run/containerd/runc/k8s.io ;; # the default of its shim
	esac
}

[ -x "$CACHE/bin/goclient" ] || bail "goclient is missing: run tools/test-deps.sh first"
[ "$PEER" != crispd ] || printf '[crio.runtime.runtimes.runc]\nruntime_path = "%s"\nruntime_root = "%s"\n' \
	"$(command -v runc)" "$(runtime_root)" >"$SCRATCH/config.d/10-root.conf"
registry_start
runroot_mount
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"
PROFILE='.linux.security_context.seccomp = {profile_type: 0}' # the same work for every exec
POD=$(pod_run stream "$PROFILE") || bail "the pod does not run"
CTR=$(ctr_run "$POD" stream "$PROFILE") || bail "the container does not run"
nsenter --net="/proc/$(crictl inspect "$CTR" | jq .info.pid)/ns/net" "$CACHE/bin/goclient" serve -mib "$MIB" >"$SCRATCH/serve" 2>&1 &
SERVE=$!
trap 'rc=$?; kill $SERVE; wait $SERVE 2>/dev/null; (exit $rc); harness_cleanup' EXIT
poll 20 grep -q serving "$SCRATCH/serve" || bail "no servers in the pod's network"
"$CACHE/bin/goclient" bench -socket "$SOCKET" -pod "$POD" -container "$CTR" -rounds "$ROUNDS" -mib "$MIB" \
	-floor "runc --root $(runtime_root) exec $CTR" >"$SCRATCH/bench" || bail "$PEER: the measurement failed"
while read -r value unit what; do printf '%-12s %10s %-5s %s\n' "$PEER" "$value" "$unit" "$what"; done <"$SCRATCH/bench"
everything_remove
