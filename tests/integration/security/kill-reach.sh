#!/bin/bash
# kill-reach.sh - a kill reaches each process of a container: frozen, in nested or sibling cgroups,
# moved out of its cgroup. It reaches no other process, whichever pid the OCI runtime names.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start

# A runtime that works, and then writes crispd's own pid into the pid file.
cat >"$SCRATCH/liar" <<SH
#!/bin/bash
runc "\$@"; rc=\$?
while [ \$# -gt 0 ]; do
	[ "\$1" != --pid-file ] || [ -e "$SCRATCH/honest" ] || cp "$SCRATCH/daemon.pid" "\$2"
	shift
done
exit \$rc
SH
chmod 755 "$SCRATCH/liar"
daemon_start --runtimes "liar:$SCRATCH/liar:$SCRATCH/run/liar"
check "pull" crictl pull "$BUSYBOX"

FREEZER=/sys/fs/cgroup/freezer
[ -d $FREEZER ] || FREEZER=
# freezer_dir PID: the cgroup that freezes it
freezer_dir() {
	if [ -n "$FREEZER" ]; then
		echo "$FREEZER$(sed -n 's/^[0-9]*:freezer://p' "/proc/$1/cgroup")"
	else
		echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"
	fi
}
freeze() { if [ -n "$FREEZER" ]; then echo FROZEN >"$1/freezer.state"; else echo 1 >"$1/cgroup.freeze"; fi; }
# A container that ignores SIGTERM, with a child that does as well.
DEAF='.command = ["sh", "-c", "trap : TERM; sleep 7001 & while :; do sleep 1; done"]'
ctr_pid() { crictl inspect "$1" | jq .info.pid; }
child_of() { pgrep -P "$1" -f 'sleep 7001'; }
gone() { [ ! -d "/proc/$1" ]; }
cat_if() { [ ! -e "$1" ] || cat "$1"; }

# begin NAME [JQ-POD [JQ-CONTAINER]]: POD, CTR, PID and its CHILD
begin() {
	check "$1: a pod" pod_run "$1" "${2:-.}" && POD=$OUT
	check "$1: a container" ctr_run "$POD" "$1" "$DEAF | ${3:-.}" && CTR=$OUT
	PID=$(ctr_pid "$CTR")
	check "$1: has a child" poll 20 child_of "$PID"
	CHILD=$(child_of "$PID")
}
# ends NAME: StopContainer answers, nothing is left
ends() {
	check "$1: stop answers" crictl -t 30s stop --timeout 1 "$CTR"
	check "$1: the first process is gone" poll 20 gone "$PID"
	check "$1: its child, too" poll 20 gone "$CHILD"
	check "$1: is removed" crictl -t 30s rmp -f "$POD"
}

begin frozen
freeze "$(freezer_dir "$PID")"
ends frozen

begin frozen-below
dir=$(freezer_dir "$PID")/below
mkdir -p "$dir/deep"
echo "$CHILD" >"$dir/deep/cgroup.procs"
freeze "$dir"
ends frozen-below

begin frozen-pod "$HOST_NET | .linux.cgroup_parent = \"$(cgroup_below frozenpod)\""
freeze "$(dirname "$(freezer_dir "$PID")")"
ends frozen-pod

# Moved out by somebody with the right to write to the host's cgroups, and frozen there.
ELSEWHERE=$CGROUP_PARENT/elsewhere
# elsewhere PID: in every hierarchy in which the container has a cgroup
elsewhere() {
	local procs
	for procs in $(find /sys/fs/cgroup -path "*/crisp-$CTR/cgroup.procs"); do
		procs=${procs%"$CGROUP_PARENT"*}$ELSEWHERE
		mkdir -p "$procs"
		[ ! -e "$procs/cpuset.cpus" ] || { cat "$procs/../cpuset.cpus" >"$procs/cpuset.cpus"; cat "$procs/../cpuset.mems" >"$procs/cpuset.mems"; }
		echo "$1" >"$procs/cgroup.procs" || return
	done
}
begin frozen-elsewhere
check "frozen-elsewhere: the child is moved" elsewhere "$CHILD"
[ -z "$FREEZER" ] || freeze "$(freezer_dir "$CHILD")"
ends frozen-elsewhere

begin host-pid "$HOST_NET | .linux.security_context.namespace_options.pid = 2" '.linux.security_context.namespace_options = {network: 2, pid: 2}'
check "host-pid: the child is moved" elsewhere "$CHILD"
[ -z "$FREEZER" ] || echo THAWED >"$(freezer_dir "$CHILD")/freezer.state"
ends host-pid

begin shared-pid '.linux.security_context.namespace_options.pid = 0' '.linux.security_context.namespace_options.pid = 0'
check "shared-pid: the child is moved" elsewhere "$CHILD"
ends shared-pid

# A kill of a container is none of its neighbours in the pod.
begin neighbour '.linux.security_context.namespace_options.pid = 0' '.linux.security_context.namespace_options.pid = 0'
check "neighbour: another container" ctr_run "$POD" neighbour.two '.metadata.name = "two" | .log_path = "two.log" | .linux.security_context.namespace_options.pid = 0'
TWO=$OUT
freeze "$(freezer_dir "$PID")"
check "neighbour: the first is stopped" crictl -t 30s stop --timeout 1 "$CTR"
check "neighbour: the second goes on" ctr_is "$TWO" CONTAINER_RUNNING
check "neighbour: is removed" crictl -t 30s rmp -f "$POD"

# A frozen container does not survive its daemon's end either.
begin frozen-restart
freeze "$(freezer_dir "$PID")"
crictl -t 30s stop --timeout 2 "$CTR" >/dev/null 2>&1 &
daemon_kill
daemon_again
ends frozen-restart

# The kernel gives a new namespace the number of one that has just ended.
touch "$SCRATCH/bystand"
for _ in 1 2 3; do
	while [ -e "$SCRATCH/bystand" ]; do
		unshare -m sleep 0.05 || echo "status $?" >>"$SCRATCH/bystanders"
	done 2>/dev/null &
	BYSTANDERS="${BYSTANDERS:-} $!"
done
for i in 1 2 3 4 5 6 7 8 9 10; do
	begin "bystanders-$i" "$HOST_NET | .linux.security_context.namespace_options.pid = 2" '.linux.security_context.namespace_options = {network: 2, pid: 2}' >/dev/null
	crictl -t 30s stop --timeout 0 "$CTR" >/dev/null
	crictl -t 30s rmp -f "$POD" >/dev/null
done
rm "$SCRATCH/bystand"
# shellcheck disable=SC2086
wait $BYSTANDERS
check_is "a kill hits no process whose mount namespace is made meanwhile" "" cat_if "$SCRATCH/bystanders"

DAEMON=$(daemon_pid)
check "liar: a pod" crictl runp --runtime liar "$(pod_config liar)"
POD=$OUT
check_fails "liar: a runtime that names a process which it did not start" 'which it did not start' ctr_run "$POD" liar
check_is "liar: crispd lives" "$DAEMON" daemon_pid
check "liar: crispd answers" crictl pods
touch "$SCRATCH/honest"
check "liar: a container of an honest runtime runs" ctr_run "$POD" liar
check "liar: is removed" crictl -t 30s rmp -f "$POD"
check_is "liar: crispd lives still" "$DAEMON" daemon_pid
harness_end
