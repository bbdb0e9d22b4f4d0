#!/bin/bash
# streamed-lists.sh - the streamed lists of pods, containers, images and stats equal the lists, with
# the same filters; a stream may have more than 16 MiB in all.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ -x "$CACHE/bin/goclient" ] || bail "goclient is missing: run tools/test-deps.sh first"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
client() {
	while read -r line; do
		case $line in
		"ok "*) ok "${line#ok }" ;;
		*) not_ok "$line" ;;
		esac
	done < <(timeout 120 "$CACHE/bin/goclient" "$@" -socket "$SOCKET" 2>&1)
}

client lists
check "a pod" pod_run one "$HOST_NET | .annotations.a = \"b\""
ONE=$OUT
check "another" pod_run two "$HOST_NET"
check "a container that runs" ctr_run "$ONE" one.runs '.labels.a = "b"'
RUNS=$OUT
check "one that does not" crictl create "$ONE" "$(ctr_config one.new "$BUSYBOX")" "$SCRATCH/pod-one.json"
check "one that has ended" ctr_run "$ONE" one.ends '.command = ["true"]'
check "is there" poll 20 ctr_is "$OUT" CONTAINER_EXITED
client lists
client lists -container "${RUNS:0:20}"

# 20 containers with 900 kB each.
for i in $(seq 20); do
	crictl create "$ONE" "$(ctr_config "one.$i" "$BUSYBOX" '.annotations.a = ("x" * 900000)')" "$SCRATCH/pod-one.json" >/dev/null ||
		not_ok "create container $i"
done
crictl rm -f "$RUNS" >/dev/null
crictl ps -a -q >/dev/null 2>&1
N=$("$CACHE/bin/goclient" longlists -socket "$SOCKET" -count 22 2>&1)
check "more than 16 MiB: $(paste -s -d ' ' <<<"$N")" [ "$(grep -c '^ok' <<<"$N")" -ge 2 ]
harness_end
