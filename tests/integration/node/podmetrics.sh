#!/bin/bash
# podmetrics.sh - ListPodSandboxMetrics equals the kernel's files, with the names and labels that
# cAdvisor gives; the groups of the configuration select families; a pod that goes makes no error.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
mkdir -p "$SCRATCH/config.d"
daemon_start
check "pull" crictl pull "$BUSYBOX"

# Each value as "NAME{LABEL=VALUE,...} NUMBER", with the label names of the descriptors, sorted.
series() {
	crictl metricdescs >"$SCRATCH/descs.json" && crictl metricsp >"$SCRATCH/metrics.json" || return
	jq -r --slurpfile d "$SCRATCH/descs.json" '
		($d[0].descriptors | map({(.name): .labelKeys}) | add) as $keys
		| .podMetrics[] | (.metrics[], (.containerMetrics // [])[].metrics[])
		| . as $m | $keys[.name] as $k
		| if $k == null or ($k | length) != (.labelValues | length) then error("labels of \(.name)") else . end
		| "\(.name){" + ([range($k | length) as $i | "\($k[$i])=\($m.labelValues[$i])"] | sort | join(","))
			+ "} \(.value.value // 0) \(.metricType)"' "$SCRATCH/metrics.json" | sort >"$SCRATCH/series"
}
# of NAME LABEL...: numbers of the series with that name and all these labels
of() {
	local name=$1 rows
	shift
	rows=$(grep "^container_$name{" "$SCRATCH/series")
	for label; do rows=$(grep -F -- "$label" <<<"$rows"); done
	sed 's/.*} \([0-9]*\) .*/\1/' <<<"$rows"
}
families() { sed 's/{.*//' "$SCRATCH/series" | sort -u; }
ascending() { [ "$1" -le "$2" ] && [ "$2" -le "$3" ]; }
# FILE of a container's cgroup, in the first hierarchy that has it
cgroup_file() { cat "$(cgroups_ours | grep -E -- "$1(\.scope)?\$" | sed "s|\$|/$2|" | while read -r f; do [ ! -e "$f" ] || echo "$f"; done | head -n 1)"; }

OWN_CGROUP=$(cgroup_below own)
check "a pod" pod_run own ".linux.cgroup_parent = \"$OWN_CGROUP\""
OWN=$OUT
check "a pod with the node's network" pod_run host "$HOST_NET"
HOST=$OUT
IMAGE_ID=$(crictl inspecti "$BUSYBOX" | jq -r .status.id)
check "a container with limits and three open files, its image given as a kubelet does" ctr_run "$OWN" own.limits \
	'.image = {image: "'"$IMAGE_ID"'", user_specified_image: "'"$BUSYBOX"'"} | .command = ["sh", "-c", "exec 7</dev/null 8</dev/null; while :; do :; done"]
	 | .linux.resources |= {memory_limit_in_bytes: 67108864, cpu_quota: 20000, cpu_period: 50000, cpu_shares: 512}'
LIMITS=$OUT
check "one without" ctr_run "$HOST" host.plain
PLAIN=$OUT
check "one that ends" ctr_run "$HOST" host.done '.command = ["true"]'
DONE=$OUT
check "and has ended" poll 20 ctr_is "$DONE" CONTAINER_EXITED

# --- names and labels ---

check "metrics have the labels of their descriptors" series
has_no() { ! grep -q "$1" "$SCRATCH/series"; }
check "what has ended has none" has_no "$DONE"
check_is "no series is twice" "" eval "sed 's/ .*//' '$SCRATCH/series' | uniq -d"
CGROUP=$OWN_CGROUP/$(crictl inspect "$LIMITS" | jq -r .info.runtimeSpec.linux.cgroupsPath 2>/dev/null | sed 's|.*/||')
[ "${CGROUP##*/}" != null ] || CGROUP=$(cgroups_ours | grep -oE -m 1 "$OWN_CGROUP/.*$LIMITS(\.scope)?\$")
labels() { grep -F "name=$LIMITS" "$SCRATCH/series" | sed -n 's/^container_memory_usage_bytes//p' | sed 's/ .*//'; }
check_is "a container's labels" "{container=own.limits,id=$CGROUP,image=$BUSYBOX,name=$LIMITS,namespace=crisp-test,pod=own}" labels
pod_labels() { grep -F "container=,id=$OWN_CGROUP," "$SCRATCH/series" | sed -n 's/^container_memory_usage_bytes//p' | sed 's/ .*//'; }
check_is "no process is in a pod's own cgroup" 0 of processes "id=$OWN_CGROUP,"
check_is "a pod's labels" "{container=,id=$OWN_CGROUP,image=,name=,namespace=crisp-test,pod=own}" pod_labels
wrong_types() { awk '/_total\{.*GAUGE|_bytes\{.*COUNTER/ && !/^container_fs_inodes_total/' "$SCRATCH/series"; }
check_is "types are as the names say" "" wrong_types
# What the kubelet shows by default, on every kernel.
ALWAYS='cpu_system_seconds_total cpu_usage_seconds_total cpu_user_seconds_total file_descriptors
	fs_inodes_free fs_inodes_total fs_limit_bytes fs_usage_bytes last_seen memory_cache
	memory_failcnt memory_failures_total memory_mapped_file memory_rss memory_swap memory_usage_bytes
	memory_working_set_bytes oom_events_total processes sockets spec_cpu_period spec_cpu_shares
	spec_memory_limit_bytes spec_memory_reservation_limit_bytes start_time_seconds creation_time_seconds
	threads threads_max ulimits_soft memory_events_high_total memory_events_max_total memory_pgscan_total
	memory_pgsteal_total'
missing() {
	for family in $ALWAYS; do [ -n "$(of "$family" "name=$PLAIN,")" ] || echo "$family"; done
}
measured() { series && [ -z "$(missing)" ]; }
check "each family of a container is there, once its layer is measured" poll 60 measured
check_is "none is missing" "" missing
undescribed() { comm -3 <(jq -r '.descriptors[].name' "$SCRATCH/descs.json" | sort) <(families) | grep -E 'hugetlb|io_cost|memory_'; }
check_is "no descriptor of what the node does not account" "" eval 'undescribed || :'

# --- values ---

check_is "the memory limit" 67108864 of spec_memory_limit_bytes "name=$LIMITS,"
check_is "no memory limit is 0" 0 of spec_memory_limit_bytes "name=$PLAIN,"
check_is "the CPU quota" 20000 of spec_cpu_quota "name=$LIMITS,"
check_is "no CPU quota has no series" "" of spec_cpu_quota "name=$PLAIN,"
check_is "nor periods of it" "" of cpu_cfs_periods_total "name=$PLAIN,"
check_is "the CPU period" 50000 of spec_cpu_period "name=$LIMITS,"
shares() { ascending 500 "$(of spec_cpu_shares "name=$LIMITS,")" 524; }
check "the CPU shares" shares
throttled() { series && [ "$(of cpu_cfs_throttled_periods_total "name=$LIMITS,")" -gt 0 ]; }
check "the quota throttles" poll 60 throttled
# Whole seconds, on cgroup v1 and v2.
cpu_of() { { cgroup_file "$1" cpuacct.usage 2>/dev/null || cgroup_file "$1" cpu.stat | awk '$1 == "usage_usec" { printf "%.0f\n", $2 * 1000 }'; } | awk '{ printf "%d\n", $1 / 1e9 }'; }
BEFORE=$(cpu_of "$LIMITS")
check "CPU time" series
check "lies between what the kernel says" ascending "$BEFORE" "$(of cpu_usage_seconds_total "name=$LIMITS," cpu=total)" "$(cpu_of "$LIMITS")"
check_is "processes" 1 of processes "name=$LIMITS,"
check_is "threads" "$(cgroup_file "$LIMITS" pids.current)" of threads "name=$LIMITS,"
PID=$(crictl inspect "$LIMITS" | jq -r .info.pid)
check_is "descriptors" "$(find "/proc/$PID/fd" -mindepth 1 | wc -l)" of file_descriptors "name=$LIMITS,"
check_is "the limit of descriptors" "$(awk '/^Max open files/ { print $4 }' "/proc/$PID/limits")" of ulimits_soft "name=$LIMITS,"
check_is "OOM kills" 0 of oom_events_total "name=$LIMITS,"
check_is "the start" "$(($(crictl inspect "$LIMITS" | jq -r '.status.startedAt' | date -f - +%s)))" of start_time_seconds "name=$LIMITS,"
check_is "inodes of the file system" "$(stat -f -c %c "$ROOT")" of fs_inodes_total "name=$PLAIN,"
pages_of() { grep -c '^container_hugetlb_usage_bytes{.*'"name=$PLAIN," "$SCRATCH/series"; }
if grep -q '^hugetlb' /proc/cgroups && cgroups_ours | grep -q hugetlb; then
	check "hugepages by size" ascending 1 "$(pages_of)" 9
else
	check "no hugepages without their controller" has_no ^container_hugetlb
fi
UNIFIED=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)$(sed -n 's/^0:://p' "/proc/$PID/cgroup")
case $UNIFIED in
*"$LIMITS"*) check "pressure" ascending 0 "$(of pressure_cpu_waiting_seconds_total "name=$LIMITS,")" 100000 ;;
*) check_is "no pressure, which is not zero" "" of pressure_cpu_waiting_seconds_total "name=$LIMITS," ;;
esac

# --- network ---

NETWORK=("container=POD" "interface=eth0" "pod=own" "name=$OWN,")
IP=$(crictl inspectp "$OWN" | jq -r .status.network.ip)
RX=$(of network_receive_bytes_total "${NETWORK[@]}")
send() { for _ in 1 2 3; do head -c 1000 /dev/zero >"/dev/udp/$IP/9" || return; done; }
check "the node sends some" send
check "metrics" series
check "bytes are counted" ascending $((RX + 3000)) "$(of network_receive_bytes_total "${NETWORK[@]}")" $((RX + 1000000))
check "packets, too" ascending 3 "$(of network_receive_packets_total "${NETWORK[@]}")" 100000
check_is "errors" 0 of network_receive_errors_total "${NETWORK[@]}"
check_is "the node's network is not the pod's" "" of network_receive_bytes_total pod=host

# --- as a stream: the same pods and families ---

stream() {
	printf '\0\0\0\0\0' | curl -sS -m 60 --http2-prior-knowledge --unix-socket "$SOCKET" --data-binary @- \
		-H 'content-type: application/grpc' -H 'te: trailers' -D "$SCRATCH/stream.head" -o "$SCRATCH/stream" \
		http://crisp/runtime.v1.RuntimeService/StreamPodSandboxMetrics && grep -qi '^grpc-status: 0' "$SCRATCH/stream.head"
}
of_stream() { grep -aoE -- "$1" "$SCRATCH/stream" | sort -u | paste -s -d ' '; }
check "the stream" stream
check_is "has each pod" "$(printf '%s\n' "$OWN" "$HOST" | sort | paste -s -d ' ')" of_stream "$OWN|$HOST"
check_is "and each family" "$(families | paste -s -d ' ')" of_stream 'container_[a-z0-9_]+'

# --- a pod that goes ---

for i in 1 2 3; do check "pod $i that goes" eval "pod_run gone$i '$HOST_NET' && ctr_run \$(crictl pods -q --name gone$i) gone$i.c"; done
remove() { for i in 1 2 3; do crictl rmp -f "$(crictl pods -q --name "gone$i")" || return; done; }
remove >"$SCRATCH/removed" 2>&1 &
REMOVER=$!
ask() {
	while [ -d "/proc/$REMOVER" ]; do series || return; done
	series
}
check "metrics while pods go" ask
wait "$REMOVER"
check "nothing of them is left" has_no pod=gone

# --- selection ---

groups() {
	printf '[crio.stats]\nincluded_pod_metrics = %s\n' "$1" >"$SCRATCH/config.d/50-stats.conf"
	daemon_kill
	daemon_again
}
groups '["oom", "network"]'
check "metrics" series
check_is "of two groups" "last_seen
network_receive_bytes_total
network_receive_errors_total
network_receive_packets_dropped_total
network_receive_packets_total
network_transmit_bytes_total
network_transmit_errors_total
network_transmit_packets_dropped_total
network_transmit_packets_total
oom_events_total" eval 'families | sed s/^container_//'
check_is "the descriptors are the same" "$(families)" eval "jq -r '.descriptors[].name' '$SCRATCH/descs.json' | sort"
groups '[]'
check "metrics" series
check_is "of no group" container_last_seen families
check "everything is removed" everything_remove
check "metrics" series
check_is "of nothing" "" cat "$SCRATCH/series"
harness_end
