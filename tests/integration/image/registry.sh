#!/bin/bash
# registry.sh - crisp-pull against real registries: plain, htpasswd, TLS with a private CA and
# client certificates, token server, redirects, proxies, mirrors, retries with Retry-After, resume.
# The servers record requests: no credential reaches a foreign host.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$LIB_DIR/imagelib.sh"
pulldrv_build

# Layers that were whole before a pull failed are kept for the next try; the daemon lets go of them later.
nothing_left() {
	"$SCRATCH/pulldrv" clean "$IMAGES" "$PULL_ID" &&
		[ -z "$(find "$IMAGES/staging" "$IMAGES/layers" -mindepth 1 ! -path "$IMAGES/staging/layers" 2>/dev/null)" ]
}

for name in badregistry tokensrv; do
	cc -std=gnu17 -D_GNU_SOURCE -O1 ${CRISP_TEST_CFLAGS:-} -I"$TOP/src" -o "$SCRATCH/$name" "$LIB_DIR/$name.c" "$BUILD_DIR/libcrisp.a" -lcrypto -lpthread ||
		bail "$name does not compile"
done

# The loopback network is trusted without certificates, so what is about them is at an address of its own.
HOST=10.77.0.1
PROXY=10.77.0.2
ip addr add $HOST/32 dev lo
ip addr add $PROXY/32 dev lo

SERVERS=
end() {
	local rc=$?
	# shellcheck disable=SC2086
	[ -z "$SERVERS" ] || kill $SERVERS 2>/dev/null
	(exit $rc)
	harness_cleanup
}
trap end EXIT

# serve ADDRESS PORT COMMAND...: in the background, until it listens
serve() {
	local address=$1 port=$2
	shift 2
	"$@" >"$SCRATCH/server-$port.log" 2>&1 &
	SERVERS="$SERVERS $!"
	poll 30 bash -c "</dev/tcp/$address/$port" || bail "$1 does not listen at $address:$port: $(tail -n 3 "$SCRATCH/server-$port.log")"
}

# registry ADDRESS PORT [HTTP [TOP]]: a docker-registry; all of them share one store. HTTP and TOP are YAML.
registry() {
	printf '%s\n' "version: 0.1" "log: {level: error, accesslog: {disabled: true}}" \
		"storage: {filesystem: {rootdirectory: $SCRATCH/store}}" "http: {addr: \"$1:$2\"${3:+, $3}}" "${4:-}" >"$SCRATCH/registry-$2.yml"
	serve "$1" "$2" docker-registry serve "$SCRATCH/registry-$2.yml"
}

# --- keys and images -----------------------------------------------------------------------------------------------------

KEYS=$SCRATCH/keys
mkdir -p "$KEYS"
# authority NAME, signed NAME AUTHORITY [SAN]
authority() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$KEYS/$1.key" -out "$KEYS/$1.crt" 2>/dev/null
}
signed() {
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$KEYS/$1.key" -out "$KEYS/$1.csr" 2>/dev/null &&
		openssl x509 -req -days 2 -in "$KEYS/$1.csr" -CA "$KEYS/$2.crt" -CAkey "$KEYS/$2.key" -CAcreateserial -out "$KEYS/$1.crt" \
			-extfile <(echo "subjectAltName=${3:-DNS:$1}") 2>/dev/null
}
{ authority ca && authority other && signed server ca "IP:$HOST" && signed client ca && authority token; } || bail "openssl makes no keys"

umoci init --layout "$LAY"
mkdir -p "$SCRATCH/t"
LAYERS=()
for i in 1 2 3 4 5 6; do
	head -c 40000 /dev/urandom >"$SCRATCH/t/file$i"
	tar -C "$SCRATCH/t" -cf "$SCRATCH/layer$i.tar" "file$i"
	LAYERS+=("$SCRATCH/layer$i.tar")
done
put_image odd "${LAYERS[@]}"
registry 127.0.0.1 5000
for name in t/x t/y open/x shaky/x; do
	skopeo copy -q --dest-tls-verify=false "oci:$LAY:odd" "docker://127.0.0.1:5000/$name:1" >"$SCRATCH/make.log" 2>&1 || bail "skopeo: $(cat "$SCRATCH/make.log")"
done

# pulled WHAT PULL-ARGUMENTS...: from nothing, all layers
pulled() {
	local what=$1
	shift
	images_begin
	check "$what" pull "$@" && check_is "$what: all layers" 6 grep -c ^layer <<<"$OUT"
}
basic() { printf '%s' "$1" | base64 -w0; }

# --- Basic, and every place where credentials come from -------------------------------------------------------------------

htpasswd -Bbn user pass >"$SCRATCH/htpasswd" 2>/dev/null
registry 127.0.0.1 5001 "" "auth: {htpasswd: {realm: tests, path: $SCRATCH/htpasswd}}"
IMG=127.0.0.1:5001/t/x:1
pulled "user and password" $IMG username=user password=pass
pulled "the same as auth" $IMG "auth=$(basic user:pass)"
pulled "with the address of the registry" $IMG username=user password=pass server=https://127.0.0.1:5001/v1/
refused "for another registry they are not sent" "UNAUTHENTICATED.*user name" $IMG username=user password=pass server=127.0.0.1:5002
refused "none" "UNAUTHENTICATED.*user name" $IMG
refused "wrong ones" "UNAUTHENTICATED" $IMG username=user password=guess
check "a password is in no error" bash -c '! grep -q guess <<<"$1"' _ "$OUT"

AUTH=$SCRATCH/auth.json
auth_json() { jq -n "$@" >"$AUTH"; }
GOOD=$(basic user:pass) BAD=$(basic user:wrong)
auth_json --arg g "$GOOD" '{auths: {"127.0.0.1:5001": {auth: $g}}}'
pulled "auth.json: the host" $IMG "auth-file=$AUTH"
auth_json --arg g "$GOOD" '{auths: {"https://127.0.0.1:5001/v1/": {auth: $g}}}'
pulled "auth.json: a URL" $IMG "auth-file=$AUTH"
auth_json --arg g "$GOOD" --arg b "$BAD" '{auths: {"127.0.0.1:5001": {auth: $b}, "127.0.0.1:5001/t/x": {auth: $g}, "127.0.0.1:5001/t": {auth: $b}}}'
pulled "auth.json: the longest key wins" $IMG "auth-file=$AUTH"
refused "and only for what it covers" "UNAUTHENTICATED" 127.0.0.1:5001/t/y:1 "auth-file=$AUTH"
auth_json --arg g "$GOOD" '{auths: {"127.0.0.1:500": {auth: $g}, "127.0.0.1:5001/t/xx": {auth: $g}}}'
refused "a key is no mere beginning" "UNAUTHENTICATED.*user name" $IMG "auth-file=$AUTH"
auth_json '{auths: {}, credHelpers: {"127.0.0.1:5001": "vault"}}'
refused "a credential helper is named, not executed" "UNAUTHENTICATED.*credential helper vault" $IMG "auth-file=$AUTH"
echo '{"auths": {"127.0.0.1:5001": {"auth": "c2VjcmV0"' >"$AUTH"
refused "a broken auth.json" "auth.json:[0-9]+: not JSON" $IMG "auth-file=$AUTH"
check "is not repeated" bash -c '! grep -q c2VjcmV0 <<<"$1"' _ "$OUT"

NSDIR=$SCRATCH/nsauth
# one_shot NAMESPACE IMAGE: as CRI-O's credential provider leaves it
one_shot() {
	mkdir -p "$NSDIR"
	ONE_SHOT=$NSDIR/$1-$(printf '%s' "$2" | sha256sum | cut -d' ' -f1).json
	jq -n --arg g "$GOOD" '{auths: {"127.0.0.1:5001": {auth: $g}}}' >"$ONE_SHOT"
}
one_shot team $IMG
refused "the credentials of another namespace" "UNAUTHENTICATED" $IMG "namespaced=$NSDIR" namespace=mate
pulled "those of the pod's namespace" $IMG "namespaced=$NSDIR" namespace=team
check "are for one pull" test ! -e "$ONE_SHOT"
refused "and not for another one" "UNAUTHENTICATED" $IMG "namespaced=$NSDIR" namespace=team
one_shot team 127.0.0.1:5001/t/x
pulled "by the name without the tag" $IMG "namespaced=$NSDIR" namespace=team
one_shot team $IMG
refused "a namespace is no path" "INVALID_ARGUMENT.*namespace" $IMG "namespaced=$NSDIR/x" "namespace=../team"

# --- certificates -----------------------------------------------------------------------------------------------------------

TLS="tls: {certificate: $KEYS/server.crt, key: $KEYS/server.key}"
registry $HOST 5443 "$TLS"
registry $HOST 5444 "tls: {certificate: $KEYS/server.crt, key: $KEYS/server.key, clientcas: [$KEYS/ca.crt]}"
IMG=$HOST:5443/t/x:1
CERTS=$SCRATCH/certs.d
# certs_put DIR FILE NAME...
certs_put() {
	local dir=$CERTS/$1
	shift
	mkdir -p "$dir"
	while [ $# -gt 0 ]; do cp "$1" "$dir/$2"; shift 2; done
}
certs_begin() { rm -rf "$CERTS"; certs_put "$@"; }

refused "an authority nobody knows" "PRECONDITION.*certs.d/$HOST:5443" $IMG "certs=$CERTS"
check "is no registry that is unavailable" bash -c '! grep -q RegistryUnavailable <<<"$1"' _ "$OUT"
certs_begin $HOST:5443 "$KEYS/ca.crt" ca.crt
pulled "certs.d/HOST:PORT" $IMG "certs=$CERTS"
certs_begin $HOST "$KEYS/ca.crt" ca.crt
pulled "certs.d/HOST" $IMG "certs=$CERTS"
certs_begin $HOST:5443 "$KEYS/other.crt" a.crt "$KEYS/ca.crt" b.crt
pulled "several authorities" $IMG "certs=$CERTS"
certs_begin $HOST:5443 "$KEYS/other.crt" a.crt
refused "the wrong one" "PRECONDITION.*certs.d" $IMG "certs=$CERTS"
SSL_CERT_FILE=$KEYS/ca.crt pulled "one that the system trusts, another one beside it" $IMG "certs=$CERTS"
certs_begin $HOST:5443 "$KEYS/ca.key" a.crt
refused "a key is no authority" "a.crt is no certificate" $IMG "certs=$CERTS"
certs_begin $HOST:5443 "$KEYS/ca.crt" ca.crt "$KEYS/client.crt" me.cert
refused "a certificate without its key" "me.cert has no .*me.key" $IMG "certs=$CERTS"
pulled "a registry that may be insecure" $IMG insecure=$HOST
pulled "the same as a network" $IMG insecure=10.77.0.0/16
certs_begin $HOST:5444 "$KEYS/ca.crt" ca.crt "$KEYS/client.crt" me.cert "$KEYS/client.key" me.key
pulled "a client certificate" $HOST:5444/t/x:1 "certs=$CERTS"
rm "$CERTS/$HOST:5444"/me.*
refused "without it" "RegistryUnavailable|PRECONDITION" $HOST:5444/t/x:1 "certs=$CERTS"

# --- tokens -----------------------------------------------------------------------------------------------------------------

serve 127.0.0.1 5101 "$SCRATCH/tokensrv" token 127.0.0.1 5101 "$KEYS/token.key" "$KEYS/token.crt" "$SCRATCH/token.log"
registry 127.0.0.1 5002 "" "auth: {token: {realm: \"http://127.0.0.1:5101/token\", service: tests, issuer: tests, rootcertbundle: $KEYS/token.crt}}"
tokens() { : >"$SCRATCH/token.log"; pulled "$@"; }
asked() { check_is "$1: the token server was asked once" 1 grep -c . "$SCRATCH/token.log"; }
tokens "a token for user and password" 127.0.0.1:5002/t/x:1 username=user password=pass
asked "for manifest, config and six layers on several threads"
check "with the scope of the registry" grep -q 'scope=repository%3At%2Fx%3Apull' "$SCRATCH/token.log"
tokens "a token for a refresh token" 127.0.0.1:5002/t/x:1 identity-token=refresh
asked "by POST"
check "which is in no URL" bash -c "grep -q '^POST /token HTTP' '$SCRATCH/token.log'"
tokens "a token server with a bad moment" 127.0.0.1:5002/shaky/x:1 username=user password=pass
check_is "was asked again" 2 grep -c . "$SCRATCH/token.log"
tokens "a token for nobody" 127.0.0.1:5002/open/x:1
refused "where nobody gets one" "UNAUTHENTICATED.*token server" 127.0.0.1:5002/t/x:1
refused "wrong ones" "UNAUTHENTICATED.*refuses the credentials" 127.0.0.1:5002/t/x:1 username=user password=wrong
sed 's/:5001/:5002/; s/"auth"/"x"/' >"$AUTH" <<<'{"auths": {"127.0.0.1:5002": {"identitytoken": "refresh"}}}'
tokens "an identity token in auth.json" 127.0.0.1:5002/t/x:1 "auth-file=$AUTH"

# --- redirects to another host ------------------------------------------------------------------------------------------------

mkdir -p "$SCRATCH/nginx"
cat >"$SCRATCH/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $SCRATCH/nginx.pid; error_log $SCRATCH/nginx/error.log;
events {}
http {
	client_body_temp_path $SCRATCH/nginx/b; proxy_temp_path $SCRATCH/nginx/p; fastcgi_temp_path $SCRATCH/nginx/f;
	uwsgi_temp_path $SCRATCH/nginx/u; scgi_temp_path $SCRATCH/nginx/s;
	log_format seen '\$server_port|\$request_uri|\$http_authorization|\$ssl_client_s_dn|\$http_cookie';
	access_log $SCRATCH/nginx/seen.log seen;
	ssl_certificate $KEYS/server.crt; ssl_certificate_key $KEYS/server.key;
	ssl_client_certificate $KEYS/ca.crt; ssl_verify_client optional;
	server {
		listen $HOST:5445 ssl;
		auth_basic tests; auth_basic_user_file $SCRATCH/htpasswd;
		location ~ ^/v2/.*/manifests/ { proxy_pass http://127.0.0.1:5000; }
		location ~ ^/v2/down/.*/blobs/ { return 307 http://$HOST:5447\$request_uri; }
		location ~ ^/v2/.*/blobs/ { return 307 https://$HOST:5446\$request_uri; }
	}
	server { listen $HOST:5446 ssl; location / { proxy_pass http://127.0.0.1:5000; } }
	server { listen $HOST:5447; location / { rewrite ^/v2/down/(.*) /v2/t/\$1 break; proxy_pass http://127.0.0.1:5000; } }
	server { listen $PROXY:3129; location / { proxy_pass http://\$http_host\$request_uri; } }
}
CONF
skopeo copy -q --dest-tls-verify=false "oci:$LAY:odd" docker://127.0.0.1:5000/down/x:1 >"$SCRATCH/make.log" 2>&1 || bail "skopeo: $(cat "$SCRATCH/make.log")"
serve $HOST 5447 nginx -c "$SCRATCH/nginx.conf"
certs_begin $HOST:5445 "$KEYS/ca.crt" ca.crt "$KEYS/client.crt" me.cert "$KEYS/client.key" me.key
pulled "blobs at another host, whose authority is the registry's" $HOST:5445/t/x:1 "certs=$CERTS" username=user password=pass
check "the registry saw password and certificate" grep -q "^5445|/v2/t/x/manifests/1|Basic $GOOD|CN=client|" "$SCRATCH/nginx/seen.log"
check_is "the other host saw seven requests" 7 grep -c '^5446|' "$SCRATCH/nginx/seen.log"
check_is "and neither password nor certificate" 0 awk -F'|' '$1 == 5446 && ($3 $4 $5) != "--" && ($3 $4 $5) != "---" { n++ } END { print n + 0 }' "$SCRATCH/nginx/seen.log"
refused "from https to http" "PRECONDITION.*redirected from https to http://$HOST:5447.*refused" $HOST:5445/down/x:1 "certs=$CERTS" username=user password=pass
check "nobody was asked there" bash -c "! grep -q '^5447|/v2/down' '$SCRATCH/nginx/seen.log'"

# --- proxies ------------------------------------------------------------------------------------------------------------------

serve $PROXY 3128 "$SCRATCH/tokensrv" proxy $PROXY 3128 "$SCRATCH/proxy.log"
certs_begin $HOST "$KEYS/ca.crt" ca.crt
proxied() { : >"$SCRATCH/proxy.log"; pulled "$@"; }
HTTPS_PROXY=http://$PROXY:3128 proxied "HTTPS_PROXY" $HOST:5445/t/x:1 "certs=$CERTS" username=user password=pass
check "leads through it" grep -q "^CONNECT $HOST:5445 HTTP" "$SCRATCH/proxy.log"
check_is "which sees no credentials" 0 awk -F'|' '$2 $3 != "" { n++ } END { print n + 0 }' "$SCRATCH/proxy.log"
HTTPS_PROXY=http://me:secret@$PROXY:3128 proxied "a proxy with a password" $IMG "certs=$CERTS"
check "gets it" grep -q "^CONNECT $HOST:5443 HTTP/1.1||Basic $(basic me:secret)|" "$SCRATCH/proxy.log"
HTTPS_PROXY=http://$PROXY:3128 NO_PROXY=example.test,10.77.0.0/24 proxied "NO_PROXY" $IMG "certs=$CERTS"
check_is "goes past it" "" cat "$SCRATCH/proxy.log"
HTTP_PROXY=http://$PROXY:3128 HTTPS_PROXY=http://$PROXY:3128 proxied "the loopback network" 127.0.0.1:5000/t/x:1
check_is "needs none" "" cat "$SCRATCH/proxy.log"
registry $HOST 5003
HTTP_PROXY=http://$PROXY:3129 pulled "HTTP_PROXY" $HOST:5003/t/x:1 insecure=$HOST
check "leads through it" grep -q '^3129|' "$SCRATCH/nginx/seen.log"
HTTPS_PROXY=http://$PROXY:9 refused "a proxy that is not there" "RegistryUnavailable" $IMG "certs=$CERTS"

# --- registries that misbehave --------------------------------------------------------------------------------------------------

serve 127.0.0.1 5201 "$SCRATCH/badregistry" 5201 "$LAY"
SEEN=$SCRATCH/server-5201.log
bad() { local what=$1 name=$2; shift 2; pulled "$what" "127.0.0.1:5201/$name/x:odd" "$@"; }
bad "429 with a date" later
bad "tokens that expire in the middle of a pull" expire
check "are renewed" test "$(grep -c ' /token' "$SEEN")" -ge 3
bad "the rest in parts" parts
check "each of which was asked for" test "$(grep -c '/v2/parts/.*/blobs/' "$SEEN")" -ge 20
T=$SECONDS
refused "429 for an hour" "RegistryUnavailable.*HTTP 429" 127.0.0.1:5201/hour/x:odd
check "is not waited for" test $((SECONDS - T)) -lt 30
refused "the rest of something else" "a part of [0-9]+ bytes instead of" 127.0.0.1:5201/swap/x:odd
refused "a part without its place" "without its Content-Range" 127.0.0.1:5201/bare206/x:odd
refused "a web page" "came as text/html" 127.0.0.1:5201/page/x:odd
refused "a redirect to a file" "PRECONDITION.*file:///" 127.0.0.1:5201/file/x:odd
refused "somebody else who asks for credentials" "UNAUTHENTICATED" 127.0.0.1:5201/trap/x:odd username=user password=pass
check "gets none" bash -c "! grep -E '^5202 .*(Basic|Bearer)' '$SEEN' && ! grep -q '^5202 /token' '$SEEN'"
T=$SECONDS
refused "nothing moves" "RegistryUnavailable.*pull_progress_timeout" 127.0.0.1:5201/stuck/x:odd timeout-ms=1500
check "which is noticed" test $((SECONDS - T)) -lt 40

# --- mirrors and names -------------------------------------------------------------------------------------------------------

CONF=$SCRATCH/mirrors.conf
cat >"$CONF" <<CONF
unqualified-search-registries = ["127.0.0.1:5000/none", "127.0.0.1:5000/t"]
[[registry]]
prefix = "asked.test"
location = "127.0.0.1:5201/none"
[[registry.mirror]]
location = "127.0.0.1:5201/broken"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "127.0.0.1:5000/t"
pull-from-mirror = "digest-only"
[[registry]]
prefix = "*.wild.test"
location = "127.0.0.1:5000/t"
[[registry]]
prefix = "127.0.0.1:5000/t/x:bad"
blocked = true
[aliases]
"y" = "127.0.0.1:5000/t/y"
CONF
images_begin
check "the manifest's digest" pull 127.0.0.1:5000/t/x:1
DIGEST=$(awk '$1 == "manifest" { print $2 }' <<<"$OUT")
names() { awk '$1 == "tag" || $1 == "digest" { print $2 }' <<<"$OUT"; }
pulled "a digest from a mirror for digests" "asked.test/x@$DIGEST" "registries=$CONF"
OUT=$(names <<<"$OUT")
pulled "tag and digest: the digest counts" "asked.test/x:never@$DIGEST" "registries=$CONF"
images_begin
check "names after a pull by tag and digest" pull "asked.test/x:never@$DIGEST" "registries=$CONF"
check_is "are the asked name with the digest alone" "asked.test/x@$DIGEST" names
refused "a tag is not taken from there, and all errors are told" "NOT_FOUND.*none/x.*mirrors:.*HTTP 500" asked.test/x:1 "registries=$CONF"
pulled "a wildcard" a.b.wild.test/x:1 "registries=$CONF"
refused "a tag that is blocked" "blocked" 127.0.0.1:5000/t/x:bad "registries=$CONF"
refused "a short name of several meanings" "short name x may be 127.0.0.1:5000/none/x, 127.0.0.1:5000/t/x" x:1 "registries=$CONF" short-names=enforcing
pulled "where that is allowed they are tried" x:1 "registries=$CONF" short-names=disabled
pulled "an alias decides" y:1 "registries=$CONF" short-names=enforcing
images_begin
check "the same" pull y:1 "registries=$CONF"
check_is "its name" "127.0.0.1:5000/t/y:1 127.0.0.1:5000/t/y@$DIGEST" bash -c 'echo $(awk "\$1 == \"tag\" || \$1 == \"digest\" { print \$2 }" <<<"$1")' _ "$OUT"
sed 's/5000\/t"\]/5001\/t"]/' "$CONF" >"$CONF.2"
refused "what comes with a short name of several meanings is sent to none" "UNAUTHENTICATED|not found" x:1 "registries=$CONF.2" username=user password=pass

# --- kinds of layers ------------------------------------------------------------------------------------------------------------

# alter TAG FROM JQ [ARG...]: the image FROM with its manifest changed
alter() {
	local tag=$1 from=$2 what=$3
	shift 3
	jq -c "$@" "$what" "$BLOBS/$(jq -r --arg t "$from" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $t).digest[7:]' \
		"$LAY/index.json")" >"$SCRATCH/altered.json"
	put_manifest "$tag" "$SCRATCH/altered.json"
}
mkdir -p "$SCRATCH/www"
cat >"$SCRATCH/www.conf" <<CONF
daemon off; worker_processes 1; pid $SCRATCH/www.pid; error_log $SCRATCH/nginx/www-error.log;
events {}
http {
	client_body_temp_path $SCRATCH/nginx/b2; proxy_temp_path $SCRATCH/nginx/p2; fastcgi_temp_path $SCRATCH/nginx/f2;
	uwsgi_temp_path $SCRATCH/nginx/u2; scgi_temp_path $SCRATCH/nginx/s2;
	log_format seen '\$request_uri|\$http_authorization'; access_log $SCRATCH/nginx/www.log seen;
	server { listen 127.0.0.1:8080; root $SCRATCH/www; }
}
CONF
serve 127.0.0.1 8080 nginx -c "$SCRATCH/www.conf"
put_image foreign "$SCRATCH/layer1.tar" "$SCRATCH/layer2.tar"
F=$(sha256sum <"$SCRATCH/layer2.tar" | cut -d' ' -f1)
FOREIGN='.layers[1] |= . + {urls: ["http://127.0.0.1:8080/none", "http://127.0.0.1:8080/blob"], mediaType: $t}'
alter foreign2 foreign "$FOREIGN" --arg t application/vnd.oci.image.layer.nondistributable.v1.tar
alter foreign3 foreign "$FOREIGN" --arg t application/vnd.oci.image.layer.v1.tar
mv "$BLOBS/$F" "$SCRATCH/www/blob"
images_begin
check "a foreign layer comes from where it says" pull 127.0.0.1:5201/basic/x:foreign2 username=user password=pass
check_is "where no credentials go" "/none|- /blob|-" bash -c "echo \$(cat '$SCRATCH/nginx/www.log')"
refused "a layer that is not foreign does not" "NOT_FOUND" 127.0.0.1:5201/plain/x:foreign3
head -c 51200 /dev/zero >"$SCRATCH/www/blob"
refused "something else is there" "bytes|digest" 127.0.0.1:5201/plain/x:foreign2

tar -C "$SCRATCH/t" -cf "$SCRATCH/z.tar" file1 file2
Z=sha256:$(sha256sum <"$SCRATCH/z.tar" | cut -d' ' -f1)
# What zstd:chunked adds: frames of their own for each file, and a skippable frame with the table of contents.
{ head -c 45000 "$SCRATCH/z.tar" | zstd -q; tail -c +45001 "$SCRATCH/z.tar" | zstd -q; printf '\x50\x2a\x4d\x18\x08\x00\x00\x00contents'; } >"$SCRATCH/chunked.zst"
put_image chunked "$SCRATCH/chunked.zst=$Z"
# eStargz: a gzip member for each file and one for the table of contents, which is a file as well.
echo '{"version":1,"entries":[]}' >"$SCRATCH/t/stargz.index.json"
tar -C "$SCRATCH/t" -cf "$SCRATCH/s.tar" file1 file2 stargz.index.json
{ head -c 41472 "$SCRATCH/s.tar" | gzip; tail -c +41473 "$SCRATCH/s.tar" | gzip; printf '' | gzip; } >"$SCRATCH/s.tgz"
put_image stargz "$SCRATCH/s.tgz=sha256:$(sha256sum <"$SCRATCH/s.tar" | cut -d' ' -f1)"
: >"$SCRATCH/nothing.tar"
head -c 10240 /dev/zero >"$SCRATCH/empty.tar"
gzip -nk "$SCRATCH/empty.tar"
put_image empty "$SCRATCH/empty.tar" "$SCRATCH/empty.tar.gz=sha256:$(sha256sum <"$SCRATCH/empty.tar" | cut -d' ' -f1)" "$SCRATCH/layer1.tar"
put_image nothing "$SCRATCH/nothing.tar" "$SCRATCH/layer1.tar"
alter secret odd '.layers[2].mediaType = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"'
for kind in chunked stargz empty nothing; do
	images_begin
	check "a layer that is $kind" pull "a:$kind" "layout=$LAY"
done
check_is "and the layer above is whole" "$(sha256sum <"$SCRATCH/t/file1")" bash -c "sha256sum <'$IMAGES/layers'/*/fs/file1"
refused "an encrypted layer" "UNIMPLEMENTED.*layers\[2\] is encrypted" a:secret "layout=$LAY"

harness_end
