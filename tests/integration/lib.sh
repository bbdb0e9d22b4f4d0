# lib.sh - the harness of the integration scripts, the conformance run and the benchmarks. Source
# it, then harness_begin.
#
# Each script gets a world of its own: a scratch directory, a network namespace (so ports, bridges
# and iptables rules of two runs never meet), a registry on that namespace's loopback, a CNI
# configuration, a cgroup parent, and a daemon below a subreaper. What must hold: at the end,
# however the script ends, everything is removed by name - nothing is looked for by pattern outside
# the scratch directory and the cgroup parent; results are TAP lines, and the last line is the plan.
#
# Environment: CRISP_TEST_BUILD  the folder with crispd and its programs (default: build/)
#              CRISP_TEST_PEER   the daemon under test: crispd (default) or one of peers.sh
#              CRISP_TEST_KEEP   if not empty, the scratch directory stays
#              CRISP_CACHE       where tools/test-deps.sh put crictl and critest
#              CRISP_TEST_DAEMON_ARGS  more words for the daemon's command line
#              CRISP_TEST_WRAP   words before the daemon's command, e.g. valgrind with its options
#              CRISP_TEST_CGROUP_MANAGER  cgroupfs (default) or systemd

LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$LIB_DIR/../.." && pwd)
CACHE=${CRISP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/crisp}
BUILD_DIR=$(realpath -m "${CRISP_TEST_BUILD:-$TOP/build}")
PEER=${CRISP_TEST_PEER:-crispd}
CGROUP_MANAGER=${CRISP_TEST_CGROUP_MANAGER:-cgroupfs}
REGISTRY=127.0.0.1:5000			# on the loopback of our own network namespace
BUSYBOX=$REGISTRY/e2e-test-images/busybox:1.29-2
IMAGES_SCRIPT=$TOP/tests/conformance/images.sh	# builds and pushes what the registry has
EXIT_SKIP=77
export SHELL=/bin/sh			# what script(1) runs its command with

. "$LIB_DIR/peers.sh"

# --- results -----------------------------------------------------------------------------------------------------------

TESTS=0
FAILURES=0

diag() { sed 's/^/# /' >&2; }

ok() { TESTS=$((TESTS + 1)); echo "ok $TESTS - $*"; }

# not_ok WHAT [WHY]: of why only the beginning of the last line; who sees nothing but the names of
# failed checks sees that much.
not_ok() {
	local why
	why=$(tail -n 1 <<<"${2:-}")
	TESTS=$((TESTS + 1))
	FAILURES=$((FAILURES + 1))
	echo "not ok $TESTS - $1${why:+ (${why:0:240})}"
}

skip_all() { echo "1..0 # SKIP $*"; exit $EXIT_SKIP; }

bail() { echo "Bail out! $*"; exit 1; }

# check WHAT COMMAND...: it succeeds. Its standard output is in $OUT afterwards.
check() {
	local what=$1 rc=0
	shift
	OUT=$("$@" 2>"$SCRATCH/stderr") || rc=$?
	if [ $rc = 0 ]; then ok "$what"; return 0; fi
	not_ok "$what" "$(cat "$SCRATCH/stderr")"
	{ echo "status $rc: $*"; echo "$OUT" | tail -n 20; tail -n 20 "$SCRATCH/stderr"; } | diag
	return 1
}

# check_fails WHAT PATTERN COMMAND...: it fails, and says why: what it prints matches the extended
# regular expression.
check_fails() {
	local what=$1 pattern=$2 rc=0
	shift 2
	OUT=$("$@" 2>&1) || rc=$?
	if [ $rc != 0 ] && grep -Eqi -- "$pattern" <<<"$OUT"; then ok "$what"; return 0; fi
	not_ok "$what" "status $rc: $OUT"
	{ echo "status $rc, expected a failure that matches: $pattern"; echo "$OUT" | tail -n 20; } | diag
	return 1
}

# check_is WHAT EXPECTED COMMAND...: it succeeds and prints exactly EXPECTED.
check_is() {
	local what=$1 expected=$2 rc=0
	shift 2
	OUT=$("$@" 2>"$SCRATCH/stderr") || rc=$?
	if [ $rc = 0 ] && [ "$OUT" = "$expected" ]; then ok "$what"; return 0; fi
	not_ok "$what" "status $rc, got: $OUT"
	{ echo "status $rc, expected: $expected"; echo "got: $OUT"; tail -n 20 "$SCRATCH/stderr"; } | diag
	return 1
}

# poll SECONDS COMMAND...: until it succeeds; the bound only says when to give up, it is no
# requirement.
poll() {
	local tries=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

# --- begin and end -----------------------------------------------------------------------------------------------------

# harness_begin "$@": call first, with the script's own arguments: it starts the script again in a
# new network namespace.
harness_begin() {
	[ "$(id -u)" = 0 ] || skip_all "only root can run pods"
	if [ "${CRISP_TEST_NETNS:-}" != "$(readlink /proc/self/ns/net)" ]; then
		# The first time, images are built: out here, because in there is no way to Debian's mirror.
		"$IMAGES_SCRIPT" build >/dev/null || bail "the test images do not build"
		exec unshare --net -- env CRISP_TEST_INSIDE=1 bash -c \
			'export CRISP_TEST_NETNS=$(readlink /proc/self/ns/net); exec bash "$@"' bash "$0" "$@"
	fi
	ip link set lo up
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/crisp-test.XXXXXX")
	# The suite's image user has to be able to reach log and mount directories below it.
	chmod 755 "$SCRATCH"
	RUN_ID=$(tr 'A-Z' 'a-z' <<<"${SCRATCH##*.}")
	BRIDGE=crt$RUN_ID
	CGROUP_PARENT=/crisp-test-$RUN_ID
	[ "$CGROUP_MANAGER" = cgroupfs ] || CGROUP_PARENT=/crisptest$RUN_ID.slice
	SOCKET=$SCRATCH/run/crisp.sock
	ROOT=$SCRATCH/root
	RUNROOT=$SCRATCH/run/root
	CNI_CONF=$SCRATCH/cni/net.d
	CNI_PLUGINS=/usr/lib/cni
	REGISTRIES_CONF=$SCRATCH/registries.conf
	mkdir -p "$SCRATCH"/{run,root,logs,config.d} "$CNI_CONF"
	trap harness_cleanup EXIT
	trap 'exit 130' INT TERM HUP
	[ -x "$CACHE/bin/crictl" ] || bail "crictl is missing: run tools/test-deps.sh first"
	cc -std=gnu17 -D_GNU_SOURCE -O1 -o "$SCRATCH/subreaper" "$LIB_DIR/subreaper.c" || bail "subreaper does not compile"
}

# Prints the plan; a script ends with it.
harness_end() {
	echo "1..$TESTS"
	echo "# $((TESTS - FAILURES)) passed, $FAILURES failed"
	[ $FAILURES = 0 ]
}

harness_cleanup() {
	local rc=$?
	trap - EXIT INT TERM HUP
	set +e
	# Scripts do not exist for a broken daemon's sake: show the end of its log when something
	# failed.
	if [ $rc != 0 ] && [ $rc != $EXIT_SKIP ] && [ -s "$SCRATCH/daemon.log" ]; then
		{ echo "the last lines of the daemon's log:"; tail -n "${CRISP_TEST_LOG_LINES:-40}" "$SCRATCH/daemon.log"; } | diag
	fi
	daemon_end
	registry_stop
	pkill -KILL -P $$		# what clients read from
	cgroups_remove
	mounts_remove
	if [ -n "${CRISP_TEST_KEEP:-}" ]; then
		echo "# kept: $SCRATCH"
	else
		rm -rf --one-file-system "$SCRATCH"
	fi
	exit $rc
}

mounts_under_scratch() { awk -v dir="$SCRATCH/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo; }

mounts_remove() {
	local path
	mounts_under_scratch | sort -r | while IFS= read -r path; do
		umount -l "$(printf '%b' "${path//\\/\\0}")" 2>/dev/null
	done
}

# cgroup_below NAME: a parent below ours, as the kubelet names one
cgroup_below() {
	case $CGROUP_MANAGER in
	systemd) echo "$CGROUP_PARENT/$(basename "$CGROUP_PARENT" .slice)-$1.slice" ;;
	*) echo "$CGROUP_PARENT/$1" ;;
	esac
}

# The cgroup directories that are ours, in all hierarchies, deepest first.
cgroups_ours() {
	local mount
	awk '{ for (i = 7; i <= NF; i++) if ($i == "-" && ($(i + 1) == "cgroup" || $(i + 1) == "cgroup2")) print $5 }' \
		/proc/self/mountinfo | sort -u | while read -r mount; do
		[ ! -d "$mount$CGROUP_PARENT" ] || find "$mount$CGROUP_PARENT" -depth -type d
	done
}

cgroups_remove() {
	local dir pid tries
	for tries in 1 2 3 4 5; do
		cgroups_ours | while read -r dir; do
			while read -r pid; do kill -KILL "$pid"; done <"$dir/cgroup.procs"
			rmdir "$dir"
		done 2>/dev/null
		[ -n "$(cgroups_ours)" ] || return 0
		sleep 0.2
	done
}

# --- registry ----------------------------------------------------------------------------------------------------------

# Starts docker-registry with all test images. The filled storage is cached beside the images.
registry_start() {
	local layout
	layout=$("$IMAGES_SCRIPT" build) || bail "the test images do not build"
	mkdir -p "$SCRATCH/registry"
	[ -d "$SCRATCH/registry/data" ] || [ ! -d "$layout.registry" ] || cp -a "$layout.registry" "$SCRATCH/registry/data"
	cat >"$SCRATCH/registry/config.yml" <<-YML
	version: 0.1
	log: {level: error, accesslog: {disabled: true}}
	storage: {filesystem: {rootdirectory: $SCRATCH/registry/data}, delete: {enabled: true}}
	http: {addr: "$REGISTRY"}
	YML
	docker-registry serve "$SCRATCH/registry/config.yml" >"$SCRATCH/registry/log" 2>&1 &
	REGISTRY_PID=$!
	poll 30 curl -fsS "http://$REGISTRY/v2/" || bail "docker-registry does not start: $(tail -n 3 "$SCRATCH/registry/log")"
	if [ ! -d "$layout.registry" ]; then
		"$IMAGES_SCRIPT" push "$layout" "$REGISTRY" || bail "the images cannot be pushed"
		cp -a "$SCRATCH/registry/data" "$layout.registry.$RUN_ID"
		mv -T "$layout.registry.$RUN_ID" "$layout.registry" 2>/dev/null || rm -rf "$layout.registry.$RUN_ID"
	fi
	IMAGE_LAYOUT=$layout
}

registry_stop() {
	[ -n "${REGISTRY_PID:-}" ] || return 0
	kill "$REGISTRY_PID" 2>/dev/null
	wait "$REGISTRY_PID" 2>/dev/null
	REGISTRY_PID=
}

# registry_blob NAME:TAG JQ: the file in the registry's storage of a blob that the image's manifest
# names
registry_blob() {
	local manifest digest hex
	manifest=$(jq -r --arg n "$1" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $n).digest' \
		"$IMAGE_LAYOUT/index.json")
	digest=$(jq -r "$2" "$IMAGE_LAYOUT/blobs/sha256/${manifest#sha256:}")
	hex=${digest#sha256:}
	echo "$SCRATCH/registry/data/docker/registry/v2/blobs/sha256/${hex:0:2}/$hex/data"
}

# The hosts whose images critest and node-e2e name all lead to our registry.
registries_conf_write() {
	local host
	{
		printf '[[registry]]\nprefix = "%s"\nlocation = "%s"\ninsecure = true\n' "$REGISTRY" "$REGISTRY"
		for host in $(image_hosts); do
			printf '\n[[registry]]\nprefix = "%s"\nlocation = "%s"\ninsecure = true\n' "$host" "$REGISTRY"
		done
	} >"$REGISTRIES_CONF"
}

image_hosts() { cat "$CACHE"/bin/*.hosts 2>/dev/null | sort -u; }

# --- network -----------------------------------------------------------------------------------------------------------

# cni_write [NAME]: bridge, host-local and portmap, all state in the scratch directory
cni_write() {
	cat >"$CNI_CONF/10-test.conflist" <<-CONF
	{"cniVersion": "1.0.0", "name": "${1:-net-$RUN_ID}", "plugins": [
	  {"type": "bridge", "bridge": "$BRIDGE", "isGateway": true, "ipMasq": true, "hairpinMode": true,
	   "ipam": {"type": "host-local", "dataDir": "$SCRATCH/cni/leases", "routes": [{"dst": "0.0.0.0/0"}],
	            "ranges": [[{"subnet": "10.88.0.0/16"}]]}},
	  {"type": "portmap", "capabilities": {"portMappings": true}}
	]}
	CONF
}

# --- daemon ------------------------------------------------------------------------------------------------------------

# daemon_start [ARGUMENT...]: writes what is missing of the configuration, starts the daemon, waits
# until it answers
daemon_start() {
	local argv
	[ -e "$CNI_CONF/10-test.conflist" ] || cni_write
	[ -e "$REGISTRIES_CONF" ] || registries_conf_write
	peer_prepare
	mapfile -t argv < <(peer_argv)
	# shellcheck disable=SC2206  # words are wanted
	argv+=(${CRISP_TEST_DAEMON_ARGS:-} "$@")
	command -v "${argv[0]}" >/dev/null || bail "${argv[0]} does not exist: build it first"
	# shellcheck disable=SC2206
	argv=(${CRISP_TEST_WRAP:-} "${argv[@]}")
	crictl_configure
	rm -f "$SCRATCH/daemon.pid"
	"$SCRATCH/subreaper" -k -p "$SCRATCH/daemon.pid" "${argv[@]}" >>"$SCRATCH/daemon.log" 2>&1 </dev/null &
	REAPER_PID=$!
	daemon_wait || bail "${argv[0]} does not answer: $(tail -n 5 "$SCRATCH/daemon.log")"
}

# preload_build: $SCRATCH/preload.so, see preload.c
preload_build() {
	cc -std=gnu17 -D_GNU_SOURCE -shared -fPIC -O1 -o "$SCRATCH/preload.so" "$LIB_DIR/preload.c" || bail "preload does not compile"
}

daemon_pid() { cat "$SCRATCH/daemon.pid" 2>/dev/null; }

daemon_alive() { [ -n "$(daemon_pid)" ] && [ -d "/proc/$(daemon_pid)" ]; }

# Bounded: one try is at most two seconds, a dead daemon ends the wait at once.
daemon_wait() {
	local tries
	poll 10 daemon_alive || return 1
	for tries in $(seq 300); do
		"$CACHE/bin/crictl" -t 2s -c "$SCRATCH/crictl.yaml" version >/dev/null 2>&1 && return 0
		daemon_alive || return 1
		sleep 0.05
	done
	return 1
}

# daemon_kill [SIGNAL]: ends the daemon alone (default KILL); what it started lives on below the
# subreaper
daemon_kill() {
	local pid tries
	pid=$(daemon_pid)
	kill "-${1:-KILL}" "$pid"
	for tries in $(seq 1200); do
		[ -d "/proc/$pid" ] || return 0
		sleep 0.05
	done
	bail "the daemon did not end on ${1:-KILL} within a minute"
}

# Ends the daemon by SIGTERM, and its reaper with it; the daemon's own exit status is in
# $DAEMON_STATUS. Not for a subshell.
daemon_stop() {
	DAEMON_STATUS=0
	kill "$REAPER_PID"
	wait "$REAPER_PID" || DAEMON_STATUS=$?
	REAPER_PID=
}

# The same command again, after daemon_kill.
daemon_again() {
	local old
	old=$(daemon_pid)
	kill -HUP "$REAPER_PID"
	poll 10 eval '[ "$(daemon_pid)" != '"$old"' ]' || bail "the daemon did not start again"
	daemon_wait || bail "the daemon does not answer after its restart: $(tail -n 5 "$SCRATCH/daemon.log")"
}

daemon_end() {
	[ -n "${REAPER_PID:-}" ] || return 0
	kill "$REAPER_PID" 2>/dev/null
	wait "$REAPER_PID" 2>/dev/null
	REAPER_PID=
}

# --- crictl ------------------------------------------------------------------------------------------------------------

crictl_configure() {
	cat >"$SCRATCH/crictl.yaml" <<-YML
	runtime-endpoint: unix://$SOCKET
	image-endpoint: unix://$SOCKET
	timeout: 120
	YML
}

crictl() { "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" "$@"; }

# pod_config NAME [JQ]: writes a sandbox configuration, prints its path. JQ changes it.
pod_config() {
	local path=$SCRATCH/pod-$1.json
	mkdir -p "$SCRATCH/logs/$1"
	jq -n --arg name "$1" --arg logs "$SCRATCH/logs/$1" --arg cgroup "$CGROUP_PARENT" '{
		metadata: {name: $name, uid: ("uid-" + $name), namespace: "crisp-test", attempt: 0},
		log_directory: $logs, labels: {test: $name}, linux: {cgroup_parent: $cgroup}}' | jq "${2:-.}" >"$path"
	echo "$path"
}

# Host network, for pod_config.
HOST_NET='.linux.security_context.namespace_options.network = 2'

# ctr_config NAME IMAGE [JQ]: writes a container configuration that sleeps unless JQ says otherwise,
# prints its path.
ctr_config() {
	local path=$SCRATCH/ctr-$1.json
	jq -n --arg name "$1" --arg image "$2" '{
		metadata: {name: $name, attempt: 0}, image: {image: $image},
		command: ["sh", "-c", "trap \"exit 0\" TERM; while :; do sleep 1 & wait $!; done"],
		log_path: ($name + ".log"), linux: {}}' | jq "${3:-.}" >"$path"
	echo "$path"
}

# pod_run NAME [JQ]: prints the sandbox's id
pod_run() { crictl runp "$(pod_config "$1" "${2:-.}")"; }

# ctr_run POD NAME [JQ [IMAGE]]: create and start, prints the container's id. The pod's
# configuration is that of pod NAME.
ctr_run() {
	local id
	id=$(crictl create "$1" "$(ctr_config "$2" "${4:-$BUSYBOX}" "${3:-.}")" "$SCRATCH/pod-${2%%.*}.json") || return
	crictl start "$id" >/dev/null || return
	echo "$id"
}

ctr_state() { crictl inspect "$1" | jq -r .status.state; }

ctr_is() { [ "$(ctr_state "$1")" = "$2" ]; }

# port_open CONTAINER PORT: somebody listens there in the container's network. A container that has
# been started need not have come to that yet, and a client that is refused ends its whole session.
port_open() {
	grep -qs ":$(printf %04X "$2") 0\+:0000 0A" "/proc/$(crictl inspect "$1" | jq .info.pid)/net/"tcp{,6}
}

# log_text POD NAME: what the container wrote, without the time, stream and tag of the CRI log
# format
log_text() { cut -d ' ' -f 4- "$SCRATCH/logs/$1/$2.log"; }

# everything_remove: stop and remove all pods
everything_remove() {
	local id
	for id in $(crictl pods -q); do
		crictl stopp "$id" && crictl rmp "$id" || return
	done >/dev/null
}

# --- the world ---------------------------------------------------------------------------------------------------------

# world_processes: what runs because of us, except the harness itself: by cgroup, or by the scratch
# directory in its command line. Process ids and object ids are no part of it, so that two worlds
# can be compared.
world_processes() {
	local dir pid line
	for dir in /proc/[0-9]*; do
		pid=${dir#/proc/}
		case " $$ $BASHPID ${REAPER_PID:-} ${REGISTRY_PID:-} $(daemon_pid) " in *" $pid "*) continue ;; esac
		line=$(tr '\0' ' ' <"$dir/cmdline") || continue
		case "$line $(cat "$dir/cgroup")" in
		*"$SCRATCH"* | *"$CGROUP_PARENT"*) [ "$line" = "sleep 1 " ] || echo "process $line" ;; # what the shell loops of the tests start
		esac
	done 2>/dev/null
}

# world_snapshot: one line for each thing in the world that exists because of us
world_snapshot() {
	{
		world_processes
		mounts_under_scratch | sed 's/^/mount /'
		cgroups_ours | sed 's/^/cgroup /'
		ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/link \1/'
		ip netns list 2>/dev/null | grep -F "$RUN_ID" | sed 's/^/netns /'
		[ ! -d "$SCRATCH/cni/leases" ] || find "$SCRATCH/cni/leases" -type f -name '*.*.*.*' ! -name 'last_reserved*' -printf 'lease %f\n'
		for table in nat filter mangle; do
			iptables-save -t "$table" 2>/dev/null | grep -E '^(-A|:CNI)' | sed -E "s/ \[[0-9:]+\]//; s/^/iptables $table /"
		done
		# The database's size is its own business; which files exist is not.
		find "$ROOT" "$RUNROOT" -xdev ! -path '*/state/*' -printf 'file %y %p\n' 2>/dev/null
	} | sort
}

# trash_is_gone: the directories of removed containers and layers are
trash_is_gone() { [ -z "$(ls "$ROOT/containers/trash" "$ROOT/images/trash" 2>/dev/null | grep -v ':$')" ]; }

# world_diff WHAT FILE-BEFORE: nothing has come or gone since the snapshot
world_diff() {
	local tries differences
	poll 120 trash_is_gone
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		world_snapshot >"$SCRATCH/world.now"
		cmp -s "$2" "$SCRATCH/world.now" && break
		sleep 0.2			# what was killed needs a moment to leave /proc
	done
	if cmp -s "$2" "$SCRATCH/world.now"; then ok "$1"; return 0; fi
	differences=$(diff "$2" "$SCRATCH/world.now" | grep '^[<>]')
	not_ok "$1" "$differences"
	head -n 40 <<<"$differences" | diag
	return 1
}
