#!/bin/bash
# metrics-crio.sh - metrics under CRI-O's names: each of its 18 families has its type and labels, and the
# values follow calls, pulls, deaths for lack of memory, lost shims and repeated requests; promtool finds
# nothing to say. Collectors are checked, and a missing certificate is made.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
PEER_WITHOUT=--default-runtime		# it comes from the file, so that a reload can change it
HOLD=$SCRATCH/hold
cat >"$SCRATCH/runtime" <<SH
#!/bin/bash
for word in "\$@"; do
	[ \$word != create ] || while [ -e "$HOLD" ]; do touch "$HOLD.at"; sleep 0.05; done
done
exec runc "\$@"
SH
chmod 755 "$SCRATCH/runtime"
cat >"$SCRATCH/config.d/46-metrics.conf" <<-CONF
	[crio.runtime]
	default_runtime = "held"
	[crio.runtime.runtimes.held]
	runtime_path = "$SCRATCH/runtime"
	[crio.metrics]
	enable_metrics = true
	metrics_port = 9190
CONF
daemon_start

URL=http://127.0.0.1:9190/metrics
figures() { curl -fsS "$URL"; }
# The value of a family of CRI-O's, with its labels.
crio() { figures | awk -v name="container_runtime_crio_$1" 'index($0, name " ") == 1 { print $NF }'; }
crio_is() { [ "$(crio "$1")" = "$2" ]; }

check_is "CRI-O's families and their types" "containers_events_dropped_total counter
containers_oom_count_total counter
containers_oom_total counter
containers_seccomp_notifier_count_total counter
containers_stopped_monitor_count counter
default_runtime gauge
image_layer_reuse_total counter
image_pulls_bytes_total counter
image_pulls_failure_total counter
image_pulls_layer_size histogram
image_pulls_skipped_bytes_total counter
image_pulls_success_total counter
operations_errors_total counter
operations_latency_seconds gauge
operations_latency_seconds_total summary
operations_total counter
processes_defunct gauge
resources_stalled_at_stage counter" eval \
	'figures | sed -n "s/^# TYPE container_runtime_crio_//p" | LC_ALL=C sort'

# --- calls -------------------------------------------------------------------------------------------------------------

BEFORE=$(crio 'operations_total{operation="ListPodSandbox"}')
check "a call" crictl pods
check_is "is counted" $((${BEFORE:-0} + 1)) crio 'operations_total{operation="ListPodSandbox"}'
check "how long it took" eval '[[ $(crio "operations_latency_seconds{operation=\"ListPodSandbox\"}") =~ ^[0-9]+\.[0-9]{9}$ ]]'
for quantile in 0.5 0.9 0.99; do
	check "and most such calls: $quantile" eval \
		'[[ $(crio "operations_latency_seconds_total{operation=\"ListPodSandbox\",quantile=\"$quantile\"}") =~ ^0\.[0-9]{9}$ ]]'
done
check_is "the summary counts it, too" $((${BEFORE:-0} + 1)) crio 'operations_latency_seconds_total_count{operation="ListPodSandbox"}'
check_fails "a call that fails" "." crictl inspect 0123456789abcdef
check "is counted as an error" eval '[ "$(crio "operations_errors_total{operation=\"ContainerStatus\"}")" -ge 1 ]'
check_is "no error of others" "" crio 'operations_errors_total{operation="ListPodSandbox"}'

# --- pulls -------------------------------------------------------------------------------------------------------------

check "an image" crictl pull "$BUSYBOX"
check_is "a pull" 1 crio image_pulls_success_total
LAYER=$(figures | grep '^container_runtime_crio_image_pulls_bytes_total{')
BYTES=${LAYER##* }
check "its one layer has a media type and a size" grep -E '\{mediatype="application/vnd\.[a-z+.1]+",size=">1 [KM]iB"\} [1-9]' <<<"$LAYER"
check_is "all its bytes are in the histogram" "$BYTES" crio image_pulls_layer_size_sum
check_is "as one layer" 1 crio 'image_pulls_layer_size_bucket{le="+Inf"}'
check_is "which is larger than 1,000 bytes" 0 crio 'image_pulls_layer_size_bucket{le="1000"}'
check "the image again, by another way" crictl pull "$BUSYBOX"
check "skips its layer" eval 'figures | grep -qF "image_pulls_skipped_bytes_total{size=${LAYER##*size=}"'
check_is "whose name is counted" 1 eval \
	'figures | sed -n "s/^container_runtime_crio_image_layer_reuse_total{name=\"${BUSYBOX//\//\\/}@sha256:[0-9a-f]*\"} //p"'
check_fails "a tag that does not exist" "." crictl pull "${BUSYBOX%:*}:no-such-tag"
check_is "is a failure of its kind" 1 crio 'image_pulls_failure_total{error="MANIFEST_UNKNOWN"}'
check_fails "a registry that is not there" "." crictl pull localhost:1/a:1
check_is "is one of another kind" 1 crio 'image_pulls_failure_total{error="CONNECTION_REFUSED"}'

# --- pods --------------------------------------------------------------------------------------------------------------

POD=$(pod_run metrics)
check "how long the last network took" eval '[[ $(crio "operations_latency_seconds{operation=\"network_setup_pod\"}") =~ ^[0-9]+\.[0-9]+$ ]]'
check "with all around it" eval '[[ $(crio "operations_latency_seconds{operation=\"network_setup_overall\"}") =~ ^[0-9]+\.[0-9]+$ ]]'

NAME=k8s_metrics.eater_metrics_crisp-test_uid-metrics_0
EATER=$(ctr_run "$POD" metrics.eater '.command = ["tail", "/dev/zero"] | .linux.resources.memory_limit_in_bytes = 33554432')
check "a container that eats more than it may" poll 20 ctr_is "$EATER" CONTAINER_EXITED
check_is "is OOM-killed" OOMKilled eval 'crictl inspect "$EATER" | jq -r .status.reason'
check_is "counts" 1 crio containers_oom_total
check_is "with its name" 1 crio "containers_oom_count_total{name=\"$NAME\"}"
check "its removal" crictl rm "$EATER"
check_is "takes the name away" "" crio "containers_oom_count_total{name=\"$NAME\"}"
check_is "not the count" 1 crio containers_oom_total

CTR=$(ctr_run "$POD" metrics.watched)
WATCHED='containers_stopped_monitor_count{name="k8s_metrics.watched_metrics_crisp-test_uid-metrics_0"}'
check_is "its shim never ended" "" crio "$WATCHED"
kill -KILL "$(cut -d ' ' -f 1 "$RUNROOT/pods/$POD/shim.pid")"
check "a shim that ends is counted" poll 20 crio_is "$WATCHED" 1
check "the container runs on" poll 20 ctr_is "$CTR" CONTAINER_RUNNING

touch "$HOLD"
CONFIG=$(ctr_config metrics.slow "$BUSYBOX")
again() { crictl -t 60s create "$POD" "$CONFIG" "$SCRATCH/pod-metrics.json"; }
again >"$SCRATCH/first" & FIRST=$!
check "the runtime waits" poll 20 [ -e "$HOLD.at" ]
again >"$SCRATCH/second" & SECOND=$!
check "a call that asks again is counted where the first is" poll 20 crio_is 'resources_stalled_at_stage{stage="container runtime creation"}' 1
rm "$HOLD"
wait $FIRST $SECOND
check_is "both get the same container" "$(cat "$SCRATCH/first")" cat "$SCRATCH/second"

# A zombie of this script's: its parent does not wait.
sh -c 'sleep 0.1 & exec sleep 60' & PARENT=$!
zombies() { figures >/dev/null; sleep 0.3; [ "$(crio processes_defunct)" -ge 1 ]; }
check "zombies of the node" poll 20 zombies
kill $PARENT; wait $PARENT 2>/dev/null

check_is "the default runtime" 1 crio 'default_runtime{runtime="held"}'
sed -i 's/^default_runtime = .*/default_runtime = "runc"/' "$SCRATCH/config.d/46-metrics.conf"
kill -HUP "$(daemon_pid)"
check "a reload that changes it" poll 20 crio_is 'default_runtime{runtime="runc"}' 1
check_is "leaves nothing of the former one" "" crio 'default_runtime{runtime="held"}'

check_is "promtool has nothing to say of CRI-O's and crisp's names but what CRI-O brings along" \
	"container_runtime_crio_containers_stopped_monitor_count counter metrics should have \"_total\" suffix
container_runtime_crio_containers_stopped_monitor_count non-histogram and non-summary metrics should not have \"_count\" suffix
container_runtime_crio_operations_latency_seconds_total non-counter metrics should not have \"_total\" suffix
container_runtime_crio_resources_stalled_at_stage counter metrics should have \"_total\" suffix" eval \
	'figures | "$CACHE/bin/promtool" check metrics 2>&1 | LC_ALL=C sort'

# --- configuration -----------------------------------------------------------------------------------------------------

families() { figures | sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' | LC_ALL=C sort | xargs; }
daemon_stop
cat >"$SCRATCH/config.d/47-metrics.conf" <<-CONF
	[crio.metrics]
	metrics_collectors = ["operations_total", "crio_containers_oom_total", "operations_latency_microseconds"]
CONF
daemon_start
check_is "collectors are chosen, former ones choose nothing" \
	"container_runtime_crio_containers_oom_total container_runtime_crio_operations_total crisp_operations_total process_cpu_seconds_total process_open_fds process_resident_memory_bytes" families
daemon_stop
printf '[crio.metrics]\nmetrics_collectors = ["operations_total"]\ncrio_names = false\n' >"$SCRATCH/config.d/47-metrics.conf"
daemon_start
check_is "CRI-O's names can be left out" \
	"crisp_operations_total process_cpu_seconds_total process_open_fds process_resident_memory_bytes" families
daemon_stop
printf '[crio.metrics]\nmetrics_collectors = ["operations_totals"]\n' >"$SCRATCH/config.d/47-metrics.conf"
check_fails "a collector that never was is a mistake" 'crio.metrics.metrics_collectors.*operations_totals' eval \
	'mapfile -t argv < <(peer_argv); timeout 20 "${argv[@]}"'

# A certificate that is not there.
CERT=$SCRATCH/made/sub/cert.pem KEY=$SCRATCH/made/other/key.pem
printf '[crio.metrics]\nmetrics_cert = "%s"\nmetrics_key = "%s"\n' "$CERT" "$KEY" >"$SCRATCH/config.d/47-metrics.conf"
daemon_start
secure() { curl -fsS --cacert "$CERT" "${URL/http:/https:}"; }
check "key and certificate are made when they are missing" eval 'secure | grep -q ^container_runtime_crio_operations_total'
check_is "the key is root's alone" 600 stat -c %a "$KEY"
check "the certificate is for localhost, too" eval 'openssl x509 -in "$CERT" -noout -ext subjectAltName | grep -q DNS:localhost'
SUM=$(sha256sum "$CERT" "$KEY")
daemon_stop
daemon_start
check_is "and kept" "$SUM" sha256sum "$CERT" "$KEY"
daemon_stop
rm "$CERT"
daemon_start
check "a key without certificate gets one" secure
check_is "and stays" "$(sed -n 2p <<<"$SUM")" sha256sum "$KEY"
daemon_stop
rm "$KEY"
check_fails "a certificate without its key is a mistake" "has no key" eval \
	'mapfile -t argv < <(peer_argv); timeout 20 "${argv[@]}"'
harness_end
