#!/bin/bash
# stats.sh - ContainerStats and PodSandboxStats equal the node's cgroup files and follow the
# container's use. Each filter of the lists selects its objects, also after a kill of the daemon.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
DRIVER=$SCRATCH/statsdrv
cc -std=gnu17 -D_GNU_SOURCE -Ulinux -O1 -I"$TOP/src" -I"$TOP" -I"$TOP/gen" "$LIB_DIR/statsdrv.c" "$BUILD_DIR/libcrisp.a" \
	-lgrpc_unsecure -lgpr -lprotobuf-c -lxxhash -lpthread -o "$DRIVER" 2>"$SCRATCH/stderr" ||
	bail "statsdrv does not compile: $(tail -n 5 "$SCRATCH/stderr")"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"

# stats JQ [ARGUMENT...], statsp JQ [ARGUMENT...]: of the list that crictl prints
stats() { crictl stats -s 0 -a -o json "${@:2}" | jq -r "$1"; }
statsp() { crictl statsp -s 0 -o json "${@:2}" | jq -r "$1"; }
ids() { stats '[.stats[].attributes.id] | sort | join(" ")' "$@"; }
pods() { statsp '[.stats[].attributes.id] | sort | join(" ")' "$@"; }
sorted() { printf '%s\n' "$@" | sort | paste -s -d ' '; }

# The value of a file of a container's cgroup, whichever hierarchy has it.
cgroup_file() { cat "$(cgroups_ours | grep -E -- "$1(\.scope)?\$" | sed "s|\$|/$2|" | while read -r f; do [ ! -e "$f" ] || echo "$f"; done | head -n 1)"; }
# Nanoseconds of CPU, on cgroup v1 and v2.
cpu_of() { cgroup_file "$1" cpuacct.usage 2>/dev/null || cgroup_file "$1" cpu.stat | awk '$1 == "usage_usec" { printf "%.0f\n", $2 * 1000 }'; }
# ascending NUMBER...: awk would lose digits
ascending() {
	while [ $# -gt 1 ]; do
		[ -n "$1" ] && [ -n "$2" ] && [ "$1" -le "$2" ] || return 1
		shift
	done
}

# --- one of each kind ---

# A pod with a cgroup and a network of its own, and one with neither.
OWN_CGROUP=$(cgroup_below own)
check "a pod" pod_run own ".linux.cgroup_parent = \"$OWN_CGROUP\" | .labels.tier = \"front\""
OWN=$OUT
check "a pod with the node's network" pod_run host "$HOST_NET"
HOST=$OUT
check "a container that is busy" ctr_run "$OWN" own.busy \
	'.command = ["sh", "-c", "while :; do :; done"] | .labels.app = "busy" | .annotations.note = "kept"
	 | .linux.resources.memory_limit_in_bytes = 67108864'
BUSY=$OUT
check "one that sleeps" ctr_run "$HOST" host.idle '.labels.app = "idle"'
IDLE=$OUT
check "one that is not started" crictl create "$HOST" "$(ctr_config host.new "$BUSYBOX" '.labels.app = "idle"')" "$SCRATCH/pod-host.json"
NEW=$OUT
check "one that ends" ctr_run "$HOST" host.done '.command = ["sh", "-c", "echo left >/behind"]'
DONE=$OUT
check "and has ended" poll 20 ctr_is "$DONE" CONTAINER_EXITED
no_cgroup() { ! cgroups_ours | grep -q -- "$1"; }
check "its cgroup went before" no_cgroup "$DONE"

# --- lists ---

check_is "all but what has ended" "$(sorted "$BUSY" "$IDLE" "$NEW")" ids
check_is "by pod" "$(sorted "$IDLE" "$NEW")" ids -p "$HOST"
check_is "by id" "$BUSY" ids --id "$BUSY"
check_is "by the beginning of an id" "$BUSY" ids --id "${BUSY:0:13}"
check_is "by id and another pod: none" "" ids --id "$BUSY" -p "$HOST"
check_is "by label" "$(sorted "$IDLE" "$NEW")" ids --label app=idle
check_is "by two labels that none has" "" ids --label app=idle --label no=such
check_is "by id what has ended: none" "" ids --id "$DONE"
check_is "pods" "$(sorted "$OWN" "$HOST")" pods
check_is "pods by id" "$OWN" pods --id "$OWN"
check_is "pods by label" "$OWN" pods --label tier=front
check_is "pods by a label that none has" "" pods --label tier=back

# --- figures of a container ---

check_is "its name, labels and annotations" "own.busy busy kept" \
	stats '.stats[0].attributes | [.metadata.name, .labels.app, .annotations.note] | join(" ")' --id "$BUSY"
FIELD='.stats[0].cpu.usageCoreNanoSeconds.value'
BEFORE=$(cpu_of "$BUSY")
check "its CPU time" stats "$FIELD" --id "$BUSY"
check "lies between what the kernel says before and after" ascending 1 "$BEFORE" "$OUT" "$(cpu_of "$BUSY")"
busy_rate() { [ "$(stats '.stats[0].cpu.usageNanoCores.value // 0 | tonumber > 1000000' --id "$BUSY")" = true ]; }
check "its rate, once there are two samples" poll 60 busy_rate
check_is "its limit less its working set is available" 67108864 \
	stats '.stats[0].memory | (.availableBytes.value | tonumber) + (.workingSetBytes.value | tonumber)' --id "$BUSY"
check_is "without a limit, nothing is said of it" null stats '.stats[0].memory.availableBytes' --id "$IDLE"
check_is "memory in use, and no more in the working set" true \
	stats '.stats[0].memory | [.usageBytes, .workingSetBytes, .rssBytes] | map(.value | tonumber)
		| .[0] >= .[1] and .[0] >= .[2] and .[1] > 0 and .[2] > 0' --id "$BUSY"
check_is "each figure has its time" true \
	stats '[.stats[] | .cpu, .memory, .swap, .io, .writableLayer | .timestamp | tonumber > 1500000000000000000] | all and length == 15'
check_is "what is not started has figures too" true \
	stats '.stats[0] | [.cpu.usageCoreNanoSeconds, .memory.usageBytes, .swap.swapUsageBytes] | all(.value != null)' --id "$NEW"

# --- pressure: of the v2 cgroup, where the container's processes are in it ---

PID=$(crictl inspect "$BUSY" | jq -r .info.pid)
UNIFIED=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)$(sed -n 's/^0:://p' "/proc/$PID/cgroup")
case $UNIFIED in
*"$BUSY"*) PRESSURE=$UNIFIED ;;
*) PRESSURE=/nonexistent ;;
esac
for R in cpu memory io; do
	some_us() { sed -n 's/^some .*total=//p' "$PRESSURE/$R.pressure"; }
	if [ -e "$PRESSURE/$R.pressure" ]; then
		BEFORE=$(some_us)
		check "its pressure of $R" stats ".stats[0].$R.psi.Some.Total" --id "$BUSY"
		check "lies between what the kernel says" ascending "$BEFORE" "$OUT" "$(some_us)"
	else
		check_is "no pressure of $R, which is not zero" null stats ".stats[0].$R.psi" --id "$BUSY"
	fi
done

# --- the writable layer ---

layer() { stats ".stats[0].writableLayer.$1.value" --id "$IDLE"; }
check "bytes of a layer" layer usedBytes
EMPTY=$OUT
check "inodes of a layer" layer inodesUsed
INODES=$OUT
check "three files are written" crictl exec --sync "$IDLE" sh -c 'for i in 1 2 3; do dd if=/dev/zero of=/f$i bs=1M count=1; done'
layer_grew() { [ "$(layer usedBytes)" = $((EMPTY + 3 * 1048576)) ] && [ "$(layer inodesUsed)" = $((INODES + 3)) ]; }
check "and are in the figures" poll 60 layer_grew
check_is "it lies where the file system of containers is" \
	"$(crictl imagefsinfo | jq -r '.status.containerFilesystems[0].fsId.mountpoint')" \
	stats '.stats[0].writableLayer.fsId.mountpoint' --id "$IDLE"

# --- figures of a pod ---

check_is "the pod's containers are with it" "$BUSY" statsp '.stats[0].linux.containers[].attributes.id' --id "$OWN"
check_is "two of the other, not what has ended" "$(sorted "$IDLE" "$NEW")" \
	statsp '[.stats[0].linux.containers[].attributes.id] | sort | join(" ")' --id "$HOST"
check_is "its processes are those of its cgroup" "$(cgroup_file "$OWN_CGROUP" pids.current)" statsp '.stats[0].linux.process.processCount.value' --id "$OWN"
check_is "its CPU time and memory are known" true \
	statsp '.stats[0].linux | [.cpu.usageCoreNanoSeconds, .memory.workingSetBytes] | all(.value != "0")' --id "$OWN"
check_is "without a cgroup of its own it is its containers'" true \
	statsp '.stats[0].linux | (.memory.usageBytes.value | tonumber) == ([.containers[].memory.usageBytes.value | tonumber] | add)
		and (.cpu.usageCoreNanoSeconds.value | tonumber) == ([.containers[].cpu.usageCoreNanoSeconds.value | tonumber] | add)
		and (.process.processCount.value | tonumber) >= 2' --id "$HOST"
check_is "the node's network is not the pod's" null statsp '.stats[0].linux.network' --id "$HOST"
check_is "its own is" eth0 statsp '.stats[0].linux.network.defaultInterface.name' --id "$OWN"
rx() { statsp '.stats[0].linux.network.defaultInterface.rxBytes.value' --id "$OWN"; }
check "bytes received" rx
RX=$OUT
IP=$(crictl inspectp "$OWN" | jq -r .status.network.ip)
send() { for _ in 1 2 3; do head -c 1000 /dev/zero >"/dev/udp/$IP/9" || return; done; }
check "the node sends some" send
check "they are counted" ascending $((RX + 3000)) "$(rx)"

# The kubelet needs a default interface, whatever a container does to eth0.
rename() { nsenter -t "$PID" -n sh -c 'ip link set eth0 down && ip link set eth0 name other0 && ip link set other0 up'; }
check "its interface gets another name" rename
check_is "and is the default one" "other0 0" \
	statsp '.stats[0].linux.network | "\(.defaultInterface.name) \(.interfaces | length)"' --id "$OWN"

# --- one object by its id ---

one() { "$DRIVER" "$SOCKET" "$@"; }
says() { grep -Eq -- "$1" <<<"$OUT"; }
check "a container" one container "$BUSY"
check "is that one, with figures" says "id=$BUSY .*usage_core_nano_seconds\\.value=[1-9]"
check "a container by the beginning of its id" one container "${IDLE:0:13}"
check "is that one" says "id=$IDLE "
check "one that has ended" one container "$DONE"
check "is that one, its layer is known" says "id=$DONE .*writable_layer\\.used_bytes\\.value=[1-9]"
check_fails "and uses nothing" "^$" says "usage_core_nano_seconds\\.value=[1-9]|rss_bytes\\.value=[1-9]"
check_fails "a container that is not there" "NOT_FOUND.*not found" one container ffffffffffff
check_fails "a container without an id" "INVALID_ARGUMENT.*container_id: required" one container ""
check "a pod" one pod "$OWN"
check "is that one, with its containers" says "id=$OWN .*containers\\[0\\]\\.attributes\\.id=$BUSY"
check_fails "a pod that is not there" "NOT_FOUND.*not found" one pod ffffffffffff
check_fails "a container is no pod" "NOT_FOUND.*not found" one pod "$BUSY"

# --- a daemon that was killed ---

CPU=$(stats "$FIELD" --id "$BUSY")
daemon_kill
daemon_again
check "after a restart CPU time goes on" ascending "$CPU" "$(stats "$FIELD" --id "$BUSY")"
check "the busy container is stopped" crictl stop -t 0 "$BUSY"
check_is "and has no figures any more" "" ids --id "$BUSY"
check_is "its pod has" "$OWN" pods --id "$OWN"
check "the pod is stopped" crictl stopp "$OWN"
check_is "and is not in the list any more" "$HOST" pods
check "by its id it still has an answer" one pod "$OWN"
check "everything is removed" everything_remove
check_is "nobody has figures" "" ids
harness_end
