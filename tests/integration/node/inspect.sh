#!/bin/bash
# inspect.sh - the CRI socket also answers CRI-O's inspection over HTTP: /info, /containers/ID of containers and
# pods, /config, /pause/ID; malformed, slow and many clients are bounded; gRPC goes on. With
# cgroup_prefix = crio cgroups have CRI-O's names, and what was made under another prefix is kept and removed.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
cc -std=gnu17 -D_GNU_SOURCE -O1 -o "$SCRATCH/crowd" "$LIB_DIR/crowd.c" || bail "crowd does not compile"
registry_start
prefix_is() { printf '[crio.runtime]\ncgroup_prefix = "%s"\n' "$1" >"$SCRATCH/config.d/prefix.conf"; }
prefix_is crio
daemon_start

crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
ask() { curl -sS -m 30 --unix-socket "$SOCKET" "http://crio$1" "${@:2}"; }
code() { ask "$1" -o /dev/null -w '%{http_code}' "${@:2}"; }
field() { ask "/containers/$1" | jq -r "$2"; }
first_line() { socat -t 20 - "UNIX-CONNECT:$SOCKET" | head -n 1 | tr -d '\r'; }
cgroup_is() { cgroups_ours | grep -q "/$1\$"; }
no_cgroup_of() { [ -z "$(cgroups_ours | grep -F "$1")" ]; }

# --- /info, /config ----------------------------------------------------------------------------------------------------

check_is "/info" "overlay|$ROOT/images|$ROOT|$CGROUP_MANAGER|0 0 4294967295" eval 'ask /info | jq -r "[.storage_driver, .storage_image,
	.storage_root, .cgroup_driver, (.default_id_mappings.uids[0] | \"\(.container_id) \(.host_id) \(.size)\")] | join(\"|\")"'
check_is "it is JSON" "application/json" ask /info -o /dev/null -w '%{content_type}'
check "/config has the keys in force" eval 'ask /config | grep -qx "cgroup_prefix = \"crio\""'
check_is "it is TOML" "application/toml" ask /config -o /dev/null -w '%{content_type}'
ask /config >"$SCRATCH/printed.conf"
check "crispd reads it as a file" "$BUILD_DIR/crispd" --config "$SCRATCH/printed.conf" --config-dir "$SCRATCH/none" config

# --- /containers/ID ----------------------------------------------------------------------------------------------------

check "pull" crictl pull "$BUSYBOX"
OWN_PID='.linux.security_context.namespace_options.pid = 1'
check "a pod" pod_run one ".annotations = {note: \"pod\"} | $OWN_PID"
POD=$OUT
check_is "a pod without containers has no process" 0 field "$POD" .pid
check "a container" ctr_run "$POD" one '.labels = {"io.kubernetes.container.name": "one"} |
	.annotations = {"io.kubernetes.container.restartCount": "3"}'
CTR=$OUT
crictl inspect "$CTR" >"$SCRATCH/inspect.json"
crictl inspectp "$POD" >"$SCRATCH/inspectp.json"
known() { jq -r "$1" "$SCRATCH/$2.json"; }
check_is "container: pid" "$(known .info.pid inspect)" field "$CTR" .pid
check_is "container: log path" "$(known .status.logPath inspect)" field "$CTR" .log_path
check_is "container: image" "$(known .status.image.image inspect)" field "$CTR" .image
check_is "container: image_ref" "$(known .status.imageRef inspect)" field "$CTR" .image_ref
check_is "container: labels" one field "$CTR" '.labels["io.kubernetes.container.name"]'
check_is "container: annotations" 3 field "$CTR" '.annotations["io.kubernetes.container.restartCount"]'
check_is "container: its pod" "$POD" field "$CTR" .sandbox
check_is "container: addresses" "$(known .status.network.ip inspectp)" field "$CTR" '.ip_addresses[0]'
check_is "container: no host network" false field "$CTR" .host_network
check_is "container: name" "k8s_one_one_crisp-test_uid-one_0" field "$CTR" .name
check_is "container: created" "$(date -d "$(known .status.createdAt inspect)" +%s)" eval 'field "$CTR" ".created_time / 1000000000 | floor"'
check_is "container: own annotations" "container $CTR $POD" field "$CTR" \
	'.crio_annotations | [.["io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.ContainerID", "io.kubernetes.cri-o.SandboxID"]] | join(" ")'
check "container: a file of its own" crictl exec --sync "$CTR" sh -c 'echo mine >/mine'
check_is "container: root is its root file system" mine eval 'cat "$(field "$CTR" .root)/mine"'
# cAdvisor measures the writable layer there.
check_is "container: the writable layer is beside it" mine eval 'dir=$(field "$CTR" .root); cat "${dir%/merged}/diff/mine"'

check_is "pod: name" "k8s_POD_one_crisp-test_uid-one_0" field "$POD" .name
check_is "pod: labels" "POD one" field "$POD" '.labels | [.["io.kubernetes.container.name"], .test] | join(" ")'
check_is "pod: annotations" pod field "$POD" .annotations.note
check_is "pod: addresses" "$(known .status.network.ip inspectp)" field "$POD" '.ip_addresses[0]'
check_is "pod: itself" "$POD" field "$POD" .sandbox
check_is "pod: a process in its network" "$(readlink "/proc/$(known .info.pid inspect)/ns/net")" eval 'readlink "/proc/$(field "$POD" .pid)/ns/net"'
check "pod: a directory to measure" eval 'test -d "$(field "$POD" .root)/diff"'
check "a pod with the node's network" pod_run host "$HOST_NET"
check_is "it says so" "true 0" field "$OUT" '"\(.host_network) \(.ip_addresses | length)"'
check "a pod with a shared PID namespace" pod_run shared '.linux.security_context.namespace_options.pid = 0'
check "its process is its init" eval 'grep -q crisp-init "/proc/$(field "$OUT" .pid)/comm"'

# --- what is not there -------------------------------------------------------------------------------------------------

UNKNOWN=$(printf '%064d' 0)
check_is "an unknown id" "404 can't find the container with id $UNKNOWN" eval 'ask "/containers/$UNKNOWN" -w "%{http_code}\n" | sed -n "2p;1p" | sort | paste -sd " "'
check_is "part of an id" 404 code "/containers/${CTR:0:13}"
check_is "no id" 404 code /containers/
check_is "a path below an id" 404 code "/containers/$CTR/x"
check_is "another path" 404 code /debug/goroutines
check_is "another method" "405 GET" ask /info -X POST -o /dev/null -w '%{http_code} %header{allow}'

# --- /pause/ID, /unpause/ID --------------------------------------------------------------------------------------------

COUNTING='.command = ["sh", "-c", "trap \"exit 7\" TERM; while :; do echo >>/count; sleep 0.02; done"]'
count() { stat -c %s "$(field "$1" .root)/count"; }
moves() { local before; before=$(count "$1") && sleep 0.5 && [ "$(count "$1")" -gt "$before" ]; }
stands() { ! moves "$1"; }
counter() { check "a container that counts" ctr_run "$POD" "one.$1" "$COUNTING" && poll 20 moves "$OUT"; }
counter still
STILL=$OUT
check_is "pause" "200 OK 200" ask "/pause/$STILL" -w ' %{http_code}'
check "its processes stand still" stands "$STILL"
check_is "the state is RUNNING, as CRI-O says" CONTAINER_RUNNING ctr_state "$STILL"
check "crisp explain tells them apart" eval 'crisp explain "$STILL" | grep -q PAUSED'
check_is "pause of a paused one" 409 code "/pause/$STILL"
check_fails "a command is refused, and does not hang" PAUSED crictl exec --sync "$STILL" true
check_fails "limits are refused" PAUSED crictl update --cpu-share 512 "$STILL"
daemon_kill
daemon_again
check "the daemon was killed: they still stand" stands "$STILL"
check_is "unpause" "200 OK 200" ask "/unpause/$STILL" -w ' %{http_code}'
check "they go on" moves "$STILL"
check_is "unpause of a running one" 409 code "/unpause/$STILL"
check_is "pause, to stop it" 200 code "/pause/$STILL"
check "a stop lets it handle the signal" crictl stop --timeout 20 "$STILL"
check_is "which it did" 7 eval 'crictl inspect "$STILL" | jq .status.exitCode'
check_is "pause of an ended one" 409 code "/pause/$STILL"
counter away
AWAY=$OUT
check_is "pause, to remove it" 200 code "/pause/$AWAY"
check "a paused one is removed" crictl rm -f "$AWAY"
counter crowd
CROWDED=$OUT
PIDS=()
for N in 1 2 3 4 5 6 7 8; do code "/pause/$CROWDED" >"$SCRATCH/crowd.$N" & PIDS+=($!); done
wait "${PIDS[@]}"
check_is "each of many requests is answered" 8 eval 'cat "$SCRATCH"/crowd.? | grep -oE "200|409" | wc -l'
check_is "and it is unpaused by one" 200 code "/unpause/$CROWDED"
check_is "of an unknown container: not found" 404 code "/pause/$UNKNOWN"
check_is "of part of an id" 404 code "/unpause/${CTR:0:13}"
check_is "of a pod: not found" 404 code "/pause/$POD"
check_is "the other container runs on" CONTAINER_RUNNING ctr_state "$CTR"

# --- malformed, slow, many ---------------------------------------------------------------------------------------------

check_is "garbage" "HTTP/1.1 400 Bad Request" eval 'printf "\026\003\001 what\n" | first_line'
check_is "two readings of one request" "HTTP/1.1 400 Bad Request" eval 'printf "GET /info HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" | first_line'
check_is "a request with a body" "HTTP/1.1 400 Bad Request" eval 'printf "GET /info HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n" | first_line'
check_is "too large a request" 431 code /info -H "X: $(head -c 9000 /dev/zero | tr '\0' a)"
check_is "a request without an end" "HTTP/1.1 408 Request Timeout" eval '{ printf "GET /info HTTP/1.1\r\nHost: a\r\n"; sleep 15; } | first_line'
# crowd_of N [HEX]: many connect, send that, and wait; the answer of a good request and of a call meanwhile
crowd_of() {
	local ready
	coproc CROWD { "$SCRATCH/crowd" "$1" "unix:$SOCKET" "${@:2}"; }
	IFS= read -r -t 60 -u "${CROWD[0]}" ready
	[ "$(code /info)" = 200 ] && crictl version >/dev/null && ask "/containers/$CTR" | jq -e .pid >/dev/null
	CROWD_RC=$?
	echo >&"${CROWD[1]}"
	IFS= read -r -t 60 -u "${CROWD[0]}" COUNTS
	eval "exec ${CROWD[1]}>&-"
	wait "$CROWD_PID" 2>/dev/null
	return $CROWD_RC
}
open_now() { awk '{ print $2 }' <<<"$COUNTS"; }
hex() { printf '%s' "$1" | od -An -tx1 | tr -d ' \n'; }
check "1,000 silent clients: others are served" crowd_of 1000
check "1,000 requests without an end: others are served" crowd_of 1000 "$(hex 'GET /info HTTP/1.1')"
crowd_of 1000
check "of 1,000 clients most are closed" [ "$(open_now)" -le 300 ]
ask_many() { local i pids=(); for i in $(seq 50); do ask "/containers/$CTR" -o /dev/null -f & pids+=($!); done; for i in "${pids[@]}"; do wait "$i" || return; done; }
check "50 good clients at a time" ask_many
check "a client that does not read" eval '{ printf "GET /config HTTP/1.1\r\nHost: a\r\n\r\n"; sleep 1; } | socat -u - "UNIX-CONNECT:$SOCKET"'
check "the daemon has no descriptor of them" poll 30 eval '[ "$(ls /proc/$(daemon_pid)/fd | wc -l)" -lt 120 ]'

# --- cgroups -----------------------------------------------------------------------------------------------------------

suffix() { [ "$CGROUP_MANAGER" != systemd ] || echo .scope; }
check "cgroup of the container" cgroup_is "crio-$CTR$(suffix)"
check "cgroup of the pod" cgroup_is "crio-$POD.scope"
check_is "it has no process" "" eval 'cgroups_ours | grep "/crio-$POD" | while read -r dir; do cat "$dir/cgroup.procs"; done'
check_is "no cgroup of a shim is taken for a container's" "" eval 'cgroups_ours | grep -F shim | grep "/crio" || true'
check "statistics" eval 'crictl stats -o json "$CTR" | jq -e ".stats[0].memory.workingSetBytes.value | tonumber > 0"'

daemon_kill
prefix_is crisp
daemon_again
check_is "after another cgroup_prefix the container runs" CONTAINER_RUNNING ctr_state "$CTR"
check "in the same cgroup" cgroup_is "crio-$CTR$(suffix)"
check "which has statistics" eval 'crictl stats -o json "$CTR" | jq -e ".stats[0].memory.workingSetBytes.value | tonumber > 0"'
check "a new pod" pod_run two
NEW_POD=$OUT
check "and its container" ctr_run "$NEW_POD" two
NEW=$OUT
check "have names of the new prefix" cgroup_is "crisp-$NEW$(suffix)"
check "and no cgroup for cAdvisor" no_cgroup_of "crio-$NEW_POD"
check "the pod of before is removed" crictl rmp -f "$POD"
check "with its cgroups" eval 'no_cgroup_of "$CTR" && no_cgroup_of "$POD"'

# --- rows that are lost ------------------------------------------------------------------------------------------------

daemon_stop
prefix_is crio
daemon_start
check "a pod whose row will be lost" pod_run lost
POD=$OUT
check "with a container" ctr_run "$POD" lost
CTR=$OUT
daemon_stop
prefix_is crisp
rm -rf "$ROOT/state" "$RUNROOT/state"
mapfile -t argv < <(peer_argv)
check "the repair ends pods without a row" "${argv[@]}" --repair
check "with their cgroups" poll 30 eval 'no_cgroup_of "$CTR" && no_cgroup_of "$POD" && no_cgroup_of "$NEW"'
daemon_start
check "nothing is left" everything_remove
check_is "no cgroup of a container" "" eval 'cgroups_ours | grep -E "/(crio|crisp)-[0-9a-f]{64}" || true'
harness_end
