#!/bin/bash
# soak-stream.sh - 200 exec sessions and 200 forwarded connections at a time, a third of which
# vanish at random: the others are right to the last byte, and nothing is left.
#
# The sessions run for SOAK_SECONDS (default 600); then SOAK_MIB (default 1024) go through an exec
# and through a forwarded port, with fast and slow readers.
#
# What must hold: each session that was not cut was right to the last byte; afterwards the daemon and
# the pod's shim have the descriptors and threads of before, their memory did not grow with the
# sessions, and no process, cgroup or file is left. Meant for a daemon with sanitizers, which look
# for the rest, in shims as well, and once more for one without: most of the memory of the other is the
# sanitizers' own.
#
# usage: soak-stream.sh      (make soak-stream builds what it needs)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export ASAN_OPTIONS=quarantine_size_mb=8:detect_stack_use_after_return=1
. "$HERE/../integration/lib.sh"
harness_begin "$@"
[ -x "$CACHE/bin/goclient" ] || bail "goclient is missing: run tools/test-deps.sh first"
SECONDS_LONG=${SOAK_SECONDS:-600}
SEED=${CRISP_TEST_SEED:-$$}
echo "# seed $SEED"
sanitized() { grep -q __asan_init "$BUILD_DIR/crispd"; }
if sanitized; then
	# Shims get an environment of their own: what their sanitizers find goes to files.
	mkdir "$SCRATCH/bin"
	cp "$BUILD_DIR"/{crispd,crisp-pull} "$SCRATCH/bin/"
	printf '#!/bin/sh\nASAN_OPTIONS=%s:log_path=%s exec %s "$@"\n' "$ASAN_OPTIONS" "$SCRATCH/asan" "$BUILD_DIR/crisp-shim" >"$SCRATCH/bin/crisp-shim"
	chmod 755 "$SCRATCH/bin/crisp-shim"
	BUILD_DIR=$SCRATCH/bin
fi
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run soak
POD=$OUT
check "a container" ctr_run "$POD" soak.a '.metadata.name = "a" | .log_path = "a.log"' || bail "no container"
CTR=$OUT
nsenter --net="/proc/$(crictl inspect "$CTR" | jq .info.pid)/ns/net" "$CACHE/bin/goclient" serve -mib "${SOAK_MIB:-1024}" >"$SCRATCH/serve" 2>&1 &
SERVE=$!
check "servers in the pod's network" poll 20 grep -q serving "$SCRATCH/serve"

shim_pid() { cut -d ' ' -f 1 "$(find "$RUNROOT" -name shim.pid)"; }
descriptors() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
threads() { find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l; }
resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; }
processes() { ps -o args= -p "$(pgrep -d , --ns "$(crictl inspect "$CTR" | jq .info.pid)" --nslist pid)" | grep -v '^sleep 1$' | sort; }
client() { "$CACHE/bin/goclient" "$@" -socket "$SOCKET" -pod "$POD" -container "$CTR"; }
soak() { client soak -seed "$2" -duration "$1s"; }

check "warm-up" soak $((SECONDS_LONG / 10 + 20)) $((SEED + 1))
D=$(daemon_pid) S=$(shim_pid)
settled() { ! processes | grep -q '^cat'; }
poll 120 settled
D_FDS=$(descriptors "$D") S_FDS=$(descriptors "$S") D_THREADS=$(threads "$D")
D_KIB=$(resident_kib "$D") S_KIB=$(resident_kib "$S")
processes >"$SCRATCH/processes"
world_snapshot >"$SCRATCH/world.before"
check "$SECONDS_LONG seconds" soak "$SECONDS_LONG" "$SEED"
echo "$OUT"
check "no exec is left" poll 120 settled
poll 30 eval '[ $(descriptors '"$D"') -le '"$D_FDS"' ]'
echo "# daemon: descriptors $D_FDS, then $(descriptors "$D"); threads $D_THREADS, $(threads "$D"); resident $D_KIB KiB, $(resident_kib "$D")"
echo "# shim: descriptors $S_FDS, then $(descriptors "$S"); resident $S_KIB KiB, $(resident_kib "$S")"
check "no descriptor is left open in the daemon" [ "$(descriptors "$D")" -le "$D_FDS" ]
check "nor in the shim" [ "$(descriptors "$S")" -le "$S_FDS" ]
check "no thread is left" [ "$(threads "$D")" -le "$D_THREADS" ]
if ! sanitized; then
	check "the daemon's memory has not grown with the sessions" [ $(($(resident_kib "$D") - D_KIB)) -le 4096 ]
	check "nor the shim's" [ $(($(resident_kib "$S") - S_KIB)) -le $((S_KIB / 10 + 4096)) ]
fi
check_is "the container has the processes of before" "$(cat "$SCRATCH/processes")" processes
world_diff "nothing is left behind" "$SCRATCH/world.before"

for T in spdy websocket; do
	client transfer -transport $T -mib "${SOAK_MIB:-1024}" -limit 30m >"$SCRATCH/transfer" 2>&1
	check "$T: ${SOAK_MIB:-1024} MiB each" eval '! grep -q "^not ok" "$SCRATCH/transfer" && grep -c "^ok" "$SCRATCH/transfer"'
	sed 's/^/# /' "$SCRATCH/transfer"
done
kill $SERVE
wait $SERVE 2>/dev/null
check "all is removed" everything_remove
daemon_stop
check_is "the daemon ends well, and the sanitizers have found nothing" 0 echo "$DAEMON_STATUS"
check_is "nor have those of the shims" "" eval 'cat "$SCRATCH"/asan.* 2>/dev/null || :'
check "nor said anything" eval '! grep -E "Sanitizer|runtime error" "$SCRATCH/daemon.log"'
harness_end
