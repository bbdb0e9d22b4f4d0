#!/bin/bash
# 22-shim-dies.sh - the shim of a pod is killed with -9: while containers run, and in the middle of
# every operation of the OCI runtime. Every call is answered, the pod becomes NOTREADY, containers
# end with the exit code that was recorded or one that says it is not known, no process lives on,
# and all of it can be removed.
#
# The runtime is held by a file of its operation's name, so that "in the middle" is a fact.
set -u
. "$(dirname "$0")/lib.sh"
harness_begin "$@"
registry_start

HOLD=$SCRATCH/hold			# hold/create: the runtime waits in `create`; hold/create.at: it is there
mkdir "$HOLD"
cat >"$SCRATCH/runtime" <<SH
#!/bin/bash
for word in "\$@"; do
	case \$word in create | start | exec | delete) break ;; esac
done
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
# A call that nobody answers is a bug: the client waits for a minute, then it is no answer.
answered() { [ "$1" != 124 ] && [ "$1" != 0 ]; }
call() { timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" "$@"; }

# check_over WHAT POD: the pod is NOTREADY without being asked, and goes
check_over() {
	poll 60 pod_is "$2" SANDBOX_NOTREADY
	check_is "$1: the pod is not ready" SANDBOX_NOTREADY pod_state "$2"
	check "$1: stopp" call stopp "$2"
	check "$1: rmp" call rmp "$2"
	check_is "$1: no container is left" "" crictl ps -a -q
	world_diff "$1: nothing is left behind" "$SCRATCH/world.before"
}

# in_the_middle WHAT POD OPERATION CRICTL-ARGUMENTS...: the shim dies while the runtime is held in the
# operation; the call must fail, and soon
in_the_middle() {
	local what=$1 pod=$2 op=$3 client rc=0
	shift 3
	hold "$op"
	call "$@" >"$SCRATCH/call.out" 2>&1 &
	client=$!
	check "$what: the runtime is at work" held "$op"
	shim_kill "$pod"
	wait $client || rc=$?
	check "$what: the call is answered with an error ($rc: $(tail -n 1 "$SCRATCH/call.out"))" answered $rc
	release "$op"
}

NAP="sleep $((1000000000 + $$))"	# nobody else's process has this command line
NAMED='.command = ["sh", "-c", "trap \"\" TERM; '$NAP' & wait"]'

check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"

# Containers that run, one that ended by itself, one that never ran; PID namespaces of all kinds.
check "running: a pod" pod_run run
POD=$OUT
check "running: a container" ctr_run "$POD" run.own "$NAMED"
A=$OUT
check "running: one in the host's PID namespace" ctr_run "$POD" run.host "$NAMED
	| .linux.security_context.namespace_options.pid = 2"
B=$OUT
check "running: one that ends by itself" ctr_run "$POD" run.ends '.command = ["sh", "-c", "exit 7"]'
C=$OUT
check "running: one that is never started" crictl create "$POD" "$(ctr_config run.made "$BUSYBOX")" "$SCRATCH/pod-run.json"
D=$OUT
poll 20 ctr_is "$C" CONTAINER_EXITED
check "running: their processes live" lives "$NAP"
shim_kill "$POD"
for ctr in "$A" "$B" "$D"; do
	poll 60 ctr_is "$ctr" CONTAINER_EXITED
	check_is "running: a container has ended and says that nobody knows how" "255 ContainerStatusUnknown" exit_text "$ctr"
done
check_is "running: the end that was known stays" "7 Error" exit_text "$C"
check "running: no process lives on" poll 20 dead "$NAP"
check_over running "$POD"

# The pod's own PID namespace, whose first process is the pod's.
check "shared: a pod" pod_run shared '.linux.security_context.namespace_options.pid = 0'
POD=$OUT
check "shared: a container" ctr_run "$POD" shared "$NAMED | .linux.security_context.namespace_options.pid = 0"
shim_kill "$POD"
check_over shared "$POD"
check "shared: no process lives on" poll 20 dead "$NAP"

check "create: a pod" pod_run create
POD=$OUT
in_the_middle create "$POD" create create "$POD" "$(ctr_config create "$BUSYBOX")" "$SCRATCH/pod-create.json"
check_over create "$POD"

check "start: a pod" pod_run start
POD=$OUT
check "start: a container" crictl create "$POD" "$(ctr_config start "$BUSYBOX" "$NAMED")" "$SCRATCH/pod-start.json"
A=$OUT
in_the_middle start "$POD" start start "$A"
poll 60 ctr_is "$A" CONTAINER_EXITED
check_is "start: the container has ended and says that nobody knows how" "255 ContainerStatusUnknown" exit_text "$A"
check "start: no process lives on" poll 20 dead "$NAP"
check_over start "$POD"

check "exec: a pod" pod_run exec
POD=$OUT
check "exec: a container" ctr_run "$POD" exec
A=$OUT
in_the_middle exec "$POD" exec exec --sync "$A" $NAP
check_over exec "$POD"

check "running exec: a pod" pod_run execs
POD=$OUT
check "running exec: a container" ctr_run "$POD" execs
A=$OUT
call exec --sync "$A" $NAP >"$SCRATCH/call.out" 2>&1 &
CLIENT=$!
check "running exec: it runs" poll 20 lives "$NAP"
shim_kill "$POD"
RC=0
wait $CLIENT || RC=$?
check "running exec: the call is answered with an error" answered $RC
check "running exec: no process lives on" poll 20 dead "$NAP"
check_over "running exec" "$POD"

# An exec that is timed out before the runtime has made its process.
check "held exec: a pod" pod_run late
POD=$OUT
check "held exec: a container" ctr_run "$POD" late
hold exec
check_fails "held exec: its time is over" "timed out|deadline" call exec --sync --timeout 1 "$OUT" $NAP
release exec
check "held exec: no process lives on" poll 20 dead "$NAP"
check "held exec: removed" everything_remove
world_diff "held exec: nothing is left behind" "$SCRATCH/world.before"

# STOPPING: the container does not listen to SIGTERM, so the stop waits for its grace time.
check "stop: a pod" pod_run stop
POD=$OUT
check "stop: a container" ctr_run "$POD" stop "$NAMED"
A=$OUT
call stop --timeout 3000 "$A" >"$SCRATCH/call.out" 2>&1 &
CLIENT=$!
check "stop: it is under way" poll 20 grep -q "ctr=${A:0:13} .* to=STOPPING" "$SCRATCH/daemon.log"
shim_kill "$POD"
RC=0
wait $CLIENT || RC=$?
check "stop: the call is answered: the container has ended" test $RC = 0
check_is "stop: and says that nobody knows how" "255 ContainerStatusUnknown" exit_text "$A"
check_over stop "$POD"

# The pod is stopped and removed at the moment of its shim's death.
check "remove: a pod" pod_run remove
POD=$OUT
check "remove: a container" ctr_run "$POD" remove "$NAMED"
shim_kill "$POD"
check "remove: rmp at once" call rmp -f "$POD"
world_diff "remove: nothing is left behind" "$SCRATCH/world.before"

# The shim dies while the daemon is away.
check "away: a pod" pod_run away
POD=$OUT
check "away: a container" ctr_run "$POD" away "$NAMED"
A=$OUT
check "away: one that is never started" crictl create "$POD" "$(ctr_config away.made "$BUSYBOX")" "$SCRATCH/pod-away.json"
B=$OUT
daemon_kill
shim_kill "$POD"
daemon_again
for ctr in "$A" "$B"; do
	poll 60 ctr_is "$ctr" CONTAINER_EXITED
	check_is "away: a container has ended and says that nobody knows how" "255 ContainerStatusUnknown" exit_text "$ctr"
done
check "away: no process lives on" poll 20 dead "$NAP"
check_over away "$POD"

# Both die in the middle of an operation.
for op in create start; do
	check "both, $op: a pod" pod_run "both-$op"
	POD=$OUT
	file=$(ctr_config "both-$op" "$BUSYBOX" "$NAMED")
	words=(create "$POD" "$file" "$SCRATCH/pod-both-$op.json")
	if [ $op = start ]; then
		check "both, $op: a container" crictl "${words[@]}"
		words=(start "$OUT")
	fi
	hold $op
	call "${words[@]}" >"$SCRATCH/call.out" 2>&1 &
	CLIENT=$!
	check "both, $op: the runtime is at work" held $op
	daemon_kill
	shim_kill "$POD"
	wait $CLIENT
	daemon_again
	check_over "both, $op" "$POD"
	release $op
	check "both, $op: no process lives on" poll 20 dead "$NAP"
done

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
