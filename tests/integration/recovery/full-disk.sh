#!/bin/bash
# full-disk.sh - without a free block on root, run directory or logs, the daemon lists, stops and
# removes; a start or pull is refused with the reason, exit codes stay exact, and containers go on.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start

# Each place is a small file system of its own.
mount_small() { mount -t tmpfs -o "size=$2" crisp-small "$1" || skip_all "tmpfs cannot be mounted here"; }
mount_small "$ROOT" 80m
mount_small "$SCRATCH/run" 40m
mount_small "$SCRATCH/logs" 4m
NGINX=$REGISTRY/e2e-test-images/nginx:1.14-2
mkdir -p "$SCRATCH/signal"

fill() { cat /dev/zero >"$1/filler" 2>/dev/null; dd if=/dev/zero of="$1/filler2" bs=1 2>/dev/null; ! : | dd of="$1/probe" bs=1 count=1 if=/dev/zero 2>/dev/null; }
empty() { rm -f "$1/filler" "$1/filler2" "$1/probe"; }
alive() { crictl version >/dev/null && crictl pods >/dev/null && crictl ps -a >/dev/null && crictl images >/dev/null; }

# answered WHAT COMMAND...: what needs space may find some or be refused, but the answer comes, and
# a refusal names the reason.
answered() {
	local what=$1
	shift
	if OUT=$("$@" 2>&1); then ok "$what works"; return; fi
	check "$what is refused and says why" grep -Eqi 'no space|disk is full|ENOSPC' <<<"$OUT"
}

daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"

# full WHERE DIRECTORY: three pods from before; one is stopped and removed on the full disk, one
# ends by itself, one lives on
full() {
	local where=$1 dir=$2 pod=() ctr=() n
	for n in 1 2 3; do
		check "$where: pod $n" pod_run "full$n" || return
		pod[n]=$OUT
		rm -f "$SCRATCH/signal/end"
		check "$where: container $n" ctr_run "${pod[n]}" "full$n" ".command = [\"sh\", \"-c\", \"while [ ! -e /signal/end ]; do sleep 0.1; done; exit 23\"]
			| .mounts = [{container_path: \"/signal\", host_path: \"$SCRATCH/signal\"}]" || return
		ctr[n]=$OUT
	done
	check "$where: there is no space left" fill "$dir"
	check "$where: lists work" alive
	answered "$where: exec" crictl exec --sync "${ctr[1]}" true
	if [ "$dir" = "$ROOT" ]; then
		check_fails "$where: a pull says so" 'no space|disk is full|ENOSPC' crictl pull "$NGINX"
	fi
	answered "$where: a new pod" pod_run refused
	check "$where: stop works" crictl stop --timeout 1 "${ctr[1]}"
	check "$where: rm works" crictl rm "${ctr[1]}"
	check "$where: stopp works" crictl stopp "${pod[1]}"
	check "$where: rmp works" crictl rmp "${pod[1]}"
	touch "$SCRATCH/signal/end"
	poll 30 ctr_is "${ctr[2]}" CONTAINER_EXITED
	check_is "$where: the exit code of what ends now is exact" 23 eval 'crictl inspect '"${ctr[2]}"' | jq -r .status.exitCode'
	daemon_kill
	daemon_again
	check_is "$where: killed and started: the exit code is still known" 23 eval 'crictl inspect '"${ctr[2]}"' | jq -r .status.exitCode'
	check "$where: rmp --force works" crictl rmp -f "${pod[2]}"
	empty "$dir"
	check "$where: with space again: lists work" alive
	check "$where: with space again: a pull works" crictl pull "$NGINX"
	check "$where: with space again: rmi works" crictl rmi "$NGINX"
	check "$where: with space again: a pod runs" pod_run again
	check "$where: with space again: a container runs" ctr_run "$OUT" again
	check "$where: everything is removed" everything_remove
	world_diff "$where: nothing is left behind" "$SCRATCH/world.before"
}
full "root is full" "$ROOT"
full "run is full" "$SCRATCH/run"

# A container that writes more log than there is space for is neither stopped nor blocked by it.
check "logs are full: pod" pod_run chatty
POD=$OUT
check "logs are full: container" ctr_run "$POD" chatty ".command = [\"sh\", \"-c\", \"yes a line of some length that fills a small file system in no time, even when it is full of records | head -c 12000000; touch /signal/written; while :; do sleep 1; done\"]
	| .mounts = [{container_path: \"/signal\", host_path: \"$SCRATCH/signal\"}]"
CTR=$OUT
check "logs are full: the container gets to the end of its output" poll 60 test -e "$SCRATCH/signal/written"
check "logs are full: exec works" crictl exec --sync "$CTR" true
check "logs are full: another pod runs" pod_run quiet
check "everything is removed" everything_remove
harness_end
