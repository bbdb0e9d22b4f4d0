#!/bin/bash
# spec.sh - config.json from the spec builder, run by a real OCI runtime and read from inside the
# container: process, confinement, mounts, devices, resources, exec. No daemon runs.
#
# Every case is a JSON text (see tests/unit/specjson.h) that spec_driver turns into a config.json; the runtime creates and
# starts a container of it whose own words are then compared. No daemon takes part.
# Environment: CRISP_TEST_RUNTIME  the OCI runtime (default: runc)
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

RUNTIME=${CRISP_TEST_RUNTIME:-runc}
command -v "$RUNTIME" >/dev/null || skip_all "$RUNTIME is not installed"
BUSYBOX_FILE=$(command -v busybox) || skip_all "busybox is not installed"

DRIVER=$SCRATCH/spec_driver
# shellcheck disable=SC2046  # words are wanted
cc -std=gnu17 -D_GNU_SOURCE -Ulinux -O1 -I"$TOP/src" -I"$TOP" -I"$TOP/gen" "$LIB_DIR/spec_driver.c" "$BUILD_DIR/libcrisp.a" \
	$(pkg-config --libs libprotobuf-c jansson yaml-0.1 libxxhash libseccomp libselinux libapparmor) -o "$DRIVER" 2>"$SCRATCH/stderr" ||
	bail "spec_driver does not compile: $(tail -n 5 "$SCRATCH/stderr")"

# --- a root file system ------------------------------------------------------------------------------------------------

ROOTFS=$SCRATCH/rootfs
mkdir -p "$ROOTFS"/{bin,etc,proc,sys,dev,tmp,root,data} "$SCRATCH"/{state,bundle,host/sub}
cp "$BUSYBOX_FILE" "$ROOTFS/bin/busybox"
for applet in sh id cat env ls grep mkdir touch chmod mount umount hostname sleep unshare chroot mknod echo test nproc wc head tr; do
	ln "$ROOTFS/bin/busybox" "$ROOTFS/bin/$applet"
done
cat >"$ROOTFS/etc/passwd" <<'PASSWD'
root:x:0:0:root:/root:/bin/sh
web:x:33:34:web:/data:/bin/sh
broken line
user:x:1000:1000::/home/user:/bin/sh
PASSWD
cat >"$ROOTFS/etc/group" <<'GROUP'
root:x:0:
web:x:34:
extra:x:5000:user,web
GROUP
echo nameserver 127.0.0.1 >"$SCRATCH/resolv.conf"
echo host-file >"$SCRATCH/host/file"

# case_json JQ: a plain container as a case, changed by a jq program
case_json() {
	jq -n --arg rootfs "$ROOTFS" --arg cgroup "$CGROUP_PARENT/c" --arg scratch "$SCRATCH" --arg dir "$SCRATCH/bundle" '{
		rootfs: $rootfs, cgroups_path: $cgroup, dir: $dir, features: {rro: true},
		sandbox: {metadata: {name: "pod", uid: "uid", namespace: "ns"}, linux: {security_context: {
			privileged: true, namespace_options: {network: "NODE", ipc: "NODE", pid: "CONTAINER"}}}},
		config: {metadata: {name: "ctr"}, command: ["/bin/sh", "-c"], args: ["true"],
			linux: {security_context: {seccomp: {profile_type: "RuntimeDefault"}}, resources: {}}}
	} | .config.linux.security_context as $sec | '"$1"
}

# run_case JQ SHELL: what SHELL prints inside the container of that case; fails with what the builder or the runtime says
run_case() {
	local rc=0
	case_json "$1" | jq --arg cmd "$2" '.config.args = [$cmd]' >"$SCRATCH/case.json"
	"$DRIVER" spec <"$SCRATCH/case.json" >"$SCRATCH/bundle/config.json" || return 1
	timeout -k 5 60 "$RUNTIME" --root "$SCRATCH/state" run --bundle "$SCRATCH/bundle" "t$RUN_ID" </dev/null || rc=$?
	"$RUNTIME" --root "$SCRATCH/state" delete --force "t$RUN_ID" >/dev/null 2>&1 || true
	return $rc
}

inside() { local what=$1 expected=$2; shift 2; check_is "$what" "$expected" run_case "$@"; }
refused() { local what=$1 pattern=$2; shift 2; check_fails "$what" "$pattern" run_case "$@"; }

# --- process -----------------------------------------------------------------------------------------------------------

inside "a container runs" hello . 'echo hello'
inside "environment in order of precedence" "a=image b=config c=default" \
	'.image.env = ["a=image", "b=image"] | .conf = {"crio.runtime.default_env": ["a=default", "c=default"]}
	 | .config.envs = [{key: "b", value: "config"}]' 'echo a=$a b=$b c=$c'
inside "a missing working directory is made" /new/dir '.config.working_dir = "/new/dir"' pwd
inside "user and groups by number, merged with /etc/group" "uid=1000(user) gid=1000(1000) groups=1000(1000),1234,5000(extra)" \
	'.config.linux.security_context += {run_as_user: {value: 1000}, supplemental_groups: [1234]}' id
inside "strict groups" "uid=1000(user) gid=1000(1000) groups=1000(1000),1234" \
	'.config.linux.security_context += {run_as_user: {value: 1000}, supplemental_groups: [1234],
	 supplemental_groups_policy: "Strict"}' id
inside "user by name" "uid=33(web) gid=34(web) groups=34(web),5000(extra)" \
	'.config.linux.security_context.run_as_username = "web"' id
inside "the image's user and group" "uid=33(web) gid=5000(extra) groups=5000(extra)" '.image.user = "web:extra"' id
inside "an unknown user gets an entry of its own" "4321 user" \
	'.config.linux.security_context.run_as_user.value = 4321' 'grep :4321: /etc/passwd | { IFS=: read -r a b c d e f; echo $e; }'
refused "a user name that the image lacks" 'no user "nobody-here"' \
	'.config.linux.security_context.run_as_username = "nobody-here"' true
inside "capabilities: default" 00000000000005fb . 'grep CapBnd /proc/self/status | { read -r a b; echo $b; }'
inside "capabilities: none" 0000000000000000 '.config.linux.security_context.capabilities.drop_capabilities = ["ALL"]' \
	'grep CapEff /proc/self/status | { read -r a b; echo $b; }'
inside "capabilities: everything but one" 0 \
	'.config.linux.security_context.capabilities = {add_capabilities: ["ALL"], drop_capabilities: ["CHOWN"]}' \
	'grep CapEff /proc/self/status | { read -r a b; echo $((0x$b & 1)); }'
inside "capabilities: all that the runtime itself has" "$(printf %016x $((0x$(awk '/^CapBnd/ { print $2 }' /proc/self/status) &
	0x$(awk '/^CapPrm/ { print $2 }' /proc/self/status))))" \
	'.config.linux.security_context.capabilities.add_capabilities = ["ALL"]' 'grep CapEff /proc/self/status | { read -r a b; echo $b; }'
inside "ambient capabilities survive without root" 0000000000002000 \
	'.config.linux.security_context += {run_as_user: {value: 1000},
	 capabilities: {drop_capabilities: ["ALL"], add_ambient_capabilities: ["NET_RAW"]}}' \
	'grep CapEff /proc/self/status | { read -r a b; echo $b; }'
inside "no new privileges" 1 '.config.linux.security_context.no_new_privs = true' \
	'grep NoNewPrivs /proc/self/status | { read -r a b; echo $b; }'
inside "resource limits" "77:99" '.conf = {"crio.runtime.default_ulimits": ["nofile=77:99"]}' 'echo $(ulimit -Sn):$(ulimit -Hn)'
inside "oom_score_adj" 321 '.config.linux.resources.oom_score_adj = 321' 'cat /proc/self/oom_score_adj'
inside "oom_score_adj is clamped to what is possible" ok '.config.linux.resources.oom_score_adj = -998' \
	'test $(cat /proc/self/oom_score_adj) -le 0 && echo ok'

# --- confinement -------------------------------------------------------------------------------------------------------

inside "seccomp: default" 2 . 'grep ^Seccomp: /proc/self/status | { read -r a b; echo $b; }'
inside "seccomp: default forbids a new user namespace" denied . 'unshare -U true 2>/dev/null || echo denied'
inside "seccomp: unconfined" 0 '.config.linux.security_context.seccomp.profile_type = "Unconfined"' \
	'grep ^Seccomp: /proc/self/status | { read -r a b; echo $b; }'
inside "seccomp: default without any security context" 2 'del(.config.linux.security_context)' \
	'grep ^Seccomp: /proc/self/status | { read -r a b; echo $b; }'
inside "seccomp: default with an empty security context" 2 '.config.linux.security_context = {}' \
	'grep ^Seccomp: /proc/self/status | { read -r a b; echo $b; }'
inside "seccomp: none with an empty security context, as crio.conf may say" 0 \
	'.config.linux.security_context = {} | .conf = {"crio.runtime.seccomp_use_default_when_empty": "false"}' \
	'grep ^Seccomp: /proc/self/status | { read -r a b; echo $b; }'
echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["chmod", "fchmodat", "no_such_call"], "action": "SCMP_ACT_ERRNO"}]}' \
	>"$SCRATCH/profile.json"
inside "seccomp: a profile file" denied \
	'.config.linux.security_context.seccomp = {profile_type: "Localhost", localhost_ref: "'"$SCRATCH"'/profile.json"}' \
	'chmod 700 /tmp 2>/dev/null || echo denied'
refused "seccomp: a missing profile file" "does not exist" \
	'.config.linux.security_context.seccomp = {profile_type: "Localhost", localhost_ref: "/nonexistent"}' true
inside "masked and read-only paths" "0 ro" '.config.linux.security_context += {masked_paths: ["/etc/group"], readonly_paths: ["/tmp"]}' \
	'echo $(wc -c </etc/group) $(touch /tmp/x 2>/dev/null || echo ro)'
inside "defaults hide and protect kernel files" "0 ro" 'del(.config.linux.security_context)' \
	'echo $(wc -c </proc/keys) $(echo x 2>/dev/null >/proc/sysrq-trigger || echo ro)'
inside "a read-only root" ro '.config.linux.security_context.readonly_rootfs = true' 'touch /x 2>/dev/null || echo ro'
inside "crio.conf read_only leaves /tmp, /run and /var/tmp" "ro rw rw rw" '.conf = {"crio.runtime.read_only": "true"}' \
	'echo $(touch /x 2>/dev/null || echo ro) $(touch /tmp/x && echo rw) $(touch /run/x && echo rw) $(touch /var/tmp/x && echo rw)'
inside "/sys is read-only" ro . 'grep " /sys sysfs" /proc/mounts | { read -r a b c d; echo ${d%%,*}; }'
inside "privileged: /sys is writable, no filter, the host's devices" "rw 0 yes" '.config.linux.security_context.privileged = true' \
	'echo $(grep " /sys sysfs" /proc/mounts | { read -r a b c d; echo ${d%%,*}; }) \
	$(grep ^Seccomp: /proc/self/status | { read -r a b; echo $b; }) $(test -c /dev/kmsg && echo yes)'
refused "privileged in a pod that is not" "not privileged" \
	'.config.linux.security_context.privileged = true | .sandbox.linux.security_context.privileged = false' true

# --- mounts ------------------------------------------------------------------------------------------------------------

inside "a host directory, read-only" "host-file ro" \
	'.config.mounts = [{container_path: "/mnt", host_path: "'"$SCRATCH"'/host", readonly: true}]' \
	'echo $(cat /mnt/file) $(touch /mnt/x 2>/dev/null || echo ro)'
mount -t tmpfs crisp-test "$SCRATCH/host/sub"
inside "read-only is not recursive by itself" rw \
	'.config.mounts = [{container_path: "/mnt", host_path: "'"$SCRATCH"'/host", readonly: true}]' 'touch /mnt/sub/x && echo rw'
inside "recursively read-only" ro \
	'.config.mounts = [{container_path: "/mnt", host_path: "'"$SCRATCH"'/host", readonly: true, recursive_read_only: true}]' \
	'touch /mnt/sub/y 2>/dev/null || echo ro'
refused "recursively read-only with a runtime that cannot" RROUnsupported \
	'.features.rro = false | .config.mounts = [{container_path: "/mnt", host_path: "'"$SCRATCH"'/host", readonly: true,
	 recursive_read_only: true}]' true
inside "a missing host path is made" made \
	'.config.mounts = [{container_path: "/mnt", host_path: "'"$SCRATCH"'/host/made/deep"}]' 'echo made >/mnt/x; cat /mnt/x'
check "on the host too" test -d "$SCRATCH/host/made/deep"
refused "unless that is forbidden" "absent_mount_sources_to_reject" \
	'.conf = {"crio.runtime.absent_mount_sources_to_reject": ["'"$SCRATCH"'/host/never"]}
	| .config.mounts = [{container_path: "/mnt", host_path: "'"$SCRATCH"'/host/never"}]' true
check "and then nothing is left" test ! -e "$SCRATCH/host/never"
ln -s "$SCRATCH/host" "$SCRATCH/link"
inside "a link is followed" host-file '.config.mounts = [{container_path: "/mnt", host_path: "'"$SCRATCH"'/link"}]' 'cat /mnt/file'
inside "a later mount shadows an earlier one, parents come first" "b sub" \
	'.config.mounts = [{container_path: "/mnt/x", host_path: "'"$SCRATCH"'/m/sub"}, {container_path: "/mnt", host_path: "'"$SCRATCH"'/m/a"},
	 {container_path: "/mnt/", host_path: "'"$SCRATCH"'/m/b"}]' "$(mkdir -p "$SCRATCH"/m/{a,b,sub}; echo a >"$SCRATCH/m/a/name"
	echo b >"$SCRATCH/m/b/name"; echo sub >"$SCRATCH/m/sub/name"; echo 'echo $(cat /mnt/name) $(cat /mnt/x/name)')"
refused "over the root" "over the root" '.config.mounts = [{container_path: "/tmp/..", host_path: "/tmp"}]' true
inside "resolv.conf of the pod" "nameserver 127.0.0.1" '.resolv_conf = "'"$SCRATCH"'/resolv.conf"' 'cat /etc/resolv.conf'
inside "unless the container mounts its own" host-file '.resolv_conf = "'"$SCRATCH"'/resolv.conf"
	| .config.mounts = [{container_path: "/etc/resolv.conf", host_path: "'"$SCRATCH"'/host/file"}]' 'cat /etc/resolv.conf'
inside "an image as a volume, with a path inside it" "web ro" '.config.mounts = [{container_path: "/mnt", readonly: true, image: {image: "i"},
	 image_sub_path: "etc"}] | .image_mount_sources = ["'"$ROOTFS"'"]' 'echo $(grep -o ^web /mnt/passwd) $(touch /mnt/x 2>/dev/null || echo ro)'
ln -s /etc "$ROOTFS/escape"
inside "a link in an image volume stays inside it" passwd '.config.mounts = [{container_path: "/mnt", readonly: true, image: {image: "i"},
	 image_sub_path: "escape"}] | .image_mount_sources = ["'"$ROOTFS"'"]' 'ls /mnt | grep passwd'
inside "a volume of the image is a directory" yes '.image.volumes = ["/vol/one"]' 'test -d /vol/one && echo yes'
mkdir "$SCRATCH/private"
mount -t tmpfs crisp-test "$SCRATCH/private"
mount --make-private "$SCRATCH/private"
refused "propagation out of a private mount" "not on a shared mount" '.config.mounts = [{container_path: "/mnt",
	 host_path: "'"$SCRATCH"'/private", propagation: "PROPAGATION_BIDIRECTIONAL"}]' true
refused "propagation into a container from a private mount" "neither shared nor slave" '.config.mounts = [{container_path: "/mnt",
	 host_path: "'"$SCRATCH"'/private", propagation: "PROPAGATION_HOST_TO_CONTAINER"}]' true
mount --make-shared "$SCRATCH/private"
inside "propagation out of a shared mount" shared '.config.mounts = [{container_path: "/mnt",
	 host_path: "'"$SCRATCH"'/private", propagation: "PROPAGATION_BIDIRECTIONAL"}] | .config.linux.security_context.privileged = true' \
	'mkdir -p /mnt/in && mount -t tmpfs x /mnt/in && grep " /mnt " /proc/self/mountinfo | grep -o shared'
check "the host sees it" grep -q " $SCRATCH/private/in " /proc/self/mountinfo
umount "$SCRATCH/private/in"
inside "propagation into a container" master '.config.mounts = [{container_path: "/mnt",
	 host_path: "'"$SCRATCH"'/private", propagation: "PROPAGATION_HOST_TO_CONTAINER"}]' \
	'grep " /mnt " /proc/self/mountinfo | grep -o master'

# --- devices and resources ---------------------------------------------------------------------------------------------

inside "a device under another name" "c 2" \
	'.config.devices = [{container_path: "/dev/mine", host_path: "/dev/zero", permissions: "rw"}]' \
	'echo $(ls -l /dev/mine | head -c 1) $(head -c 2 /dev/mine | wc -c)'
refused "a device that is not there" "No such file" '.config.devices = [{host_path: "/dev/nothing-here"}]' true
refused "a memory limit below the minimum" "container_min_memory" '.config.linux.resources.memory_limit_in_bytes = 1024' true
inside "memory, cpu and pids limits" "ok" '.config.linux.resources += {memory_limit_in_bytes: 67108864, cpu_shares: 512,
	 cpu_quota: 50000, cpu_period: 100000, cpuset_cpus: "0", hugepage_limits: [{page_size: "2MB", limit: 0}]}
	| .conf = {"crio.runtime.pids_limit": "50"}' \
	'test "$(nproc)" = 1 && test "$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max)" = 67108864 &&
	test "$(cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max)" = 50 && echo ok'

# --- exec --------------------------------------------------------------------------------------------------------------

exec_case() {
	local rc=0
	case_json "$1" | jq '.config.args = ["sleep 600"]' >"$SCRATCH/case.json"
	"$DRIVER" spec <"$SCRATCH/case.json" >"$SCRATCH/bundle/config.json" || return 1
	"$RUNTIME" --root "$SCRATCH/state" create --bundle "$SCRATCH/bundle" "e$RUN_ID" </dev/null >/dev/null 2>&1 || return 1
	"$RUNTIME" --root "$SCRATCH/state" start "e$RUN_ID" || rc=1
	"$DRIVER" exec "$SCRATCH/bundle/config.json" /bin/sh -c "$2" >"$SCRATCH/process.json" || rc=1
	"$RUNTIME" --root "$SCRATCH/state" exec --process "$SCRATCH/process.json" "e$RUN_ID" </dev/null || rc=1
	"$RUNTIME" --root "$SCRATCH/state" delete --force "e$RUN_ID" || true
	return $rc
}
check_is "an exec has the container's user, environment and filter" "uid=1000 v 2" exec_case \
	'.config.linux.security_context.run_as_user.value = 1000 | .config.envs = [{key: "K", value: "v"}]' \
	'echo uid=$(id -u) $K $(grep ^Seccomp: /proc/self/status | { read -r a b; echo $b; })'
check_is "an exec in a privileged container has what the daemon has" \
	"$(printf %016x $((0x$(awk '/^CapBnd/ { print $2 }' /proc/self/status) & 0x$(awk '/^CapPrm/ { print $2 }' /proc/self/status))))" \
	exec_case '.config.linux.security_context.privileged = true' 'grep CapEff /proc/self/status | { read -r a b; echo $b; }'

harness_end
