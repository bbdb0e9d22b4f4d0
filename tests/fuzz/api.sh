#!/bin/bash
# api.sh - calls of the whole CRI, mutated field by field (api.c), against running containers;
# daemon and shims run with ASan, UBSan and LeakSanitizer.
#
# In namespaces of its own (processes, mounts, network), so that a container that gets out meets nothing of
# the machine.
#
# Environment: CRISP_TEST_BUILD  a build with sanitizers (make fuzz-api sets it)
#              FUZZ_API          the client (build/fuzz-api)
#              FUZZ_SECONDS      how long (60); FUZZ_SEED (of the clock), FUZZ_CALLS to stop after so many:
#                                replays a seed up to a call; FUZZ_KEEP: a folder for the last calls
#                                and the daemon's log when it fails
set -u
if [ -z "${FUZZ_API_INSIDE:-}" ]; then
	FUZZ_API_INSIDE=1 exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi
. "$(dirname "$0")/../integration/lib.sh"
harness_begin "$@"
FUZZ_API=${FUZZ_API:-$TOP/build/fuzz-api}
SEED=${FUZZ_SEED:-$(date +%s)}
SECONDS_MAX=${FUZZ_SECONDS:-60}
[ -x "$FUZZ_API" ] || bail "$FUZZ_API is missing: make fuzz-api builds it"
export ASAN_OPTIONS=quarantine_size_mb=8:detect_leaks=1:detect_stack_use_after_return=1:handle_abort=1
export UBSAN_OPTIONS=print_stacktrace=1
if grep -q __asan_init "$BUILD_DIR/crispd"; then
	# Shims get an environment of their own: what their sanitizers find goes to files.
	mkdir "$SCRATCH/bin"
	cp "$BUILD_DIR"/{crispd,crisp,crisp-pull} "$SCRATCH/bin/"
	printf '#!/bin/sh\nASAN_OPTIONS=%s:log_path=%s exec %s "$@"\n' "$ASAN_OPTIONS" "$SCRATCH/asan" "$BUILD_DIR/crisp-shim" >"$SCRATCH/bin/crisp-shim"
	chmod 755 "$SCRATCH/bin/crisp-shim"
	BUILD_DIR=$SCRATCH/bin
fi
mkdir -p "$SCRATCH"/{fuzz,host}/ "$SCRATCH"/fuzz/{logs,host}/{0,1,2,3}
registry_start
printf '[crio.api]\ngrpc_max_recv_msg_size = 16777216\n' >"$SCRATCH/config.d/00-fuzz.conf"
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod and a container, so that all there is for good is there" pod_run first
ctr_run "$OUT" first >/dev/null || bail "no container"
check "it goes" everything_remove
mkdir -p "$ROOT/images/layers/empty"	# for an image volume of no file; made once
world_snapshot >"$SCRATCH/before"
resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$(daemon_pid)/status"; }
KIB=$(resident_kib)
PID=$(daemon_pid)

"$FUZZ_API" "$SOCKET" "$SCRATCH/fuzz" "$CGROUP_PARENT" "$BUSYBOX" "$SEED" "$SECONDS_MAX" ${FUZZ_CALLS:-} >"$SCRATCH/out" 2>"$SCRATCH/err"
RC=$?
diag <"$SCRATCH/out"
tail -n 5 "$SCRATCH/err" | diag
check_is "seed $SEED: every call is answered in time, and plain pods run" 0 echo $RC
check_is "the daemon is the one of before" "$PID" daemon_pid
check "it answers" crictl pods
check "the memory of the daemon is bounded ($KIB KiB, then $(resident_kib))" [ "$(resident_kib)" -le $((KIB + 600000)) ]
check "all pods go" everything_remove
crictl pull "$BUSYBOX" >/dev/null
# The parents of pods' cgroups are the kubelet's to remove; they are empty.
cgroups_ours | grep -E '/p[0-3]$' | xargs -r rmdir
world_diff "the world is as before" "$SCRATCH/before"
daemon_stop
check_is "the daemon ends well, without a leak" 0 echo "$DAEMON_STATUS"
reports() { cat "$SCRATCH"/asan.* "$SCRATCH/daemon.log" 2>/dev/null | grep -aE -A 40 'ERROR: (Address|Leak|UndefinedBehavior)Sanitizer|runtime error:'; }
check_is "no report of a sanitizer" "" eval 'reports | head -80'
if [ $FAILURES != 0 ]; then
	[ -z "${FUZZ_KEEP:-}" ] || cp "$SCRATCH"/fuzz/calls* "$SCRATCH/daemon.log" "$FUZZ_KEEP/"
	{ echo "again: FUZZ_SEED=$SEED FUZZ_SECONDS=$SECONDS_MAX make fuzz-api"; tail -n 3 "$SCRATCH/fuzz/calls" 2>/dev/null | cut -c1-400; } | diag
fi
harness_end
