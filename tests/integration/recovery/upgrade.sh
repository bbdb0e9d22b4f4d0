#!/bin/bash
# upgrade.sh - the daemon of an older commit runs pods, its programs are replaced, and this daemon
# starts on the same directories. Containers keep their processes and shims; logs have no gap, exit
# codes are exact, removal leaves nothing.
#
# Environment: CRISP_TEST_OLD        the older commit (default: the last one before renamed states)
#              CRISP_TEST_OLD_BUILD  a folder with its programs; unset: they are built
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
OLD=${CRISP_TEST_OLD:-e8f5190}
if [ -z "${CRISP_TEST_OLD_BUILD:-}" ]; then
	command -v git >/dev/null || skip_all "git is not installed"
	git -C "$TOP" cat-file -e "$OLD^{commit}" 2>/dev/null ||
		skip_all "the repository's history does not reach back to $OLD (a shallow clone?)"
fi
harness_begin "$@"
PEER_WITHOUT=--log-dir			# the old daemon has no such option
command -v script >/dev/null || skip_all "script(1) is not installed"

PROGRAMS="crispd crisp-shim crisp-pull"

# old_build: the programs of the older commit, without optimisation, through the compiler cache if
# there is one
old_build() {
	local dir=$SCRATCH/old
	mkdir "$dir" || return
	git -C "$TOP" archive "$OLD" | tar -x -C "$dir" || return
	# shellcheck disable=SC2086  # words are wanted
	env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u SAN -u CFLAGS PATH="/usr/lib/ccache:$PATH" CCACHE_BASEDIR="$dir" CCACHE_NOHASHDIR=1 \
		make -s -C "$dir" -j "$(nproc)" OPT=-O1 ${PROGRAMS//crisp/build/crisp} >&2 || return
	mv "$dir/build" "$SCRATCH/old-build" && rm -rf "$dir"
}

# install_from FOLDER: running programs keep their own files
install_from() {
	local name
	for name in $PROGRAMS; do
		cp "$1/$name" "$SCRATCH/bin/.$name" && mv "$SCRATCH/bin/.$name" "$SCRATCH/bin/$name" || return
	done
}

NEW_BUILD=$BUILD_DIR
if [ -n "${CRISP_TEST_OLD_BUILD:-}" ]; then
	OLD_BUILD=$CRISP_TEST_OLD_BUILD
else
	SECONDS=0
	check "the programs of $OLD are built" old_build || { harness_end; exit; }
	echo "# built in $SECONDS s"
	OLD_BUILD=$SCRATCH/old-build
fi
SECONDS=0
mkdir "$SCRATCH/bin" "$SCRATCH/signal"
install_from "$OLD_BUILD" || bail "the programs of $OLD are missing in $OLD_BUILD"
BUILD_DIR=$SCRATCH/bin
registry_start
daemon_start

NAP="sleep $((1000000000 + $$))"	# nobody else's process has this command line

# --- helpers -----------------------------------------------------------------------------------------------------------

SIGNALS='.mounts = [{container_path: "/signal", host_path: "'"$SCRATCH/signal"'"}]'
# Counts until /signal/NAME appears, then ends with CODE.
counter() {
	echo "$SIGNALS"' | .command = ["sh", "-c",
		"i=0; while [ ! -e /signal/'"$1"' ]; do echo line $i; i=$((i+1)); usleep 20000; done; echo last $i; exit '"$2"'"]'
}
TRACER='.linux.security_context.capabilities.add_capabilities = ["SYS_PTRACE"]'
READER='.command = ["sh", "-c", "while read l; do echo got $l; done"] | .stdin = true'
# log_whole NAME: every number is there exactly once, up to the last one
log_whole() { log_text "${1%%.*}" "$1" | awk '$1 == "line" && $2 != n++ { exit 1 } $1 == "last" { last = $2 == n } END { exit !last }'; }
lines() { log_text "${1%%.*}" "$1" | wc -l; }
# longer NAME LINES: its log has more than so many
longer() { [ "$(lines "$1")" -gt "$2" ]; }
exit_text() { crictl inspect "$1" | jq -r '.status | "\(.exitCode) \(.reason)"'; }
pod_state() { crictl inspectp "$1" | jq -r .status.state; }
shim_pid() { cut -d ' ' -f 1 "$RUNROOT/pods/$1/shim.pid"; }
shim_is_not() { [ "$(shim_pid "$1" 2>/dev/null)" != "$2" ] && [ "$(pod_state "$1")" = SANDBOX_READY ]; }
start_time() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20; }
# identity CONTAINER: pid and start time
identity() { local pid; pid=$(crictl inspect "$1" | jq .info.pid) && echo "$pid $(start_time "$pid")"; }
identities() { local id; for id in "${RUNNING[@]}"; do identity "$id" || return; done; }
shims() { local id; for id in "$OWN" "$HOST" "$SHARED"; do cat "$RUNROOT/pods/$id/shim.pid" || return; done; }
# What clients see of everything, but for the container that ends meanwhile.  The older daemon shows
# the stop signal of the request and no image_ref, this one the signal in force and the image.
seen() {
	local id
	for id in $(crictl pods -q | sort); do crictl inspectp "$id" | jq -S .status || return; done
	for id in $(crictl ps -a -q | sort); do
		[ "$id" = "$ENDING" ] || crictl inspect "$id" | jq -S '.status | del(.stopSignal, .image.imageRef)' || return
	done
}
seen_as_before() { seen >"$SCRATCH/seen.now" && diff "$SCRATCH/seen.before" "$SCRATCH/seen.now" >&2; }
call() { timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" "$@"; }

# --- under the older daemon --------------------------------------------------------------------------------------------

check "old: pull" crictl pull "$BUSYBOX"
check "old: a first pod" pod_run warm
check "old: with a container" ctr_run "$OUT" warm
check "old: is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"

check "old: a pod with a network of its own" pod_run own
OWN=$OUT
check "old: a pod in the host's network" pod_run host "$HOST_NET"
HOST=$OUT
check "old: a pod with one PID namespace" pod_run shared '.linux.security_context.namespace_options.pid = 0'
SHARED=$OUT
check "old: a pod that is stopped" pod_run stopped
STOPPED=$OUT
check "old: with a container" ctr_run "$STOPPED" stopped.a
check "old: stop it" crictl stopp "$STOPPED"
RUNNING=()
for name in own.counts host.counts shared.counts; do
	check "old: $name" ctr_run "$(case $name in own*) echo "$OWN" ;; host*) echo "$HOST" ;; *) echo "$SHARED" ;; esac)" $name "$(counter $name 42)"
	RUNNING+=("$OUT")
done
check "old: a container that reads" ctr_run "$OWN" own.reads "$READER"
READS=$OUT
check "old: a container that may trace" ctr_run "$OWN" own.traces "$TRACER"
TRACES=$OUT
RUNNING+=("$READS" "$TRACES")
check "old: a container that ends while no daemon runs" ctr_run "$OWN" own.ends "$(counter own.ends 41)"
ENDING=$OUT
check "old: a container that has ended" ctr_run "$OWN" own.done '.command = ["sh", "-c", "exit 7"]'
ENDED=$OUT
check "old: a container that is not started" crictl create "$OWN" "$(ctr_config own.made "$BUSYBOX")" "$SCRATCH/pod-own.json"
MADE=$OUT
poll 20 ctr_is "$ENDED" CONTAINER_EXITED
check_is "old: an exec" works crictl exec --sync "$READS" echo works
# Its client is gone before the daemon ends, which would wait for the call.
call exec --sync "$READS" $NAP >/dev/null 2>&1 &
CALL=$!
check "old: an exec that goes on" poll 20 eval 'pgrep -fx "$NAP"'
kill $CALL
identities >"$SCRATCH/identities.before" && shims >"$SCRATCH/shims.before" && seen >"$SCRATCH/seen.before" ||
	bail "the old daemon does not tell what it runs"

# --- the upgrade -------------------------------------------------------------------------------------------------------

daemon_kill TERM
touch "$SCRATCH/signal/own.ends"
check "the log of a container goes on without a daemon" poll 30 longer host.counts "$(($(lines host.counts) + 5))"
poll 30 log_whole own.ends
install_from "$NEW_BUILD"
daemon_again

check_is "the daemon is the new one" "$(sha256sum <"$NEW_BUILD/crispd")" eval 'sha256sum <"/proc/$(daemon_pid)/exe"'
check "pods and containers are as before" seen_as_before
check_is "they are the same processes" "$(cat "$SCRATCH/identities.before")" identities
check_is "below the same shims" "$(cat "$SCRATCH/shims.before")" shims
check "the container that ended meanwhile has ended" poll 30 ctr_is "$ENDING" CONTAINER_EXITED
check_is "with its exit code" "41 Error" exit_text "$ENDING"
check "the exec that went on is killed" poll 30 eval '! pgrep -fx "$NAP"'
check "no object is in quarantine" eval '! grep -E "msg=\"?(quarantine|row)" "$SCRATCH/daemon.log"'

# --- old shims, new daemon ---------------------------------------------------------------------------------------------

for id in "${RUNNING[@]}"; do
	check_is "ExecSync in ${id:0:13}" works call exec --sync "$id" echo works
done
check_fails "an exec's exit code" 'exit code 3' call exec "$READS" sh -c 'exit 3'
check_is "an exec's stdin" "$(seq 20000 | sha256sum)" eval 'seq 20000 | call exec -i "$READS" cat | sha256sum'
check_is "an exec with a terminal" "30 90" eval \
	'script -qec "stty rows 30 cols 90; $CACHE/bin/crictl -c $SCRATCH/crictl.yaml exec -it $READS sh -c \"until [ \\\"\\\$(stty size 2>/dev/null)\\\" = \\\"30 90\\\" ]; do :; done; stty size\"" /dev/null </dev/null | grep -ao "30 90"'
check "attach" eval 'printf "one\n" | call attach -i "$READS" >/dev/null'
check "what was typed is read" poll 20 grep -q 'got one' "$SCRATCH/logs/own/own.reads.log"
check "update" call update --cpu-share 512 "$READS"
check "stats" call stats --id "$READS"
check "what was created is started" call start "$MADE"
check_is "and runs" CONTAINER_RUNNING ctr_state "$MADE"
check "a new container in an old pod" ctr_run "$OWN" own.new "$(counter own.new 43)"
NEW=$OUT
check "one that may trace" ctr_run "$OWN" own.newtraces "$TRACER"
check_is "with an exec" works call exec --sync "$OUT" echo works
check "one in a pod with one PID namespace" ctr_run "$SHARED" shared.new "$TRACER"
check_is "which sees the pod's init" 1 eval 'call exec --sync "'"$OUT"'" pgrep -o .'
check "one in the host's network" ctr_run "$HOST" host.new
check "a new pod" pod_run new
check "with a container" ctr_run "$OUT" new.a

touch "$SCRATCH/signal/own.new" "$SCRATCH/signal/own.counts"
poll 30 ctr_is "$NEW" CONTAINER_EXITED
check_is "the new container's exit code" "43 Error" exit_text "$NEW"
check "its log" log_whole own.new
poll 30 ctr_is "${RUNNING[0]}" CONTAINER_EXITED
check_is "an old container's exit code" "42 Error" exit_text "${RUNNING[0]}"
check "its log has each line once" log_whole own.counts
check "stop" call stop -t 30 "$TRACES"
check_is "the stopped container's exit code" "0 Completed" exit_text "$TRACES"

# A shim of the older commit dies: one of this tree takes its containers over.
BEFORE=$(identity "${RUNNING[1]}") OLD_SHIM=$(shim_pid "$HOST")
kill -KILL "$OLD_SHIM"
check "another shim takes the pod over" poll 60 shim_is_not "$HOST" "$OLD_SHIM"
check_is "its container is the same process" "$BEFORE" identity "${RUNNING[1]}"
check_is "and takes an exec" works call exec --sync "${RUNNING[1]}" echo works
touch "$SCRATCH/signal/host.counts"
poll 30 ctr_is "${RUNNING[1]}" CONTAINER_EXITED
check "its log has each line once" log_whole host.counts

# The new daemon restarts: what it has written itself is read, too.
daemon_kill
daemon_again
check_is "after a restart: the exit codes stay" "41 Error 42 Error 43 Error" \
	eval 'for id in $ENDING ${RUNNING[0]} $NEW; do exit_text $id; done | paste -sd " "'
check_is "after a restart: an exec" works call exec --sync "$READS" echo works

check "everything is removed" everything_remove
# What a daemon of this tree makes when it starts.
{
	cat "$SCRATCH/world.before"
	find "$ROOT/spare" "$RUNROOT/spare" "$ROOT/containers/trash" "$RUNROOT/network.gate" -maxdepth 0 -printf 'file %y %p\n'
	find "$ROOT/spare" "$RUNROOT/spare" -mindepth 1 -printf 'file %y %p\n'
} | sort -u >"$SCRATCH/world.expected"
check_is "no pod is left" "" crictl pods -q
check_is "no container is left" "" crictl ps -a -q
world_diff "nothing is left behind" "$SCRATCH/world.expected"
echo "# took $SECONDS s without the build"
harness_end
