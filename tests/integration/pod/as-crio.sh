#!/bin/bash
# as-crio.sh - CRI-O's behaviour in details: ExecSync with a terminal, HOME, masked paths, volumes, devices,
# sysctls of the node, the process namespace of another pod, a relative cgroup parent, ImageFsInfo, logs
# without a name, verbose information, networks of old versions and the collection of unused ones.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
# As old as can be: no version.
cni_write
jq 'del(.cniVersion)' "$CNI_CONF/10-test.conflist" >"$SCRATCH/conflist" && mv "$SCRATCH/conflist" "$CNI_CONF/10-test.conflist"
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"

POD=$(pod_run p "$HOST_NET") || bail "a pod does not start"
create() { crictl create "$POD" "$(ctr_config "$1" "${3:-$BUSYBOX}" "$2")" "$SCRATCH/pod-p.json"; }
inside() { local id=$1; shift; crictl exec --sync "$id" "$@"; }

# --- ExecSync ----------------------------------------------------------------------------------------------------------

check "a container with a terminal" ctr_run "$POD" p.tty '.tty = true'
TTY=$OUT
check "its sessions of ExecSync have a terminal" inside "$TTY" sh -c 'test -t 0 && test -t 1 && test -t 2'
check_is "whose output is all there" 2000 eval 'inside "$TTY" seq 2000 | grep -c "^[0-9]"'
check_fails "whose exit code is the command's" "exited with 7" inside "$TTY" sh -c 'exit 7'
check_fails "a time limit ends them" "timed out" crictl exec --sync --timeout 1 "$TTY" sleep 60
check "a container without a terminal" ctr_run "$POD" p.plain
PLAIN=$OUT
check_fails "its sessions have none" "." inside "$PLAIN" test -t 1

# --- environment, paths, volumes, devices ------------------------------------------------------------------------------

check_fails "HOME with a line break is refused" "HOME must not contain a line break" \
	create p.home '.envs = [{key: "HOME", value: "/x\nroot2::0:0::/:/bin/sh"}]'
AS='.linux.security_context.run_as_user.value = 64892'
check "HOME of a user that the image does not know" ctr_run "$POD" p.home2 "$AS | .envs = [{key: \"HOME\", value: \"/tmp\"}]"
check_is "is the home in its entry" /tmp eval 'inside "$OUT" grep ^64892: /etc/passwd | cut -d: -f6'
check "a container with masked paths of its own" ctr_run "$POD" p.mask '.linux.security_context.masked_paths = ["/etc/group"]'
MASK=$OUT
check_is "has them, and the usual ones" "0 0" eval 'echo $(inside "$MASK" sh -c "wc -c </etc/group; wc -c </proc/keys")'

volumes_push() {
	local dir=$SCRATCH/volumes
	skopeo copy -q --src-tls-verify=false "docker://$BUSYBOX" "oci:$dir:v" &&
		umoci config --image "$dir:v" --config.volume /data/in --config.volume /tmp &&
		skopeo copy -q --dest-tls-verify=false "oci:$dir:v" "docker://$REGISTRY/volumes:1"
} >"$SCRATCH/volumes.log" 2>&1
volumes_push || { cat "$SCRATCH/volumes.log"; bail "the image with volumes cannot be made"; }
check "an image with volumes" crictl pull "$REGISTRY/volumes:1"
check "a container of a user" ctr_run "$POD" p.vol "$AS" "$REGISTRY/volumes:1"
VOL=$OUT
check "may write to a volume that the image lacks" inside "$VOL" touch /data/in/file
check_is "which is its own; what the image has stays" "64892 755 0" eval 'echo $(inside "$VOL" stat -c "%u %a" /data/in) $(inside "$VOL" stat -c %u /tmp)'
check "/run/.containerenv says that this is a container" inside "$VOL" test -f /run/.containerenv
check "the pod is removed" crictl rmp -f "$POD"

# --- verbose information -----------------------------------------------------------------------------------------------

check "a pod with an annotation" pod_run info '.annotations.key = "value" | .linux.sysctls = {"kernel.shm_rmid_forced": "1"}'
POD=$OUT
check "a container in it" ctr_run "$POD" info.a
C=$OUT
info() { crictl "$1" ${2:+"$2"} | jq -c "$3"; }
check_is "of a container: pod, process, privileges" "[\"$POD\",true,false]" info inspect "$C" '.info | [.sandboxID, .pid > 1, .privileged]'
check_is "of a pod: image, process, annotations, sysctls" '["",true,"value","1"]' info inspectp "$POD" \
	'.info | [.image, .pid > 1, .runtimeSpec.annotations.key, .runtimeSpec.linux.sysctl["kernel.shm_rmid_forced"]]'
check_is "the address of a network without a version is known" true info inspectp "$POD" '.status.network.ip | startswith("10.88.")'
check_is "its network namespace is the container's" "$(readlink "/proc/$(crictl inspect "$C" | jq .info.pid)/ns/net")" \
	eval 'echo "net:[$(stat -L -c %i "$(crictl inspectp "$POD" | jq -r ".info.runtimeSpec.linux.namespaces[] | select(.type == \"network\").path")")]"'
check_is "beside them is the machine" '"READY"' info inspectp "$POD" .machine.state
check_is "of an image: its config" true info inspecti "$BUSYBOX" '.info.imageSpec.config | has("Cmd")'
check_fails "a bandwidth that is no quantity is refused" "config.annotations.kubernetes.io/egress-bandwidth.: .*10MB/s.* is no quantity" \
	pod_run bw '.annotations["kubernetes.io/egress-bandwidth"] = "10MB/s"'
check_is "of the node: the image of pods" '""' info info "" .config.sandboxImage
check "the pod is removed" crictl rmp -f "$POD"

# --- logs --------------------------------------------------------------------------------------------------------------

check "a pod without a log directory" pod_run p "$HOST_NET | del(.log_directory)"
POD=$OUT
ECHO='.command = ["echo", "logged"]'
check "its container has a log below log_dir" ctr_run "$POD" p.log "$ECHO"
check_is "with the name of the request" "$SCRATCH/podlogs/$POD/p.log.log" eval 'crictl inspect "$OUT" | jq -r .status.logPath'
check "a container that names no log, either" ctr_run "$POD" p.nolog "del(.log_path) | $ECHO"
C=$OUT
check_is "has one with its id" "$SCRATCH/podlogs/$POD/$C.log" eval 'crictl inspect "$C" | jq -r .status.logPath'
check "both are written" poll 20 grep -q "F logged$" "$SCRATCH/podlogs/$POD/p.log.log" "$SCRATCH/podlogs/$POD/$C.log"
check "the pod is removed" crictl rmp -f "$POD"
check "and its logs with it" test ! -e "$SCRATCH/podlogs/$POD"

check "a privileged pod" pod_run p "$HOST_NET | .linux.security_context.privileged = true"
POD=$OUT
PRIV='.linux.security_context.privileged = true | .devices = [{host_path: "/dev/null", permissions: "rwm"'
check_fails "a privileged container's device in the place of one of the host is refused" "already exists on the host" \
	create p.dev "$PRIV, container_path: \"/dev/random\"}]"
check "in its own place it is not" create p.dev2 "$PRIV, container_path: \"/dev/null\"}]"
check "nor in one that is free" create p.dev3 "$PRIV, container_path: \"/dev/mynull\"}]"
check "the pod is removed" crictl rmp -f "$POD"

# --- pods --------------------------------------------------------------------------------------------------------------

VALUE=$(cat /proc/sys/net/ipv4/ip_forward)
check "a pod on the node's network runs with a sysctl of a network" \
	pod_run p "$HOST_NET | .linux.sysctls = {\"net.ipv4.ip_forward\": \"$((1 - VALUE))\", \"kernel.shm_rmid_forced\": \"1\"}"
POD=$OUT
check_is "which is not set" "$VALUE" cat /proc/sys/net/ipv4/ip_forward
check "a warning says so" grep -q 'skip a sysctl of a pod.*net.ipv4.ip_forward is not allowed with host network' "$SCRATCH/daemon.log"
check "a container" ctr_run "$POD" p.sys
check_is "has that of its own namespace" 1 inside "$OUT" cat /proc/sys/kernel/shm_rmid_forced
check_fails "a sysctl of the node alone is refused" "config.linux.sysctls: .*kernel.panic" pod_run q "$HOST_NET | .linux.sysctls = {\"kernel.panic\": \"1\"}"

PID='.linux.security_context.namespace_options.pid'
check "a pod with a process namespace for each container" pod_run own "$HOST_NET | $PID = 1"
OWN=$OUT
check "a container in it" ctr_run "$OWN" own.a "$HOST_NET | $PID = 1"
A=$OUT
TARGET="$HOST_NET | $PID = 3 | .linux.security_context.namespace_options.target_id = \"$A\""
check "a pod whose containers join the processes of that one" pod_run far "$TARGET"
FAR=$OUT
check "a container in it" ctr_run "$FAR" far.a "$TARGET"
B=$OUT
check_is "shares its processes" "$(inside "$A" readlink /proc/self/ns/pid)" inside "$B" readlink /proc/self/ns/pid
check "another pod's container without that mode" pod_run near "$HOST_NET | $PID = 1"
check_fails "does not" "does not run in this sandbox" crictl create "$OUT" "$(ctr_config near.a "$BUSYBOX" "$TARGET")" "$SCRATCH/pod-near.json"
check "the container ends with the one it joined" crictl stop -t 0 "$A"
check "and is exited" poll 20 ctr_is "$B" CONTAINER_EXITED

if [ "$CGROUP_MANAGER" = cgroupfs ]; then
	check "a pod with a relative cgroup parent" pod_run rel "$HOST_NET | .linux.cgroup_parent = \"${CGROUP_PARENT#/}/rel\""
	REL=$OUT
	check "a container" ctr_run "$REL" rel.a
	check "is below the root" grep -q ":$CGROUP_PARENT/rel/crisp-$OUT$" "/proc/$(crictl inspect "$OUT" | jq .info.pid)/cgroup"
	check_fails "a slice is none" "is not a path below" pod_run slice "$HOST_NET | .linux.cgroup_parent = \"x.slice\""
fi

# --- networks of version 1.1: what no pod has is collected -------------------------------------------------------------

mkdir "$SCRATCH/plugins"
cat >"$SCRATCH/plugins/collector" <<'PLUGIN'
#!/bin/bash
cd "${0%/*}"
case $CNI_COMMAND in
ADD) echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.77.0.2/24"}]}' ;;
DEL) [ ! -e stuck ] || { echo '{"code": 100, "msg": "stuck"}'; exit 1; } ;;
GC) jq -c '."cni.dev/valid-attachments" | map(.containerID) | sort' >>collected ;;
esac
PLUGIN
chmod 755 "$SCRATCH/plugins/collector"
check "all pods are removed" everything_remove
echo '{"cniVersion": "1.1.0", "name": "collected", "plugins": [{"type": "collector"}]}' >"$CNI_CONF/10-test.conflist"
printf '[crio.network]\nplugin_dirs = ["%s"]\n' "$SCRATCH/plugins" >"$SCRATCH/config.d/70-plugins"
daemon_stop
# Without --cni-plugin-dir, which would win over the file.
eval "argv_before() $(declare -f peer_argv | tail -n +2)"
peer_argv() { argv_before | grep -vxe --cni-plugin-dir -e "$CNI_PLUGINS"; }
daemon_start
check "a pod" pod_run one
ONE=$OUT
check "another" pod_run two
TWO=$OUT
daemon_kill
daemon_again
last() { tail -n 1 "$SCRATCH/plugins/collected"; }
both() { [ "$(last)" = "$(jq -nc --arg a "$ONE" --arg b "$TWO" '[$a, $b] | sort')" ]; }
check "at a start the plugin is told both pods" poll 30 both
touch "$SCRATCH/plugins/stuck"
crictl stopp "$ONE" >/dev/null 2>&1 &
only_two() { [ "$(last)" = "[\"$TWO\"]" ]; }
check "after a DEL that failed without the pod's" poll 30 only_two
rm "$SCRATCH/plugins/stuck"
wait $!
check_is "a pod that is made then has its network" 10.77.0.2 eval 'crictl inspectp "$(pod_run three)" | jq -r .status.network.ip'

fs_info() { crictl imagefsinfo -o json | jq -c "$1"; }
check_is "images and containers on one disk have one file system" true \
	fs_info '.status | .imageFilesystems[0] == .containerFilesystems[0]'

check "all is removed" everything_remove
daemon_stop
check_is "the daemon ends with status 0" 0 echo "$DAEMON_STATUS"
harness_end
