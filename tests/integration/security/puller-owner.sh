#!/bin/bash
# puller-owner.sh - a pull is refused when another user may change a file that decides registries,
# trust or credentials; the error names the command that mends it. Secrets readable by anybody log a
# warning.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
HOST_CERTS=$SCRATCH/etc/certs.d/$REGISTRY
mkdir -p "$HOST_CERTS" "$SCRATCH"/etc/{auth,policies,keys,registries.d,elsewhere}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test \
	-keyout "$HOST_CERTS/client.key" -out "$HOST_CERTS/client.cert" 2>/dev/null || bail "openssl makes no certificate"
cp "$HOST_CERTS/client.cert" "$SCRATCH/etc/elsewhere/ca.crt"
ln -s "$SCRATCH/etc/elsewhere/ca.crt" "$HOST_CERTS/ca.crt"
openssl x509 -in "$HOST_CERTS/client.cert" -pubkey -noout >"$SCRATCH/etc/keys/key.pub"
AUTH=$SCRATCH/etc/auth.json
POLICY=$SCRATCH/etc/policy.json
jq -n --arg r other.example '{auths: {($r): {auth: "dTpw"}}}' >"$AUTH"
printf '{"default": [{"type": "insecureAcceptAnything"}]}' >"$POLICY"
cp "$POLICY" "$SCRATCH/etc/policies/crisp-test.json"
echo '{}' >"$SCRATCH/etc/registries.d/default.yaml"
registries_conf_write
mkdir -p "$REGISTRIES_CONF.d"
printf '[aliases]\n"b" = "%s"\n' "${BUSYBOX%:*}" >"$REGISTRIES_CONF.d/10.conf"
cat >"$SCRATCH/config.d/pull.conf" <<CONF
[crio.image]
global_auth_file = "$AUTH"
namespaced_auth_dir = "$SCRATCH/etc/auth"
signature_policy = "$POLICY"
signature_policy_dir = "$SCRATCH/etc/policies"
registries_d = "$SCRATCH/etc/registries.d"
certs_dirs = ["$SCRATCH/etc/certs.d"]
CONF
chmod 644 "$AUTH" "$HOST_CERTS/client.key"
daemon_start
for file in "$AUTH" "$HOST_CERTS/client.key"; do
	check "that anybody reads $(basename "$file") is a warning" grep -q "level=warn .*$file has mode 0644, so that anybody may read its secrets: chmod o-r $file" "$SCRATCH/daemon.log"
done

pull() { crictl pull --pod-config "$(pod_config p)" "$BUSYBOX"; }
check "a pull with files of root" pull
# writable WHAT FILE, foreign WHAT FILE
writable() {
	local mode
	mode=$(stat -c %a "$2")
	chmod go+w "$2"
	check_fails "$1 that anybody writes" "$2 has mode 0..., so that anybody may change .*: chmod go-w $2" pull
	chmod "$mode" "$2"
}
foreign() {
	chown 1234 "$2"
	check_fails "$1 of another user" "$2 belongs to user 1234, who may change .*: chown root $2" pull
	chown 0 "$2"
}
writable "an auth file" "$AUTH"
foreign "an auth file" "$AUTH"
ONE_SHOT=$SCRATCH/etc/auth/crisp-test-$(printf '%s' "$BUSYBOX" | sha256sum | cut -d' ' -f1).json
cp "$AUTH" "$ONE_SHOT"
foreign "an auth file of the pod's namespace" "$ONE_SHOT"
writable "a directory of auth files" "$SCRATCH/etc/auth"
check "neither of these pulls takes it away" [ -e "$ONE_SHOT" ]
writable "a signature policy of the pod's namespace" "$SCRATCH/etc/policies/crisp-test.json"
rm "$SCRATCH/etc/policies/crisp-test.json"
foreign "a directory of signature policies" "$SCRATCH/etc/policies"
writable "a signature policy" "$POLICY"
writable "a drop-in of registries.conf" "$REGISTRIES_CONF.d/10.conf"
foreign "registries.conf" "$REGISTRIES_CONF"
foreign "a directory of drop-ins" "$REGISTRIES_CONF.d"
writable "a file of registries.d" "$SCRATCH/etc/registries.d/default.yaml"
writable "the directory registries.d" "$SCRATCH/etc/registries.d"
writable "a client key" "$HOST_CERTS/client.key"
foreign "a client certificate" "$HOST_CERTS/client.cert"
writable "the directory of an authority that a link names" "$SCRATCH/etc/elsewhere"
foreign "a host's directory in certs.d" "$HOST_CERTS"
writable "the directory certs.d" "$SCRATCH/etc/certs.d"
# A directory of another host is no matter of this pull.
mkdir "$SCRATCH/etc/certs.d/other.example"
chown 1234 "$SCRATCH/etc/certs.d/other.example"
check "a directory of another host is no hindrance" pull

jq -n --arg k "$SCRATCH/etc/keys/key.pub" '{default: [{type: "sigstoreSigned", keyPath: $k}]}' >"$POLICY"
check_fails "an image without a signature is refused" "SignatureValidationFailed" pull
writable "a key of the signature policy" "$SCRATCH/etc/keys/key.pub"
foreign "the directory of the keys" "$SCRATCH/etc/keys"
harness_end
