#!/bin/bash
# kill-anywhere.sh - the daemon is killed with -9 at a random moment of each operation and the
# client repeats the request: the same object returns, never "name is reserved". At the end nothing
# is left.
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
SEED=${CRISP_TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
echo "# seed $SEED (CRISP_TEST_SEED repeats it)"
RANDOM=$SEED
ROUNDS=${CRISP_TEST_ROUNDS:-12}
registry_start
# Plugins that write down when they work, and take their time when they are told to.
NAP="sleep $((1000000000 + $$))"	# nobody else's process has this command line
mkdir -p "$SCRATCH/plugins" "$SCRATCH/mood"
for plugin in "$CNI_PLUGINS"/*; do ln -s "$plugin" "$SCRATCH/plugins/"; done
rm "$SCRATCH/plugins/bridge"
cat >"$SCRATCH/plugins/bridge" <<SH
#!/bin/sh
echo "begin \$CNI_COMMAND" >>"$SCRATCH/plugins.log"
if [ "\$CNI_COMMAND" = ADD ] && mv "$SCRATCH/mood/hangs" "$SCRATCH/mood/hung"; then exec $NAP; fi
if [ "\$CNI_COMMAND" = ADD ] && mv "$SCRATCH/mood/slow" "$SCRATCH/mood/slowed"; then sleep 3; fi
"$CNI_PLUGINS/bridge"
status=\$?
echo "end \$CNI_COMMAND" >>"$SCRATCH/plugins.log"
exit \$status
SH
chmod 755 "$SCRATCH/plugins/bridge"
CNI_PLUGINS=$SCRATCH/plugins
daemon_start

# killed LIMIT-MS CRICTL-ARGUMENTS...: the request is sent, the daemon dies within LIMIT-MS, comes
# back
killed() {
	local ms=$((RANDOM % $1)) client
	shift
	crictl "$@" >/dev/null 2>&1 &
	client=$!
	sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
	daemon_kill
	wait $client
	daemon_again
}

# What was cut off goes on after the restart, and may come to its end just before it is asked for
# again; that is refused then, and right.
started() { crictl start "$1" || ctr_is "$1" CONTAINER_RUNNING; }
removed() { crictl rm "$1" || ! crictl inspect "$1"; }
pod_removed() { crictl rmp "$1" || ! crictl inspectp "$1"; }
pods_named() { crictl pods -q --no-trunc --name "^$1\$"; }

check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"

for round in $(seq "$ROUNDS"); do
	name=r$round
	pod_file=$(pod_config "$name")
	ctr_file=$(ctr_config "$name" "$BUSYBOX")
	killed 300 runp "$pod_file"
	check "round $round: runp again" crictl runp "$pod_file" || continue
	pod=$OUT
	check_is "round $round: there is one pod" "$pod" pods_named "$name"
	killed 300 create "$pod" "$ctr_file" "$pod_file"
	check "round $round: create again" crictl create "$pod" "$ctr_file" "$pod_file" || continue
	ctr=$OUT
	check_is "round $round: there is one container" "$ctr" crictl ps -a -q --no-trunc --pod "$pod"
	killed 200 start "$ctr"
	check "round $round: start again" started "$ctr"
	check_is "round $round: it runs" CONTAINER_RUNNING ctr_state "$ctr"
	check "round $round: exec" crictl exec --sync "$ctr" true
	killed 200 exec --sync "$ctr" sleep 1
	check_is "round $round: it still runs" CONTAINER_RUNNING ctr_state "$ctr"
	killed 300 stop --timeout 5 "$ctr"
	check "round $round: stop again" crictl stop --timeout 5 "$ctr"
	check_is "round $round: it has ended" CONTAINER_EXITED ctr_state "$ctr"
	if [ $((round % 2)) = 0 ]; then
		killed 200 rm "$ctr"
		check "round $round: rm again" removed "$ctr"
	fi
	killed 300 stopp "$pod"
	check "round $round: stopp again" crictl stopp "$pod"
	killed 300 rmp "$pod"
	check "round $round: rmp again" pod_removed "$pod"
	check_is "round $round: the pod is gone" "" pods_named "$name"
done

# An image pull is killed as well; the next one completes it.
killed 200 pull "$REGISTRY/e2e-test-images/nginx:1.14-2"
check "pull again" crictl pull "$REGISTRY/e2e-test-images/nginx:1.14-2"
check "the image is removed" crictl rmi "$REGISTRY/e2e-test-images/nginx:1.14-2"

# A plugin outlives the daemon: the next one waits for it, and kills it when it has had its time.
left_alone() {
	: >"$SCRATCH/plugins.log"
	touch "$SCRATCH/mood/$1"
	crictl runp "$2" >/dev/null 2>&1 &
	client=$!
	check "a plugin that $3 is at work" poll 20 test -e "$SCRATCH/mood/$4"
	daemon_kill
	wait $client
	daemon_again
	check "a plugin that $3: the pod is made" crictl runp "$2"
}
left_alone slow "$(pod_config slow)" "is slow" slowed
check_is "a plugin that is slow: none works beside another" "begin ADD end ADD begin DEL end DEL begin ADD end ADD" \
	eval 'xargs <"$SCRATCH/plugins.log"'
left_alone hangs "$(pod_config hangs)" "hangs" hung
check "a plugin that hangs: it is gone" eval '! pgrep -fx "$NAP"'
check "everything is removed" everything_remove
world_diff "nothing is left behind" "$SCRATCH/world.before"
harness_end
