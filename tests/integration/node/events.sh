#!/bin/bash
# events.sh - GetContainerEvents: each step of a pod and its container is an event with the statuses
# after it, in order; no subscriber misses what happens around a kill of the daemon; 1,000
# subscribers get everything; one that never reads ends with a count, and the daemon stays small.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ -x "$CACHE/bin/goclient" ] || bail "goclient is missing: run tools/test-deps.sh first"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"

# watch NAME: crictl events into $SCRATCH/NAME.events, from now on; its pid is in $WATCHER
watch() {
	"$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" events -o json >"$SCRATCH/$1.events" 2>/dev/null &
	WATCHER=$!
}
unwatch() { kill "$WATCHER"; wait "$WATCHER" 2>/dev/null; }
# seen NAME ID: the types of the object's events so far
seen() { jq -rs --arg id "$2" '[.[] | select(.containerId == $id) | .containerEventType[10:-6]] | join(" ")' "$SCRATCH/$1.events"; }
sees() { [ "$(seen "$1" "$2")" = "$3" ]; }
# field NAME ID TYPE JQ: of the object's event of that type
field() { jq -rs --arg id "$2" --arg type "CONTAINER_$3_EVENT" "[.[] | select(.containerId == \$id and .containerEventType == \$type)][0] | $4" "$SCRATCH/$1.events"; }
client() { timeout 120 "$CACHE/bin/goclient" "$1" -socket "$SOCKET" "${@:2}"; }
resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$(daemon_pid)/status"; }

# --- a life ---

watch life
check "a pod" pod_run one "$HOST_NET"
POD=$OUT
check "a container" crictl create "$POD" "$(ctr_config one.c "$BUSYBOX")" "$SCRATCH/pod-one.json"
CTR=$OUT
check "is started" crictl start "$CTR"
check "is stopped" crictl stop -t 0 "$CTR"
check "is removed" crictl rm "$CTR"
check "the pod is stopped" crictl stopp "$POD"
check "and removed" crictl rmp "$POD"
check "the container's events" poll 20 sees life "$CTR" "CREATED STARTED STOPPED DELETED"
check "the pod's events" poll 20 sees life "$POD" "CREATED STARTED STOPPED DELETED"
unwatch
check_is "an event has the pod's status" "uid-one SANDBOX_READY" \
	field life "$CTR" STARTED '.podSandboxStatus | [.metadata.uid, .state] | join(" ")'
check_is "and its containers', as of then" "CONTAINER_CREATED CONTAINER_RUNNING CONTAINER_EXITED" \
	eval "for type in CREATED STARTED STOPPED; do field life $CTR \$type '.containersStatuses[0].state'; done | paste -s -d ' '"
check_is "with the exit code" 137 field life "$CTR" STOPPED '.containersStatuses[0].exitCode'
check_is "a deleted container is not among them" 0 field life "$CTR" DELETED '.containersStatuses | length'
check_is "the last event of a pod names it" "uid-one SANDBOX_NOTREADY" \
	field life "$POD" DELETED '.podSandboxStatus | [.metadata.uid, .state] | join(" ")'

# --- statuses ---

check "a pod" pod_run two "$HOST_NET"
POD=$OUT
check "a container that ends" ctr_run "$POD" two.ends '.command = ["sh", "-c", "exit 7"]'
ENDED=$OUT
check "and has ended" poll 20 ctr_is "$ENDED" CONTAINER_EXITED
check "one that runs" ctr_run "$POD" two.runs
RUNS=$OUT
check "PodSandboxStatus has the containers' statuses" client podstatus -pod "$POD" -count 2

# --- a daemon that is killed ---

watch before
check "one more runs" ctr_run "$POD" two.dies '.command = ["sleep", "1000"]'
DIES=$OUT
PID=$(crictl inspect "$DIES" | jq .info.pid)
check "its events" poll 20 sees before "$DIES" "CREATED STARTED"
daemon_kill
kill -9 "$PID"
wait "$WATCHER" 2>/dev/null
daemon_again
watch after
check "the end meanwhile reaches one that asks again" poll 30 eval "[[ \"\$(seen after $DIES)\" == *STOPPED ]]"
check_is "with its exit code" 137 \
	field after "$DIES" STOPPED ".containersStatuses[] | select(.id == \"$DIES\") | .exitCode"
unwatch
# No stream is open while the deletions are committed, and crispd is killed before one is.
check "a pod that goes" pod_run gone "$HOST_NET"
GONE=$OUT
check "with its container" ctr_run "$GONE" gone.c
CTR=$OUT
check "both are removed, and a container of another pod" eval 'crictl rmp -f "$GONE" && crictl rm "$DIES"'
daemon_kill
daemon_again
watch deleted
check "the deletions reach one that asks again" poll 30 eval \
	'[[ "$(seen deleted $DIES)" == *DELETED && "$(seen deleted $CTR)" == *DELETED && "$(seen deleted $GONE)" == *DELETED ]]'
check_is "after what came before them" "CREATED STARTED STOPPED DELETED CREATED STARTED STOPPED DELETED" \
	eval 'echo "$(seen deleted "$CTR") $(seen deleted "$GONE")"'
check_is "with the pod's last status" "uid-gone SANDBOX_NOTREADY" \
	field deleted "$GONE" DELETED '.podSandboxStatus | [.metadata.uid, .state] | join(" ")'
check_is "also of a container that went with it" uid-gone field deleted "$CTR" DELETED '.podSandboxStatus.metadata.uid'
check_is "of a pod that is still there with its containers" "$RUNS" eval \
	'field deleted "$DIES" DELETED ".containersStatuses[] | select(.state == \"CONTAINER_RUNNING\") | .id"'
unwatch
daemon_kill
daemon_again
watch again
check "and one that asks after another kill" poll 30 eval '[[ "$(seen again $GONE)" == *DELETED ]]'
unwatch
crictl stop -t 0 "$RUNS" >/dev/null
watch later
check "what happens between two streams reaches the next" poll 20 eval "[[ \"\$(seen later $RUNS)\" == *STOPPED ]]"
unwatch

# --- many subscribers ---

check "a container" crictl create "$POD" "$(ctr_config two.many "$BUSYBOX")" "$SCRATCH/pod-two.json"
MANY=$OUT
BEFORE=$(resident)
client events -count 1000 -container "$MANY" >"$SCRATCH/many" 2>&1 &
CLIENT=$!
check "1,000 subscribers" poll 60 grep -q '^ready$' "$SCRATCH/many"
check "the container is started" crictl start "$MANY"
check "stopped" crictl stop -t 0 "$MANY"
check "and removed" crictl rm "$MANY"
AFTER=$(resident)
wait "$CLIENT"
check "each subscriber has seen it" grep -q "^1000 .*CONTAINER_STARTED_EVENT CONTAINER_STOPPED_EVENT CONTAINER_DELETED_EVENT" "$SCRATCH/many"
diag <<<"resident: $BEFORE kB, with 1,000 subscribers $AFTER kB; $(grep -v ready "$SCRATCH/many")"
check "for less than 48 MB" [ $((AFTER - BEFORE)) -lt 49152 ]
check_fails "of 1,025 the last is refused" "ResourceExhausted.*1024 streams are open already" client events -count 1025

# --- one that never reads ---

# Events of half a MiB each: more than a subscriber may be behind.
check "a pod with long annotations" pod_run long "$HOST_NET | .annotations.a = (\"x\" * 600000)"
LONG=$OUT
mkfifo "$SCRATCH/go"
client unread <"$SCRATCH/go" >"$SCRATCH/unread" 2>&1 &
CLIENT=$!
exec 8>"$SCRATCH/go"
check "a subscriber that does not read" poll 20 grep -q '^ready$' "$SCRATCH/unread"
for i in 1 2 3 4 5 6 7; do
	ID=$(ctr_run "$LONG" "long.$i" '.command = ["true"]')
	crictl rm -f "$ID" >/dev/null
done
check "is given up" poll 20 grep -q "rpc=GetContainerEvents .*RESOURCE_EXHAUSTED.*events were lost" "$SCRATCH/daemon.log"
echo >&8
exec 8>&-
wait "$CLIENT"
check "and told so, with a count" grep -qE "^[0-9]+ events, then ResourceExhausted: GetContainerEvents: [0-9]+ events were lost" "$SCRATCH/unread"
diag <"$SCRATCH/unread"
check_fails "who asks again is told what is no longer kept" "ResourceExhausted.*[0-9]+ events since the last stream were lost" client events
watch fresh
check "a pod" pod_run three "$HOST_NET"
check "others get events as before" poll 20 eval "sees fresh $OUT 'CREATED STARTED'"
unwatch

# --- without events ---

everything_remove
daemon_stop
CONFIG=$SCRATCH/no-events.conf
printf '[crio.runtime]\nenable_pod_events = false\n' >"$CONFIG"
CRISP_TEST_DAEMON_ARGS="${CRISP_TEST_DAEMON_ARGS:-} --config $CONFIG" daemon_start
check_is "with enable_pod_events = false a stream ends at once" "" timeout 20 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" events
harness_end
