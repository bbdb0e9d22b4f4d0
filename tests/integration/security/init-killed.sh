#!/bin/bash
# init-killed.sh - no signal from a container ends the init of its pod. The end of an init or of a
# pinned namespace makes the pod NOTREADY with a reason, also while daemon and shim are away.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"

init_of() { cut -d ' ' -f 1 "$RUNROOT/pods/$1/init.pid"; }
shim_of() { cut -d ' ' -f 1 "$RUNROOT/pods/$1/shim.pid"; }
pod_state() { crictl inspectp "$1" | jq -r .status.state; }
pod_is() { [ "$(pod_state "$1")" = "$2" ]; }
is_init() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = crisp-init ]; }
explained() { "$BUILD_DIR/crisp" --socket "$SOCKET" explain "$1"; }

# pod_with NAME [JQ]: a pod and a container in it
pod_with() {
	check "$1: a pod" pod_run "$1" "$HOST_NET"
	POD=$OUT
	check "$1: a container" ctr_run "$POD" "$1" "${2:-.}"
	CTR=$OUT
	INIT=$(init_of "$POD")
}

# pod_has_ended NAME PATTERN
pod_has_ended() {
	WHY=$2
	check "$1: the pod becomes NOTREADY" poll 30 pod_is "$POD" SANDBOX_NOTREADY
	check "$1: its container has exited" poll 30 ctr_is "$CTR" CONTAINER_EXITED
	check "$1: explain says why" eval 'explained "$POD" | grep -q "last error: .*$WHY"'
	check_is "$1: so does the verbose status" 1 eval 'crictl inspectp "$POD" | grep -c "\"ended_why\": .*$WHY"'
	check_fails "$1: no container is made in it" "not ready" crictl create "$POD" "$(ctr_config "$1.more" "$BUSYBOX")" "$SCRATCH/pod-$1.json"
	check "$1: it can be removed" everything_remove
}

pod_with signals '.linux.security_context.capabilities.add_capabilities = ["KILL"]'
crictl exec --sync "$CTR" sh -c 'for s in $(seq 1 64); do kill -$s 1; done 2>/dev/null; (sleep 0.1 &) ; sleep 0.5' >/dev/null 2>&1
check "signals: none from a container ends the init" is_init "$INIT"
check "signals: nor stops it" eval '! grep -q "^State:.[TtZ]" /proc/$INIT/status'
check "signals: what is orphaned is reaped" eval '! pgrep -r Z -P "$INIT"'
check "signals: one of the init's own user" ctr_run "$POD" signals.user '.metadata.name = "user" | .linux.security_context.run_as_user.value = 65535'
crictl exec --sync "$OUT" sh -c 'for s in $(seq 1 64); do kill -$s 1; done 2>/dev/null' >/dev/null 2>&1
check "signals: has no other effect" is_init "$INIT"
for s in TERM INT HUP QUIT; do kill -$s "$INIT"; done
check "signals: nor has one of the host that is not KILL" is_init "$INIT"
check "signals: the pod still runs containers" ctr_run "$POD" signals.last '.metadata.name = "last"'

kill -KILL "$INIT"
check "killed: its container has exited" poll 30 ctr_is "$CTR" CONTAINER_EXITED
check_is "killed: by the kernel" 137 eval 'crictl inspect "$CTR" | jq .status.exitCode'
pod_has_ended signals "init (pid $INIT).* has ended"

pod_with away
daemon_kill
kill -KILL "$INIT"
daemon_again
check_is "away: the exit code is known" 137 eval 'poll 30 ctr_is $CTR CONTAINER_EXITED; crictl inspect "$CTR" | jq .status.exitCode'
pod_has_ended away "init (pid $INIT).* has ended"

pod_with both
SHIM=$(shim_of "$POD")
daemon_kill
kill -KILL "$SHIM" "$INIT"
daemon_again
pod_has_ended both "init (pid $INIT).* has ended"

pod_with shim
kill -KILL "$(shim_of "$POD")" "$INIT"
pod_has_ended shim "init (pid $INIT).* has ended"

pod_with pins
NS=$(awk -v end="$POD/ipc" "substr(\$5, length(\$5) - length(end) + 1) == end { print \$5 }" /proc/self/mountinfo)
umount "$NS"
check_fails "pins: a container of a pod without its namespace is refused" "ipc namespace is no longer mounted at $NS" \
	crictl create "$POD" "$(ctr_config pins.more "$BUSYBOX")" "$SCRATCH/pod-pins.json"
pod_has_ended pins "ipc namespace is no longer mounted"

check "another attempt" pod_run signals "$HOST_NET | .metadata.attempt = 1"
check "runs its container" ctr_run "$OUT" signals
check "all is removed" everything_remove
harness_end
