# checks.sh - how tests/kubelet/run.sh adds pods, waits for what the kubelet reports of them, and reads its log.

WEB=$REGISTRY/e2e-test-images/nginx:1.14-2
IMAGES_OF_CRI_TOOLS=$REGISTRY/k8s-staging-cri-tools/test-image-
PATIENCE=${KUBELET_PATIENCE:-180}		# seconds that a check waits for the kubelet

# pods_add_as MANIFEST NAME...: pods of pods/MANIFEST.yaml
pods_add_as() {
	local manifest=$1 name
	shift
	for name in "$@"; do
		sed -e "s#@BUSYBOX@#$BUSYBOX#; s#@WEB@#$WEB#; s#@USER@#${IMAGES_OF_CRI_TOOLS}user-uid:latest#" \
			-e "s#@NAMED@#${IMAGES_OF_CRI_TOOLS}user-username:latest#; s#@IMAGE@#$IMAGES_OF_CRI_TOOLS#" \
			-e "s#@REGISTRY@#$REGISTRY#; s#@HOST@#$SCRATCH/host#; s#{name: $manifest,#{name: $name,#" \
			"$HERE/pods/$manifest.yaml" >"$SCRATCH/manifests/.$name.yaml"
		mv "$SCRATCH/manifests/.$name.yaml" "$SCRATCH/manifests/$name.yaml"
	done
}

pods_add() {
	local name
	for name in "$@"; do pods_add_as "$name" "$name"; done
}

pods_remove() {
	local name
	for name in "$@"; do rm "$SCRATCH/manifests/$name.yaml"; done
}

# pods_absent NAME...: the runtime has no sandbox of them that is ready
pods_absent() {
	local name
	for name in "$@"; do
		[ -z "$(crictl pods -q --state ready --name "^$name-$NODE_NAME\$")" ] || return
	done
}

# wait_for SECONDS COMMAND...: as poll, by the clock: on a loaded machine each question to the kubelet takes long
wait_for() {
	local end=$((SECONDS + $1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# pod_is WHAT NAME JQ: the kubelet comes to report a pod of which that is true
pod_is() {
	local what=$1 name=$2 jq=$3
	if wait_for "$PATIENCE" eval 'pod_json "$name" | jq -e "$jq"'; then ok "$what"; return 0; fi
	not_ok "$what" "$(pod_json "$name" | jq -c '.status | [.phase, .reason, .message, (.initContainerStatuses // [] | .[]), (.containerStatuses // [] | .[])]' | cut -c 1-400)"
	{ echo "expected of pod $name: $jq"; pod_json "$name" | jq .status; } | diag
	return 1
}

# container_is WHAT POD CONTAINER JQ: the same of a container's status
container_is() {
	local what=$1 name=$2 ctr=$3 jq=$4
	if wait_for "$PATIENCE" eval 'pod_json "$name" | jq --arg ctr "$ctr" ".status.containerStatuses[] | select(.name == \$ctr)" | jq -e "$jq"'; then
		ok "$what"
		return 0
	fi
	not_ok "$what" "$(pod_json "$name" | jq -c --arg ctr "$ctr" '.status.containerStatuses[]? | select(.name == $ctr) | [.restartCount, .state, .lastState]')"
	{ echo "expected of container $ctr of pod $name: $jq"; pod_json "$name" | jq .status.containerStatuses; } | diag
	return 1
}

ctr_status() { pod_json "$1" | jq --arg ctr "$2" '.status.containerStatuses[] | select(.name == $ctr)'; }
ctr_id() { ctr_status "$1" "$2" | jq -r '.containerID | sub(".*://"; "")'; }
ctr_pid() { crictl inspect "$(ctr_id "$1" "$2")" | jq .info.pid; }

log_dir() { echo "/var/log/pods/t_$1-${NODE_NAME}_"*; }

# logs_keep POD...: their log files also stay in $SCRATCH/out, where what follows is added. By the scratch directory's own
# mount: a hard link does not cross mounts.
logs_keep() {
	local name
	for name in "$@"; do cp -al "$SCRATCH/varlog/pods/t_$name-${NODE_NAME}_"* "$SCRATCH/out/"; done
}

# pod_log POD CONTAINER: what its present life wrote
pod_log() { cut -d ' ' -f 4- "$(find "$(log_dir "$1")/$2/" -name '[0-9]*.log' | sort -V | tail -n 1)"; }
pod_logged() { pod_log "$1" "$2" | grep -Eq -- "$3"; }

# log_has WHAT POD CONTAINER REGEX: a line of the container's log matches
log_has() {
	if wait_for "$PATIENCE" pod_logged "$2" "$3" "$4"; then ok "$1"; return 0; fi
	not_ok "$1" "no line like $4: $(pod_log "$2" "$3" 2>&1 | tr '\n' '|')"
	pod_log "$2" "$3" 2>&1 | tail -n 20 | diag
	return 1
}

# log_is WHAT POD CONTAINER TEXT: the log is this text, its lines joined by spaces
log_is() {
	wait_for "$PATIENCE" log_equals "$2" "$3" "$4"
	check_is "$1" "$4" log_line "$2" "$3"
}
log_line() { echo $(pod_log "$1" "$2"); }
log_equals() { [ "$(log_line "$1" "$2")" = "$3" ]; }

# cgroup_file POD CONTAINER CONTROLLER V1-FILE V2-FILE: a file of the container's cgroup
cgroup_file() {
	local path
	path=$(cgroup_path "/proc/$(ctr_pid "$1" "$2")/cgroup" "$3") || return
	cat "$path/$4" 2>/dev/null || cat "$path/$5"
}

# cgroup_path CGROUP-FILE CONTROLLER: its directory
cgroup_path() {
	local path
	path=$(awk -F : -v controller="$2" '$2 == controller { print $3 }' "$1")
	if [ -n "$path" ]; then echo "/sys/fs/cgroup/$2$path"; else echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "$1")"; fi
}

# cgroup_cpu POD CONTAINER: "QUOTA PERIOD"
cgroup_cpu() {
	local path
	path=$(cgroup_path "/proc/$(ctr_pid "$1" "$2")/cgroup" cpu) || return
	cat "$path/cpu.max" 2>/dev/null || echo $(cat "$path/cpu.cfs_quota_us" "$path/cpu.cfs_period_us")
}

# cgroup_pod POD CONTROLLER V1-FILE V2-FILE: a file of the pod's cgroup
cgroup_pod() {
	local uid path
	uid=$(pod_json "$1" | jq -r .metadata.uid)
	path=$(find /sys/fs/cgroup -path "*/$2/*" -type d -name "pod$uid" | head -n 1)
	[ -n "$path" ] || path=$(find /sys/fs/cgroup -type d -name "pod$uid" | head -n 1)
	cat "$path/$3" 2>/dev/null || cat "$path/$4"
}

# shim_pid POD: the process that watches the pod's containers
shim_pid() {
	local id
	id=$(crictl pods -q --no-trunc --state ready --name "^$1-$NODE_NAME\$")
	[ -z "$id" ] || pgrep -f "crisp-shim.*$id" | head -n 1
}

# kubelet_says REGEX PATH: a line of what the kubelet answers matches
kubelet_says() { curl -fsSk -m 20 "$KUBELET_CLIENT/$2" | grep -Eq -- "$1"; }

# --- errors ------------------------------------------------------------------------------------------------------------

# Lines of the kubelet's log that were judged. A life goes on with the log of the one before.
errors_begin() { ERRORS_SEEN=$(cat "$SCRATCH/kubelet.log" 2>/dev/null | wc -l); }

# errors_new: lines of level error since the last look
errors_new() { tail -n "+$((ERRORS_SEEN + 1))" "$SCRATCH/kubelet.log" | grep '^[EF][0-9]'; }

# errors_check SCOPE WHAT: since the last look the kubelet has logged no error but those that allowed.tsv has for the
# scope: always; down: the daemon was not there.
errors_check() {
	local bad
	sed -n -E "s/^(always|$1)\t([^\t]*)\t.*/\2/p" "$HERE/allowed.tsv" >"$SCRATCH/allowed"
	bad=$(errors_new | grep -Ev -f "$SCRATCH/allowed" | cut -c 1-1200)
	ERRORS_SEEN=$(wc -l <"$SCRATCH/kubelet.log")
	if [ -z "$bad" ]; then ok "$2: the kubelet logs no error"; return 0; fi
	not_ok "$2: the kubelet logs no error" "$(wc -l <<<"$bad") errors, the last: $bad"
	sort -t ']' -k 2 -u <<<"$bad" | head -n "${KUBELET_ERRORS:-20}" | diag
	return 1
}

# --- the end of a life -------------------------------------------------------------------------------------------------

# On a hybrid host runc makes a pod's cgroup in the v2 hierarchy, too, where the kubelet does not look for it.
pod_cgroups() {
	find /sys/fs/cgroup -type d \( -name 'pod*' -o -name '*crisp-*' -o -name 'crio-*' \) -path '*kubepods*' |
		if [ -d /sys/fs/cgroup/unified ]; then grep -v '^/sys/fs/cgroup/unified/.*/pod[^/]*$'; else cat; fi
}
pod_mounts() { awk '{ print $5 }' /proc/self/mountinfo | grep -E "^(/var/lib/kubelet/pods|$ROOT/(containers|sandboxes))/"; }

# All pods are deleted: nothing of them is left.
pods_end() {
	rm -f "$SCRATCH"/manifests/*.yaml
	check "all pods that are deleted end" poll 240 eval '[ -z "$(crictl pods -q --state ready)" ] && [ -z "$(crictl ps -q)" ]'
	check "no pod of the node is left in the kubelet" poll 60 eval 'pods_json | jq -e ".items // [] | length == 0"'
	check "no cgroup of a pod is left" wait_for 60 eval '[ -z "$(pod_cgroups)" ]'
	[ -z "$(pod_cgroups)" ] || pod_cgroups | head -n 5 | diag
	errors_check always "the end of the pods"
	kubelet_stop
	rm -rf /var/log/pods/t_*		# of a pod of the next life they would count as its restarts
	check "what the kubelet left of sandboxes is removed" everything_remove
	check "no mount of a pod is left" poll 60 eval '[ -z "$(pod_mounts)" ]'
	[ -z "$(pod_mounts)" ] || pod_mounts | head -n 5 | diag
	check "no shim is left" poll 60 eval '! pgrep -f "crisp-shim.*$SCRATCH"'
}
