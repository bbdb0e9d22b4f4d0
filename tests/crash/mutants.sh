#!/bin/bash
# mutants.sh - plants one plausible mistake at a time in a copy of a machine and expects smc or the
# sweep to find it.
#
# usage: mutants.sh SMC
#
# smc refuses what it can prove wrong; what it cannot see the sweep must find.  A mistake that
# both accept means that a test is missing.  SWEEP_CC, SWEEP_LINK, SWEEP_OBJ and SWEEP_LIBS come from make.
set -u

smc=${1:?usage: mutants.sh SMC}
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
failed=0

report() {
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
	else
		echo "not ok $count - $1: $2"
		failed=$((failed + 1))
	fi
}

# Everything of the sweep, but for the tables of one machine.
link_mutant() {
	local machine=$1 object objects=()

	# shellcheck disable=SC2086
	for object in $SWEEP_OBJ; do
		case $object in
		*/sm_"$machine".o) ;;
		*) objects+=("$object") ;;
		esac
	done
	$SWEEP_CC -c "$work/gen/sm_$machine.c" -o "$work/mutant.o" &&
		$SWEEP_LINK "${objects[@]}" "$work/mutant.o" $SWEEP_LIBS \
			-o "$work/sweep"
}

# plant NAME MACHINE smc|sweep MESSAGE SED-SCRIPT: who must refuse it, and in which words.
# SUITE: the machine whose stories show it, when it is not MACHINE. STORY: a word of the stories that
# show it; default: all are told until one does.
plant() {
	local name=$1 machine=$2 who=$3 want=$4 script=$5 suite=${SUITE:-$2} out=$work/out peers=() peer

	rm -rf "$work/gen"
	mkdir "$work/gen"
	sed "$script" "$top/states/$machine.sm" >"$work/$machine.sm"
	if cmp -s "$work/$machine.sm" "$top/states/$machine.sm"; then
		report "$name" "the mistake could not be planted: states/$machine.sm has changed"
		return
	fi
	for peer in "$top"/states/*.sm; do
		[ "${peer##*/}" = "$machine.sm" ] || peers+=("$peer")
	done
	if ! "$smc" -o "$work/gen" "$work/$machine.sm" "${peers[@]}" >"$out" 2>&1; then
		if [ "$who" = sweep ]; then
			report "$name" "smc refuses it before the sweep: $(head -1 "$out")"
			return
		fi
	elif [ "$who" = smc ]; then
		report "$name" "smc accepts it"
		return
	else
		[ "$machine" = pull ] && suite=image
		if ! link_mutant "$machine" >"$out" 2>&1; then
			report "$name" "it does not build: $(grep -m1 error "$out")"
			return
		fi
		if "$work/sweep" -e "$want" -m "$suite" -s "${STORY:-}" >"$out" 2>&1; then
			report "$name" "the sweep accepts it"
			return
		fi
	fi
	if grep -q -F -- "$want" "$out"; then
		report "$name" ""
	else
		report "$name" "refused, but not for \"$want\": $(head -1 "$out")"
	fi
}

# in_state STATE SED-COMMAND: the command for the lines of one state alone.
in_state() {
	echo "/^state $1 /,/^\$/{$2}"
}

# The four of the design, and more of their kind.
plant "STARTING is recovered by starting again" container sweep "started again" \
	"/^effect probe_start/s/fleeting/fleeting retry 1s..2s/
	$(in_state STARTING 's/recover probe_start/recover start_init/; s/stay       : start_init/stay : save boot, probe_start/')"
plant "a remove is answered when the container is merely dead" container sweep \
	"remove is answered OK in EXITED" \
	"$(in_state RUNNING 's/: requeue, /: /')"
plant "a create that was cut off is done again without its cleanup" container sweep "an earlier shim left" \
	"/^effect probe_create/d
	$(in_state CREATING 's/recover *probe_create/recover create_init/; /on *absent/d')"
plant "a create is answered when it is prepared" container sweep "create is answered OK in CREATING" \
	"$(in_state PREPARING 's/note_prepared, save boot,/note_prepared, save boot, reply,/')"
plant "the exit is left unset when nobody knows it" container sweep "died by itself" \
	"$(in_state RUNNING 's/absent *-> EXITED *: note_exit_unknown, save/absent -> EXITED : save/')"
plant "a running container is not looked for after a restart" container sweep "" \
	"$(in_state RUNNING 's/recover probe/recover none/')"

plant "a pod with the host's network gets no init" sandbox sweep "READY without an init" \
	"$(in_state CONNECTING 's/if own_init .*/if host_network -> READY : note_shim, save, reply/;t;s/if host_network .*/if own_init -> STARTING_INIT : note_shim, save boot, start_init/')"
plant "a stop forgets when to kill" container sweep "work without an end" \
	"$(in_state RUNNING 's/STOPPING : note_stop, /STOPPING : /')"
plant "an end is kept in the boot store alone" container sweep "has changed in EXITED" \
	"$(in_state RUNNING 's/note_exit, save/note_exit, save boot/')"
plant "a start is kept in the boot store alone" container sweep "" \
	"$(in_state STARTING 's/note_started, save, reply/note_started, save boot, reply/')"
plant "a failed network is not taken down" sandbox sweep "left behind: lease" \
	"$(in_state NETWORK_UP 's/network_failed *-> NETWORK_DOWN *: note_undo, save, reply run, delete_network/network_failed -> TEARDOWN : note_undo, save, reply run, tear_down/')"
plant "a pod's remove is answered when it is stopped" sandbox sweep \
	"remove is answered OK in NOTREADY" \
	"$(in_state READY 's/: requeue, /: /')"
plant "a pod's network is kept in the boot store alone" sandbox sweep "run was answered OK" \
	"$(in_state NETWORK_UP 's/note_network, save, reply/note_network, save boot, reply/')"
plant "a pod is ready although its host ports are closed" sandbox sweep "READY with closed ports" \
	"$(in_state PORTS_UP 's/ports_failed -> NETWORK_DOWN : note_undo, save, reply run, delete_network/ports_failed -> READY : save, reply/')"
plant "a pod is ready before its containers are restored" sandbox smc "nothing leads to SAVING" \
	"$(in_state FILLING 's/filled *-> SAVING *: save, make_containers/filled -> READY : note_restored, save, reply/')"
plant "a pod with the host's network gets no restored containers" sandbox sweep "READY without its restored container" \
	"$(in_state CONNECTING 's/if restores_unwired *-> FILLING *: note_shim, save, fill_volumes/if restores_unwired -> READY : note_shim, save, reply/')"
plant "a failed restore leaves its containers" sandbox sweep "erased under its containers" \
	"$(in_state SAVING 's/\(overdue\|make_failed\) *-> DROPPING *: note_undo, save, tell children remove/\1 -> NETWORK_DOWN : note_undo, save, delete_network/')"
plant "a stopped pod keeps its network" sandbox sweep "still has a lease" \
	"$(in_state STOPPING_CONTAINERS 's/children_stopped if unwired *-> TEARDOWN *: save, tear_down/children_stopped if unwired -> NETWORK_DOWN : save, delete_network/; s/children_stopped *-> NETWORK_DOWN *: save, delete_network/children_stopped -> TEARDOWN : save, tear_down/')"
plant "a shim is replaced at the first try or never" sandbox sweep "nobody wanted that" \
	"/^effect replace_shim/s/retry [^ ]* //
	$(in_state REPLACING_SHIM 's/setup_failed *stay *: note_retry, save boot, replace_shim/setup_failed -> STOPPING_CONTAINERS : note_retry, save boot, tell children pod_ends/')"
plant "one shim after the other is tried for ever" sandbox sweep "one shim after the other" \
	"$(in_state REPLACING_SHIM '/if shim_crash_loop/d')"
plant "a dead shim is not looked for after a restart" sandbox smc "may yield shim_lost" \
	"$(in_state REPLACING_SHIM 's/recover replace_shim/recover probe_shim/')"
plant "a pod whose init has ended stays ready" sandbox sweep "READY without a shim" \
	"$(in_state READY 's/pod_broken *-> STOPPING_CONTAINERS *: note_end, save boot, tell children pod_ends/pod_broken stay : note_lost, save boot/')"
plant "a pod that ends by itself forgets why" sandbox sweep "does not say why" \
	"$(in_state READY 's/pod_broken *-> STOPPING_CONTAINERS *: note_end,/pod_broken -> STOPPING_CONTAINERS : note_lost,/')"
plant "an init that ended while the shim was away is forgotten" sandbox smc "does not decide pod_broken" \
	"$(in_state REPLACING_SHIM '/pod_broken/d')"
plant "limits are written before their row" container smc "." \
	"$(in_state RUNNING 's/update  -> UPDATING : merge_resources, save boot, apply_resources/update  stay : apply_resources/')"
plant "an update is not gone on with after a restart" container smc "may yield adopted" \
	"$(in_state UPDATING 's/recover apply_resources/recover probe/')"
plant "a container is frozen before its row" container smc "." \
	"$(in_state RUNNING 's/pause   -> PAUSING  : save boot, freeze/pause stay : freeze/')"
plant "a container that could not be frozen is paused" container sweep "is not frozen" \
	"$(in_state PAUSING 's/freeze_failed -> RUNNING/freeze_failed -> PAUSED/')"
plant "a container that could not be thawed runs" container sweep "is frozen" \
	"$(in_state RESUMING 's/thaw_failed   -> PAUSED/thaw_failed -> RUNNING/')"
plant "a container is written before its row" container smc "." \
	"$(in_state RUNNING 's/checkpoint -> DUMPING : note_dump, save, dump/checkpoint stay : dump/')"
plant "the row of a dump is lost with the boot" container smc "." \
	"$(in_state RUNNING 's/note_dump, save, dump/note_dump, save boot, dump/')"
plant "what is left of a dump is not ended" container smc "." \
	"$(in_state DUMPING 's/recover end_dump/recover dump/')"
plant "a dump that hangs is not ended" container sweep "." \
	"$(in_state DUMPING 's/overdue       stay       : end_dump/overdue -> RUNNING : note_not_dumped, save, reply/')"
plant "a container that stands still after a dump runs" container smc "no row tries effect end_dump again" \
	"$(in_state DUMPING 's/dump_stuck    stay       : save boot, end_dump/dump_stuck -> RUNNING : note_not_dumped, save, reply/')"
plant "a container from a checkpoint is created without it" container smc "nothing leads to SAVED" \
	"$(in_state PREPARING '/if is_restored/d')"
STORY=restore plant "a container whose files a reboot took is restored" container sweep "the machine reboots" \
	"$(in_state SAVED 's/absent   -> EXITED   : note_exit_unknown, save/absent stay : save boot/')"
STORY=restore plant "a restore is begun again beside the last one" container sweep "restored twice" \
	"$(in_state RESTORING 's/recover probe_restore/recover restore_init/')"
STORY=restore plant "a restore ends with its shim" container sweep "the client is told that it failed" \
	"$(in_state RESTORING 's/absent        stay        : restore_init/absent -> EXITED : note_exit_unknown, save, reply/')"
plant "a restore is in no row" container smc "SAVED is not busy" \
	"$(in_state SAVED 's/start    -> RESTORING : save boot, restore_init/start stay : restore_init/')"
plant "the image of a checkpoint is not kept" container smc "no guard or step takes what unpacked carries" \
	"$(in_state UNPACKING 's/: note_origin, save, prepare/: save, prepare/')"
plant "a pod is written before its containers are held" sandbox smc "nothing leads to HOLDING" \
	"$(in_state READY 's/checkpoint  *-> HOLDING  *: note_dump, save, hold_containers/checkpoint -> DUMPING : note_dump, save, dump/')"
plant "what is left of a pod's dump is not ended" sandbox smc "not what DUMPING recovers by" \
	"$(in_state DUMPING 's/recover end_dump/recover dump/')"
plant "a pod that stands still after a dump is released" sandbox smc "no row tries effect end_dump again" \
	"$(in_state DUMPING 's/dump_stuck  *stay  *: save boot, end_dump/dump_stuck -> RELEASING : note_not_dumped, save, tell children release/')"
STORY=written plant "containers are not released" sandbox sweep "work without an end" \
	"$(in_state DUMPING 's/dumped  *-> RELEASING  *: note_dumped, save, tell children release/dumped -> RELEASING : note_dumped, save/')"
plant "limits that were refused are shown" container sweep "shows other limits" \
	"$(in_state UPDATING 's/note_not_updated/note_updated/')"
plant "the second of two updates is refused" container sweep "." \
	"$(in_state UPDATING 's/wait *update pause/wait pause/; s/refuse start resume/refuse start resume update/')"
plant "a pod that is stopped does not tell its containers" sandbox sweep "work without an end" \
	"$(in_state READY 's/save boot, tell children pod_ends/save boot/')"
plant "a pod's network goes before its containers" sandbox sweep "the network goes while" \
	"s/^event children_stopped  family unless unfinished/event children_stopped  family unless killed/"
plant "a pod is erased before its containers" sandbox sweep "erased under its containers" \
	"s/^event childless         family/event childless_soon    family unless alive/; s/on     childless /on     childless_soon /"
SUITE=sandbox plant "a container lives on when its pod ends" container sweep "work without an end" \
	"$(in_state RUNNING 's/pod_ends -> KILLING : save boot, signal_kill/pod_ends stay : save boot/')"
plant "a pod tells what no container hears" sandbox smc "no child of machine sandbox has an event" \
	"$(in_state READY 's/tell children pod_ends/tell children pod_end/')"
plant "a command is run again after a restart" exec sweep "run twice" \
	"$(in_state NONE 's/found -> KILLING  : kill/found -> STARTING : spawn/')"
plant "a command that a dead daemon ran is only watched" exec sweep "work without an end" \
	"$(in_state NONE 's/found -> KILLING  : kill/found -> RUNNING : watch/')"
plant "a command that an end overtakes is waited for" exec sweep "the client is told that it failed" \
	"$(in_state STARTING 's/exited       -> DRAINING : note_exit, drain/exited stay : note_exit/')"

plant "a silent shim is waited for" shim sweep "work without an end" \
	"$(in_state AWAITED 's/within 12s/unbounded "it will answer"/; /overdue/d')
	/^effect kill_used/d"
plant "what a dead shim was asked for is forgotten" shim sweep "is not asked again" \
	"$(in_state UP 's/note_lost, leave/note_cut, leave/')
	$(in_state AWAITED 's/lost  *-> LOSING : note_lost/lost -> LOSING : note_cut/')"
plant "a shim is used before it has adopted all" shim sweep "before it knows the containers" \
	"$(in_state ADOPTING 's/adopted if adopts_more stay  *: note_adopted, await/adopted if adopts_more -> UP : note_adopted, note_up/')
	$(in_state UP 's/ignore open/ignore adopted open/')"
plant "adoptions by a lost shim are waited for" shim sweep "of an earlier shim" \
	"$(in_state ADOPTING 's/lost  *-> LOSING  *: note_cut, look/lost -> LOSING : look/')"
plant "a pod whose shim comes back is given up" shim sweep "nobody waits for it" \
	"$(in_state LOSING 's/replaced   -> DOWN/replaced   -> LOST/; s/unreplaced -> LOST/unreplaced -> DOWN/')"
plant "a link that breaks before it is used is missed" shim smc "may yield lost" \
	"$(in_state ADOPTING 's/on  *lost .*/ignore lost/')"
plant "a link is written down" shim smc "is unstored" \
	"$(in_state UP 's/: note_asked, await/: note_asked, save boot, await/')"
plant "a client is not told that its pod is gone" stream sweep "waits for a process that has ended" \
	"$(in_state RUNNING 's/cut   -> CLOSING : note_cut/cut   stay : note_cut/')"
plant "an end that overtakes the start is lost" stream sweep "waits for a process that has ended" \
	"$(in_state STARTING 's/ended  -> CLOSING : note_end/ended  stay : note_end/')"
plant "a session outlives its client" stream sweep "without a client" \
	"$(in_state CLAIMED 's/left  *-> GONE/left stay : note_cut/')"
plant "an image's removal is kept in the boot store alone" image smc "is lasting, but DROPPING" \
	"$(in_state PRESENT 's/save, drop/save boot, drop/')"
plant "a client is told before it is so" container smc "told before it is true" \
	"$(in_state KILLING 's/note_exit, save, reply/note_exit, reply, save/')"
plant "a kill may last for ever" container smc "may last for ever" \
	"$(in_state KILLING '/within/d; /overdue/d')"
plant "a failed pull leaves its folder" pull sweep "a staging folder is left behind" \
	"$(in_state FETCHING 's/-> CLEANING : note_error, save, clean/-> GONE : note_error, save, reply/')"

echo "1..$count"
echo "# mutants: $((count - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
