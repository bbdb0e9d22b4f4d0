#!/bin/bash
# run.sh - critest against the daemon: each spec that expected.txt has as passing passes, and each
# failing spec is in known.tsv with its reason.
#
# What must hold: a spec that expected.txt has as passing passes; one that fails is in known.tsv,
# with the reason; what passes beyond it is reported,
# so that the record can follow (--update). critest's own report decides, not its output.
#
# usage: run.sh [--update] [--focus REGEX] [--report FILE] [--nri PATH] [--runc PATH]
#   --update   write the results to expected.txt instead of comparing with it
#   --focus    only specs whose name matches (compares only those)
#   --report   where to put critest's JSON report (default: scratch)
#   --nri      also run the NRI specs, against the daemon's NRI socket at PATH
#   --runc     the runc of the daemon (default: the installed one, whose results expected.txt has)
#   CRISP_TEST_CRITEST_LIMIT  seconds before the whole run is given up (default 1800)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../integration/lib.sh"
harness_begin "$@"

UPDATE=
FOCUS=
REPORT=$SCRATCH/report.json
NRI=
RUNC=
while [ $# -gt 0 ]; do
	case $1 in
	--update) UPDATE=1; shift ;;
	--focus) FOCUS=$2; shift 2 ;;
	--report) REPORT=$(realpath -m "$2"); shift 2 ;;
	--nri) NRI=$2; shift 2 ;;
	--runc) RUNC=$2; shift 2 ;;
	*) bail "unknown argument $1 (known: --update, --focus REGEX, --report FILE, --nri SOCKET, --runc PATH)" ;;
	esac
done
EXPECTED=$HERE/expected.txt
[ "$PEER" = crispd ] || EXPECTED=$HERE/expected-$PEER.txt
[ -x "$CACHE/bin/critest" ] || bail "critest is missing: run tools/test-deps.sh first"
[ -z "$UPDATE" ] || [ -z "$FOCUS" ] || bail "--update needs all specs: not together with --focus"

# results FILE: one line a spec, "pass|fail|skip TAB name", sorted; benchmarks are not conformance.
results() {
	jq -r '.[].SpecReports[] | select(.LeafNodeType == "It")
		| (.ContainerHierarchyTexts + [.LeafNodeText] | join(" ")) as $name
		| select($name | test("benchmark") | not)
		| (if .State == "passed" then "pass" elif .State == "skipped" or .State == "pending" then "skip" else "fail" end) + "\t" + $name' "$1" |
		LC_ALL=C sort -t "$(printf '\t')" -k 2
}

# failures FILE: why each failed spec failed, in one line
failures() {
	jq -r '.[].SpecReports[] | select(.State != "passed" and .State != "skipped" and .State != "pending" and .LeafNodeType == "It")
		| "--- \(.ContainerHierarchyTexts + [.LeafNodeText] | join(" "))\n    \(.Failure.Message // .State | gsub("\n"; "\n    "))"' "$1"
}

registry_start
# A spec asks for no filter when a security context has no profile; crispd's default is stricter.
printf '[crio.runtime]\nseccomp_use_default_when_empty = false\n' >"$SCRATCH/config.d/50-conformance.conf"
[ -z "$RUNC" ] || printf '[crio.runtime.runtimes.runc]\nruntime_path = "%s"\n' "$RUNC" >"$SCRATCH/config.d/60-runc.conf"
daemon_start
ARGS=(--runtime-endpoint "unix://$SOCKET" --image-endpoint "unix://$SOCKET" --config "$SCRATCH/crictl.yaml"
	--ginkgo.no-color --ginkgo.seed=1 --ginkgo.json-report="$REPORT" --ginkgo.succinct
	--runtime-service-timeout 120s --image-service-timeout 120s)
[ -z "$NRI" ] || ARGS+=(--nri-socket "$NRI")
[ -z "$FOCUS" ] || ARGS+=(--ginkgo.focus "$FOCUS")
(cd "$SCRATCH" && timeout -k 30 "${CRISP_TEST_CRITEST_LIMIT:-1800}" "$CACHE/bin/critest" "${ARGS[@]}") >"$SCRATCH/critest.log" 2>&1
RC=$?
if [ ! -s "$REPORT" ]; then
	tail -n 40 "$SCRATCH/critest.log" | diag
	bail "critest left no report (status $RC; 124 is the time limit)"
fi
results "$REPORT" >"$SCRATCH/results"
failures "$REPORT"
count() { grep -c "^$1" "$SCRATCH/results"; }

# Skipped by critest itself, and why.
[ -n "$FOCUS" ] || jq -r '.[].SpecReports[] | select(.State == "skipped" and .LeafNodeType == "It") | .Failure.Message' "$REPORT" |
	sort | uniq -c | sed -E 's/^ *([0-9]+) (.*)/skipped, \1: \2/'
# Failures that known.tsv gives a reason for are told with it and count as skipped.
KNOWN=0
while IFS=$'\t' read -r pattern reason; do
	case $pattern in "#"* | "") continue ;; esac
	n=$(grep '^fail' "$SCRATCH/results" | grep -cF -- "$pattern")
	[ "$n" = 0 ] || echo "skipped, $n: $pattern: $reason"
	KNOWN=$((KNOWN + n))
done <"$HERE/known.tsv"
SUMMARY="$(count pass) passed, $(($(count fail) - KNOWN)) failed, $(($(count skip) + KNOWN)) skipped"

if [ -n "$UPDATE" ]; then
	cp "$SCRATCH/results" "$EXPECTED"
	echo "conformance: $SUMMARY; written to ${EXPECTED#"$TOP/"}"
	exit 0
fi
[ -e "$EXPECTED" ] || bail "${EXPECTED#"$TOP/"} does not exist: run with --update first"

# A focus marks every other spec as skipped: compare only what ran.
WORSE=$(awk -F '\t' -v focus="$FOCUS" 'NR == FNR { now[$2] = $1; next }
	$1 == "pass" && now[$2] != "pass" && !(focus != "" && now[$2] == "skip") { print (now[$2] ? now[$2] : "gone") "\t" $2 }' \
	"$SCRATCH/results" "$EXPECTED")
BETTER=$(awk -F '\t' 'NR == FNR { old[$2] = $1; next } $1 == "pass" && old[$2] != "pass" { print $2 }' "$EXPECTED" "$SCRATCH/results")
if [ -n "$BETTER" ]; then
	echo "pass now, but are not on record as passing (--update records them):"
	sed 's/^/    /' <<<"$BETTER"
fi
if [ -n "$WORSE" ]; then
	echo "passed before, no longer do:"
	sed 's/^/    /' <<<"$WORSE"
fi
echo "conformance: $SUMMARY"
[ -z "$WORSE" ] && [ "$(count fail)" = "$KNOWN" ]
