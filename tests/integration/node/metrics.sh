#!/bin/bash
# metrics.sh - Prometheus metrics over TCP, TLS and a unix socket: valid families, counts of calls,
# errors and objects, progress of a running pull (also in `crisp pull`), and errors for malformed
# requests.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../tlslib.sh"
registry_start
cat >"$SCRATCH/config.d/46-metrics.conf" <<-CONF
	[crio.metrics]
	enable_metrics = true
	metrics_host = "localhost"
	metrics_port = 9190
	metrics_socket = "$SCRATCH/run/metrics.sock"
CONF
daemon_start

URL=http://127.0.0.1:9190/metrics
figures() { curl -fsS "$URL"; }
# One figure: its name with labels.
figure() { figures | awk -v name="$1" '$1 == name { print $2 }'; }

check "figures over TCP" figures
check "and over the unix socket" curl -fsS --unix-socket "$SCRATCH/run/metrics.sock" http://localhost/metrics
check "every line is a comment or a name with a number" eval \
	'! figures | grep -vE "^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*\})? [0-9]+(\.[0-9]+)?)$"'
check_is "no family is there twice" "" eval 'figures | grep "^# TYPE" | sort | uniq -d'

BEFORE=$(figure 'crisp_operations_total{operation="ListPodSandbox"}')
check "a call" crictl pods
check "is counted" [ "$(figure 'crisp_operations_total{operation="ListPodSandbox"}')" -gt "$BEFORE" ]
check_is "and is in the histogram" "$(figure 'crisp_operations_total{operation="ListPodSandbox"}')" \
	figure 'crisp_operations_latency_seconds_bucket{operation="ListPodSandbox",le="+Inf"}'
check_fails "a call that fails" "." crictl inspect 0123456789abcdef
check_is "is counted as an error" 1 eval \
	'[ "$(figure "crisp_operations_errors_total{operation=\"ContainerStatus\"}")" -ge 1 ] && echo 1'

check "an image" crictl pull "$BUSYBOX"
check_is "is an object in its state" 1 figure 'crisp_objects{machine="image",state="PRESENT"}'
check_is "nothing is in quarantine" 0 figure crisp_objects_quarantined
check "the daemon's memory" [ "$(figure process_resident_memory_bytes)" -gt 1000000 ]

# A pull from a registry that is slow: how far it is stands in the figures, and on the terminal of who waits.
SLOW=127.0.0.1:5001
cat >"$SCRATCH/nginx.conf" <<-CONF
	daemon off; pid $SCRATCH/nginx.pid; error_log $SCRATCH/nginx.log;
	events {}
	http {
		access_log off; client_body_temp_path $SCRATCH/nginx.body; proxy_temp_path $SCRATCH/nginx.proxy;
		fastcgi_temp_path $SCRATCH/nginx.1; uwsgi_temp_path $SCRATCH/nginx.2; scgi_temp_path $SCRATCH/nginx.3;
		server { listen $SLOW; location / { proxy_pass http://$REGISTRY; limit_rate 250k; } }
	}
CONF
nginx -c "$SCRATCH/nginx.conf" &
NGINX=$!
trap 'rc=$?; kill $NGINX; wait $NGINX; (exit $rc); harness_cleanup' EXIT
poll 20 curl -fsS "http://$SLOW/v2/" || bail "nginx does not start"
check "the image goes" crictl rmi "$BUSYBOX"
OK=$(figure crisp_image_pulls_success_total)
"$BUILD_DIR/crisp" --socket "$SOCKET" pull "${BUSYBOX/$REGISTRY/$SLOW}" >"$SCRATCH/pulled" 2>"$SCRATCH/lines" &
PULL=$!
# One look at the figures serves both checks: the pull may end between two.
moving() {
	figures >"$SCRATCH/figures" &&
		grep -E "^crisp_image_pull_bytes_done\{pull=\"[0-9a-f]{13}\",image=\"$SLOW/[^\"]+\",source=\"$SLOW\"\} [1-9]" "$SCRATCH/figures"
}
check "a running pull has figures" poll 20 moving
check_is "it wants one layer" 1 sed -n "s/^crisp_image_pull_layers{.*} //p" "$SCRATCH/figures"
PULLED=0
wait $PULL || PULLED=$?
check_is "it succeeds" 0 echo $PULLED
check "who waits is told how far it is" grep -E "fetching 0/1 layers, .*B of .*B, .*/s from $SLOW" "$SCRATCH/lines"
check_is "and gets nothing but the reference on stdout" 1 eval 'grep -c "" "$SCRATCH/pulled"'
check_is "it is counted" $((OK + 1)) figure crisp_image_pulls_success_total
check "with its bytes" [ "$(figure crisp_image_pulls_bytes_total)" -gt 500000 ]
check_is "and has no figures of its own any more" "" eval 'figures | grep "^crisp_image_pull_bytes_done{" || true'

code() { curl -sS -o /dev/null -w '%{http_code}' "$@"; }
check_is "another path is not found" 404 code http://127.0.0.1:9190/
check_is "only GET" 405 code -X POST -H 'Content-Length: 0' "$URL"
check_is "a request that could be read in two ways is refused" "HTTP/1.1 400 Bad Request" eval \
	'printf "GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" | socat -t5 - TCP:127.0.0.1:9190 | head -1 | tr -d "\r"'
# More clients than there is room for, who say nothing: they are let go, others are served meanwhile or
# afterwards, and the daemon answers its calls all the time.
hold() {
	local i
	for i in $(seq 40); do socat -T 30 - TCP:127.0.0.1:9190 </dev/zero >/dev/null 2>&1 & HOLDERS+=($!); done
}
HOLDERS=()
hold
check "calls are answered while clients hang on" crictl pods
check "and figures, too" poll 30 figures
for pid in "${HOLDERS[@]}"; do kill "$pid" 2>/dev/null; wait "$pid"; done

daemon_stop
cat >>"$SCRATCH/config.d/46-metrics.conf" <<-CONF
	metrics_collectors = ["container_runtime_crio_operations_total", "objects"]
CONF
daemon_start
check_is "only the families asked for" "crisp_objects crisp_operations_total" eval \
	'figures | sed -n "s/^# TYPE \(crisp_[a-z_]*\) .*/\1/p" | sort | xargs'

# --- TLS ---------------------------------------------------------------------------------------------------------------

daemon_stop
tls_make_ca ca
tls_make_cert server ca "subjectAltName = IP:127.0.0.1"
printf 'metrics_cert = "%s"\nmetrics_key = "%s"\n' "$SCRATCH"/tls/server.{pem,key} >>"$SCRATCH/config.d/46-metrics.conf"
daemon_start
secure() { curl -fsS --cacert "$SCRATCH/tls/${1:-ca}.pem" "${URL/http:/https:}"; }
check "TLS: figures" eval 'secure | grep -q "^crisp_objects"'
check_is "TLS: not without it" 000 eval 'code "$URL" || :'
check "TLS: the unix socket needs none" curl -fsS --unix-socket "$SCRATCH/run/metrics.sock" http://localhost/metrics
many() { local i pids=(); for i in $(seq 20); do secure >/dev/null & pids+=($!); done; for i in "${pids[@]}"; do wait "$i" || return 1; done; }
check "TLS: 20 at a time" many
HOLDERS=()
hold
check "TLS: calls are answered while clients say what is no TLS" crictl pods
check "TLS: and figures, too" poll 30 secure
for pid in "${HOLDERS[@]}"; do kill "$pid" 2>/dev/null; wait "$pid"; done
tls_make_ca other
tls_make_cert server other "subjectAltName = IP:127.0.0.1"
check "TLS: new files are taken without a restart" poll 20 secure other
daemon_stop
sed -i '/^metrics_key/d' "$SCRATCH/config.d/46-metrics.conf"
check_fails "TLS: a certificate without its key is a mistake that is named" "metrics_cert and metrics_key go together" eval \
	'mapfile -t argv < <(peer_argv); timeout 20 "${argv[@]}"'
harness_end
