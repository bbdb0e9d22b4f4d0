#!/bin/bash
# clients.sh - client-go (tests/goclient), as in kubectl and the kubelet: exec, attach and
# port-forward over SPDY and WebSocket in each protocol version, plain and with TLS and client
# certificates, for CNI and host-network pods.
#
# CRISP_TEST_MIB  how much each transfer sends through (default 16)
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
[ -x "$CACHE/bin/goclient" ] || bail "goclient is missing: run tools/test-deps.sh first"
. "$LIB_DIR/tlslib.sh"
MIB=${CRISP_TEST_MIB:-16}
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run clients
POD=$OUT
check "a container" ctr_run "$POD" clients.a '.metadata.name = "a" | .log_path = "a.log"'
CTR=$OUT

# serve WHERE [COMMAND...]: the servers that ports lead to
serve() {
	local where=$1
	shift
	: >"$SCRATCH/serve"
	"$@" "$CACHE/bin/goclient" serve -mib "$MIB" >"$SCRATCH/serve" 2>&1 &
	SERVE=$!
	check "servers in the $where network" poll 20 grep -q serving "$SCRATCH/serve"
}
serve_end() {
	kill $SERVE
	wait $SERVE 2>/dev/null
}
serve_in_pod() { serve "pod's" nsenter --net="/proc/$(crictl inspect "$CTR" | jq .info.pid)/ns/net"; }
serve_in_pod

# client COMMAND WHAT [FLAG...]: its checks become ours.
client() {
	local command=$1 what=$2 line
	shift 2
	while read -r line; do
		case $line in
		"ok "*) ok "$what: ${line#ok }" ;;
		"not ok "*) not_ok "$what: ${line#not ok }" ;;
		*) diag <<<"$line" ;;
		esac
	done < <("$CACHE/bin/goclient" "$command" -socket "$SOCKET" -pod "$POD" -container "$CTR" -mib "$MIB" "$@" 2>&1 || echo "status $?")
}
READER='.command = ["sh", "-c", "while read l; do echo got $l; done; echo over"] | .stdin = true | .stdin_once = true'
# 40 MB: more than every buffer on the way to a client that does not read.
FLOODER='.command = ["sh", "-c", "read l; yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 40000000; echo; echo flooded; while :; do sleep 1; done"] | .stdin = true'
N=0
attach_client() {
	local what=$1
	shift
	N=$((N + 1))
	check "$what: a container that reads" ctr_run "$POD" clients.r$N ".metadata.name = \"r$N\" | .log_path = \"r$N.log\" | $READER"
	local reader=$OUT
	check "$what: a container that floods" ctr_run "$POD" clients.f$N ".metadata.name = \"f$N\" | .log_path = \"f$N.log\" | $FLOODER"
	client attach "$what attach" -reader "$reader" -flooder "$OUT" "$@"
	crictl rm -f "$reader" "$OUT" >/dev/null
}
everything() {
	local what=$1
	shift
	for T in spdy websocket; do
		client exec "$what$T exec" -transport $T "$@"
		attach_client "$what$T" -transport $T "$@"
		client forward "$what$T port-forward" -transport $T "$@"
	done
	client proto "${what}versions" "$@"
}
everything ""

# --- a pod in the host's network -----------------------------------------------------------------------------------------

serve_end
serve "host's"
check "a pod in it" pod_run hostly "$HOST_NET"
INNER=$POD
POD=$OUT
client forward "host network" -transport spdy
POD=$INNER
serve_end

# --- TLS -----------------------------------------------------------------------------------------------------------------

serve_in_pod
tls_make_ca ca
tls_make_cert server ca 'subjectAltName=IP:127.0.0.1'
tls_make_cert client ca 'extendedKeyUsage=clientAuth'
tls_conf 'stream_tls_ca = "'"$SCRATCH/tls/ca.pem"'"'
daemon_kill TERM
daemon_again
everything "TLS " -ca "$SCRATCH/tls/ca.pem" -cert "$SCRATCH/tls/client.pem" -key "$SCRATCH/tls/client.key"
serve_end
check "all is removed" everything_remove
daemon_stop
check_is "the daemon ends well" 0 echo "$DAEMON_STATUS"
harness_end
