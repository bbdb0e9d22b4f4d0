#!/bin/bash
# series.sh - a kubelet on crispd shows what the same kubelet on containerd shows: each series of /metrics/cadvisor and
# each figure of /stats/summary, at the default gates and with PodAndContainerStatsFromCRI, and equal values.
#
# Each daemon gets the same pods in a node of its own (node.sh). A series is its family's name with the names of its
# labels; what containerd's kubelet has and crispd's has not fails the test. containerd has no RPC for metrics: its series
# are those of cAdvisor.
#
# usage: series.sh        REPORT  a folder that keeps what was compared (default: scratch)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/node.sh"
. "$HERE/checks.sh"
PODS=(plain limits volumes)
GATES='featureGates: {PodAndContainerStatsFromCRI: true}'

# --- inside ------------------------------------------------------------------------------------------------------------

metrics_fetch() { curl -fsS -m 20 "$KUBELET_READ/metrics/cadvisor"; }

# pods_have_series: the kubelet has looked at each pod's containers
pods_have_series() {
	local name
	metrics_fetch >"$SCRATCH/out/now" || return
	for name in "${PODS[@]}"; do
		grep -q "^container_memory_working_set_bytes{container=\"[^\"].*pod=\"$name-" "$SCRATCH/out/now" || return
	done
}

life_peer() {
	local name
	daemon_start
	kubelet_start 'volumeStatsAggPeriod: 5s' "$@"
	pods_add "${PODS[@]}"
	for name in "${PODS[@]}"; do pod_is "$CRISP_NODE_LIFE: pod $name runs" "$name" '.status.phase == "Running"'; done
	[ "$CRISP_NODE_LIFE" = containerd-gates ] || check "$CRISP_NODE_LIFE: the pods have series" wait_for "$PATIENCE" pods_have_series
	sleep 25				# usage over time needs a second look of the kubelet's at each container
	metrics_fetch >"$SCRATCH/out/$CRISP_NODE_LIFE.metrics"
	curl -fsS -m 20 "$KUBELET_READ/stats/summary" >"$SCRATCH/out/$CRISP_NODE_LIFE.summary"
}

if node_inside; then
	node_enter
	node_socket_known
	mkdir -p "$SCRATCH"/host/dir/sub
	echo content >"$SCRATCH/host/file"
	echo part >"$SCRATCH/host/dir/sub/f"
	case $CRISP_NODE_LIFE in
	*-default) life_peer ;;
	*-gates) life_peer "$GATES" ;;
	esac
	exit 0
fi

# --- outside -----------------------------------------------------------------------------------------------------------

# series_of LIFE: FAMILY{LABEL,...} POD CONTAINER of what belongs to the pods
series_of() {
	sed -nE 's/^([a-z_]+)\{(.*)\} .*/\1 \2/p' "$SCRATCH/out/$1.metrics" | awk '
	{
		family = $1; pod = container = ""; names = ""
		rest = substr($0, length($1) + 2)
		while (match(rest, /^,?[a-z_A-Z]+="([^"\\]|\\.)*"/)) {
			label = substr(rest, RSTART, RLENGTH); rest = substr(rest, RSTART + RLENGTH)
			sub(/^,/, "", label); name = label; sub(/=.*/, "", name); value = label; sub(/^[^=]*=/, "", value)
			gsub(/"/, "", value)
			if (name == "pod") pod = value
			# CRI-O names the container of a network so, containerd does not name it
			else if (name == "container") container = value == "POD" ? "" : value
			# what tells the series of one family apart
			else if (name ~ /^(failure_type|scope|type|kind|state|pagesize|ulimit)$/) name = label
			names = names (names == "" ? "" : ",") name
		}
		if (pod != "") print family "{" names "} " pod " " (container == "" ? "-" : container)
	}' | LC_ALL=C sort -u
}

# figures_of LIFE: PATH POD CONTAINER of each number of the summary
figures_of() {
	jq -r '.pods[] | .podRef.name as $pod | (del(.containers) | paths(numbers) | map(select(type == "string")) | join(".") | "\(.) \($pod) -"),
		(.containers[] | .name as $c | paths(numbers) | map(select(type == "string")) | join(".") | "\(.) \($pod) \($c)")' \
		"$SCRATCH/out/$1.summary" | LC_ALL=C sort -u
}

# none_missing LIFE WHAT OF-CONTAINERD OF-CRISPD: but for what series.tsv explains
none_missing() {
	local what="$1: $2" missing
	[ -s "$3" ] || { not_ok "$what" "containerd has none"; return; }
	missing=$(LC_ALL=C comm -23 "$3" "$4" | sed -E "s/^([^ {]+)(\{[^ ]*\})? [^ ]+ (-|([^ ]+))\$/$1 \1 \4/" | sort -u |
		grep -Ev -f <(grep -v '^#' "$HERE/series.tsv" | cut -f 1))
	echo "# $what: $(wc -l <"$3"), crispd $(wc -l <"$4"), here alone: $(LC_ALL=C comm -13 "$3" "$4" | cut -d ' ' -f 1 | sort -u | tr '\n' ' ')"
	if [ -z "$missing" ]; then ok "$what"; return; fi
	not_ok "$what" "$(wc -l <<<"$missing") missing"
	diag <<<"$missing"
}

# value LIFE FAMILY CONTAINER: the sum over the series of that container
value() { grep -E "^$2\{(.*,)?container=\"$3\"" "$SCRATCH/out/$1.metrics" | sed 's/.*} //' | awk '{ sum += $1 } END { if (NR) printf "%d\n", sum }'; }

# near WHAT A B PERCENT SLACK: two figures that may differ by this much
near() {
	local a=${2:-none} b=${3:-none}
	if [[ $a$b =~ ^[0-9]+$ ]] && [ $(((a > b ? a - b : b - a) * 100)) -le $((a * $4 + $5 * 100)) ]; then ok "$1"; return; fi
	not_ok "$1" "containerd $a, crispd $b"
}

# values_compare LIFE: with those of cAdvisor on containerd
values_compare() {
	local family container
	for family in container_spec_memory_limit_bytes container_spec_cpu_quota container_spec_cpu_period container_spec_cpu_shares; do
		near "$1: $family" "$(value containerd-default $family c)" "$(value "$1" $family c)" 0 0
	done
	for container in c side v web; do
		for family in container_processes container_threads; do
			near "$1: $family of $container" "$(value containerd-default $family $container)" "$(value "$1" $family $container)" 0 1
		done
		near "$1: memory_rss of $container" "$(value containerd-default container_memory_rss $container)" "$(value "$1" container_memory_rss $container)" 60 32768
		# who reads the image's files first has their pages in its working set
		near "$1: working set of $container" "$(value containerd-default container_memory_working_set_bytes $container)" \
			"$(value "$1" container_memory_working_set_bytes $container)" 60 1000000
	done
}

command -v "$(peer_containerd_bin)" >/dev/null || bail "containerd is missing: run tools/test-deps.sh --peer first"
node_begin "$@"
for PEER in containerd crispd; do
	export CRISP_TEST_PEER=$PEER
	for gates in default gates; do
		rm -rf "${SCRATCH:?}"/{root,kubelet,varlog,manifests}
		mkdir -p "$SCRATCH"/{root,kubelet,varlog/pods,varlog/containers,manifests}
		node_life "$PEER-$gates"
	done
done
for life in {containerd,crispd}-{default,gates}; do
	series_of $life >"$SCRATCH/out/$life.series"
	figures_of $life >"$SCRATCH/out/$life.figures"
done
for gates in default gates; do
	none_missing crispd-$gates "series of /metrics/cadvisor" "$SCRATCH/out/"{containerd-default,crispd-$gates}.series
	none_missing crispd-$gates "figures of /stats/summary" "$SCRATCH/out/"{containerd,crispd}-$gates.figures
	values_compare crispd-$gates
done
if [ -n "${REPORT:-}" ]; then
	mkdir -p "$REPORT"
	cp "$SCRATCH"/out/*.{metrics,summary,series,figures} "$REPORT/"
fi
harness_end
