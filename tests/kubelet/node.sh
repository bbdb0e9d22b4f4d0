# node.sh - a node of its own, for a real kubelet or a package: a pid, mount, network, UTS, IPC and cgroup namespace in which
# the daemon, the registry and the kubelet run. Sourced by run.sh.
#
# A script runs twice: outside it makes the world of lib.sh and calls node_life, inside it is process 1 of a life of the
# node. Scratch directory and images outlive a life, processes, mounts, networks and the boot id do not: the next life
# is a reboot. What must hold: the end of process 1 ends everything in the node; nothing outside of the scratch
# directory, the cgroup parent and the namespaces changes.

. "$(dirname "${BASH_SOURCE[0]}")/../integration/lib.sh"

NODE_NAME=crisp-node
NODE_ADDRESS=10.82.255.2
KUBELET_CLIENT=https://127.0.0.1:10250		# exec, attach, port-forward, logs
KUBELET_READ=http://127.0.0.1:10255		# pods, stats, metrics

# node_inside: is this process in the node?
node_inside() { [ -n "${CRISP_NODE_LIFE:-}" ]; }

# --- outside -----------------------------------------------------------------------------------------------------------

# The mount points of all cgroup hierarchies with the options that mount them again: "PATH TYPE OPTIONS".
node_cgroup_mounts() {
	awk '{ for (i = 7; i <= NF; i++) if ($i == "-" && ($(i + 1) == "cgroup" || $(i + 1) == "cgroup2")) print $5, $(i + 1), $(i + 3) }' \
		/proc/self/mountinfo | sort -u -k 1,1 | sed -E 's/\b(rw|ro|nsdelegate|memory_recursiveprot|xattr|clone_children|release_agent=[^,]*)(,|$)//g; s/,$//'
}

# node_cgroup_make DIRECTORY: a cgroup that can have processes
node_cgroup_make() {
	local file controller
	for controller in cpuset cpu io memory hugetlb pids; do
		echo "+$controller" >"${1%/*}/cgroup.subtree_control"
	done 2>/dev/null
	mkdir -p "$1"
	for file in cpuset.cpus cpuset.mems; do
		[ ! -e "${1%/*}/$file" ] || cat "${1%/*}/$file" >"$1/$file"
	done 2>/dev/null
	return 0
}

node_cgroups_join() {
	local mount rest
	while read -r mount rest; do
		node_cgroup_make "$mount$1"
		echo 0 >"$mount$1/cgroup.procs" || return
	done < <(node_cgroup_mounts)
}

node_begin() {
	harness_begin "$@"
	[ -n "${NODE_NO_KUBELET:-}" ] || [ -x "$CACHE/bin/kubelet" ] || bail "the kubelet is missing: run tools/test-deps.sh --kubelet first"
	[ "$CGROUP_MANAGER" = cgroupfs ] || skip_all "the node has no systemd"
	mkdir -p "$SCRATCH"/{kubelet,varlog/pods,varlog/containers,manifests,plugins,fake,out}
}

# node_life LIFE: one life of the node, which is this script with CRISP_NODE_LIFE=LIFE. Its checks become ours.
node_life() {
	local rc=0 line
	echo "# life: $1"
	rm -f "$SCRATCH/counted"
	export SCRATCH RUN_ID BRIDGE SOCKET ROOT RUNROOT CNI_CONF CNI_PLUGINS REGISTRIES_CONF
	(
		node_cgroups_join "$CGROUP_PARENT" || bail "cgroups below $CGROUP_PARENT cannot be made"
		export CRISP_NODE_TESTS=$TESTS CRISP_NODE_FAILURES=$FAILURES
		CRISP_NODE_LIFE=$1 exec unshare --mount --net --pid --uts --ipc --cgroup --fork --kill-child --mount-proc bash "$0" "${@:2}"
	) || rc=$?
	[ -s "$SCRATCH/counted" ] || bail "the node's life \"$1\" ended with status $rc before its last check"
	read -r TESTS FAILURES <"$SCRATCH/counted"
	cgroups_remove
}

# --- inside ------------------------------------------------------------------------------------------------------------

# The cgroup of the life is the root of all hierarchies; its processes move below it, since a kubelet makes cgroups
# beside them.
node_cgroups_mount() {
	local mounts path type options
	node_cgroup_mounts >"$SCRATCH/fake/cgroups"
	mounts=$(cat "$SCRATCH/fake/cgroups")
	umount -R /sys/fs/cgroup || return
	[ "$(wc -l <<<"$mounts")" = 1 ] || mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup || return
	while read -r path type options; do
		mkdir -p "$path"
		mount -t "$type" ${options:+-o "$options"} cgroup "$path" || return
	done <<<"$mounts"
	node_cgroups_join /system
}

# The daemon has a cgroup of its own, whose use the kubelet shows as that of the runtime.
NODE_RUNTIME_CGROUP=/runtime
node_runtime_confine() {
	local mount rest
	CRISP_TEST_WRAP=$SCRATCH/fake/confined
	echo '#!/bin/sh' >"$CRISP_TEST_WRAP"
	while read -r mount rest; do
		node_cgroup_make "$mount$NODE_RUNTIME_CGROUP"
		echo "echo 0 >'$mount$NODE_RUNTIME_CGROUP/cgroup.procs' || exit"
	done < <(node_cgroup_mounts) >>"$CRISP_TEST_WRAP"
	echo 'exec "$@"' >>"$CRISP_TEST_WRAP"
	chmod +x "$CRISP_TEST_WRAP"
}

# A kubelet sets what is the whole machine's: it finds the wanted values in files of the node.
node_sysctls_hide() {
	local pair file
	for pair in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
		kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
		file=$SCRATCH/fake/$(tr / _ <<<"${pair%=*}")
		echo "${pair#*=}" >"$file"
		mount --bind "$file" "/proc/sys/${pair%=*}" || return
	done
}

# node_cover DIRECTORY: what is written there is the node's, until it ends
node_cover() {
	local work=$SCRATCH/fake/cover${1//\//-}
	mkdir -p "$work"/{upper,work}
	chmod --reference="$1" "$work/upper"
	mount -t overlay -o "lowerdir=$1,upperdir=$work/upper,workdir=$work/work" cover "$1"
}

# node_tmp_cover: the same for /tmp, in which the scratch directory may be
node_tmp_cover() {
	mount --bind "$SCRATCH" /mnt && mount --bind "$SCRATCH/fake" /mnt/fake && node_cover /tmp || return
	mkdir -p "$SCRATCH"
	mount --move /mnt "$SCRATCH"
}

node_mounts_make() {
	mount -t tmpfs -o mode=755 fake "$SCRATCH/fake" || return
	[ "${NODE_TMP:-}" != private ] || node_tmp_cover || return
	mount --make-rshared / || return
	node_cgroups_mount || return
	mount -t tmpfs -o mode=755 run "$SCRATCH/run" && mount --make-shared "$SCRATCH/run" || return
	mount -t tmpfs -o mode=755 run /run && mkdir -p /run/lock || return
	# The kubelet writes to /var/lib/kubelet in some places, whatever its options say.
	node_cover /var/lib || return
	mkdir -p /var/lib/kubelet
	mount --bind "$SCRATCH/kubelet" /var/lib/kubelet && mount --make-shared /var/lib/kubelet || return
	mount --bind "$SCRATCH/varlog" /var/log || return
	# The kernel gives a user namespace a /proc of its own only where one is in sight without anything over it.
	mkdir -p "$SCRATCH/fake/proc"
	mount -t proc proc "$SCRATCH/fake/proc" || return
	cat /proc/sys/kernel/random/uuid >"$SCRATCH/fake/boot_id"
	mount --bind "$SCRATCH/fake/boot_id" /proc/sys/kernel/random/boot_id || return
	node_sysctls_hide || return
	hostname "$NODE_NAME"
	printf '127.0.0.1 localhost\n%s %s\n' "$NODE_ADDRESS" "$NODE_NAME" >"$SCRATCH/fake/hosts"
	printf 'nameserver %s\noptions timeout:1 attempts:1\n' "$NODE_ADDRESS" >"$SCRATCH/fake/resolv.conf"
	mount --bind "$SCRATCH/fake/hosts" /etc/hosts && mount --bind "$SCRATCH/fake/resolv.conf" /etc/resolv.conf
}

# A default route, as a node has; it leads to nobody.
node_network_make() {
	ip link set lo up
	ip link add uplink type veth peer name nobody && ip link set nobody up && ip link set uplink up &&
		ip addr add "$NODE_ADDRESS/24" dev uplink && ip route add default via "${NODE_ADDRESS%.*}.1"
}

# node_enter: process 1 of a life calls it first.
node_enter() {
	trap node_leave EXIT
	trap 'exit 130' INT TERM HUP
	TESTS=$CRISP_NODE_TESTS FAILURES=$CRISP_NODE_FAILURES
	CGROUP_PARENT=/crisp			# of pods that name none
	mkdir -p "$SCRATCH/run"
	node_mounts_make || bail "the node's mounts cannot be made"
	node_network_make || bail "the node's network cannot be made"
	node_runtime_confine
	cni_write
	registry_start
}

# Whatever still runs ends with this process.
node_leave() {
	local rc=$?
	trap - EXIT
	echo "$TESTS $FAILURES" >"$SCRATCH/counted"
	if [ $rc != 0 ]; then
		{ echo "the last lines of the daemon's log:"; tail -n "${CRISP_TEST_LOG_LINES:-20}" "$SCRATCH/daemon.log"; } | diag
		[ -n "${NODE_NO_KUBELET:-}" ] ||
			{ echo "the last lines of the kubelet's log:"; tail -n "${CRISP_TEST_LOG_LINES:-20}" "$SCRATCH/kubelet.log"; } | cut -c -300 | diag
		rm "$SCRATCH/counted"
	fi
	exit $rc
}

# node_socket_known: the daemon listens where the kubelet's cAdvisor asks a daemon of its kind, whatever the kubelet is
# told of the runtime's endpoint
node_socket_known() {
	case $PEER in
	crispd) SOCKET=/var/run/crio/crio.sock ;;
	containerd) SOCKET=/run/containerd/containerd.sock ;;
	esac
}

# --- kubelet -----------------------------------------------------------------------------------------------------------

# kubelet_start [LINE...]: starts the kubelet with these lines more in its configuration
kubelet_start() {
	cat >"$SCRATCH/kubelet.yaml" <<-YML
	apiVersion: kubelet.config.k8s.io/v1beta1
	kind: KubeletConfiguration
	authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
	authorization: {mode: AlwaysAllow}
	containerRuntimeEndpoint: "unix://$SOCKET"
	staticPodPath: $SCRATCH/manifests
	volumePluginDir: $SCRATCH/plugins
	cgroupDriver: cgroupfs
	failCgroupV1: false
	failSwapOn: false
	oomScoreAdj: 0
	readOnlyPort: 10255
	fileCheckFrequency: 1s
	syncFrequency: 10s
	containerLogMaxSize: 20Ki
	containerLogMaxFiles: 3
	containerLogMonitorInterval: 3s
	crashLoopBackOff: {maxContainerRestartPeriod: 10s}
	enableDebuggingHandlers: true
	registerNode: false
	maxPods: 110
	YML
	printf '%s\n' "${EVICTION:-evictionHard: {memory.available: \"0%\", nodefs.available: \"0%\", nodefs.inodesFree: \"0%\", imagefs.available: \"0%\", imagefs.inodesFree: \"0%\"\}}" \
		"$@" >>"$SCRATCH/kubelet.yaml"
	"$CACHE/bin/kubelet" --config "$SCRATCH/kubelet.yaml" --hostname-override "$NODE_NAME" --node-ip "$NODE_ADDRESS" \
		--runtime-cgroups "$NODE_RUNTIME_CGROUP" --cert-dir "$SCRATCH/kubelet/pki" --v 2 >>"$SCRATCH/kubelet.log" 2>&1 </dev/null &
	KUBELET_PID=$!
	poll 120 curl -fsS "$KUBELET_READ/healthz" || bail "the kubelet does not start: $(grep '^[EF]' "$SCRATCH/kubelet.log" | tail -n 3)"
}

kubelet_stop() {
	kill "${1:--TERM}" "$KUBELET_PID"
	wait "$KUBELET_PID"
} 2>/dev/null

# pods_json: the pods as the kubelet reports them
pods_json() { curl -fsS -m 20 "$KUBELET_READ/pods"; }

# pod_json NAME: the pod of the manifest NAME
pod_json() { pods_json | jq -e --arg name "$1-$NODE_NAME" '.items[] | select(.metadata.name == $name)'; }
