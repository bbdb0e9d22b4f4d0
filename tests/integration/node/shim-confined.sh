#!/bin/bash
# shim-confined.sh - a shim has CAP_KILL and CAP_DAC_OVERRIDE alone behind a filter of system calls.
# Its helper only starts runtimes; the end of either is noticed, and `crisp explain` names processes
# that cannot die.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run confined '.linux.security_context.namespace_options.pid = 2'
POD=$OUT
SHIM=$(cut -d ' ' -f 1 "$(find "$RUNROOT" -name shim.pid)")
SPAWNER=$(pgrep -P "$SHIM" -x crisp-shim)

field() { awk -v f="$2:" '$1 == f { print $2 }' "/proc/$1/status"; }
is_gone() { [ ! -d "/proc/$1" ] || [ "$(field "$1" State)" = Z ]; }
own_cgroup() { grep -q "/crisp-shim-$POD\$" "/proc/$1/cgroup"; }
# Of the shim's memory a container could read; anyone may see that it is there.
peek() { crictl exec --sync "$CTR" sh -c "cat /proc/$SHIM/environ"; }

check_is "the shim has CAP_KILL, CAP_DAC_OVERRIDE and nothing else" "0000000000000022 0000000000000022 0000000000000022 0000000000000000" \
	eval 'echo $(field $SHIM CapEff) $(field $SHIM CapPrm) $(field $SHIM CapBnd) $(field $SHIM CapInh)'
check_is "it can gain nothing and is filtered" "1 2" eval 'echo $(field $SHIM NoNewPrivs) $(field $SHIM Seccomp)'
check_is "its spawner is neither, and there is one" "0 0" eval 'echo $(field $SPAWNER NoNewPrivs) $(field $SPAWNER Seccomp)'
check "the shim is in a cgroup of its own" own_cgroup "$SHIM"
check "and its spawner" own_cgroup "$SPAWNER"

check "a container of another user" ctr_run "$POD" confined.user '.metadata.name = "user"
	| .linux.security_context.run_as_user.value = 1234'
USER_CTR=$OUT
check "in the host's PID namespace, with root's uid" ctr_run "$POD" confined.root '.metadata.name = "root"
	| .linux.security_context.namespace_options.pid = 2
	| .linux.security_context.capabilities.drop_capabilities = ["ALL"]
	| .linux.security_context.capabilities.add_capabilities = ["KILL", "DAC_OVERRIDE"]'
CTR=$OUT
check_is "sees the shim" "crisp-shim" crictl exec --sync "$CTR" cat "/proc/$SHIM/comm"
check_fails "cannot look into it" 'denied|not permitted' peek
check "an exec as another user is killed in time" eval '! crictl exec --sync --timeout 1 "$USER_CTR" sleep 4322'
check_is "which takes no more than that" "" eval 'crictl exec --sync "$CTR" sh -c "pgrep -f ^sleep.4322 || :"'
# A process in a frozen cgroup of v1 is in state D until the cgroup is thawed, like one that waits for a disk. crispd
# thaws for a kill, but cannot write to this one.
FROZEN=$(find /sys/fs/cgroup -path "*$CGROUP_PARENT*" -name "*$USER_CTR*" -exec test -e {}/freezer.state \; -print -quit)
if [ -n "$FROZEN" ]; then
	echo FROZEN >"$FROZEN/freezer.state"
	mount --bind "$FROZEN/freezer.state" "$FROZEN/freezer.state"
	mount -o remount,bind,ro "$FROZEN/freezer.state"
	crictl stop -t 0 "$USER_CTR" >"$SCRATCH/stop.out" 2>&1 &
	check "a process that cannot die is named with its state" poll 30 eval '"$BUILD_DIR/crisp" --socket "$SOCKET" explain "$USER_CTR" | grep -q "in state D"'
	umount "$FROZEN/freezer.state"
	echo THAWED >"$FROZEN/freezer.state"
	check "it dies when the kernel lets it go" poll 30 ctr_is "$USER_CTR" CONTAINER_EXITED
	wait $!
else
	check "the container of another user is stopped" crictl stop "$USER_CTR"
fi

kill -KILL "$SPAWNER"
check "without its spawner the shim is no use and ends" poll 10 is_gone "$SHIM"
in_place() { crictl exec --sync "$CTR" true; }
check "another one takes its place, and starts what is asked for" poll 30 in_place
SHIM=$(cut -d " " -f 1 "$(find "$RUNROOT" -name shim.pid)")
check "the container does not notice" ctr_is "$CTR" CONTAINER_RUNNING
check "it can be stopped" crictl stop -t 1 "$CTR"
check "the pod can be removed" everything_remove
check "nobody is left" poll 10 is_gone "$SHIM"

check "another pod" pod_run again
SHIM=$(cut -d ' ' -f 1 "$(find "$RUNROOT" -name shim.pid)")
SPAWNER=$(pgrep -P "$SHIM" -x crisp-shim)
kill -KILL "$SHIM"
check "a spawner ends with its shim" poll 10 is_gone "$SPAWNER"
check "the pod can be removed" everything_remove
harness_end
