#!/bin/bash
# run.sh - Kubernetes' own node tests against the daemon: a spec that passed before passes, and one that does not is
# named with its reason. etcd and API server are in the test program, the kubelet runs in the node of tests/kubelet.
#
# The record is tests/conformance/node-e2e.txt (of a peer node-e2e-PEER.txt), the reasons are in node-e2e-known.tsv beside
# it: a spec that this machine cannot do, or that the daemon does not do yet. Current runc and CRIU are used where
# tools/test-deps.sh could fetch them. A spec that the time cut off or did not reach
# counts as failed. Of a peer only the record is compared. A run compares and writes the specs of its focus alone.
#
# usage: run.sh [--update] [GROUP]
#   --update  write the results to the record instead of comparing with it
#   GROUP     a line of groups.tsv, which has the following (default: conformance)
#   FOCUS    only specs whose name matches
#   SKIP     no spec whose name matches
#   PROCS    how many specs at a time
#   TIMEOUT  seconds before the tests are told to end
#   REPORT   a folder for the report and the logs (default: scratch)
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../kubelet/node.sh"
REGISTRY=127.0.0.1:5001			# a test brings its own to port 5000
IMAGES_SCRIPT=$HERE/images.sh
NODE_NAME=crisp-e2e
NODE_TMP=private			# tests write to /tmp
# A test would start the kubelet through the machine's systemd.
systemd_replace() {
	local program
	for program in systemd-run systemctl journalctl; do
		program=$(command -v "$program") && mount --bind /dev/null "$(realpath "$program")"
	done
	mkdir -p "$SCRATCH"/fake/{bin,units}
	for program in sudo systemctl systemd-run; do ln -s "$HERE/systemd.sh" "$SCRATCH/fake/bin/$program"; done
	export PATH=$SCRATCH/fake/bin:$PATH CRISP_NODE_UNITS=$SCRATCH/fake/units
}

# The tests write the kubelet's credentials beside their program, where another run has its own.
programs_own() {
	mkdir -p "$SCRATCH"/programs/{upper,work}
	mount -t overlay -o "lowerdir=$CACHE/bin,upperdir=$SCRATCH/programs/upper,workdir=$SCRATCH/programs/work" \
		overlay "$CACHE/bin" || bail "$CACHE/bin cannot be covered"
}

# The bus on which the kubelet looks for logind, and tests for systemd.
bus_start() {
	local conf=$SCRATCH/fake/bus.conf
	node_cover /etc/systemd
	mkdir -p /run/dbus
	cat >"$conf" <<-XML
	<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
	<policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
	<allow send_type="signal"/></policy></busconfig>
	XML
	dbus-daemon --config-file="$conf" --nofork --nosyslog >"$SCRATCH/out/bus.log" 2>&1 </dev/null &
	poll 10 [ -S /run/dbus/system_bus_socket ] || bail "dbus-daemon does not start: $(cat "$SCRATCH/out/bus.log")"
	"$SCRATCH/bus" /etc/systemd/logind.conf.d/99-kubelet.conf >>"$SCRATCH/out/bus.log" 2>&1 </dev/null &
}

# daemon_guard: start the daemon again when a test has killed it, as systemd does, unless a test has stopped its unit
daemon_guard() {
	local unit=$SCRATCH/fake/units/runtime.service
	mkdir "$unit"
	ln -s "$SCRATCH/daemon.pid" "$unit/pid"
	while sleep 1; do
		[ -e "$unit/down" ] || daemon_alive || kill -HUP "$REAPER_PID"
	done
}

kubelet_config() {
	cat <<-YML
	apiVersion: kubelet.config.k8s.io/v1beta1
	kind: KubeletConfiguration
	cgroupDriver: cgroupfs
	cgroupRoot: /
	systemCgroups: /system
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
	local flags more=() runtime status=0
	programs_own
	systemd_replace
	bus_start
	node_socket_known
	printf '\n[[registry]]\nprefix = "localhost:5000"\nlocation = "localhost:5000"\ninsecure = true\n' >>"$REGISTRIES_CONF"
	runtime=$CACHE/peers/runc/usr/sbin/runc
	[ -x "$runtime" ] || runtime=$(command -v runc)
	printf '[crio.runtime.runtimes.%s]\nruntime_path = "%s"\n' runc "$runtime" test-handler "$runtime" \
		>"$SCRATCH/config.d/50-handler.conf"
	PATH=$PATH:$CACHE/peers/criu/bin
	daemon_start
	daemon_guard &
	kubelet_config >"$SCRATCH/kubelet.yaml"
	flags=(--container-runtime-endpoint="unix://$SOCKET" --image-service-endpoint="unix://$SOCKET" --prepull-images=false
		--kubelet-config-file="$SCRATCH/kubelet.yaml" --node-name="$NODE_NAME" --report-dir="$SCRATCH/out"
		--container-runtime-process-name="$PEER" --container-runtime-pid-file=
		--dns-domain=cluster.local --kubelet-flags=--runtime-cgroups=/system --v=2)
	[ "$FLAGS" = - ] || read -ra more <<<"$FLAGS"
	echo "# $(date +%T) specs of $FOCUS without $SKIP"
	(cd "$SCRATCH/out" && timeout -k 120 $((TIMEOUT + 300)) "$CACHE/bin/ginkgo" -v --no-color --timeout="${TIMEOUT}s" --seed=1 \
		--procs="$PROCS" --focus="$FOCUS" --skip="$SKIP" --json-report=report.json --output-dir="$SCRATCH/out" \
		"$CACHE/bin/e2e_node.test" -- "${flags[@]}" "${more[@]}") >"$SCRATCH/out/log" 2>&1 || status=$?
	echo "# $(date +%T) the tests ended with status $status"
	cp "$SCRATCH/daemon.log" "$SCRATCH/out/daemon.log"
	results "$SCRATCH/out/report.json" >"$SCRATCH/out/results.tsv"
}

if node_inside; then
	node_enter
	"life_$CRISP_NODE_LIFE"
	exit 0
fi

node_begin "$@"
RECORD=$TOP/tests/conformance/node-e2e.txt
[ "$PEER" = crispd ] || RECORD=$TOP/tests/conformance/node-e2e-$PEER.txt
KNOWN=$TOP/tests/conformance/node-e2e-known.tsv
UPDATE=
[ "${1:-}" != --update ] || { UPDATE=$1; shift; }
GROUP=$(awk -F '\t' -v name="${1:-conformance}" '$1 == name' "$HERE/groups.tsv")
[ -n "$GROUP" ] || { echo "unknown group $1 (known: $(grep -v '^#' "$HERE/groups.tsv" | cut -f 1 | tr '\n' ' '))" >&2; exit 2; }
IFS=$'\t' read -r _ focus skip procs seconds FLAGS <<<"$GROUP"
FOCUS=${FOCUS:-$focus} SKIP=${SKIP-$skip} PROCS=${PROCS:-$procs} TIMEOUT=${TIMEOUT:-$seconds}
[ -x "$CACHE/bin/e2e_node.test" ] || bail "e2e_node.test is missing: run tools/test-deps.sh --node-e2e first"
export FOCUS SKIP TIMEOUT PROCS FLAGS
registries_conf_write
cc -std=gnu17 -D_GNU_SOURCE -O1 -o "$SCRATCH/bus" "$HERE/bus.c" -lsystemd || bail "bus does not compile"
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
if [ "$PEER" = crispd ]; then
	while IFS=$'\t' read -r pattern reason; do
		case $pattern in "#"* | "") continue ;; esac
		grep '^fail' "$OUT/results.tsv" | cut -f 2 | grep -F -- "$pattern" | sed "s|\$|	$reason|" >>"$OUT/known"
	done <"$KNOWN"
else
	sed -n 's/^fail\t//p' "$RECORD" | sed "s|\$|	on record|" >"$OUT/known"
fi
sed 's/^/skipped: /' "$OUT/known"
grep '^skip' "$OUT/results.tsv" | cut -f 3 | sort | uniq -c | sort -rn | sed -E 's/^ *([0-9]+) (.*)/skipped by the tests, \1: \2/'
BAD=$(grep '^fail' "$OUT/results.tsv" | awk -F '\t' 'FILENAME != "-" { known[$1]; next } !($2 in known)' "$OUT/known" -)
[ -z "$BAD" ] || sed 's/^fail\t/failed: /; s/\t/\n    /' <<<"$BAD"
count() { grep -c "^$1" "$OUT/results.tsv"; }
lines() { grep -c . <<<"$1"; }
FAILED=$(lines "$BAD")

# recorded in|out: the lines of the record whose specs are in the focus, or not
recorded() {
	jq -R -r --arg focus "$FOCUS" --arg skip "${SKIP:-^$}" --arg want "$1" \
		'select((test($focus) and (test($skip) | not)) == ($want == "in"))' "$RECORD"
}
if [ -n "$UPDATE" ]; then
	touch "$RECORD"
	{ recorded out; cut -f 1,2 "$OUT/results.tsv"; } | LC_ALL=C sort -t "$(printf '\t')" -k 2,2 >"$OUT/record"
	cp "$OUT/record" "$RECORD"
	echo "written to ${RECORD#"$TOP/"}"
fi
WORSE=$(awk -F '\t' 'NR == FNR { now[$2] = $1; next }
	$1 == "pass" && now[$2] != "pass" { print (now[$2] ? now[$2] : "not reached") "\t" $2 }' "$OUT/results.tsv" <(recorded in))
if [ -n "$WORSE" ]; then
	echo "passed before, no longer do:"
	sed 's/^/    /' <<<"$WORSE"
fi
[ "$FAILED" != 0 ] || FAILED=$(lines "$WORSE")
echo "node-e2e: $(count pass) passed, $FAILED failed, $(($(count skip) + $(count fail) - $(lines "$BAD"))) skipped"
[ "$FAILED" = 0 ] && [ -z "$WORSE" ]
