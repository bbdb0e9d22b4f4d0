#!/bin/bash
# trust.sh - policy.json per namespace: reject, signedBy (GPG), sigstoreSigned (keys), registries.d;
# signatures by skopeo and gpg in directories, behind nginx, in a registry. The daemon checks again
# before it makes a container.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

cc -std=gnu17 -D_GNU_SOURCE -Ulinux -O1 ${CRISP_TEST_CFLAGS:-} -I"$TOP/src" -I"$TOP" -I"$TOP/gen" -o "$SCRATCH/pulldrv" \
	"$LIB_DIR/pulldrv.c" "$BUILD_DIR/libcrisp.a" -lprotobuf-c -ljansson -lxxhash -lpthread || bail "pulldrv does not compile"
registry_start

export GNUPGHOME=$SCRATCH/gnupg
LOOKASIDE=$SCRATCH/lookaside
IMAGES=$SCRATCH/images
POLICY=$SCRATCH/policy.json
ID=$(printf '%064d' 8)
NGINX_PID=
mkdir -m 700 "$GNUPGHOME"
mkdir -p "$LOOKASIDE" "$SCRATCH"/{keys,registries.d,policies,logs}

end() {
	local rc=$?
	gpgconf --kill gpg-agent 2>/dev/null
	[ -z "$NGINX_PID" ] || kill "$NGINX_PID" 2>/dev/null
	(exit $rc)
	harness_cleanup
}
trap end EXIT

# --- keys and signatures -------------------------------------------------------------------------------------------------

# key_new NAME KIND [OPTION...]: a key of gpg's without a passphrase; its public half is keys/NAME.gpg.
key_new() {
	local name=$1 kind=$2 until=$3
	shift 3
	gpg --batch --quiet "$@" --pinentry-mode loopback --passphrase '' --quick-gen-key "$name@test" "$kind" sign "$until" &&
		gpg --batch --quiet --export "$name@test" >"$SCRATCH/keys/$name.gpg"
}

key_fingerprint() { gpg --batch --with-colons --list-keys "$1@test" | awk -F: '$1 == "fpr" { print $10; exit }'; }

# payload TYPE REFERENCE DIGEST: what a signature says.
payload() {
	printf '{"critical":{"type":"%s","image":{"docker-manifest-digest":"%s"},"identity":{"docker-reference":"%s"}},"optional":{}}' \
		"$1" "$3" "$2"
}

# gpg_sign KEY REFERENCE DIGEST [OPTION...]: the signature, on standard output.
gpg_sign() {
	local key=$1 reference=$2 digest=$3
	shift 3
	payload "atomic container signature" "$reference" "$digest" | gpg --batch --quiet "$@" --local-user "$key@test" --sign
}

# lookaside_dir REPOSITORY DIGEST: where the signatures of that manifest are.
lookaside_dir() { mkdir -p "$LOOKASIDE/$1@sha256=${2#sha256:}" && echo "$LOOKASIDE/$1@sha256=${2#sha256:}"; }

key_new alice ed25519 never && key_new bob rsa2048 never && key_new mallory ed25519 never || bail "gpg makes no keys"
key_new old ed25519 2021-01-01 --faked-system-time '20200101T000000!' &&
	key_new stale ed25519 never --faked-system-time '20200101T000000!' || bail "gpg makes no key of the past"
key_new revoked ed25519 never || bail "gpg makes no keys"

# skopeo_copy FROM TO [OPTION...]
skopeo_copy() {
	local from=$1 to=$2
	shift 2
	skopeo --policy "$SCRATCH/accept.json" --registries.d "$SCRATCH/registries.d" copy -q --src-tls-verify=false \
		--dest-tls-verify=false "$@" "docker://$from" "docker://$to"
}

# digest_of REFERENCE: of its manifest
digest_of() {
	curl -fsS -I -H 'Accept: application/vnd.oci.image.index.v1+json' -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		-H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$REGISTRY/v2/$1/manifests/$2" |
		tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" { print $2 }'
}

# policy SCOPE REQUIREMENT...: everything else is rejected.
policy() {
	local scope=$1
	shift
	printf '%s\n' "$@" | jq -s --arg s "$scope" '{default: [{type: "reject"}], transports: {docker: {($s): .}}}' >"$POLICY"
}

# signed_by KEYS [IDENTITY]: a requirement.
signed_by() {
	jq -nc --arg k "$SCRATCH/keys/$1.gpg" --argjson i "${2:-null}" \
		'{type: "signedBy", keyType: "GPGKeys", keyPath: $k} + if $i then {signedIdentity: $i} else {} end'
}

sigstore_by() {
	jq -nc --arg k "$SCRATCH/keys/$1.pub" --argjson i "${2:-null}" \
		'{type: "sigstoreSigned", keyPath: $k} + if $i then {signedIdentity: $i} else {} end'
}

pull() {
	rm -rf "$IMAGES"
	"$SCRATCH/pulldrv" pull "$BUILD_DIR/crisp-pull" "$IMAGES" "$ID" "$@" "policy=$POLICY" "registries-d=$SCRATCH/registries.d" \
		"policy-dir=$SCRATCH/policies"
}

# refused WHAT PATTERN ARGUMENT...: for that reason, and nothing of the image but its manifest was asked for.
refused() {
	local what=$1 pattern=$2
	shift 2
	check_fails "$what" "SignatureValidationFailed: .*$pattern" pull "$@"
	[ -z "$(ls "$IMAGES/layers" "$IMAGES/staging" 2>/dev/null | grep -v :)" ] || { not_ok "$what: something is left"; return 1; }
}

signatures() { grep -c "^signature $1" <<<"$OUT"; }

printf '{"default":[{"type":"insecureAcceptAnything"}]}' >"$SCRATCH/accept.json"
# Tools that sign read it as well, and they are older.
cat >"$SCRATCH/registries.d/test.yaml" <<-YML
docker:
  $REGISTRY/t:
    sigstore: file://$LOOKASIDE
    sigstore-staging: file://$LOOKASIDE
  $REGISTRY/web:
    lookaside: http://127.0.0.1:8081/sigs/
  $REGISTRY/co:
    lookaside: file://$LOOKASIDE
    use-sigstore-attachments: true
YML

# --- simple signing ------------------------------------------------------------------------------------------------------

S=$REGISTRY/t/signed
check "skopeo signs" skopeo_copy "$BUSYBOX" "$S:1" --sign-by "$(key_fingerprint alice)"
check "and not" skopeo_copy "$BUSYBOX" "$REGISTRY/t/plain:1"
D=$(digest_of t/signed 1)
DIR=$(lookaside_dir t/signed "$D")
check "its signature is in the lookaside" test -s "$DIR/signature-1"

policy "$REGISTRY" '{"type":"insecureAcceptAnything"}'
check "insecureAcceptAnything" pull "$REGISTRY/t/plain:1"
check "a signature that nobody asks for is kept" pull "$S:1"
check_is "for later" 1 signatures openpgp
refused "another host is not in the scope" "default: reject" localhost:5000/t/plain:1
policy "$REGISTRY/t/plain" '{"type":"reject"}'
refused "reject" "scope $REGISTRY/t/plain of transport docker: reject" "$REGISTRY/t/plain:1"

policy "$REGISTRY/t" "$(signed_by alice)"
check "signed by the right key" pull "$S:1"
check_is "its signature is kept" 1 signatures openpgp
check "by digest" pull "$S@$D"
refused "not signed" "scope $REGISTRY/t of transport docker: signedBy \(requirement 1\): the image has no OpenPGP signature" "$REGISTRY/t/plain:1"
policy "$REGISTRY/t" "$(signed_by mallory)"
refused "signed by another key" "its key [0-9a-f]{16} is not in the keyring" "$S:1"
policy "$REGISTRY/t" "$(signed_by alice)" "$(signed_by bob)"
refused "two keys are wanted" "requirement 2" "$S:1"
check "bob signs" eval 'gpg_sign bob "$S:1" "$D" >"$DIR/signature-2"'
check "both have signed" pull "$S:1"
check_is "both signatures are kept" 2 signatures openpgp
policy "$REGISTRY/t" "$(signed_by bob)"
check "one of several signatures is enough" pull "$S:1"
jq -n --arg a "$SCRATCH/keys/mallory.gpg" --arg b "$SCRATCH/keys/alice.gpg" \
	'{default: [{type: "signedBy", keyType: "GPGKeys", keyPaths: [$a, $b]}]}' >"$POLICY"
check "keyPaths" pull "$S:1"
jq -n --arg k "$(base64 -w0 "$SCRATCH/keys/alice.gpg")" '{default: [{type: "signedBy", keyType: "GPGKeys", keyData: $k}]}' >"$POLICY"
check "keyData" pull "$S:1"

# by KEY PATTERN [REFERENCE [DIGEST [OPTION...]]]: with that as its only signature t/odd:1 is refused.
check "an image for bad signatures" skopeo_copy "$BUSYBOX" "$REGISTRY/t/odd:1"
ODD=$(digest_of t/odd 1)
ODD_DIR=$(lookaside_dir t/odd "$ODD")
by() {
	local what=$1 key=$2 pattern=$3 reference=${4:-$REGISTRY/t/odd:1} digest=${5:-$ODD}
	shift 3; shift 2 2>/dev/null || shift $#
	gpg_sign "$key" "$reference" "$digest" "$@" >"$ODD_DIR/signature-1" || { not_ok "$what: gpg does not sign"; return 1; }
	policy "$REGISTRY/t" "$(signed_by "$key")"
	refused "$what" "$pattern" "$REGISTRY/t/odd:1"
}
by "another name" alice "names the image $REGISTRY/t/other:1" "$REGISTRY/t/other:1"
by "another tag" alice "names the image $REGISTRY/t/odd:2" "$REGISTRY/t/odd:2"
by "another manifest" alice "it is for manifest sha256:0+5 " "$REGISTRY/t/odd:1" "sha256:$(printf '%064d' 5)"
by "a key that has expired" old "key [0-9a-f]{16} has expired" "$REGISTRY/t/odd:1" "$ODD" --faked-system-time '20200601T000000!'
by "a signature that has expired" stale "it has expired" "$REGISTRY/t/odd:1" "$ODD" --faked-system-time '20200601T000000!' \
	--default-sig-expire 1d
by "a signature of next year" alice "a time to come" "$REGISTRY/t/odd:1" "$ODD" --faked-system-time "$(($(date +%Y) + 1))1231T000000!"
REVOCATION=$GNUPGHOME/openpgp-revocs.d/$(key_fingerprint revoked).rev
gpg_sign revoked "$REGISTRY/t/odd:1" "$ODD" >"$ODD_DIR/signature-1"
policy "$REGISTRY/t" "$(signed_by revoked)"
check "a key that is good" pull "$REGISTRY/t/odd:1"
sed -i 's/^:---/---/' "$REVOCATION"
gpg --batch --quiet --import "$REVOCATION" && gpg --batch --quiet --export revoked@test >"$SCRATCH/keys/revoked.gpg"
refused "and is revoked later" "its key [0-9A-Fa-f]{16} is revoked" "$REGISTRY/t/odd:1"

# What is no signature at all.
bad_signature() {
	policy "$REGISTRY/t" "$(signed_by alice)"
	refused "$1" "$2" "$REGISTRY/t/odd:1"
}
GOOD=$SCRATCH/good.sig
gpg_sign alice "$REGISTRY/t/odd:1" "$ODD" >"$GOOD"
cp "$GOOD" "$ODD_DIR/signature-1"
policy "$REGISTRY/t" "$(signed_by alice)"
check "a good one" pull "$REGISTRY/t/odd:1"
# In the middle, where the content is; a cut one; and of the text, the armored message, two at once.
payload "atomic container signature" "$REGISTRY/t/odd:1" "$ODD" | gpg --batch --quiet -u alice@test --compress-level 0 --sign >"$GOOD"
SIZE=$(stat -c %s "$GOOD")
sed 's/t.odd:1/t\/odd:2/' "$GOOD" >"$ODD_DIR/signature-1"
bad_signature "one byte is another" "does not verify"
head -c $((SIZE - 20)) "$GOOD" >"$ODD_DIR/signature-1"
bad_signature "cut off" "signature 1: it "
payload "atomic container signature" "$REGISTRY/t/odd:1" "$ODD" >"$ODD_DIR/signature-1"
bad_signature "nothing but the text" "not a binary OpenPGP message"
payload "atomic container signature" "$REGISTRY/t/odd:1" "$ODD" | gpg --batch --quiet -u alice@test --clear-sign >"$ODD_DIR/signature-1"
bad_signature "a text that is signed" "not a binary OpenPGP message"
payload "atomic container signature" "$REGISTRY/t/odd:1" "$ODD" | gpg --batch --quiet -u alice@test -u bob@test --sign >"$ODD_DIR/signature-1"
bad_signature "two signatures in one message" "2 signatures"
payload "atomic container signature" "$REGISTRY/t/odd:1" "$ODD" | gpg --batch --quiet --store >"$ODD_DIR/signature-1"
bad_signature "a message without a signature" "signature 1: it is "
payload "cosign container image signature" "$REGISTRY/t/odd:1" "$ODD" | gpg --batch --quiet -u alice@test --sign >"$ODD_DIR/signature-1"
bad_signature "another type" "critical: type is"
payload "atomic container signature" "$REGISTRY/t/odd:1" "$ODD" | sed 's/"critical":{/&"more":1,/' |
	gpg --batch --quiet -u alice@test --sign >"$ODD_DIR/signature-1"
bad_signature "a member that nobody knows" "members that are not known"
payload "atomic container signature" "$REGISTRY/t/odd:1" "$ODD" | sed 's/"critical":{/&"type":"x",/' |
	gpg --batch --quiet -u alice@test --sign >"$ODD_DIR/signature-1"
bad_signature "a member that stands twice" "payload: line 1"
{ head -c 1200000 /dev/zero; } | gpg --batch --quiet -u alice@test --sign >"$ODD_DIR/signature-1"
bad_signature "a content without end" "signature 1: it "
head -c 300000 /dev/urandom >"$ODD_DIR/signature-1"
bad_signature "larger than allowed" "signature-1"
gpg --batch --quiet --export alice@test >"$ODD_DIR/signature-1"
bad_signature "a key" "signature 1: it "

# --- identities ----------------------------------------------------------------------------------------------------------

rm -f "$ODD_DIR"/*
gpg_sign alice vendor.example/product/odd:1 "$ODD" >"$ODD_DIR/signature-1"
fits() { policy "$REGISTRY/t" "$(signed_by alice "$1")"; pull "$REGISTRY/t/odd${2:-:1}"; }
check "exactReference" fits '{"type":"exactReference","dockerReference":"vendor.example/product/odd:1"}'
check_fails "exactReference, another tag" "SignatureValidationFailed" fits '{"type":"exactReference","dockerReference":"vendor.example/product/odd:2"}'
check "exactRepository" fits '{"type":"exactRepository","dockerRepository":"vendor.example/product/odd"}'
check "remapIdentity" fits '{"type":"remapIdentity","prefix":"'"$REGISTRY"'/t","signedPrefix":"vendor.example/product"}'
check_fails "remapIdentity, another prefix" "SignatureValidationFailed" fits '{"type":"remapIdentity","prefix":"'"$REGISTRY"'/tt","signedPrefix":"vendor.example/product"}'
gpg_sign alice "$REGISTRY/t/odd:other" "$ODD" >"$ODD_DIR/signature-1"
check "matchRepository" fits '{"type":"matchRepository"}'
check_fails "matchExact" "SignatureValidationFailed" fits '{"type":"matchExact"}'
check "a digest and matchRepoDigestOrExact" fits '{"type":"matchRepoDigestOrExact"}' "@$ODD"
check_fails "a digest and matchExact" "SignatureValidationFailed" fits '{"type":"matchExact"}' "@$ODD"

# A mirror keeps the signatures of what it has, and they call it by the name that was asked for.
printf '[[registry]]\nprefix = "vendor.example"\nlocation = "vendor.example"\n[[registry.mirror]]\nlocation = "%s/t"\ninsecure = true\n' \
	"$REGISTRY" >"$SCRATCH/mirror.conf"
policy vendor.example "$(signed_by alice)"
refused "a mirror's own name" "names the image $REGISTRY/t/odd:other" vendor.example/odd:1 "registries=$SCRATCH/mirror.conf"
gpg_sign alice vendor.example/odd:1 "$ODD" >"$ODD_DIR/signature-1"
check "from a mirror, under the name that was asked for" pull vendor.example/odd:1 "registries=$SCRATCH/mirror.conf"

# --- lists of images -----------------------------------------------------------------------------------------------------

# The manifest that is chosen is the one that must be signed, as everybody who signs lists does.
ARCH=$(case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac)
check "an image for a list" skopeo_copy "$BUSYBOX" "$REGISTRY/t/list:1"
ONE=$(digest_of t/list 1)
curl -fsS -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$REGISTRY/v2/t/list/manifests/$ONE" >"$SCRATCH/one.json"
jq -n --arg d "$ONE" --argjson s "$(stat -c %s "$SCRATCH/one.json")" --arg a "$ARCH" '{schemaVersion: 2,
	mediaType: "application/vnd.oci.image.index.v1+json", manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json",
	digest: $d, size: $s, platform: {os: "linux", architecture: $a}}]}' >"$SCRATCH/list.json"
LIST=sha256:$(sha256sum <"$SCRATCH/list.json" | cut -d' ' -f1)
curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary @"$SCRATCH/list.json" \
	"http://$REGISTRY/v2/t/list/manifests/all" || bail "the list cannot be pushed"
policy "$REGISTRY/t" "$(signed_by alice)"
gpg_sign alice "$REGISTRY/t/list:all" "$LIST" >"$(lookaside_dir t/list "$LIST")/signature-1"
refused "only the list is signed" "no OpenPGP signature" "$REGISTRY/t/list:all"
gpg_sign alice "$REGISTRY/t/list:all" "$ONE" >"$(lookaside_dir t/list "$ONE")/signature-1"
check "the chosen image is signed" pull "$REGISTRY/t/list:all"

# --- over HTTP -----------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/nginx.conf" <<-CONF
daemon off;
pid $SCRATCH/nginx.pid;
error_log $SCRATCH/nginx.err;
events {}
http {
	access_log $SCRATCH/nginx.log;
	server {
		listen 127.0.0.1:8081;
		location /sigs/ { alias $LOOKASIDE/; }
		location /sigs/web/moved { return 302 http://127.0.0.1:8081/there\$uri; }
		location /there/sigs/ { alias $LOOKASIDE/; }
		location /sigs/web/broken { return 503; }
	}
}
CONF
nginx -c "$SCRATCH/nginx.conf" -p "$SCRATCH" 2>>"$SCRATCH/nginx.err" &
NGINX_PID=$!
poll 30 bash -c "</dev/tcp/127.0.0.1/8081" || bail "nginx does not start: $(cat "$SCRATCH/nginx.err")"
chmod 755 "$LOOKASIDE"
policy "$REGISTRY/web" "$(signed_by alice)"
for name in plain moved broken none; do
	check "image $name" skopeo_copy "$BUSYBOX" "$REGISTRY/web/$name:1"
	D=$(digest_of "web/$name" 1)
	[ $name = none ] || gpg_sign alice "$REGISTRY/web/$name:1" "$D" >"$(lookaside_dir "web/$name" "$D")/signature-1"
done
check "signatures over HTTP" pull "$REGISTRY/web/plain:1"
check "and elsewhere" pull "$REGISTRY/web/moved:1"
refused "none there" "no OpenPGP signature" "$REGISTRY/web/none:1"
check_fails "a storage that fails is not the image's fault" "UNAVAILABLE: RegistryUnavailable: .*HTTP 503" pull "$REGISTRY/web/broken:1"

# --- sigstore ------------------------------------------------------------------------------------------------------------

# co_sign KEY REPOSITORY TAG [REFERENCE [DIGEST]]: attach a signature the way cosign does.
put_blob() {
	local where size
	where=$(curl -fsS -X POST -D - -o /dev/null "http://$REGISTRY/v2/$1/blobs/uploads/" | tr -d '\r' | awk 'tolower($1) == "location:" { print $2 }')
	BLOB=sha256:$(sha256sum <"$2" | cut -d' ' -f1)
	BLOB_SIZE=$(stat -c %s "$2")
	curl -fsS -X PUT -H 'Content-Type: application/octet-stream' --data-binary @"$2" "$where&digest=$BLOB" >/dev/null
}
attach() { # REPOSITORY MANIFEST-DIGEST PAYLOAD SIGNATURE
	local config
	printf '{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}' >"$SCRATCH/config.json"
	put_blob "$1" "$SCRATCH/config.json" || return 1
	config='{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"'$BLOB'","size":'$BLOB_SIZE'}'
	put_blob "$1" "$3" || return 1
	jq -n --argjson c "$config" --arg d "$BLOB" --argjson n "$BLOB_SIZE" --arg s "$4" '{schemaVersion: 2,
		mediaType: "application/vnd.oci.image.manifest.v1+json", config: $c, layers: [{size: $n, digest: $d,
		mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", annotations: {"dev.cosignproject.cosign/signature": $s}}]}' \
		>"$SCRATCH/sig.json"
	curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @"$SCRATCH/sig.json" \
		"http://$REGISTRY/v2/$1/manifests/sha256-${2#sha256:}.sig"
}
co_sign() {
	local key=$SCRATCH/keys/$1 repository=$2 tag=$3 digest
	digest=$(digest_of "$2" "$3")
	payload "cosign container image signature" "${4:-$REGISTRY/$2}" "${5:-$digest}" >"$SCRATCH/payload.json"
	if [ "$1" = ed ]; then
		openssl pkeyutl -sign -rawin -inkey "$key.key" -in "$SCRATCH/payload.json" -out "$SCRATCH/payload.sig"
	else
		openssl dgst -sha256 -sign "$key.key" -out "$SCRATCH/payload.sig" "$SCRATCH/payload.json"
	fi || return 1
	attach "$repository" "$digest" "$SCRATCH/payload.json" "$(base64 -w0 "$SCRATCH/payload.sig")"
}
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$SCRATCH/keys/ec.key" 2>/dev/null ||
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$SCRATCH/keys/ec.key"
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$SCRATCH/keys/rsa.key" 2>/dev/null
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out "$SCRATCH/keys/weak.key" 2>/dev/null
openssl genpkey -algorithm ED25519 -out "$SCRATCH/keys/ed.key"
for key in ec rsa ed weak; do
	openssl pkey -in "$SCRATCH/keys/$key.key" -pubout -out "$SCRATCH/keys/$key.pub" || bail "openssl makes no key"
done
REPO='{"type":"matchRepository"}'
for key in ec rsa ed; do
	check "image for $key" skopeo_copy "$BUSYBOX" "$REGISTRY/co/$key:1"
	check "a signature by $key" co_sign $key co/$key 1
	policy "$REGISTRY/co" "$(sigstore_by $key "$REPO")"
	check "sigstore with $key" pull "$REGISTRY/co/$key:1"
	check_is "its signature is kept" 1 signatures sigstore
done
C=$REGISTRY/co/ec:1
policy "$REGISTRY/co" "$(sigstore_by ec)"
refused "cosign signs a repository, not a tag" "names the image $REGISTRY/co/ec," "$C"
policy "$REGISTRY/co" "$(sigstore_by rsa "$REPO")"
refused "another key" "does not verify with the key" "$C"
policy "$REGISTRY/co" "$(sigstore_by weak "$REPO")"
refused "a key that is too weak" "a key of 1024 bits" "$C"
jq -n --arg p "$SCRATCH/keys/rsa.pub" --arg q "$SCRATCH/keys/ec.pub" \
	'{default: [{type: "sigstoreSigned", keyPaths: [$p, $q], signedIdentity: {type: "matchRepository"}}]}' >"$POLICY"
check "one of several keys" pull "$C"
jq -n --arg k "$(base64 -w0 "$SCRATCH/keys/ec.pub")" \
	'{default: [{type: "sigstoreSigned", keyDatas: [$k], signedIdentity: {type: "matchRepository"}}]}' >"$POLICY"
check "keyDatas" pull "$C"
policy "$REGISTRY/co" "$(sigstore_by ec "$REPO")" "$(signed_by alice)"
refused "both kinds are wanted" "signedBy \(requirement 2\): the image has no OpenPGP signature" "$C"
D=$(digest_of co/ec 1)
gpg_sign alice "$C" "$D" >"$(lookaside_dir co/ec "$D")/signature-1"
check "both kinds are there" pull "$C"
policy "$REGISTRY/co" "$(sigstore_by ec "$REPO")"
co_sign ec co/ec 1 "$REGISTRY/co/ec" "sha256:$(printf '%064d' 5)"
refused "a payload for another manifest" "it is for manifest sha256:0+5 " "$C"
co_sign ec co/ec 1 "$REGISTRY/co/other"
refused "a payload for another repository" "names the image $REGISTRY/co/other" "$C"
payload "cosign container image signature" "$REGISTRY/co/ec" "$D" >"$SCRATCH/payload.json"
attach co/ec "$D" "$SCRATCH/payload.json" "not base64"
refused "a signature that is no base64" "not base64" "$C"
policy "$REGISTRY/t" "$(sigstore_by ec "$REPO")"
refused "not looked for where registries.d does not say so" "no sigstore signature" "$REGISTRY/t/plain:1"

# --- policies that are wrong, or not there -------------------------------------------------------------------------------

wrong() {
	local what=$1 pattern=$2
	printf '%s' "$3" >"$POLICY"
	refused "$what" "signature policy $POLICY: $pattern" "$REGISTRY/t/plain:1"
}
wrong "not JSON" "line 1" '{"default":'
wrong "a member that stands twice" "line 1" '{"default":[{"type":"reject"}],"default":[{"type":"reject"}]}'
wrong "an unknown member" 'default\[0\]: unknown member "keyPth"' '{"default":[{"type":"reject","keyPth":"/x"}]}'
printf '{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"%s":[{"type":"sigstoreSigned","fulcio":{}}]}}}' "$REGISTRY/t/plain" >"$POLICY"
refused "fulcio" 't/plain"\]\[0\].fulcio: not supported' "$REGISTRY/t/plain:1"
check "for its scope only" pull "$S:1"
wrong "no requirements" 'transports.docker\["a.b"\]: not a list' '{"default":[{"type":"reject"}],"transports":{"docker":{"a.b":[]}}}'
wrong "a keyring without a path" 'default\[0\].keyPath: "never" is not an absolute path' '{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"never"}]}'
policy "$REGISTRY/t" "$(signed_by nobody)"
refused "a keyring that does not exist" "nobody.gpg does not exist" "$S:1"
cp "$SCRATCH/accept.json" "$SCRATCH/keys/nobody.gpg"
refused "a keyring that is none" "not an OpenPGP keyring|no public key" "$S:1"
rm "$POLICY"
refused "the policy is not there" "signature policy $POLICY does not exist" "$S:1"
cp "$SCRATCH/accept.json" "$POLICY"
printf 'docker: [1]\n' >"$SCRATCH/registries.d/zz.yaml"
refused "registries.d is wrong" "zz.yaml:1: not a mapping" "$S:1"
printf 'docker:\n  %s/t:\n    lookaside: https://a.b\n' "$REGISTRY" >"$SCRATCH/registries.d/zz.yaml"
refused "a section twice" "zz.yaml:3: this section was there already" "$S:1"
rm "$SCRATCH/registries.d/zz.yaml"

# --- namespaces, layouts -------------------------------------------------------------------------------------------------

printf '{"default":[{"type":"reject"}]}' >"$SCRATCH/policies/strict.json"
check "any namespace" pull "$S:1" namespace=default
refused "a namespace with a policy of its own" "default: reject" "$S:1" namespace=strict
check_fails "no namespace" "INVALID_ARGUMENT.*namespace" pull "$S:1" namespace=../strict

check "a layout" skopeo --policy "$SCRATCH/accept.json" copy -q --src-tls-verify=false "docker://$BUSYBOX" "oci:$SCRATCH/layout:busybox"
LAYOUT="localhost/loaded:busybox layout=$SCRATCH/layout"
jq -n --arg d "$SCRATCH" '{default: [{type: "reject"}], transports: {oci: {($d): [{type: "insecureAcceptAnything"}]}}}' >"$POLICY"
# shellcheck disable=SC2086
check "the scope of a layout is its directory" pull $LAYOUT
policy "$REGISTRY" "$(signed_by alice)"
# shellcheck disable=SC2086
refused "or the default" "default: reject" $LAYOUT
jq -n --argjson r "$(signed_by alice)" '{default: [$r]}' >"$POLICY"
# shellcheck disable=SC2086
refused "a layout has no signatures" "a layout carries none" $LAYOUT

# --- the daemon: at the pull, and again before a container is made -------------------------------------------------------

printf '[crio.image]\nsignature_policy = "%s"\nsignature_policy_dir = "%s"\nregistries_d = "%s"\n' \
	"$POLICY" "$SCRATCH/policies" "$SCRATCH/registries.d" >"$SCRATCH/config.d/trust.conf"
cp "$SCRATCH/accept.json" "$POLICY"
daemon_start
P=$REGISTRY/t/plain:1
policy "$REGISTRY/t" "$(signed_by alice)"
check_fails "a pull that the policy does not allow" "Unknown desc = SignatureValidationFailed: image .*no OpenPGP signature" crictl pull "$P"
check_is "brings no image" "" crictl images -q
cp "$SCRATCH/accept.json" "$POLICY"
check "the policy of now counts" crictl pull "$P"
check "the signed image" crictl pull "$S:1"
IMAGE=$(crictl images -q | head -n 1)
printf '{"default":[{"type":"reject"}]}' >"$SCRATCH/policies/strict.json"
pod_config strict "$HOST_NET"' | .metadata.namespace = "strict"' >/dev/null
check_fails "a pull for a namespace with a policy of its own" "SignatureValidationFailed: .*default: reject" \
	crictl pull --pod-config "$SCRATCH/pod-strict.json" "$S:1"
check "a pull for another namespace" crictl pull --pod-config "$(pod_config free "$HOST_NET")" "$S:1"
# What was pulled is judged without any registry.
registry_stop
kill "$NGINX_PID"; wait "$NGINX_PID"; NGINX_PID=

FREE=$(pod_run free "$HOST_NET")
STRICT=$(crictl runp "$SCRATCH/pod-strict.json")
# create POD NAME JQ: a container of the pod, not started
create() { crictl create "$1" "$(ctr_config "$2" "$IMAGE" "$3")" "$SCRATCH/pod-${2%%.*}.json"; }
asked() { printf '.image.user_specified_image = "%s"' "$1"; }
NOT_TRUSTED="Unknown desc = SignatureValidationFailed: config.image: image"

check "anything is accepted" create "$FREE" free.0 "$(asked "$P")"
check_fails "not in the namespace with a policy of its own" "$NOT_TRUSTED $P: .*default: reject" create "$STRICT" strict.0 "$(asked "$P")"
policy "$REGISTRY/t" "$(signed_by alice)"
check "a signature that was kept" create "$FREE" free.1 "$(asked "$S:1")"
check_fails "an image that is no longer trusted" "$NOT_TRUSTED $P: .*signature 1: it names the image $S:1,.*signature 2: its key" create "$FREE" free.2 "$(asked "$P")"
check "of an id any of its names may be trusted" create "$FREE" free.3 .
check_fails "a name that the policy does not speak of" "$NOT_TRUSTED localhost/x: .*default: reject" create "$FREE" free.4 "$(asked localhost/x)"
check "an image that is mounted" create "$FREE" free.5 \
	"$(asked "$S:1")"' | .mounts = [{container_path: "/m", readonly: true, image: {image: "'"$IMAGE"'", user_specified_image: "'"$S:1"'"}}]'
check_fails "an image that must not be mounted" "SignatureValidationFailed: config.mounts\[0\].image: image $P: " create "$FREE" free.6 \
	"$(asked "$S:1")"' | .mounts = [{container_path: "/m", readonly: true, image: {image: "'"$IMAGE"'", user_specified_image: "'"$P"'"}}]'
policy "$REGISTRY/t" "$(signed_by mallory)"
check_fails "another key is wanted now" "$NOT_TRUSTED $S:1: .*is not in the keyring" create "$FREE" free.7 "$(asked "$S:1")"
printf 'x' >"$POLICY"
check_fails "a policy that is wrong" "Unknown desc = SignatureValidationFailed: config.image: signature policy $POLICY: line 1" \
	create "$FREE" free.8 "$(asked "$S:1")"
check_is "what was refused is not there" "free.0 free.1 free.3 free.5" \
	eval 'crictl ps -a -o json | jq -r "[.containers[].metadata.name] | sort | join(\" \")"'
daemon_kill
policy "$REGISTRY/t" "$(signed_by alice)"
daemon_again
check "after a restart too" create "$FREE" free.9 "$(asked "$S:1")"
check "started" eval 'crictl start "$OUT" >/dev/null'
check "everything can be removed" everything_remove
check_is "the policy is asked of a layout" 1 eval '"$BUILD_DIR/crisp" --socket "$SOCKET" load "$SCRATCH/layout" >"$SCRATCH/load" 2>&1; echo $?'
check "and says why" grep -q "SignatureValidationFailed: .*reject" "$SCRATCH/load"

harness_end
