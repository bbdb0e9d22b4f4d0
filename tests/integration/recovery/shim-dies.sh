#!/bin/bash
# shim-dies.sh - a shim killed in each operation, or hung, is replaced: pods stay ready, containers
# run on, logs have no gap. Exit codes are exact where the kernel reports them, else unknown;
# pending requests are finished or fail; a crash loop ends.
#
# The runtime is held by a file of its operation's name, so that "in the middle" is a fact.
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
command -v script >/dev/null || skip_all "script(1) is not installed"
registry_start

HOLD=$SCRATCH/hold			# hold/create: the runtime waits in `create`; hold/create.at: it is there
mkdir "$HOLD" "$SCRATCH/signal" "$SCRATCH/bin"
cat >"$SCRATCH/runtime" <<SH
#!/bin/bash
for word in "\$@"; do
	case \$word in create | start | exec | delete | state) break ;; esac
done
# hold/started: the process runs, and the runtime is held before it can say so
if [ \$word = start ] && [ -e "$HOLD/started" ]; then
	head -c 1 "$SCRATCH/run/runc/\${!#}/exec.fifo" >/dev/null
	word=started
fi
if [ -e "$HOLD/\$word" ]; then
	touch "$HOLD/\$word.at"
	while [ -e "$HOLD/\$word" ]; do sleep 0.05; done
fi
exec runc "\$@"
SH
chmod 755 "$SCRATCH/runtime"
cat >"$SCRATCH/config.d/10-held.conf" <<-TOML
[crio.runtime.runtimes.runc]
runtime_path = "$SCRATCH/runtime"
runtime_root = "$SCRATCH/run/runc"
TOML
# The shim's program can be taken away here.
cp "$BUILD_DIR"/{crispd,crisp-shim,crisp-pull} "$SCRATCH/bin/"
BUILD_DIR=$SCRATCH/bin
daemon_start

hold() { touch "$HOLD/$1"; }
held() { poll 20 test -e "$HOLD/$1.at"; }
release() { rm -f "$HOLD/$1" "$HOLD/$1.at"; }
shim_pid() { cut -d ' ' -f 1 "$RUNROOT/pods/$1/shim.pid"; }
shim_kill() { kill -KILL "$(shim_pid "$1")"; }
pod_state() { crictl inspectp "$1" | jq -r .status.state; }
pod_is() { [ "$(pod_state "$1")" = "$2" ]; }
exit_text() { crictl inspect "$1" | jq -r '.status | "\(.exitCode) \(.reason)"'; }
lives() { pgrep -fx -- "$1"; }
dead() { ! lives "$1"; }
moved() { grep -q "msg=\"move\" $1=${2:0:13} .* to=$3" "$SCRATCH/daemon.log"; }
# A call that nobody answers is a bug: the client waits for a minute, then it is no answer.
answered() { [ "$1" != 124 ] && [ "$1" != 0 ]; }
call() { timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" "$@"; }

# replacements POD: how often a new shim has taken it over
replacements() { grep -c "msg=\"move\" sbx=${1:0:13} from=REPLACING_SHIM event=is_set_up" "$SCRATCH/daemon.log"; }
replaced_more() { [ "$(replacements "$1")" -gt "$2" ]; }
# shim_replaced WHAT POD: kill it; another one is there
shim_replaced() {
	local before
	before=$(replacements "$2")
	shim_kill "$2"
	check "$1: another shim takes the pod over" poll 60 replaced_more "$2" "$before"
	check_is "$1: the pod is ready" SANDBOX_READY pod_state "$2"
}

check_gone() {
	check "$1: stopp" call stopp "$2"
	check "$1: rmp" call rmp "$2"
	check_is "$1: no container is left" "" crictl ps -a -q
	world_diff "$1: nothing is left behind" "$SCRATCH/world.before"
}

# in_the_middle WHAT POD OPERATION CRICTL-ARGUMENTS...: the shim dies while the runtime is held in the
# operation, which is then let go; $RC is the call's
in_the_middle() {
	local what=$1 pod=$2 op=$3 client before
	shift 3
	before=$(replacements "$pod")
	hold "$op"
	call "$@" >"$SCRATCH/call.out" 2>&1 &
	client=$!
	check "$what: the runtime is at work" held "$op"
	shim_kill "$pod"
	check "$what: another shim takes the pod over" poll 60 replaced_more "$pod" "$before"
	release "$op"
	RC=0
	wait $client || RC=$?
}

NAP="sleep $((1000000000 + $$))"	# nobody else's process has this command line
NAMED='.command = ["sh", "-c", "trap \"\" TERM; '$NAP' & wait"]'
# Counts until /signal/NAME appears, then ends with 41.
counter() {
	echo '.mounts = [{container_path: "/signal", host_path: "'"$SCRATCH/signal"'"}] | .command = ["sh", "-c",
		"i=0; while [ ! -e /signal/'"$1"' ]; do echo line $i; i=$((i+1)); usleep 10000; done; echo last $i; exit 41"]'
}
# log_whole NAME: every number is there exactly once, up to the last one
log_whole() { log_text "${1%%.*}" "$1" | awk '$1 == "line" && $2 != n++ { exit 1 } $1 == "last" { last = $2 == n } END { exit !last }'; }

check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"
fds() { find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l; }
FDS=$(fds)

# Containers that run, one that ended by itself, one that never ran; PID namespaces of all kinds.
check "running: a pod" pod_run run
POD=$OUT
check "running: a container" ctr_run "$POD" run.own "$NAMED"
A=$OUT
check "running: one in a PID namespace of its own" ctr_run "$POD" run.host "$NAMED
	| .linux.security_context.namespace_options.pid = 1"
B=$OUT
check "running: one that ends by itself" ctr_run "$POD" run.ends '.command = ["sh", "-c", "exit 7"]'
C=$OUT
check "running: one that is never started" crictl create "$POD" "$(ctr_config run.made "$BUSYBOX")" "$SCRATCH/pod-run.json"
D=$OUT
check "running: one that counts" ctr_run "$POD" run.counts "$(counter counts)"
E=$OUT
poll 20 ctr_is "$C" CONTAINER_EXITED
LIVES=$(pgrep -cfx -- "$NAP")
for round in 1 2 3; do
	shim_replaced "running, $round" "$POD"
	check_is "running, $round: their processes live" "$LIVES" pgrep -cfx -- "$NAP"
	check_is "running, $round: the states of all" "CONTAINER_RUNNING CONTAINER_RUNNING CONTAINER_EXITED CONTAINER_CREATED CONTAINER_RUNNING" \
		eval 'for c in $A $B $C $D $E; do ctr_state $c; done | paste -sd " "'
	check_is "running, $round: exec works" works crictl exec --sync "$A" echo works
done
check_is "running: an end that was known stays" "7 Error" exit_text "$C"
check "running: what was created can be started" crictl start "$D"
check "running: and stopped" crictl stop "$D"
check_is "running: with its exit code" "137 Error" exit_text "$D"
touch "$SCRATCH/signal/counts"
poll 30 ctr_is "$E" CONTAINER_EXITED
check_is "running: the exit code of a process that is not the shim's child" "41 Error" exit_text "$E"
check "running: every number is in the log once" log_whole run.counts
crictl exec --sync "$A" sh -c 'kill -9 $(pgrep sleep)' >/dev/null
poll 30 ctr_is "$A" CONTAINER_EXITED
check "running: the other is stopped" crictl stop --timeout 1 "$B"
check_is "running: it was killed" "137 Error" exit_text "$B"
check "running: no process lives on" poll 20 dead "$NAP"
check_gone running "$POD"
check_is "running: the daemon has as many descriptors as before" "$FDS" fds

# The pod's own PID namespace, whose first process is the pod's.
check "shared: a pod" pod_run shared '.linux.security_context.namespace_options.pid = 0'
POD=$OUT
check "shared: a container" ctr_run "$POD" shared "$NAMED | .linux.security_context.namespace_options.pid = 0"
A=$OUT
shim_replaced shared "$POD"
check_is "shared: exec works, beside the pod's init" crisp-init crictl exec --sync "$A" cat /proc/1/comm
check "shared: another container" ctr_run "$POD" shared.more "$NAMED | .linux.security_context.namespace_options.pid = 0"
check_gone shared "$POD"
check "shared: no process lives on" poll 20 dead "$NAP"

# The host's PID namespace: a kill is one of the whole cgroup.
check "hostpid: a pod" pod_run hostpid '.linux.security_context.namespace_options.pid = 2'
POD=$OUT
check "hostpid: a container" ctr_run "$POD" hostpid "$NAMED"
A=$OUT
shim_replaced hostpid "$POD"
check "hostpid: it runs" ctr_is "$A" CONTAINER_RUNNING
check "hostpid: it is stopped" crictl stop --timeout 1 "$A"
check_is "hostpid: it was killed" "137 Error" exit_text "$A"
check "hostpid: no process lives on" poll 20 dead "$NAP"
check_gone hostpid "$POD"

# Streams: stdin stays open, a terminal stays, attached clients and execs end with a word.
check "streams: a pod" pod_run streams
POD=$OUT
READER='.command = ["sh", "-c", "while read l; do echo got $l; done; echo over"] | .stdin = true'
check "streams: a container that reads" ctr_run "$POD" streams.in "$READER"
A=$OUT
check "streams: one with a terminal" ctr_run "$POD" streams.tty "$READER | .tty = true"
B=$OUT
exec {TYPED}< <(echo one; exec sleep 100000)
timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" attach -i "$A" <&"$TYPED" >"$SCRATCH/attach.out" 2>&1 &
CLIENT=$!
check "streams: a client is attached" poll 20 grep -q 'got one' "$SCRATCH/attach.out"
call exec --sync "$A" $NAP >"$SCRATCH/call.out" 2>&1 &
EXEC=$!
call exec "$A" $NAP >"$SCRATCH/exec.out" 2>&1 &
EXEC2=$!
check "streams: execs run" poll 20 eval '[ "$(pgrep -cfx -- "$NAP")" = 2 ]'
shim_replaced streams "$POD"
for client in $CLIENT $EXEC $EXEC2; do
	RC=0
	wait $client || RC=$?
	check "streams: a client ends ($RC)" test $RC != 124
done
check "streams: no process of an exec lives on" poll 20 dead "$NAP"
check "streams: ExecSync says why ($(tail -n 1 "$SCRATCH/call.out"))" grep -qiE 'shim|unknown|lost' "$SCRATCH/call.out"
check "streams: what is typed arrives" eval \
	'echo two | timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" attach -i "$A" >/dev/null; poll 20 grep -q "got two" "$SCRATCH/logs/streams/streams.in.log"'
check "streams: stdin did not end meanwhile" eval '! grep -q over "$SCRATCH/logs/streams/streams.in.log"'
check "streams: what is typed into the terminal arrives" eval \
	'timeout 60 script -qec "$CACHE/bin/crictl -c $SCRATCH/crictl.yaml attach -it $B" /dev/null < <(echo three; sleep 3) >/dev/null & poll 20 grep -q "got three" "$SCRATCH/logs/streams/streams.tty.log"'
SHIM=$(shim_pid "$POD")
kill -STOP "$SHIM"
daemon_kill
daemon_again
for T in spdy websocket; do
	call exec -r $T "$A" echo waited >"$SCRATCH/late.$T" 2>&1 &
done
sleep 2
kill -CONT "$SHIM"
for T in spdy websocket; do
	check "streams: an exec ($T) waits for a shim that is slow to answer a new daemon" poll 20 grep -qx waited "$SCRATCH/late.$T"
done
check "streams: both run" eval 'ctr_is "$A" CONTAINER_RUNNING && ctr_is "$B" CONTAINER_RUNNING'
check_gone streams "$POD"

check "create: a pod" pod_run create
POD=$OUT
in_the_middle create "$POD" create create "$POD" "$(ctr_config create "$BUSYBOX")" "$SCRATCH/pod-create.json"
check_is "create: the call succeeds ($(tail -n 1 "$SCRATCH/call.out"))" 0 echo $RC
check "create: the container is there and starts" crictl start "$(cat "$SCRATCH/call.out")"
check_gone create "$POD"

# start: before the container's process goes on; started: after that, before the runtime can say so
for W in start started; do
	check "$W: a pod" pod_run start
	POD=$OUT
	check "$W: a container" crictl create "$POD" "$(ctr_config start "$BUSYBOX" "$NAMED")" "$SCRATCH/pod-start.json"
	A=$OUT
	in_the_middle $W "$POD" $W start "$A"
	check_is "$W: the call succeeds ($(tail -n 1 "$SCRATCH/call.out"))" 0 echo $RC
	check "$W: it runs" lives "$NAP"
	check_is "$W: the runtime knows it" running eval 'runc --root "$SCRATCH/run/runc" state '"$A"' | jq -r .status'
	check "$W: exec works" crictl exec --sync "$A" true
	check_gone $W "$POD"
done

check "exec: a pod" pod_run exec
POD=$OUT
check "exec: a container" ctr_run "$POD" exec
A=$OUT
in_the_middle exec "$POD" exec exec --sync "$A" $NAP
check "exec: the call is answered with an error ($RC: $(tail -n 1 "$SCRATCH/call.out"))" answered $RC
check "exec: no process lives on" poll 20 dead "$NAP"
check "exec: the container runs" ctr_is "$A" CONTAINER_RUNNING

# An exec that is timed out before the runtime has made its process.
hold exec
check_fails "held exec: its time is over" "timed out|deadline" call exec --sync --timeout 1 "$A" $NAP
release exec
check "held exec: no process lives on" poll 20 dead "$NAP"
check_gone exec "$POD"

# STOPPING: the container does not listen to SIGTERM, so the stop waits for its grace time.
check "stop: a pod" pod_run stop
POD=$OUT
check "stop: a container" ctr_run "$POD" stop "$NAMED"
A=$OUT
call stop --timeout 4 "$A" >"$SCRATCH/call.out" 2>&1 &
CLIENT=$!
check "stop: it is under way" poll 20 moved ctr "$A" STOPPING
shim_replaced stop "$POD"
RC=0
wait $CLIENT || RC=$?
check_is "stop: the call is answered" 0 echo $RC
check_is "stop: the container was killed at the end of its time" "137 Error" exit_text "$A"
check_gone stop "$POD"

# A shim that hangs: a stop is bounded all the same.
check "hung: a pod" pod_run hung
POD=$OUT
check "hung: a container" ctr_run "$POD" hung "$NAMED"
A=$OUT
check "hung: another container" ctr_run "$POD" hung.more "$(counter hung)"
B=$OUT
kill -STOP "$(shim_pid "$POD")"
check "hung: the stop ends" call stop --timeout 1 "$A"
check_is "hung: the container was killed" "137 Error" exit_text "$A"
check "hung: another shim has taken the pod over" replaced_more "$POD" 0
touch "$SCRATCH/signal/hung"
poll 30 ctr_is "$B" CONTAINER_EXITED
check_is "hung: the other container has noticed nothing" "41 Error" exit_text "$B"
check "hung: every number is in its log once" log_whole hung.more
check_gone hung "$POD"

# The pod is stopped and removed at the moment of its shim's death.
check "remove: a pod" pod_run remove
POD=$OUT
check "remove: a container" ctr_run "$POD" remove "$NAMED"
shim_kill "$POD"
check "remove: rmp at once" call rmp -f "$POD"
check "remove: no process lives on" poll 20 dead "$NAP"
world_diff "remove: nothing is left behind" "$SCRATCH/world.before"

# A container ends while there is no shim: the daemon has it from the kernel.
check "between: a pod" pod_run between
POD=$OUT
check "between: a container" ctr_run "$POD" between "$(counter between)"
A=$OUT
PID=$(crictl inspect "$A" | jq .info.pid)
kill -STOP "$(daemon_pid)"
shim_kill "$POD"
touch "$SCRATCH/signal/between"
check "between: it ends" poll 20 test ! -e "/proc/$PID"
kill -CONT "$(daemon_pid)"
poll 60 ctr_is "$A" CONTAINER_EXITED
check_is "between: its exit code is known" "41 Error" exit_text "$A"
check_is "between: the pod is ready" SANDBOX_READY pod_state "$POD"
check_gone between "$POD"

# The shim dies while the daemon is away: containers live, or their end is not known.
check "away: a pod" pod_run away
POD=$OUT
check "away: a container" ctr_run "$POD" away "$NAMED"
A=$OUT
check "away: one that is never started" crictl create "$POD" "$(ctr_config away.made "$BUSYBOX")" "$SCRATCH/pod-away.json"
B=$OUT
check "away: one that counts" ctr_run "$POD" away.counts "$(counter away)"
C=$OUT
check "away: one that ends meanwhile" ctr_run "$POD" away.ends "$(counter away-ends)"
D=$OUT
PID=$(crictl inspect "$D" | jq .info.pid)
daemon_kill
shim_kill "$POD"
touch "$SCRATCH/signal/away-ends"
check "away: it ends" poll 20 test ! -e "/proc/$PID"
daemon_again
poll 60 ctr_is "$D" CONTAINER_EXITED
check_is "away: it says that nobody knows how" "255 ContainerStatusUnknown" exit_text "$D"
check_is "away: the pod is ready" SANDBOX_READY pod_state "$POD"
check "away: the others are as they were" eval 'ctr_is "$A" CONTAINER_RUNNING && ctr_is "$B" CONTAINER_CREATED && ctr_is "$C" CONTAINER_RUNNING'
check "away: what was created can be started" crictl start "$B"
touch "$SCRATCH/signal/away"
poll 30 ctr_is "$C" CONTAINER_EXITED
check_is "away: the exit code of what lived is exact" "41 Error" exit_text "$C"
check "away: every number is in its log once" log_whole away.counts
check "away: no process is lost" lives "$NAP"
check_gone away "$POD"

# Both die in the middle of an operation.
for op in create start; do
	check "both, $op: a pod" pod_run "both-$op"
	POD=$OUT
	file=$(ctr_config "both-$op" "$BUSYBOX" "$NAMED")
	words=(create "$POD" "$file" "$SCRATCH/pod-both-$op.json")
	if [ $op = start ]; then
		check "both, $op: a container" crictl "${words[@]}"
		A=$OUT
		words=(start "$A")
	fi
	hold $op
	call "${words[@]}" >"$SCRATCH/call.out" 2>&1 &
	CLIENT=$!
	check "both, $op: the runtime is at work" held $op
	daemon_kill
	shim_kill "$POD"
	wait $CLIENT
	daemon_again		# the runtime is held yet: it ends with its shim, and another is asked
	release $op
	if [ $op = create ]; then
		check "both, $op: the same request again" crictl "${words[@]}"
		A=$OUT
		check "both, $op: starts" crictl start "$A"
	fi
	check "both, $op: it runs" poll 60 ctr_is "$A" CONTAINER_RUNNING
	check_gone "both, $op" "$POD"
	check "both, $op: no process lives on" poll 20 dead "$NAP"
done

# No shim can be started any more: after some tries the pod ends, and nothing of it lives on.
check "loop: a pod" pod_run loop
POD=$OUT
check "loop: a container" ctr_run "$POD" loop "$NAMED"
A=$OUT
mv "$SCRATCH/bin/crisp-shim" "$SCRATCH/bin/shim.away"
shim_kill "$POD"
check "loop: the pod ends" poll 120 pod_is "$POD" SANDBOX_NOTREADY
check "loop: the container ends" poll 60 ctr_is "$A" CONTAINER_EXITED
check "loop: no process lives on" poll 20 dead "$NAP"
check "loop: the log says why" grep -q "replace a shim" "$SCRATCH/daemon.log"
mv "$SCRATCH/bin/shim.away" "$SCRATCH/bin/crisp-shim"
check_gone loop "$POD"

# A pod that is being made loses its shim while a CNI plugin works: it must not become ready.
mkdir "$SCRATCH/plugins"
cat >"$SCRATCH/plugins/held" <<SH
#!/bin/bash
[ "\$CNI_COMMAND" != ADD ] || [ ! -e "$HOLD/cni" ] || { touch "$HOLD/cni.at"; while [ -e "$HOLD/cni" ]; do sleep 0.05; done; }
[ "\$CNI_COMMAND" = VERSION ] && { echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}'; exit; }
[ "\$CNI_COMMAND" != ADD ] || jq -c .prevResult
SH
chmod 755 "$SCRATCH/plugins/held"
jq '.plugins += [{type: "held"}]' "$CNI_CONF/10-test.conflist" >"$SCRATCH/conflist"
mv "$SCRATCH/conflist" "$CNI_CONF/10-test.conflist"
daemon_kill TERM
ln -s "$CNI_PLUGINS"/* "$SCRATCH/plugins/"
CNI_PLUGINS=$SCRATCH/plugins
daemon_end
daemon_start
hold cni
call runp "$(pod_config network)" >"$SCRATCH/call.out" 2>&1 &
CLIENT=$!
check "network: the plugin is at work" held cni
kill -KILL "$(cut -d ' ' -f 1 "$RUNROOT"/pods/*/shim.pid)"
release cni
RC=0
wait $CLIENT || RC=$?
check "network: the call is answered with an error" answered $RC
check_is "network: there is no pod" "" crictl pods -q
world_diff "network: nothing is left behind" "$SCRATCH/world.before"
harness_end
