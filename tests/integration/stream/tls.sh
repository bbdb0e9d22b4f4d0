#!/bin/bash
# tls.sh - TLS of the streaming server with openssl s_client: versions, cipher suites, client
# certificates, reload of replaced files, errors for unusable files.
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$LIB_DIR/tlslib.sh"
registry_start
tls_make_ca ca
tls_make_ca other
tls_make_cert server ca 'subjectAltName=IP:127.0.0.1,IP:::1' first
tls_make_cert client ca 'extendedKeyUsage=clientAuth'
tls_make_cert stranger other 'extendedKeyUsage=clientAuth'
TLS=$SCRATCH/tls

# HOST:PORT that the running daemon listens at
endpoint() { sed -n 's/.*msg="streaming" .*url=https:\/\/\([^ "]*\).*/\1/p' "$SCRATCH/daemon.log" | tail -n 1; }
# talk [S_CLIENT-OPTION...]: a request for nothing, and the answer; s_client's report in $SCRATCH/report
talk() {
	printf 'GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n' |
		timeout 60 openssl s_client -connect "$(endpoint)" -CAfile "$TLS/ca.pem" -verify_return_error -ign_eof "$@" >"$SCRATCH/report" 2>&1
	grep -o 'HTTP/1.1 404 Not Found' "$SCRATCH/report"
}
negotiated() { talk "$@" >/dev/null; sed -n 's/^New, \(.*\), Cipher is \(.*\)$/\1 \2/p' "$SCRATCH/report"; }
subject() { talk "$@" >/dev/null; sed -n 's/^subject=CN = //p' "$SCRATCH/report"; }
restart() {
	daemon_kill TERM
	daemon_again
}
ANSWER='HTTP/1.1 404 Not Found'

# --- versions and suites -------------------------------------------------------------------------------------------------

tls_conf
daemon_start
check_is "TLS 1.3" "$ANSWER" talk -tls1_3
check_is "TLS 1.2" "$ANSWER" talk -tls1_2
check_fails "TLS 1.1 is too old" '' talk -tls1_1 -cipher 'ALL:@SECLEVEL=0'
check "and an alert says so" grep -qi 'alert protocol version' "$SCRATCH/report"
check "no tickets are given" eval '! grep -q "TLS session ticket:" "$SCRATCH/report"'
check "plain HTTP is no answer" eval '! curl -fsS --max-time 20 "http://$(endpoint)/" 2>/dev/null'
check_is "a client that verifies" 404 curl -s -o /dev/null -w '%{http_code}' --max-time 20 --cacert "$TLS/ca.pem" "https://$(endpoint)/nothing"
check "the end is said, not only made" eval 'talk -tls1_3 >/dev/null && ! grep -qi "unexpected eof" "$SCRATCH/report"'

tls_conf 'tls_min_version = "VersionTLS13"' 'tls_cipher_suites = ["TLS_CHACHA20_POLY1305_SHA256"]' 'stream_address = "::1"'
restart
check_is "the one suite that is left" 'TLSv1.3 TLS_CHACHA20_POLY1305_SHA256' negotiated
check_fails "TLS 1.2 is too old now" '' talk -tls1_2
check_fails "and another suite refused" '' talk -ciphersuites TLS_AES_128_GCM_SHA256
check "an IPv6 address is written as one" grep -q '^\[::1\]:[0-9]*$' <(endpoint)
tls_conf 'tls_cipher_suites = ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]' 'stream_address = "0.0.0.0"'
restart
check_is "a suite of TLS 1.2" 'TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384' negotiated -tls1_2
check_fails "and no other" '' talk -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256
check "who listens everywhere is found on this node" grep -q '^127\.0\.0\.1:[0-9]*$' <(endpoint)

# --- clients' certificates -----------------------------------------------------------------------------------------------

tls_conf "stream_tls_ca = \"$TLS/ca.pem\""
restart
check_fails "a client without a certificate" '' talk
check_fails "one whose authority is another" '' talk -cert "$TLS/stranger.pem" -key "$TLS/stranger.key"
check_fails "one with a server's certificate, renamed" '' talk -cert "$TLS/client.pem" -key "$TLS/stranger.key"
check_is "one that has one" "$ANSWER" talk -cert "$TLS/client.pem" -key "$TLS/client.key"
check_is "with TLS 1.2, too" "$ANSWER" talk -tls1_2 -cert "$TLS/client.pem" -key "$TLS/client.key"

# --- new files -----------------------------------------------------------------------------------------------------------

tls_conf
restart
# Somebody who says nothing is sent away; looked at again at the end.
exec 7<>"/dev/tcp/127.0.0.1/$(endpoint | sed 's/.*://')"
{ timeout 120 cat <&7 >/dev/null && echo gone >"$SCRATCH/silent"; } &
exec 7>&-
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run tls
POD=$OUT
check "a container" ctr_run "$POD" tls.a '.metadata.name = "a" | .log_path = "a.log"'
CTR=$OUT
check_is "crictl, over SPDY" x crictl exec -r spdy "$CTR" echo x
check_is "crictl, over WebSocket" x crictl exec -r websocket "$CTR" echo x
check_is "the first certificate" first subject
# A session that is open keeps what it has.
exec {TYPED}< <(exec sleep 60)
"$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" exec -i "$CTR" sh -c 'echo up; cat' <&"$TYPED" >"$SCRATCH/up" 2>&1 &
check "a session is open" poll 20 grep -q up "$SCRATCH/up"
SESSION=$!
tls_make_cert server ca 'subjectAltName=IP:127.0.0.1' second
check_is "the second, without a restart" second subject
check "the log names it" grep -q 'new TLS files' "$SCRATCH/daemon.log"
check "the open session goes on" kill -0 $SESSION
kill $SESSION
wait $SESSION 2>/dev/null
echo nonsense >"$TLS/server.pem"
check_is "a broken file changes nothing" second subject
check "and is told" grep -q 'stream_tls_cert.*server.pem' <(grep level=error "$SCRATCH/daemon.log")
talk >/dev/null
check_is "once" 1 grep -c 'are not used' "$SCRATCH/daemon.log"
tls_make_cert server ca 'subjectAltName=IP:127.0.0.1' third
check_is "the third" third subject

# --- what cannot be used -------------------------------------------------------------------------------------------------

check "all is removed" everything_remove
check "somebody who says nothing is sent away" poll 60 test -e "$SCRATCH/silent"
daemon_stop
mapfile -t ARGV < <(peer_argv)
refused() {
	local what=$1 pattern=$2
	shift 2
	tls_conf "$@"
	check_fails "$what" "$pattern" timeout 60 "${ARGV[@]}"
}
refused "a suite that does not exist" 'tls_cipher_suites.*TLS_NO_SUCH' 'tls_cipher_suites = ["TLS_NO_SUCH"]'
refused "a version that does not exist" 'tls_min_version.*VersionTLS12' 'tls_min_version = "TLS9"'
refused "an authority that is not there" 'stream_tls_ca.*absent' 'stream_tls_ca = "/absent.pem"'
refused "an idle time that is none" 'stream_idle_timeout.*duration' 'stream_idle_timeout = "soon"'
cp "$TLS/client.key" "$TLS/server.key"
refused "a key of another certificate" 'stream_tls_key.*mismatch'
openssl genpkey -algorithm RSA -aes256 -pass pass:x -out "$TLS/server.key" 2>/dev/null
refused "a key with a passphrase" 'stream_tls_key'
rm "$TLS/server.key" "$TLS/server.pem"
refused "no files at all" 'stream_tls_cert.*server.pem'
harness_end
