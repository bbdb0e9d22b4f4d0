#!/bin/bash
# config-owner.sh - crispd refuses a configuration, drop-in, profile, runtime or CNI file that
# another user may change, and names the command that mends it.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
mkdir -p "$SCRATCH/d" "$SCRATCH/etc" "$SCRATCH/bin" "$SCRATCH/plugins"
echo '[crio.runtime]' >"$SCRATCH/etc/crisp.conf"
echo '[crio.runtime]' >"$SCRATCH/d/10.conf"
cp "$(command -v runc)" "$SCRATCH/bin/runc"
echo '{"defaultAction": "SCMP_ACT_ALLOW"}' >"$SCRATCH/etc/seccomp.json"

# refused WHAT PATTERN: the daemon does not start
refused() {
	local rc=0
	OUT=$(timeout 60 "$BUILD_DIR/crispd" --config "$SCRATCH/etc/crisp.conf" --config-dir "$SCRATCH/d" --root "$SCRATCH/r" \
		--runroot "$SCRATCH/rr" --listen "$SCRATCH/bad.sock" --cni-config-dir "$CNI_CONF" \
		--runtimes "runc:$SCRATCH/bin/runc" --seccomp-profile "$SCRATCH/etc/seccomp.json" 2>&1) || rc=$?
	if [ $rc = 1 ] && grep -Eq "$2" <<<"$OUT"; then ok "$1 is refused"; return; fi
	not_ok "$1 is refused" "status $rc: $OUT"
}
# with COMMAND PATH UNDO-COMMAND WHAT PATTERN
with() { $1 "$2"; refused "$4" "$5"; $3 "$2"; }

F=$SCRATCH/etc/crisp.conf
with "chmod 646" "$F" "chmod 644" "a configuration that anybody writes" "$F has mode 0646.*chmod go-w $F"
with "chmod 664" "$F" "chmod 644" "a configuration that its group writes" "$F has mode 0664.*chmod go-w $F"
with "chown 1234" "$F" "chown 0" "a configuration of another user" "$F belongs to user 1234.*chown root $F"
with "chmod 777" "$SCRATCH/etc" "chmod 755" "a directory that anybody writes" "$SCRATCH/etc has mode 0777.*chmod go-w $SCRATCH/etc"
with "chown 1234" "$SCRATCH/d" "chown 0" "a drop-in directory of another user" "chown root $SCRATCH/d"
with "chmod 666" "$SCRATCH/d/10.conf" "chmod 644" "a drop-in that anybody writes" "chmod go-w $SCRATCH/d/10.conf"
with "chmod 777" "$SCRATCH/bin/runc" "chmod 755" "a runtime that anybody writes" "chmod go-w $SCRATCH/bin/runc"
with "chmod 666" "$SCRATCH/etc/seccomp.json" "chmod 644" "a seccomp profile that anybody writes" "chmod go-w $SCRATCH/etc/seccomp.json"
mv "$F" "$SCRATCH/plugins/target"
ln -s "$SCRATCH/plugins/target" "$F"
with "chmod 777" "$SCRATCH/plugins" "chmod 755" "a link into a directory that anybody writes" "$SCRATCH/plugins has mode 0777"

# A daemon that runs: networks and plugins are read for each pod.
cp /usr/lib/cni/* "$SCRATCH/plugins"
CNI_PLUGINS=$SCRATCH/plugins
daemon_start
check "a pod starts" pod_run fine
check "and is removed" crictl rmp -f "$OUT"
chmod 666 "$CNI_CONF/10-test.conflist"
check_fails "a network that anybody writes is not used" "10-test.conflist has mode 0666" pod_run conf
chmod 644 "$CNI_CONF/10-test.conflist"
chown 1234 "$SCRATCH/plugins/bridge"
check_fails "a plugin of another user is not run" "chown root $SCRATCH/plugins/bridge" pod_run plugin
check "the status says why" eval 'crictl info | jq -r ".status.conditions[].message" | grep -q "plugins/bridge belongs to user 1234"'
chown 0 "$SCRATCH/plugins/bridge"
check "mended, a pod starts" pod_run mended
check "and is removed" everything_remove
harness_end
