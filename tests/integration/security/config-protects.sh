#!/bin/bash
# config-protects.sh - a protecting key of crio.conf is honoured or stops the daemon; a bad value
# always stops it. The error has file, line and key.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
mkdir -p "$SCRATCH/hooks" "$SCRATCH/empty"
echo '{}' >"$SCRATCH/hooks/10-hook.json"
echo '{"defaultAction": ' >"$SCRATCH/broken.json"
# Everything is allowed but mkdir: a container that shows it has this profile.
echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}' >"$SCRATCH/no-mkdir.json"

# stops KEY LINE TEXT: the daemon ends with these lines in its configuration and names the place
stops() {
	local rc=0
	printf '[crio.runtime]\n%b\n' "$3" >"$SCRATCH/bad.conf"
	OUT=$(timeout 60 "$BUILD_DIR/crispd" --config "$SCRATCH/bad.conf" --config-dir "$SCRATCH/empty" --root "$SCRATCH/r" \
		--runroot "$SCRATCH/rr" --listen "$SCRATCH/bad.sock" --cni-config-dir "$CNI_CONF" 2>&1) || rc=$?
	if [ $rc = 1 ] && grep -q "bad.conf:$2: $1: " <<<"$OUT"; then ok "$1 stops the daemon: $3"; return; fi
	not_ok "$1 stops the daemon: $3" "status $rc: $OUT"
}

R=crio.runtime
[ -e /sys/fs/selinux/enforce ] || stops $R.selinux 2 'selinux = true'
stops $R.apparmor_profile 2 'apparmor_profile = "mine"'
stops $R.privileged_seccomp_profile 2 "privileged_seccomp_profile = \"$SCRATCH/broken.json\""
stops $R.seccomp_profile 2 'seccomp_profile = "/nonexistent.json"'
stops $R.runtimes.runc.seccomp_profile 3 "[crio.runtime.runtimes.runc]\nseccomp_profile = \"$SCRATCH/broken.json\""
stops $R.default_capabilities 2 'default_capabilities = ["NOPE"]'
stops $R.default_sysctls 2 'default_sysctls = ["kernel.core_pattern=|/bin/x"]'
stops $R.default_sysctls 3 '\ndefault_sysctls = ["net.ipv4.ip_forward=1", "vm.overcommit_memory=1"]'
stops $R.default_ulimits 2 'default_ulimits = ["nosuch=1:2"]'
stops $R.default_ulimits 2 'default_ulimits = ["nofile=5:4"]'
stops $R.hooks_dir 2 "hooks_dir = [\"$SCRATCH/empty\", \"$SCRATCH/hooks\"]"
stops $R.uid_mappings 2 'uid_mappings = "0:100000:65536"'
stops $R.gid_mappings 2 'gid_mappings = "0:100000:65536"'
stops $R.bind_mount_prefix 2 'bind_mount_prefix = "/host"'
stops crio.nri.default_validator.nri_validator_required_plugins 3 '[crio.nri.default_validator]\nnri_validator_required_plugins = ["guard"]'
stops $R.absent_mount_sources_to_reject 2 'absent_mount_sources_to_reject = ["etc"]'
stops $R.read_only 2 'read_only = "yes"'
stops $R.pids_limit 2 'pids_limit = -2'

# What is honoured: the file of a node that moves over, with every value that crisp keeps to.
cat >"$SCRATCH/config.d/50-fine.conf" <<TOML
[crio.runtime]
selinux = false
apparmor_profile = "crio-default"
hooks_dir = ["$SCRATCH/empty", "/nonexistent"]
privileged_seccomp_profile = "$SCRATCH/no-mkdir.json"
default_ulimits = ["nofile=321", "core=0:0"]
default_sysctls = ["net.ipv4.ip_unprivileged_port_start=77"]
default_capabilities = ["CHOWN", "KILL"]
uid_mappings = ""
bind_mount_prefix = ""
disable_hostport_mapping = true
[crio.runtime.runtimes.strict]
runtime_path = "$(command -v "${CRISP_TEST_RUNTIME:-runc}")"
seccomp_profile = "$SCRATCH/no-mkdir.json"
TOML
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod of a handler with its own profile" crictl runp -r strict "$(pod_config a '.port_mappings = [{protocol: 0, container_port: 80, host_port: 12080}]')"
A=$OUT
check "has an address" eval 'crictl inspectp "$A" | jq -e ".status.network.ip | length > 0"'
check_is "with disable_hostport_mapping its host port leads nowhere" 0 eval 'iptables-save | grep -c "dport 12080" || :'
check "a container with RuntimeDefault" ctr_run "$A" a '.linux.security_context.seccomp.profile_type = 0'
CTR=$OUT
check_fails "the handler's profile is in force" "permitted" crictl exec --sync "$CTR" mkdir /tmp/x
check_is "one number is soft and hard limit" "321 321" crictl exec --sync "$CTR" sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)'
check_is "default_sysctls are set" 77 crictl exec --sync "$CTR" cat /proc/sys/net/ipv4/ip_unprivileged_port_start
check "a privileged container in a pod of the default handler" eval 'crictl runp '"$(pod_config b '.linux.security_context.privileged = true')"
B=$OUT
check "it starts" ctr_run "$B" b '.linux.security_context.privileged = true'
check_fails "privileged_seccomp_profile is in force" "permitted" crictl exec --sync "$OUT" mkdir /tmp/x
printf '[crio.runtime]\nprivileged_seccomp_profile = "not/there.json"\n' >"$SCRATCH/config.d/60-gone.conf"
kill -HUP "$(daemon_pid)"
check "a profile that is not there" poll 20 grep -q 'configuration reloaded" changed="crio.runtime.privileged_seccomp_profile"' "$SCRATCH/daemon.log"
check "is warned about with its whole path" grep -q "privileged_seccomp_profile: there is no file /\(.*/\)\?not/there.json: privileged containers are refused" "$SCRATCH/daemon.log"
check_fails "and no privileged container is made" "not/there.json" ctr_run "$B" b.2 '.linux.security_context.privileged = true'
check "but others are" ctr_run "$B" b.3
check "they are removed" everything_remove
harness_end
