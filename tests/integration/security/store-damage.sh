#!/bin/bash
# store-damage.sh - the state database is cut short, emptied, overwritten or deleted while pods run:
# the daemon names file, fault and command. After `crispd --repair` pods with a row run on, and
# nothing of the others is left.
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start

BOOT=$(cat /proc/sys/kernel/random/boot_id)
DURABLE=$ROOT/state/data.mdb
VOLATILE=$RUNROOT/state/$BOOT/data.mdb
declare -a POD CTR

check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
# Images come and go here by design; what a pod has must not.
snapshot() { world_snapshot | grep -v 'file.*/images/' >"$1"; }
snapshot "$SCRATCH/world.before"
left() {
	local tries
	for tries in 1 2 3 4 5; do
		snapshot "$SCRATCH/world.now"
		cmp -s "$SCRATCH/world.before" "$SCRATCH/world.now" && return
		sleep 0.5			# what was killed needs a moment to leave /proc
	done
	diff "$SCRATCH/world.before" "$SCRATCH/world.now" >&2
	return 1
}

pods_up() {
	local n net
	for n in 1 2 3; do
		net=.
		[ $n != 3 ] || net=$HOST_NET
		POD[n]=$(pod_run "p$n" "$net") || return
		CTR[n]=$(ctr_run "${POD[n]}" "p$n") || return
	done
}
# The daemon's own command line, with --repair.
repair() {
	local argv
	mapfile -t argv < <(peer_argv)
	"${argv[@]}" --repair >>"$SCRATCH/daemon.log" 2>"$SCRATCH/repair.log" && return
	cat "$SCRATCH/repair.log" >&2
	return 1
}
# start_refused WHY...: the daemon ends by itself with status 1, and its log matches each
start_refused() {
	local argv rc=0 pattern
	mapfile -t argv < <(peer_argv)
	timeout 60 "${argv[@]}" >"$SCRATCH/refused.log" 2>&1 || rc=$?
	[ $rc = 1 ] || { echo "status $rc" >&2; cat "$SCRATCH/refused.log" >&2; return 1; }
	for pattern in "$@" '--repair'; do
		grep -q -- "$pattern" "$SCRATCH/refused.log" || { echo "no $pattern" >&2; cat "$SCRATCH/refused.log" >&2; return 1; }
	done
}
daemon_down() { daemon_kill TERM; }
daemon_up() {
	kill -HUP "$REAPER_PID"
	poll 20 daemon_alive && daemon_wait
}
all_run() {
	local n
	for n in 1 2 3; do
		ctr_is "${CTR[n]}" CONTAINER_RUNNING && crictl exec --sync "${CTR[n]}" true || return
	done
}
image_there() { crictl inspecti "$BUSYBOX" >/dev/null; }
layers() { find "$ROOT/images/layers" -mindepth 1 -maxdepth 1 | wc -l; }
garbage() { dd if=/dev/urandom of="$1" bs=4096 seek="$2" count="$3" conv=notrunc status=none; }
pages() { echo $(($(stat -c %s "$1") / 4096)); }

# hurt FILE HOW
hurt() {
	case $2 in
	half) truncate -s $(($(pages "$1") / 2 * 4096)) "$1" ;;
	empty) : >"$1" ;;
	missing) rm -f "$1" ;;
	garbage) garbage "$1" 2 "$(pages "$1")" ;;
	esac
}

check "three pods run" eval 'pods_up >&2 && declare -p POD CTR'
eval "$OUT"
# One environment is lost: everything is in the other.
for how in half empty garbage; do
	daemon_down
	hurt "$DURABLE" $how
	check "durable state $how: the daemon refuses to start and says why" start_refused "$DURABLE" DATA_LOSS
	check "durable state $how: the command mends it" repair
	daemon_up || bail "the daemon does not start: $(tail -n 5 "$SCRATCH/daemon.log")"
	check "durable state $how: the pods run on and are known" all_run
	check "durable state $how: the image is there" image_there
done
check "the damaged files are kept" eval '[ $(ls -d '"$ROOT"'/state/damaged-* | wc -l) = 3 ]'
rm -rf "$ROOT"/state/damaged-*
for how in missing garbage; do
	daemon_down
	hurt "$VOLATILE" $how
	daemon_up || bail "the daemon does not start: $(tail -n 5 "$SCRATCH/daemon.log")"
	check "boot state $how: the pods run on and are known" all_run
	check "boot state $how: the log says so" grep -q "boot environment of the state was mended.*$BOOT/data.mdb" "$SCRATCH/daemon.log"
	: >"$SCRATCH/daemon.log"
done
check "the pods are removed" everything_remove
check "nothing is left of them" left

# The file is cut short while it is mapped: last words, and the next start is no SIGBUS.
check "three pods run" eval 'pods_up >&2 && declare -p POD CTR'
eval "$OUT"
truncate -s 0 "$DURABLE"
for n in $(seq 20); do crictl runp "$(pod_config "cut$n")" >/dev/null 2>&1 || break; done
if poll 5 eval '! daemon_alive'; then
	check "cut short while it runs: the last words name file and command" grep -q "$DURABLE.*--repair" "$SCRATCH/daemon.log"
else
	daemon_kill
fi
check "cut short while it runs: the next start refuses" start_refused "$DURABLE"
check "and the command mends it" repair
daemon_up || bail "the daemon does not start: $(tail -n 5 "$SCRATCH/daemon.log")"
check "the pods run on and are known" all_run
check "the image is there" image_there

# Both are lost: no row knows the pods. They are ended, their addresses are free again, the layers stay.
daemon_down
LAYERS=$(layers)
rm -rf "$ROOT/state" "$RUNROOT/state"
check "both lost: the daemon refuses to start" start_refused "pods and [0-9]* containers" "shims of pods run" "image layer"
check "both lost: the layers are there" [ "$(layers)" = "$LAYERS" ]
check "both lost: the command ends what has no row" repair
check "both lost: it says which" grep -q "removed an object without a row.*${POD[1]}" "$SCRATCH/repair.log"
daemon_up || bail "the daemon does not start: $(tail -n 5 "$SCRATCH/daemon.log")"
check "both lost: the layers are kept" [ "$(layers)" = "$LAYERS" ]
check_is "both lost: no pod is listed" "" crictl pods -q
check "the image can be pulled again" crictl pull "$BUSYBOX"
check "crisp gc removes the other layers" "$BUILD_DIR/crisp" --socket "$SOCKET" gc
# What gc has let go is gone by the next look.
poll 20 eval '[ $(layers) -lt '"$LAYERS"' ]'
rm -rf "$ROOT"/state/damaged-*
check "both lost: nothing is left of the pods" left

check "the image, which nothing used, is pulled again" crictl pull "$BUSYBOX"

# Both roots are deleted, but for the mounts in them: the next "nothing is left" is of these pods, too.
check "three pods run" eval 'pods_up >&2 && declare -p POD CTR'
eval "$OUT"
daemon_down
rm -rf --one-file-system "$ROOT" "$RUNROOT" 2>/dev/null
check "both roots deleted: the daemon refuses to start" start_refused "shims of pods run"
check "both roots deleted: the command ends the pods" repair
for n in 1 2 3; do check "it says that of pod $n" grep -q "removed an object without a row.*${POD[n]}" "$SCRATCH/repair.log"; done
daemon_up || bail "the daemon does not start: $(tail -n 5 "$SCRATCH/daemon.log")"
check_is "both roots deleted: no pod is listed" "" crictl pods -q
check "the image is pulled again" crictl pull "$BUSYBOX"
rm -rf "$ROOT"/state/damaged-*

# A row alone is lost: its pod is explained, and ended by the command.
check "three pods run" eval 'pods_up >&2 && declare -p POD CTR'
eval "$OUT"
daemon_down
cc -std=gnu17 -O1 -o "$SCRATCH/rowdrop" -DDROP "$LIB_DIR/rowflip.c" -llmdb || bail "rowflip does not compile"
for n in 1 2; do
	for file in "$DURABLE" "$VOLATILE"; do "$SCRATCH/rowdrop" "$(dirname "$file")" "${POD[n]}" >/dev/null; "$SCRATCH/rowdrop" "$(dirname "$file")" "${CTR[n]}" >/dev/null; done
done
daemon_up || bail "the daemon does not start: $(tail -n 5 "$SCRATCH/daemon.log")"
check "a pod without a row is explained" eval '"$BUILD_DIR"/crisp --socket '"$SOCKET"' explain '"${POD[1]}"' | grep -q "has no row"'
check "the pod beside it is well" ctr_is "${CTR[3]}" CONTAINER_RUNNING
daemon_down
check "the command ends what has no row" repair
for n in 1 2; do check "it says that of pod $n" grep -q "removed an object without a row.*${POD[n]}" "$SCRATCH/repair.log"; done
daemon_up || bail "the daemon does not start: $(tail -n 5 "$SCRATCH/daemon.log")"
check "the pod beside it is well" ctr_is "${CTR[3]}" CONTAINER_RUNNING
check "that is removed too" everything_remove
check "nothing is left of the three" left

# The command does nothing to a store that is whole, or in use.
check_fails "while a daemon runs the command is refused" "in use by another" eval 'mapfile -t argv < <(peer_argv); "${argv[@]}" --repair'
daemon_down
check "a whole store is left alone" repair
check "nothing was replaced" eval '! ls -d '"$ROOT"'/state/damaged-* 2>/dev/null'
daemon_up || bail "the daemon does not start: $(tail -n 5 "$SCRATCH/daemon.log")"
check "the image is there" image_there
harness_end
