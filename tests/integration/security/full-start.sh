#!/bin/bash
# full-start.sh - crispd starts with neither a free block nor a free inode in root and runroot,
# lists, stops and removes. New pods are refused with the reason until there is space.
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start

mount -t tmpfs -o size=80m,nr_inodes=8k crisp-small "$ROOT" || skip_all "tmpfs cannot be mounted here"
mount -t tmpfs -o size=24m,nr_inodes=2k crisp-small "$SCRATCH/run" || skip_all "tmpfs cannot be mounted here"
mkdir -p "$SCRATCH/signal"

fill_blocks() { cat /dev/zero >"$1/filler" 2>/dev/null; dd if=/dev/zero of="$1/filler2" bs=1 2>/dev/null; [ "$(df --output=avail "$1" | tail -n 1)" -lt 4 ]; }
fill_inodes() {
	mkdir -p "$1/filler.d"
	seq 20000 | (cd "$1/filler.d" && xargs touch 2>/dev/null)
	[ "$(df --output=iavail "$1" | tail -n 1)" -eq 0 ]
}
fill() { fill_blocks "$1" && fill_inodes "$1"; }
empty() { rm -rf "$1"/filler*; }
alive() { crictl version >/dev/null && crictl pods >/dev/null && crictl ps -a >/dev/null && crictl images >/dev/null; }
NO_ROOM='no space|disk is full|ENOSPC|disk space'

refused_or_done() {
	local what=$1
	shift
	if OUT=$("$@" 2>&1); then ok "$what works"; return; fi
	check_fails "$what is refused and says why" "$NO_ROOM" eval 'cat <<<"$OUT"; false'
}

daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"

# full WHAT SIGNAL
full() {
	local what=$1 signal=$2 pod=() ctr=() n
	for n in 1 2 3; do
		mkdir -p "$SCRATCH/signal/$n"
		check "$what: pod $n" pod_run "full$n" || return
		pod[n]=$OUT
		check "$what: container $n" ctr_run "${pod[n]}" "full$n" ".command = [\"sh\", \"-c\", \"while [ ! -e /signal/end ]; do sleep 0.1; done; exit 23\"]
			| .mounts = [{container_path: \"/signal\", host_path: \"$SCRATCH/signal/$n\"}]" || return
		ctr[n]=$OUT
	done
	for n in "$ROOT" "$SCRATCH/run"; do
		check "$what: none is left in ${n#"$SCRATCH/"}" fill "$n"
	done
	check "$what: lists work" alive
	check "$what: stop works" crictl stop --timeout 1 "${ctr[1]}"
	daemon_kill "$signal"
	touch "$SCRATCH/signal/2/end"		# ends while there is no daemon
	check "$what: the exit is recorded" poll 30 test -e "$ROOT/containers/${ctr[2]}/exit"
	for n in "$ROOT" "$SCRATCH/run"; do
		fill "$n" >/dev/null		# what the daemon's end has freed
	done
	daemon_again
	check "$what: started: lists work" alive
	check_is "$what: started: the exit code of what ended meanwhile" 23 eval 'poll 30 ctr_is '"${ctr[2]}"' CONTAINER_EXITED; crictl inspect '"${ctr[2]}"' | jq -r .status.exitCode'
	refused_or_done "$what: a new pod" pod_run refused
	refused_or_done "$what: exec" timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" exec --sync "${ctr[3]}" true
	for n in 1 2; do
		check "$what: container $n: stop" crictl stop --timeout 1 "${ctr[n]}"
		check "$what: container $n: rm" crictl rm "${ctr[n]}"
		check "$what: pod $n: stopp" crictl stopp "${pod[n]}"
		check "$what: pod $n: rmp" crictl rmp "${pod[n]}"
	done
	touch "$SCRATCH/signal/3/end"
	check_is "$what: the exit code of what ends now" 23 eval 'poll 30 ctr_is '"${ctr[3]}"' CONTAINER_EXITED; crictl inspect '"${ctr[3]}"' | jq -r .status.exitCode'
	check "$what: rmp --force works" crictl rmp -f "${pod[3]}"
	empty "$ROOT"
	empty "$SCRATCH/run"
	check "$what: with space again: a pod" pod_run again
	check "$what: with space again: a container" ctr_run "$OUT" again
	check "$what: with space again: exec" crictl exec --sync "$OUT" true
	check "$what: everything is removed" everything_remove
	rm -rf "$SCRATCH/signal/"*
}
full "killed" KILL
full "ended" TERM
world_diff "nothing is left behind" "$SCRATCH/world.before"
harness_end
