#!/bin/bash
# drain.sh - SIGTERM with a call of each kind in flight: each client gets an answer and the daemon
# exits with 0. The next daemon finishes or undoes the work, and running containers stay.
#
# What is in flight is held: an OCI runtime and a CNI plugin that wait for a file to go, a registry
# that says nothing, an exec that sleeps, a container that does not listen to SIGTERM.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start

HOLD=$SCRATCH/hold
mkdir "$HOLD" "$SCRATCH/plugins"
cat >"$SCRATCH/hold.sh" <<SH
# wait_for WORD: while $HOLD/WORD is there; $HOLD/WORD.at tells that somebody waits
wait_for() { [ ! -e "$HOLD/\$1" ] || { touch "$HOLD/\$1.at"; while [ -e "$HOLD/\$1" ]; do sleep 0.05; done; }; }
SH
cat >"$SCRATCH/runtime" <<SH
#!/bin/bash
. "$SCRATCH/hold.sh"
for word in "\$@"; do
	case \$word in create | start | exec | delete) wait_for "\$word" ;; esac
done
exec runc "\$@"
SH
cat >"$SCRATCH/plugins/held" <<SH
#!/bin/bash
. "$SCRATCH/hold.sh"
case \$CNI_COMMAND in
VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}' ;;
ADD) wait_for cni; jq -c .prevResult ;;
esac
SH
chmod 755 "$SCRATCH/runtime" "$SCRATCH/plugins/held"
ln -s "$CNI_PLUGINS"/* "$SCRATCH/plugins/"
CNI_PLUGINS=$SCRATCH/plugins
cni_write
jq '.plugins += [{type: "held"}]' "$CNI_CONF/10-test.conflist" >"$SCRATCH/conflist"
mv "$SCRATCH/conflist" "$CNI_CONF/10-test.conflist"
cat >"$SCRATCH/config.d/10-held.conf" <<-TOML
[crio.runtime.runtimes.runc]
runtime_path = "$SCRATCH/runtime"
runtime_root = "$SCRATCH/run/runc"
TOML
SILENT=127.0.0.1:5002
python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 5002))
while True: s.accept()[0].recv(1); time.sleep(3600)' &
SILENT_PID=$!
trap 'kill $SILENT_PID 2>/dev/null; harness_cleanup' EXIT
daemon_start

hold() { touch "$HOLD/$1"; }
held() { poll 20 test -e "$HOLD/$1.at"; }
release() { rm -f "$HOLD/$1" "$HOLD/$1.at"; }
lives() { pgrep -fx -- "$1"; }
dead() { ! lives "$1"; }
moved() { poll 20 grep -q "$1" "$SCRATCH/daemon.log"; }
declare -A CLIENT

# flight NAME CRICTL-ARGUMENTS...: a call that stays in flight
flight() {
	local name=$1
	shift
	timeout 100 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" "$@" >"$SCRATCH/flight.$name" 2>&1 &
	CLIENT[$name]=$!
}
# land NAME: waits for it; its status is in $RC
land() { RC=0; wait "${CLIENT[$1]}" || RC=$?; }
# A call that nobody answers is a bug: the client waits for its time, then it is no answer.
refused() { [ "$RC" != 124 ] && [ "$RC" != 0 ]; }
# Both ends of the daemon's life are in its log; a sanitizer would have written between them.
log_is_clean() { ! grep -E "Sanitizer|runtime error|event marked never|Assertion" "$SCRATCH/daemon.log"; }

NAP="sleep $((1000000000 + $$))"	# nobody else's processes have these command lines
EXEC="sleep $((2000000000 + $$))"
IGNORES='.command = ["sh", "-c", "trap \"\" TERM; '$NAP' & wait"]'

check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"

check "a pod" pod_run old
OLD=$OUT
check "with a container that runs" ctr_run "$OLD" old.runs
RUNS=$OUT
check "one to be stopped" ctr_run "$OLD" old.stops "$IGNORES"
STOPS=$OUT
check "one to be started" crictl create "$OLD" "$(ctr_config old.starts "$BUSYBOX")" "$SCRATCH/pod-old.json"
STARTS=$OUT

# 1. What ends within the time that calls get: the daemon waits for it.
hold start
flight start start "$STARTS"
check "a start is in flight" held start
kill -TERM "$(daemon_pid)"
check "the daemon says that it shuts down" moved 'msg="shutting down"'
check_fails "a new call is refused meanwhile" "unavailable|shutting down|refused|no such file" \
	timeout 20 "$CACHE/bin/crictl" -t 5s -c "$SCRATCH/crictl.yaml" stop "$RUNS"
release start
land start
check_is "the start succeeds" 0 echo $RC
check "the daemon ends" poll 30 eval '! daemon_alive'
daemon_again
check_is "the started container runs" CONTAINER_RUNNING ctr_state "$STARTS"
check_is "the other one still runs" CONTAINER_RUNNING ctr_state "$RUNS"

# 2. What does not: everybody is told, and the next daemon brings it to its end.
check "a second container to be started" crictl create "$OLD" "$(ctr_config old.late "$BUSYBOX")" "$SCRATCH/pod-old.json"
LATE=$OUT
hold start
flight start start "$LATE"
check "a start is in flight" held start
hold create
flight create create "$OLD" "$(ctr_config old.made "$BUSYBOX")" "$SCRATCH/pod-old.json"
check "a create is in flight" held create
hold cni
flight run runp "$(pod_config new)"
check "a pod's network is in flight" held cni
flight exec exec --sync "$RUNS" $EXEC
check "an exec is in flight" poll 20 lives "$EXEC"
flight stop stop --timeout 3000 "$STOPS"
check "a stop is in flight" moved "ctr=${STOPS:0:13} .* to=STOPPING"
flight pull pull "$SILENT/nothing/there:1"
check "a pull is in flight" poll 20 pgrep -P "$(daemon_pid)" crisp-pull
PULLER=$(pgrep -P "$(daemon_pid)" crisp-pull)
kill -TERM "$(daemon_pid)"
for name in start create run exec stop pull; do
	land $name
	check "$name: the client was told ($(tail -n 1 "$SCRATCH/flight.$name"))" refused
done
release cni			# what a worker has begun is waited for
check "the daemon ends" poll 60 eval '! daemon_alive'
check "the puller goes on" test -d "/proc/$PULLER"
check "the container runs on without the daemon" lives "$NAP"
check "its log is clean" log_is_clean
release start
release create

daemon_again
check_is "the container that ran runs" CONTAINER_RUNNING ctr_state "$RUNS"
check "the start in flight was done" poll 30 ctr_is "$LATE" CONTAINER_RUNNING
check "the exec was ended" poll 20 dead "$EXEC"
check "create again" crictl create "$OLD" "$SCRATCH/ctr-old.made.json" "$SCRATCH/pod-old.json"
MADE=$OUT
check_is "create again: there is one such container" "$MADE" crictl ps -a -q --no-trunc --name '^old.made$'
check "create again: it can be started" crictl start "$MADE"
check "run again" crictl runp "$SCRATCH/pod-new.json"
check_is "run again: there is one such pod" "$OUT" crictl pods -q --no-trunc --name '^new$'
check "stop again, now at once" crictl stop --timeout 0 "$STOPS"
check_is "it is killed" CONTAINER_EXITED ctr_state "$STOPS"
check_is "its exit code is exact" 137 eval 'crictl inspect "$STOPS" | jq -r .status.exitCode'
check "the pull is known again, and cancelled" "$BUILD_DIR/crisp" --socket "$SOCKET" cancel "$SILENT/nothing/there:1"
check "no puller is left" poll 20 test ! -d "/proc/$PULLER"
check_fails "no image came of the pull" "no such image|not found" crictl inspecti "$SILENT/nothing/there:1"

# 3. Asked twice, it does not wait for anybody.
flight exec exec --sync "$RUNS" $EXEC
check "an exec is in flight" poll 20 lives "$EXEC"
PID=$(daemon_pid)
kill -TERM "$PID"
sleep 0.2
kill -TERM "$PID" 2>/dev/null
check "asked twice: the daemon ends" poll 30 eval '! daemon_alive'
land exec
check "the client was told" refused
daemon_again
check_is "the container that ran runs" CONTAINER_RUNNING ctr_state "$RUNS"
check "everything is removed" everything_remove
world_diff "nothing is left behind" "$SCRATCH/world.before"
daemon_stop
check_is "the daemon ends with status 0" 0 echo "$DAEMON_STATUS"
check "its log is clean" log_is_clean
harness_end
