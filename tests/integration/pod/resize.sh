#!/bin/bash
# resize.sh - UpdateContainerResources changes a running or created container in place: all limits
# of a request or none. Two concurrent updates both count, a killed daemon continues the change, and
# the status shows the limits in force.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
# A runtime whose `update` is slow, or fails after it has written, when it is told to.
mkdir -p "$SCRATCH/mood"
RUNC=$(command -v runc)
cat >"$SCRATCH/runc" <<SH
#!/bin/bash
case " \$* " in *" update "*)
	cat >"$SCRATCH/resources.\$\$"
	echo update >>"$SCRATCH/updates"
	[ ! -e "$SCRATCH/mood/slow" ] || { touch "$SCRATCH/mood/begun"; while [ -e "$SCRATCH/mood/slow" ]; do sleep 0.05; done; }
	"$RUNC" "\$@" <"$SCRATCH/resources.\$\$" || exit
	[ ! -e "$SCRATCH/mood/fails" ] || { rm "$SCRATCH/mood/fails"; echo "invalid argument" >&2; exit 1; }
	exit 0 ;;
esac
exec "$RUNC" "\$@"
SH
chmod 755 "$SCRATCH/runc"
cat >"$SCRATCH/config.d/50-runtime.conf" <<TOML
[crio.runtime.runtimes.resizer]
runtime_path = "$SCRATCH/runc"
TOML
daemon_start

MIB=1048576
V2=; [ ! -e /sys/fs/cgroup/cgroup.controllers ] || V2=yes
pid_of() { crictl inspect "$1" | jq .info.pid; }
# limit CONTAINER CONTROLLER V1-FILE V2-FILE
limit() {
	local mount path pid
	pid=$(pid_of "$1")
	if [ "$V2" ]; then
		cat "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")/$4"
	else
		path=$(awk -F: -v c="$2" '{ n = split($2, list, ","); for (i = 1; i <= n; i++) if (list[i] == c) print $3 }' "/proc/$pid/cgroup")
		mount=$(awk -v c="$2" '$0 ~ " - cgroup " { n = split($NF, o, ","); for (i = 1; i <= n; i++) if (o[i] == c) { print $5; exit } }' /proc/self/mountinfo)
		cat "$mount$path/$3"
	fi
}
memory() { limit "$1" memory memory.limit_in_bytes memory.max; }
quota() { if [ "$V2" ]; then limit "$1" cpu - cpu.max | cut -d ' ' -f 1; else limit "$1" cpu cpu.cfs_quota_us -; fi; }
period() { if [ "$V2" ]; then limit "$1" cpu - cpu.max | cut -d ' ' -f 2; else limit "$1" cpu cpu.cfs_period_us -; fi; }
cpus() { limit "$1" cpuset cpuset.cpus cpuset.cpus; }
shares() { limit "$1" cpu cpu.shares cpu.weight; }
# Of the first process and of its child, which lives for a second.
scores() {
	local child first try
	first=$(pid_of "$1")
	for try in $(seq 100); do
		child=$(pgrep -P "$first" | head -n 1)
		child=$(cat "/proc/${child:-0}/oom_score_adj" 2>/dev/null) || { sleep 0.05; continue; }
		printf '%s\n' "$(cat "/proc/$first/oom_score_adj")" "$child"
		return
	done
	return 1
}
shown() { crictl inspect "$1" | jq -r ".status.resources.linux.$2"; }
wait_begun() { poll 30 test -e "$SCRATCH/mood/begun"; }

check "pull" crictl pull "$BUSYBOX"
check "a pod" crictl runp --runtime resizer "$(pod_config p "$HOST_NET"' | .linux |= (.resources = {cpu_shares: 200}
	| .overhead = {memory_limit_in_bytes: 4})')"
POD=$OUT
LIMITS="{memory_limit_in_bytes: $((64 * MIB)), cpu_shares: 512, cpu_period: 100000, cpu_quota: 50000, oom_score_adj: 500}"
check "a container that waits for its start" crictl create "$POD" "$(ctr_config p "$BUSYBOX" ".linux.resources = $LIMITS")" "$SCRATCH/pod-p.json"
CTR=$OUT
check "its memory is raised" crictl update --memory $((96 * MIB)) "$CTR"
check_is "in its cgroup" $((96 * MIB)) memory "$CTR"
check "it is started" crictl start "$CTR"

check "memory is raised" crictl update --memory $((128 * MIB)) "$CTR"
check_is "in its cgroup" $((128 * MIB)) memory "$CTR"
check "memory is lowered" crictl update --memory $((48 * MIB)) "$CTR"
check_is "in its cgroup" $((48 * MIB)) memory "$CTR"
check_is "in the status" $((48 * MIB)) shown "$CTR" memoryLimitInBytes
check_is "which still shows the rest" 512 shown "$CTR" cpuShares
check "quota and period change" crictl update --cpu-quota 20000 --cpu-period 50000 "$CTR"
check_is "the quota" 20000 quota "$CTR"
check_is "the period" 50000 period "$CTR"
check "a quota alone changes" crictl update --cpu-quota 30000 "$CTR"
check_is "the quota" 30000 quota "$CTR"
check_is "the period stays" 50000 period "$CTR"
check "the CPUs change" crictl update --cpuset-cpus 0 "$CTR"
check_is "in its cgroup" 0 cpus "$CTR"
check "oom_score_adj changes" crictl update --oom-score-adj 300 "$CTR"
check_is "of the first process and of its child" $'300\n300' scores "$CTR"
check_is "in the status" 300 shown "$CTR" oomScoreAdj

# Nothing of a request that fails stays.
SHARES=$(shares "$CTR")
check_fails "a CPU that is not there" InvalidArgument crictl update --cpuset-cpus 9999 --cpu-share 2048 "$CTR"
check_is "the shares are as before" "$SHARES" shares "$CTR"
touch "$SCRATCH/mood/fails"
check_fails "a runtime that fails when it has written" InvalidArgument \
	crictl update --cpu-share 2048 --memory $((80 * MIB)) --cpu-quota 10000 --oom-score-adj 200 "$CTR"
check_is "the shares are as before" "$SHARES" shares "$CTR"
check_is "the memory is as before" $((48 * MIB)) memory "$CTR"
check_is "the quota is as before" 30000 quota "$CTR"
check_is "oom_score_adj is as before" $'300\n300' scores "$CTR"
check_is "the status shows the shares in force" 512 shown "$CTR" cpuShares
check_is "the status shows the memory in force" $((48 * MIB)) shown "$CTR" memoryLimitInBytes
check_is "the container runs" CONTAINER_RUNNING ctr_state "$CTR" || bail "the container ended"
check_fails "a quota that the kernel does not take" InvalidArgument crictl update --cpu-quota 10 "$CTR"

# A tmpfs is memory that is not given back.
check "a container uses 20 MiB" ctr_run "$POD" p ".metadata.name = \"user\" | .linux.resources = $LIMITS
	| .command = [\"sh\", \"-c\", \"dd if=/dev/zero of=/dev/shm/x bs=1M count=20 && sleep 100000\"]"
USER=$OUT
in_use() { [ "$(crictl exec "$USER" sh -c 'wc -c </dev/shm/x')" = $((20 * MIB)) ]; }
poll 10 in_use || not_ok "20 MiB are in use"
check_fails "a limit below the memory in use" FailedPrecondition crictl update --memory $((10 * MIB)) --cpu-share 2048 "$USER"
check_is "the memory is as before" $((64 * MIB)) memory "$USER"
check_is "the container runs" CONTAINER_RUNNING ctr_state "$USER"

# Two at a time.
touch "$SCRATCH/mood/slow"
crictl update --memory $((100 * MIB)) "$CTR" >/dev/null 2>&1 &
FIRST=$!
wait_begun || not_ok "the first update begins"
crictl update --cpu-share 1000 "$CTR" >/dev/null 2>&1 &
SECOND=$!
check "the status answers meanwhile" crictl inspect "$CTR"
check_is "the status shows the memory in force" $((48 * MIB)) shown "$CTR" memoryLimitInBytes
rm "$SCRATCH"/mood/*
for client in $FIRST $SECOND; do
	if wait "$client"; then ok "two updates at a time: one succeeds"; else not_ok "two updates at a time: one fails"; fi
done
check_is "the first counts" $((100 * MIB)) memory "$CTR"
check_is "both are in the status" "$((100 * MIB)) 1000" eval 'echo $(shown "$CTR" memoryLimitInBytes) $(shown "$CTR" cpuShares)'

# Killed between the row and the cgroup: the change is made by the next daemon.
touch "$SCRATCH/mood/slow"
crictl update --memory $((72 * MIB)) --oom-score-adj 400 "$CTR" >/dev/null 2>&1 &
CLIENT=$!
wait_begun || not_ok "the update begins"
# --- the pod's own: told, kept and shown; the kubelet writes the pod's cgroup ---

# pod_update ID BYTES: UpdatePodSandboxResources, which crictl does not have; the fields behind the id, in octal
pod_update() {
	local size=$((2 + ${#1} + $(printf '%b' "$2" | wc -c)))
	printf '%b' "\\0\\0\\0\\0\\0$(printf '%o' "$size")\\012\\0$(printf '%o' "${#1}")$1$2" |
		curl -sS -m 60 --http2-prior-knowledge --unix-socket "$SOCKET" --data-binary @- -H 'content-type: application/grpc' \
			-H 'te: trailers' -D - -o "$SCRATCH/updated" http://crisp/runtime.v1.RuntimeService/UpdatePodSandboxResources |
		tr -d '\r' | sed -n 's/^grpc-\(status\|message\): //p' | paste -s -d ' '
}
pod_has() { crictl inspectp "$POD" | jq -c ".machine | [.resources, .overhead]"; }
check_is "as the pod was made" '[{"cpu_shares":200},{"memory_limit_in_bytes":4}]' pod_has
# overhead {cpu_quota: 9}, resources {cpu_shares: 300, unified {a: b}}
check_is "other limits of the pod" 0 pod_update "$POD" '\0022\002\020\011\032\013\030\0254\002\0112\006\012\001a\022\001b'
check_is "are shown" '[{"cpu_shares":300,"unified":{"a":"b"}},{"cpu_quota":9}]' pod_has
check_is "limits without overhead" 0 pod_update "$POD" '\032\002\030\005'
check_is "leave the overhead" '[{"cpu_shares":5},{"cpu_quota":9}]' pod_has
missing() { pod_update "$(printf '%064d' 0)" '' | cut -d ' ' -f 1; }
check_is "a pod that is not there" 5 missing

daemon_kill
wait $CLIENT
rm "$SCRATCH"/mood/*
daemon_again
check_is "a daemon that was killed knows them" '[{"cpu_shares":5},{"cpu_quota":9}]' pod_has
check "the next daemon makes the change" poll 15 eval '[ $(shown "$CTR" memoryLimitInBytes) = '$((72 * MIB))' ]'
check_is "in the cgroup" $((72 * MIB)) memory "$CTR"
check_is "of the processes" $'400\n400' scores "$CTR"

# A stop does not wait for an update that hangs.
touch "$SCRATCH/mood/slow"
crictl update --memory $((64 * MIB)) "$CTR" >"$SCRATCH/hung" 2>&1 &
CLIENT=$!
wait_begun || not_ok "the update begins"
check "a stop meanwhile" crictl stop -t 5 "$CTR"
wait $CLIENT
check "the update says why it failed" grep -q "ended before its new limits" "$SCRATCH/hung"
rm "$SCRATCH"/mood/*
check_fails "an ended container has no limits to change" FailedPrecondition crictl update --memory $((64 * MIB)) "$CTR"
check "the pod is stopped" crictl stopp "$POD"
stopped() { pod_update "$POD" '\032\002\030\006' | cut -d ' ' -f 1; }
check_is "a stopped pod has no limits to change" 9 stopped
check "everything is removed" everything_remove
harness_end
