#!/bin/bash
# run.sh - Kubernetes' own node tests against the daemon: a spec that passed before passes, and one that does not is
# named with its reason. etcd and API server are in the test program, the kubelet runs in the node of tests/kubelet.
#
# The record is tests/conformance/node-e2e.txt, the reasons are in node-e2e-known.tsv beside it: a spec that this
# machine cannot do, or that the daemon does not do yet. A spec that the time cut off or did not reach counts as failed.
#
# usage: run.sh [--update]       --update: write the results to the record instead of comparing with it
#   FOCUS    only specs whose name matches (default: [NodeConformance])
#   SKIP     no spec whose name matches (default: [Flaky], [Slow], [Serial])
#   TIMEOUT  seconds before the tests are told to end (default 3600)
#   PROCS    how many specs at a time (default 8)
#   REPORT   a folder for the report and the logs (default: scratch)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../kubelet/node.sh"
REGISTRY=127.0.0.1:5001			# a test brings its own to port 5000
IMAGES_SCRIPT=$HERE/images.sh
NODE_NAME=crisp-e2e
NODE_TMP=private			# tests write to /tmp
ALL='\[NodeConformance\]'
FOCUS=${FOCUS:-$ALL}
SKIP=${SKIP-'\[Flaky\]|\[Slow\]|\[Serial\]'}
TIMEOUT=${TIMEOUT:-3600}

# A test would start the kubelet through the machine's systemd.
hide_systemd() {
	local program
	for program in systemd-run systemctl journalctl; do
		program=$(command -v "$program") && mount --bind /dev/null "$(realpath "$program")"
	done
	return 0
}

kubelet_config() {
	cat <<-YML
	apiVersion: kubelet.config.k8s.io/v1beta1
	kind: KubeletConfiguration
	cgroupDriver: cgroupfs
	cgroupRoot: /
	podCIDR: "10.88.0.0/16"
	volumeStatsAggPeriod: 10s
	fileCheckFrequency: 10s
	evictionPressureTransitionPeriod: 30s
	evictionHard: {memory.available: 250Mi, nodefs.available: "1%", nodefs.inodesFree: "1%", imagefs.available: "1%"}
	evictionMinimumReclaim: {nodefs.available: "1%", nodefs.inodesFree: "1%"}
	serializeImagePulls: false
	failCgroupV1: false
	failSwapOn: false
	oomScoreAdj: 0
	maxOpenFiles: 20000
	volumePluginDir: $SCRATCH/plugins
	clusterDomain: cluster.local
	YML
}

# The specs of the report in the focus: "STATE TAB name TAB reason", sorted by name. One that the time or the failure of
# an earlier one left out has failed.
results() {
	jq -r --arg focus "$FOCUS" --arg skip "${SKIP:-^$}" '.[].SpecReports[] | select(.LeafNodeType == "It")
		| (((.ContainerHierarchyTexts // []) + [.LeafNodeText]) | join(" ") | gsub("\\s+"; " ")) as $name
		| select(($name | test($focus)) and ($name | test($skip) | not))
		| ((.Failure.Message // "not reached") | gsub("\\s+"; " ") | .[0:300]) as $why
		| (if .State == "passed" then "pass"
			elif (.State | IN("skipped", "pending")) and ($why | test("^not reached$|an earlier spec in an ordered") | not) then "skip"
			else "fail" end) as $state
		| [$state, $name, if $state == "pass" then "" else $why end] | @tsv' "$1" | LC_ALL=C sort -t "$(printf '\t')" -k 2,2
}

life_tests() {
	local flags
	hide_systemd
	node_socket_known
	printf '\n[[registry]]\nprefix = "localhost:5000"\nlocation = "localhost:5000"\ninsecure = true\n' >>"$REGISTRIES_CONF"
	printf '[crio.runtime.runtimes.test-handler]\nruntime_path = "%s"\n' "$(command -v runc)" >"$SCRATCH/config.d/50-handler.conf"
	daemon_start
	kubelet_config >"$SCRATCH/kubelet.yaml"
	flags=(--container-runtime-endpoint="unix://$SOCKET" --image-service-endpoint="unix://$SOCKET" --prepull-images=false
		--kubelet-config-file="$SCRATCH/kubelet.yaml" --node-name="$NODE_NAME" --report-dir="$SCRATCH/out"
		--dns-domain=cluster.local --kubelet-flags=--runtime-cgroups=/system --v=2)
	echo "# $(date +%T) specs of $FOCUS without $SKIP"
	(cd "$SCRATCH/out" && timeout -k 120 $((TIMEOUT + 300)) "$CACHE/bin/ginkgo" -v --no-color --timeout="${TIMEOUT}s" --seed=1 \
		--procs="${PROCS:-8}" --focus="$FOCUS" --skip="$SKIP" --json-report=report.json --output-dir="$SCRATCH/out" \
		"$CACHE/bin/e2e_node.test" -- "${flags[@]}") >"$SCRATCH/out/log" 2>&1
	echo "# $(date +%T) the tests ended with status $?"
	cp "$SCRATCH/daemon.log" "$SCRATCH/out/daemon.log"
	results "$SCRATCH/out/report.json" >"$SCRATCH/out/results.tsv"
}

if node_inside; then
	node_enter
	"life_$CRISP_NODE_LIFE"
	exit 0
fi

RECORD=$TOP/tests/conformance/node-e2e.txt
KNOWN=$TOP/tests/conformance/node-e2e-known.tsv
UPDATE=${1:-}
case $UPDATE in
"" | --update) ;;
*) echo "unknown argument $1 (known: --update)" >&2; exit 2 ;;
esac
[ -x "$CACHE/bin/e2e_node.test" ] || bail "e2e_node.test is missing: run tools/test-deps.sh --node-e2e first"
[ -z "$UPDATE" ] || [ "$FOCUS" = "$ALL" ] || bail "--update needs all specs: not together with FOCUS"
export FOCUS SKIP TIMEOUT
node_begin "$@"
registries_conf_write
node_life tests
OUT=$SCRATCH/out
if [ -n "${REPORT:-}" ]; then
	mkdir -p "$REPORT"
	cp -r "$SCRATCH/out/." "$REPORT/"
fi
if [ ! -s "$OUT/results.tsv" ]; then
	tail -n 40 "$OUT/log" | diag
	bail "the tests left no report"
fi

# Each failure that has a reason on record counts as skipped.
: >"$OUT/known"
while IFS=$'\t' read -r pattern reason; do
	case $pattern in "#"* | "") continue ;; esac
	grep '^fail' "$OUT/results.tsv" | cut -f 2 | grep -F -- "$pattern" | sed "s|\$|	$reason|" >>"$OUT/known"
done <"$KNOWN"
sed 's/^/skipped: /' "$OUT/known"
grep '^skip' "$OUT/results.tsv" | cut -f 3 | sort | uniq -c | sort -rn | sed -E 's/^ *([0-9]+) (.*)/skipped by the tests, \1: \2/'
BAD=$(grep '^fail' "$OUT/results.tsv" | awk -F '\t' 'FILENAME != "-" { known[$1]; next } !($2 in known)' "$OUT/known" -)
[ -z "$BAD" ] || sed 's/^fail\t/failed: /; s/\t/\n    /' <<<"$BAD"
count() { grep -c "^$1" "$OUT/results.tsv"; }
FAILED=$([ -z "$BAD" ] && echo 0 || wc -l <<<"$BAD")
if [ -n "$UPDATE" ]; then
	cut -f 1,2 "$OUT/results.tsv" >"$RECORD"
	echo "written to ${RECORD#"$TOP/"}"
fi
# A focus leaves out the others: compare only what ran.
WORSE=$(awk -F '\t' -v all="$([ "$FOCUS" = "$ALL" ] && echo 1)" 'NR == FNR { now[$2] = $1; next }
	$1 == "pass" && now[$2] != "pass" && (all || now[$2]) { print (now[$2] ? now[$2] : "not reached") "\t" $2 }' "$OUT/results.tsv" "$RECORD")
if [ -n "$WORSE" ]; then
	echo "passed before, no longer do:"
	sed 's/^/    /' <<<"$WORSE"
fi
[ -z "$WORSE" ] || [ "$FAILED" != 0 ] || FAILED=$(wc -l <<<"$WORSE")
echo "node-e2e: $(count pass) passed, $FAILED failed, $(($(count skip) + $(wc -l <"$OUT/known"))) skipped"
[ "$FAILED" = 0 ] && [ -z "$WORSE" ]
