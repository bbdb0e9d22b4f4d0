#!/bin/bash
# run.sh - Kubernetes' own kubelet, standalone, runs pods on the daemon: probes, init containers, hooks, volumes,
# security contexts, streams, logs, image GC. It loses nothing when daemon, shims, kubelet or node die, and logs no error.
#
# The pods are pods/*.yaml; the node is that of node.sh. A line of level error in the kubelet's log fails the test unless
# allowed.tsv gives a reason for it.
#
# usage: run.sh [LIFE...]    lives of the node: default gates events reboot (all, in this order); short: the most telling part
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/node.sh"
. "$HERE/checks.sh"

# --- the pods of a life ------------------------------------------------------------------------------------------------

pods_begin() {
	mkdir -p "$SCRATCH"/host/{dir/sub,propagation} "$SCRATCH/kubelet/seccomp"
	echo content >"$SCRATCH/host/file"
	echo part >"$SCRATCH/host/dir/sub/f"
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}' \
		>"$SCRATCH/kubelet/seccomp/no-mkdir.json"
}

containers_run() {
	container_is "init containers and a sidecar end and start in order" init main '.ready' &&
		log_is "and see each other's volume" init main "first sidecar second"
	pod_is "the sidecar runs on" init '.status.initContainerStatuses[] | select(.name == "sidecar") | .ready and .state.running'
	container_is "a startup, a readiness and a liveness probe succeed" probes good '.ready and .restartCount == 0'
	container_is "a failing liveness probe restarts its container" probes dies '.restartCount > 0 and .lastState.terminated'
	container_is "a probe that takes too long fails" probes slow '.restartCount > 0'
	container_is "a probe without a program leaves its container unready" probes unready '.ready == false and .restartCount == 0 and .state.running'
	container_is "an exit code is the container's" crash code '.lastState.terminated.exitCode == 3 and .restartCount > 0'
	container_is "a program that does not exist is a StartError with code 128 and is tried again" crash absent \
		'.restartCount > 0 and .lastState.terminated.exitCode == 128 and .lastState.terminated.reason == "StartError"'
	pod_is "containers that end end their pod" ends '.status.phase == "Failed"'
	container_is "the reason of success" ends good '.state.terminated | .reason == "Completed" and .exitCode == 0'
	container_is "the reason of failure" ends bad '.state.terminated | .reason == "Error" and .exitCode == 5'
	container_is "a termination message" ends file '.state.terminated.message == "because of X"'
	container_is "a termination message at a path of its own" ends path '.state.terminated.message == "custom"'
	container_is "a termination message from the log" ends log '.state.terminated.message == "last words\n"'
	container_is "a container that failed runs again" again once '.restartCount == 1 and .state.terminated.exitCode == 0'
	container_is "restart rules: once for 42, then no more" again rules '.restartCount == 1 and .state.terminated.exitCode == 1'
	container_is "memory above the limit is OOMKilled" oom eats '.state.terminated | .reason == "OOMKilled" and .exitCode == 137'
	container_is "no root for an image of user 1002" nonroot good '.ready'
	container_is "no root: a name is refused" nonroot named '.state.waiting.reason == "CreateContainerConfigError"'
	container_is "no root: root is refused" nonroot root '.state.waiting.reason == "CreateContainerConfigError"'
	container_is "image names: the status has the name that was asked for" plain side ".image == \"$BUSYBOX\" and (.imageID | length > 0)"
}

images_run() {
	container_is "an unknown image" missing unknown '.state.waiting.reason | IN("ErrImagePull", "ImagePullBackOff")'
	container_is "a registry that is closed" missing closed '.state.waiting.reason | IN("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable")'
	container_is "a name that is none" missing invalid '.state.waiting.reason == "InvalidImageName"'
	container_is "an image that may not be pulled" missing never '.state.waiting.reason == "ErrImageNeverPull"'
	container_is "an image that is pulled each time" missing always '.ready'
}

files_run() {
	local memory
	log_has "volumes" volumes v '^over$'
	log_has "hostPath: a file" volumes v '^file content$'
	log_has "hostPath: read-only" volumes v '^ro .*Read-only file system'
	log_has "subPath" volumes v '^sub part$'
	log_has "subPathExpr" volumes v '^part /part$'
	log_has "emptyDir" volumes v '^x$'
	log_has "emptyDir in memory, with its limit" volumes v '^memory 8192$'
	log_has "downwardAPI" volumes v '^down app="volumes" ?67108864$'
	log_has "environment of the pod's fields" volumes v "^env volumes-$NODE_NAME 10\.[0-9.]+ 67108864\$"
	log_has "an image as a volume" volumes v '^image 1:latest$'
	log_has "it is read-only" volumes v '^image-ro .*Read-only file system'
	log_is "mount propagation in both directions" propagation sees seen
	container_is "limits" limits c '.ready'
	memory=$(cgroup_file limits c memory memory.limit_in_bytes memory.max)
	check_is "the limit of memory is the cgroup's" 67108864 echo "$memory"
	check_is "the share of cpu is the cgroup's" "30000 100000" cgroup_cpu limits c
	pod_is "limits of a pod" podlevel '.status.conditions[] | select(.type == "Ready").status == "True"'
	check_is "they are the cgroup's of the pod" 134217728 cgroup_pod podlevel memory memory.limit_in_bytes memory.max
}

security_run() {
	log_has "user, groups, read-only root" security least '^1234:2345 2345 777 888 777 .*Read-only file system'
	log_has "no capability" security least '^0000000000000000$'
	log_has "no new privileges" security least '^1$'
	log_has "the runtime's seccomp profile" security seccomp '^2$'
	log_has "it has teeth" security seccomp 'unshare.*Operation not permitted'
	log_has "a seccomp profile of the node" security profile 'mkdir.*Operation not permitted'
	log_has "a privileged container has no filter" security privileged '^0$'
	log_has "and the devices" security privileged '^devices$'
	log_has "the user of an image by its name" security named '^33:33 '
	log_is "processes of a pod see each other" sharepid a seen
	log_is "namespaces of the node" hostnet h "$NODE_NAME $(tr '\0' ' ' </proc/1/cmdline | sed 's/ $//')"
}

network_run() {
	check "a port of the node" wait_for 60 curl -fsS -m 5 "http://$NODE_ADDRESS:18080/"
	check "the node's network" wait_for 60 curl -fsS -m 5 "http://$NODE_ADDRESS:18081/"
	log_is "resolv.conf, hosts, host name, sysctl" dns d \
		"search a.example nameserver 192.0.2.9 options ndots:3 192.0.2.4 alias.example hh 80"
	log_is "a working directory that the image lacks" workdir w "/not/there xy"
}

hooks_run() {
	log_has "a postStart command" hooks exec '^post$'
	container_is "a postStart request" hooks http '.ready'
	container_is "a postStart command that fails restarts its container" hooks bad '.restartCount > 0'
}

# Hooks and signals of the end.
stops_run() {
	local began
	logs_keep hooks grace
	began=$SECONDS
	pods_remove hooks grace
	check "pods that are deleted end" wait_for 120 pods_absent hooks grace
	check "grace is given" [ $((SECONDS - began)) -ge 4 ]
	check "a preStop command comes before SIGTERM" grep -q ' pre$' "$SCRATCH"/out/t_hooks-*/exec/0.log
	check "SIGTERM comes before SIGKILL" grep -q ' got term$' "$SCRATCH"/out/t_grace-*/g/0.log
	check "the stop signal of an image" grep -q ' got quit$' "$SCRATCH"/out/t_grace-*/q/0.log
}

log_files() { find "$(log_dir logs)/writes/" -name '0.log*' | wc -l; }
rotated() { [ -n "$(find "$(log_dir logs)/writes/" -name '0.log.*.gz')" ]; }

logs_run() {
	check "a log that grows is rotated and compressed" wait_for 120 rotated
	check "of the rotated ones the newest stay" [ "$(log_files)" -le 4 ]
	check "the log after its rotation has lines" wait_for 30 grep -q ' line ' "$(log_dir logs)/writes/0.log"
	check "the kubelet shows the end of a log" kubelet_says '^line [0-9]+ 01' "containerLogs/t/logs-$NODE_NAME/writes?tailLines=3"
}

# stream COMMAND TRANSPORT [FLAG...]: the checks of goclient become ours.
stream() {
	local command=$1 transport=$2 line
	shift 2
	while read -r line; do
		case $line in
		"ok "*) ok "$command over $transport: ${line#ok }" ;;
		"not ok "*) not_ok "$command over $transport: ${line#not ok }" ;;
		*) diag <<<"$line" ;;
		esac
	done < <("$CACHE/bin/goclient" "$command" -kubelet "$KUBELET_CLIENT" -transport "$transport" -mib 4 "$@" 2>&1 || echo "status $?")
}

streams_run() {
	local pid
	check_is "a command's output by the kubelet's own request" "hello" curl -fsSk -m 60 -X POST "$KUBELET_CLIENT/run/t/plain-$NODE_NAME/side?cmd=echo%20hello"
	container_is "a container that reads" tty reads '.ready'
	container_is "another" tty again '.ready'
	container_is "a shell with a terminal" tty shell '.ready'
	pid=$(ctr_pid plain side)
	nsenter --net="/proc/$pid/ns/net" "$CACHE/bin/goclient" serve -mib 4 >"$SCRATCH/serve" 2>&1 &
	SERVE=$!
	check "servers in the pod's network" wait_for 20 grep -q serving "$SCRATCH/serve"
	stream exec spdy -container "t/plain-$NODE_NAME/side"
	stream exec websocket -container "t/plain-$NODE_NAME/side"
	stream attach spdy -reader "t/tty-$NODE_NAME/reads"
	stream attach websocket -reader "t/tty-$NODE_NAME/again"
	stream forward spdy -pod "t/plain-$NODE_NAME"
	stream forward websocket -pod "t/plain-$NODE_NAME"
	kill $SERVE
	wait $SERVE 2>/dev/null
}

summary_has() { curl -fsS -m 20 "$KUBELET_READ/stats/summary" | jq -e --arg pod "plain-$NODE_NAME" "$1"; }

stats_run() {
	check "the summary has the file system of the images" wait_for 60 summary_has '.node.runtime.imageFs.usedBytes > 0'
	check "the summary has a container's cpu and memory" wait_for 60 summary_has \
		'.pods[] | select(.podRef.name == $pod).containers[] | select(.name == "side") | .cpu.usageCoreNanoSeconds > 0 and .memory.workingSetBytes > 0'
	check "the summary has a container's files" wait_for 60 summary_has \
		'.pods[] | select(.podRef.name == $pod).containers[] | select(.name == "side") | .rootfs.usedBytes >= 0 and .logs.usedBytes > 0'
	check "the summary has the daemon as system container \"runtime\"" wait_for 60 summary_has \
		'.node.systemContainers[] | select(.name == "runtime") | .cpu.usageCoreNanoSeconds > 0 and .memory.workingSetBytes > 1000000'
	check "/metrics/resource has a container" wait_for 60 eval \
		"curl -fsS -m 20 $KUBELET_READ/metrics/resource | grep -q 'container_cpu_usage_seconds_total{container=\"side\".*pod=\"plain-'"
}

cadvisor() { curl -fsS -m 20 "$KUBELET_READ/metrics/cadvisor"; }
# cadvisor_has FAMILY CONTAINER: a series of that container of the pod plain
cadvisor_has() { cadvisor | grep -q "^$1{.*container=\"$2\".*pod=\"plain-$NODE_NAME\""; }
# The families of the pod plain and its containers, as "FAMILY CONTAINER" lines; the pod's own cgroup has no container.
cadvisor_series() { cadvisor | grep "pod=\"plain-$NODE_NAME\"" | sed -E 's/\{.*[{,]?container="([^"]*)".*/ \1/' | sort -u; }

# figures_run LIFE: what cAdvisor or the runtime measures has its labels. The set of series is kept for the lives after.
figures_run() {
	local family pod_container=POD families=(container_cpu_usage_seconds_total container_memory_working_set_bytes
		container_memory_rss container_spec_memory_limit_bytes container_start_time_seconds container_oom_events_total
		container_processes container_threads container_fs_usage_bytes container_fs_inodes_total container_fs_limit_bytes)
	# Of another runtime cAdvisor does not measure the files.
	[ "$PEER" = crispd ] || { pod_container=; families=("${families[@]:0:8}"); }
	for family in "${families[@]}"; do
		check "/metrics/cadvisor: $family of a container" wait_for 90 cadvisor_has "$family" side
	done
	for family in receive_bytes receive_packets transmit_bytes transmit_errors; do
		check "/metrics/cadvisor: container_network_${family}_total of a pod" wait_for 90 cadvisor_has \
			container_network_${family}_total "$pod_container"
	done
	check "/metrics/cadvisor: container_memory_working_set_bytes of a pod's cgroup" wait_for 90 cadvisor_has \
		container_memory_working_set_bytes ""
	check "the summary has a pod's network" wait_for 90 summary_has '.pods[] | select(.podRef.name == $pod).network.rxBytes > 0'
	check "the summary has a pod's cpu and memory" wait_for 90 summary_has \
		'.pods[] | select(.podRef.name == $pod) | .cpu.usageCoreNanoSeconds > 0 and .memory.workingSetBytes > 0'
	cadvisor_series >"$SCRATCH/out/series-$1"
}

# series_check LIFE OTHER: both lives have the same series but for those that series.tsv explains
series_check() {
	local differences
	[ -s "$SCRATCH/out/series-$2" ] || return 0
	differences=$(diff "$SCRATCH/out/series-$2" "$SCRATCH/out/series-$1" | grep '^[<>]' |
		sed "s/^</$2/; s/^>/$1/" | grep -Ev -f <(grep -v '^#' "$HERE/series.tsv" | cut -f 1))
	if [ -z "$differences" ]; then ok "$1: the series are those of $2"; return 0; fi
	not_ok "$1: the series are those of $2" "$(wc -l <<<"$differences") differences"
	diag <<<"$differences"
}

# Unused images go when the disk is said to be full; used and pinned ones stay.
gc_run() {
	local unused="$REGISTRY/k8s-staging-cri-tools/test-image-2:latest"
	check "an image that no pod uses" crictl pull "$unused"
	kubelet_stop
	# The kubelet ignores 100%, and keeps images that it has just seen for the first time.
	EVICTION=$'evictionHard: {imagefs.available: "99.9%"}\nimageMinimumGCAge: 1s' kubelet_start "$@"
	check "image GC removes it" wait_for 120 eval "! crictl inspecti -q '$unused'"
	check "an image that pods use stays" crictl inspecti -q "$BUSYBOX"
	kubelet_stop
	kubelet_start "$@"
}

# --- accidents ---------------------------------------------------------------------------------------------------------

daemon_killed() {
	container_is "a container before the accidents" plain side '.ready and .restartCount == 0'
	daemon_kill
	sleep 3
	daemon_again
	check "the daemon was killed: pods stay" pods_stay
	errors_check down "the daemon was killed"
}

accidents_run() {
	local shim
	daemon_killed
	daemon_kill TERM
	sleep 8
	daemon_again
	check "the daemon was stopped for a while: pods stay" pods_stay
	errors_check down "the daemon was stopped"
	kubelet_stop -KILL
	kubelet_start "$@"
	check "the kubelet was killed: pods stay" pods_stay
	errors_check always "the kubelet was killed"
	[ "$PEER" = crispd ] || return 0
	shim=$(shim_pid plain)
	check "the pod's shim is killed" kill -KILL "$shim"
	check "another one comes" wait_for 60 eval '[ -n "$(shim_pid plain)" ] && [ "$(shim_pid plain)" != '"$shim"' ]'
	check "a shim was killed: pods stay" pods_stay
	errors_check always "a shim was killed"
}

# pods_stay: for a while no container of the pod plain has restarted, and an exec works. A kubelet that has just started
# calls no container ready before it has looked.
pods_stay() {
	wait_for 60 eval 'crictl exec --sync "$(ctr_id plain side)" true' || return
	wait_for 60 pods_json || return
	sleep 4
	wait_for 60 eval "pod_json plain | jq -e '[.status.containerStatuses[] | .ready and .restartCount == 0] | all'"
}

many() { printf 'many%02d ' $(seq 40); }
many_ready() { pods_json | jq -e '[.items[] | select(.metadata.name | startswith("many")) | .status.containerStatuses[]? | select(.ready)] | length == 40'; }

many_run() {
	local began=$SECONDS
	# shellcheck disable=SC2046
	pods_add_as many $(many)
	check "40 pods at once are ready" wait_for 400 many_ready
	echo "# 40 pods: $((SECONDS - began)) s"
}

# --- lives -------------------------------------------------------------------------------------------------------------

ALL=(plain init probes crash ends again oom limits podlevel volumes propagation hostport hostnet sharepid security
	nonroot hooks grace logs missing tty dns workdir)

life_default() {
	node_socket_known
	daemon_start
	kubelet_start
	pods_add "${ALL[@]}"
	containers_run
	images_run
	files_run
	security_run
	network_run
	hooks_run
	logs_run
	streams_run
	stats_run
	figures_run default
	stops_run
	errors_check always "pods of each kind"
	gc_run
	accidents_run
	pods_end
}

GATES='featureGates: {PodAndContainerStatsFromCRI: true, CRIListStreaming: true, ContainerStopSignals: true}'

kubelet_metric() { curl -fsS -m 20 "$KUBELET_READ/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }

life_gates() {
	local pods=(plain init crash limits logs stopsignal)
	node_socket_known
	daemon_start
	kubelet_start "$GATES"
	pods_add "${pods[@]}"
	container_is "with gates: a pod" plain side '.ready'
	container_is "with gates: init containers" init main '.ready'
	container_is "with gates: restarts" crash code '.restartCount > 1'
	check "lists come as streams" eval "! grep -E 'streaming.*(fall|not supported)|Unimplemented' $SCRATCH/kubelet.log"
	stats_run
	figures_run gates
	series_check gates default
	container_is "a stop signal of the pod is in its status" stopsignal u '.stopSignal == "SIGUSR2"'
	logs_keep stopsignal
	pods_remove stopsignal
	check "the stop signal of a pod" wait_for 60 grep -q ' got usr2$' "$SCRATCH"/out/t_stopsignal-*/u/0.log
	check "a pod that is deleted ends" wait_for 60 pods_absent stopsignal
	logs_run
	errors_check always "gates"
	accidents_run "$GATES"
	pods_end
}

# Pods without init containers: with this gate kubelet 1.37 finds no container by its name where the runtime dates
# PodSandboxStatus, and makes init containers again and again. cAdvisor finds the daemon by a link, the kubelet at the
# daemon's own path.
life_events() {
	printf '[crio.runtime]\ncgroup_prefix = "crio"\n' >"$SCRATCH/config.d/prefix.conf"
	mkdir -p /run/crio && ln -s "$SOCKET" /run/crio/crio.sock
	daemon_start
	kubelet_start 'featureGates: {EventedPLEG: true}'
	pods_add plain limits
	container_is "with events: a pod" plain side '.ready'
	container_is "with events: another" limits c '.ready'
	check "the kubelet is connected to the events" [ "$(kubelet_metric kubelet_evented_pleg_connection_success_count)" != 0 ]
	check_is "and loses no connection" 0 kubelet_metric kubelet_evented_pleg_connection_error_count
	pods_remove limits
	check "with events: a pod that is deleted ends" wait_for 60 pods_absent limits
	figures_run events
	errors_check always "events"
	pods_end
	rm "$SCRATCH/config.d/prefix.conf"
}

# 40 pods, and the node dies with them; its next life finds only what a disk keeps.
life_reboot() {
	daemon_start
	kubelet_start
	pods_add plain
	container_is "before a reboot a container runs" plain side '.ready'
	ctr_status plain side | jq .restartCount >"$SCRATCH/out/restarts"
	many_run
	errors_check always "40 pods"
}

life_rebooted() {
	local began=$SECONDS
	daemon_start
	check "after a reboot no container runs" [ -z "$(crictl ps -q)" ]
	kubelet_start
	check "after a reboot 40 pods are ready" wait_for 400 many_ready
	echo "# 40 pods after a reboot: $((SECONDS - began)) s"
	container_is "after a reboot the container has restarted once" plain side \
		".ready and .restartCount == $(cat "$SCRATCH/out/restarts") + 1"
	errors_check always "a reboot"
	pods_end
}

# The default gates without what takes long: image GC, streams, rotation, a daemon that stays away.
life_short() {
	node_socket_known
	daemon_start
	kubelet_start
	pods_add "${ALL[@]}"
	containers_run
	images_run
	files_run
	security_run
	network_run
	hooks_run
	stats_run
	figures_run short
	stops_run
	errors_check always "pods of each kind"
	daemon_killed
	pods_end
}

if node_inside; then
	node_enter
	errors_begin
	pods_begin
	"life_$CRISP_NODE_LIFE"
	exit 0
fi

[ $# -gt 0 ] || set -- default gates events reboot
node_begin "$@"
for life in "$@"; do
	case $life in
	default | gates | events | short) node_life "$life" ;;
	reboot) node_life reboot && node_life rebooted ;;
	*) bail "unknown life $life (known: default, gates, events, reboot, short)" ;;
	esac
done
harness_end
