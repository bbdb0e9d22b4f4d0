#!/bin/bash
# runtime-init.sh - a container that may trace its pod cannot use the OCI runtime's processes inside
# the pod: it is frozen while they run, and thawed however runtime, shim or crispd end.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
cc -std=gnu17 -D_GNU_SOURCE -O1 -static -o "$SCRATCH/watcher" "$(dirname "$0")/runtime-init.c" || bail "runtime-init does not compile"
registry_start

# A runtime whose create waits for as long as there is a file "slow".
cat >"$SCRATCH/slow-runtime" <<SH
#!/bin/bash
[[ " \$* " != *" create "* ]] || for n in {1..1200}; do [ -e "$SCRATCH/slow" ] && sleep 0.05 || break; done
exec runc "\$@"
SH
chmod 755 "$SCRATCH/slow-runtime"
daemon_start --runtimes "slow:$SCRATCH/slow-runtime:$SCRATCH/run/slow"
check "pull" crictl pull "$BUSYBOX"
mkdir "$SCRATCH/prize"

PID_OPTIONS=.linux.security_context.namespace_options
WATCH=".command = [\"/watcher\", \"$SCRATCH/prize\"]
	| .mounts = [{container_path: \"/watcher\", host_path: \"$SCRATCH/watcher\", readonly: true}]
	| .linux.security_context.capabilities.add_capabilities = [\"SYS_PTRACE\"]"
ctr_pid() { crictl inspect "$1" | jq .info.pid; }
cpu_of() { cut -d ' ' -f 14 "/proc/$1/stat"; }
# runs_on PID: it takes processor time
runs_on() { local at; at=$(cpu_of "$1"); poll 10 eval '[ "$(cpu_of '"$1"')" -gt '"$at"' ]'; }
held() { find /sys/fs/cgroup -path "*$CGROUP_PARENT/*" -name crisp-held 2>/dev/null; }
is_held() { held | grep -q "$1"; }
nothing_is_held() { [ -z "$(held)" ]; }
prize() { ls "$SCRATCH/prize"; }
# other NAME N [JQ]: a container without the capability
other() { ctr_run "$POD" "$1.$2" ".metadata.name = \"$2\" | .log_path = \"$2.log\" | $PID_OPTIONS.pid = $MODE | ${3:-.}"; }
# watcher NAME [JQ]
watcher() { ctr_run "$POD" "$1.watcher" "$WATCH | .metadata.name = \"watcher\" | $PID_OPTIONS.pid = $MODE | ${2:-.}"; }
looks() { grep -qs looks "$SCRATCH/logs/$1/$1.watcher.log"; }
end() { check "$1: the pod is removed" everything_remove; }

# finds_nothing NAME HANDLER CONTAINERS: that many beside the one that looks
finds_nothing() {
	local name=$1 n
	check "$name: a pod" crictl runp --runtime "$2" "$(pod_config "$name" "$PID_OPTIONS.pid = $POD_MODE")" && POD=$OUT
	check "$name: a container that may trace" watcher "$name" && CTR=$OUT
	check "$name: it looks" poll 20 looks "$name"
	for n in $(seq "$3"); do check "$name: container $n" other "$name" "b$n" && B=$OUT; done
	check_is "$name: no create leads to the host" "" prize
	check "$name: execs, several at a time" eval 'for n in 1 2; do
		crictl exec --sync "$B" true & A1=$!; crictl exec --sync "$CTR" true & A2=$!; wait $A1 && wait $A2 || exit; done'
	check_is "$name: no exec leads to the host" "" prize
	check_is "$name: none of their processes can be traced" looks log_text "$name" "$name.watcher"
	check "$name: it goes on" runs_on "$(ctr_pid "$CTR")"
	check "$name: nothing is held" poll 10 nothing_is_held
	end "$name"
}
POD_MODE=0 MODE=0 finds_nothing shared runc 2
POD_MODE=1 MODE=1 finds_nothing own runc 1
# crun does not run on hosts with both versions of cgroups.
! [ -e /sys/fs/cgroup/cgroup.controllers ] || [ -z "$(command -v crun)" ] || POD_MODE=0 MODE=0 finds_nothing crun crun 1

# A container that has itself put into the PID namespace of another one.
MODE=1
check "target: a pod" pod_run target "$PID_OPTIONS.pid = 1" && POD=$OUT
check "target: a container" other target b && B=$OUT
check "target: one that may trace it" watcher target "$PID_OPTIONS = {pid: 3, target_id: \"$B\"}" && CTR=$OUT
check "target: it looks" poll 20 looks target
check "target: an exec" crictl exec --sync "$B" true
check "target: another container in that namespace" other target c "$PID_OPTIONS = {pid: 3, target_id: \"$B\"}"
check_is "target: nothing leads to the host" "" prize
check_is "target: nothing can be traced" looks log_text target target.watcher
end target

# While a create takes its time.
MODE=0
check "held: a pod" crictl runp --runtime slow "$(pod_config held "$PID_OPTIONS.pid = 0 | .linux.security_context.privileged = true")" && POD=$OUT
check "held: a container that may trace" watcher held && CTR=$OUT
check "held: one that may not" other held plain && PLAIN=$OUT
check "held: one that is privileged" other held strong '.linux.security_context.privileged = true' && STRONG=$OUT
PID=$(ctr_pid "$CTR")
# creates N: in the background, until created; LATE is the client
creates() {
	touch "$SCRATCH/slow"
	other held "$1" >/dev/null 2>&1 &
	LATE=$!
	check "$1: the container that may trace stands still" poll 20 is_held "crisp-$CTR"
}
created() {
	rm -f "$SCRATCH/slow"
	wait $LATE
}
creates first
check "first: no other container does" eval '! is_held "crisp-$PLAIN" && ! is_held "crisp-$STRONG"'
check "first: crispd is killed" daemon_kill
rm "$SCRATCH/slow"
check "first: without crispd, it goes on" poll 20 nothing_is_held
check "first: it takes processor time" runs_on "$PID"
daemon_again
created

creates second
kill -KILL "$(cut -d ' ' -f 1 "$RUNROOT/pods/$POD/shim.pid")"
created
check "second: with another shim it goes on" poll 40 nothing_is_held
check "second: it takes processor time" runs_on "$PID"
check "second: an exec works" crictl exec --sync "$CTR" true

# One that is started meanwhile runs when it may, an exec waits.
check "third: another container that may trace is created" crictl create "$POD" "$(ctr_config held.later "$BUSYBOX" \
	"$WATCH | .metadata.name = \"later\" | $PID_OPTIONS.pid = 0")" "$SCRATCH/pod-held.json" && LATER=$OUT
creates third
crictl start "$LATER" >"$SCRATCH/started" 2>&1 &
START=$!
check_fails "third: an exec meanwhile ends at its time-out" 'timed out|deadline' crictl exec --sync --timeout 1 "$PLAIN" true
check "third: nor does the container run that is started" eval '! grep -qs looks "$SCRATCH/logs/held/held.later.log"'
created
check "third: then it does" wait $START
check_is "third: nothing leads to the host" "" prize
check "third: it takes processor time" runs_on "$(ctr_pid "$LATER")"
check "third: an exec works" crictl exec --sync "$PLAIN" true

creates fourth
check "fourth: a container that stands still is stopped" crictl -t 30s stop --timeout 0 "$LATER"
check "fourth: its process is gone" ctr_is "$LATER" CONTAINER_EXITED
check "fourth: the other still stands still" is_held "crisp-$CTR"
created
check "fourth: nothing is held" poll 10 nothing_is_held

# What an operator has frozen stays so.
FREEZER=/sys/fs/cgroup/freezer FILE=freezer.state ON=FROZEN OFF=THAWED
[ -d $FREEZER ] || FREEZER=/sys/fs/cgroup FILE=cgroup.freeze ON=1 OFF=0
DIR=$(find $FREEZER -path "*$CGROUP_PARENT/*" -name "crisp-$CTR" | head -n 1)
echo $ON >"$DIR/$FILE"
check "operator: a container is created beside a frozen one" other held fifth
check_is "operator: that is still frozen" $ON cat "$DIR/$FILE"
check "operator: and only that" nothing_is_held
echo $OFF >"$DIR/$FILE"
check "operator: thawed, it goes on" runs_on "$PID"
end held

# A process that waits for a file system without an answer does not freeze.
mkdir "$SCRATCH/mnt"
"$SCRATCH/watcher" -f "$SCRATCH/mnt" &
SERVER=$!
if poll 5 mountpoint -q "$SCRATCH/mnt"; then
	check "stuck: a pod" pod_run stuck "$PID_OPTIONS.pid = 0" && POD=$OUT
	check "stuck: a container that may trace" ctr_run "$POD" stuck.d "$PID_OPTIONS.pid = 0
		| .linux.security_context.capabilities.add_capabilities = [\"SYS_PTRACE\"]
		| .command = [\"cat\", \"/mnt/x\"] | .mounts = [{container_path: \"/mnt\", host_path: \"$SCRATCH/mnt\"}]" && CTR=$OUT
	check_fails "stuck: no container is created beside it" 'does not freeze' other stuck b
	check "stuck: nothing is held" poll 10 nothing_is_held
	check "stuck: another pod is made" pod_run free
	kill -KILL "$SERVER"
	check "stuck: when it has its answer, one is created" other stuck c
	end stuck
fi
umount -l "$SCRATCH/mnt" 2>/dev/null
kill -KILL "$SERVER" 2>/dev/null
harness_end
