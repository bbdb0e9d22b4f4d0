#!/bin/bash
# hosts-flood.sh - containers fill every writable mount of a pod, with a run directory of 16 MB:
# other pods still start, stop and are removed, also after a kill of the daemon.
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start

mount -t tmpfs -o size=16m crisp-small "$SCRATCH/run" || skip_all "tmpfs cannot be mounted here"
mkdir -p "$SCRATCH/signal"
SIGNAL=".mounts = [{container_path: \"/signal\", host_path: \"$SCRATCH/signal\"}]"

kib_left() { df --output=avail "$SCRATCH/run" | tail -n 1; }
inodes_left() { df --output=iavail "$SCRATCH/run" | tail -n 1; }

# another WHEN: a pod with a container comes, is listed, executes and goes
another() {
	local pod ctr
	check "$1: another pod" pod_run other || return
	pod=$OUT
	check "$1: its container" ctr_run "$pod" other || return
	ctr=$OUT
	check "$1: exec in it" crictl exec --sync "$ctr" true
	check "$1: lists" eval 'crictl pods | grep -q other && crictl ps | grep -q other'
	check "$1: stop" crictl stop --timeout 1 "$ctr"
	check "$1: rm" crictl rm "$ctr"
	check "$1: stopp" crictl stopp "$pod"
	check "$1: rmp" crictl rmp "$pod"
}

# What a container can write to is on no file system of the daemon's: by the devices in its
# mountinfo, and each file of the mounts is on one that has bounds.
writable_on() {
	local dev
	dev=$(mountpoint -d "$2")
	awk -v dev="$dev" '$3 == dev && $6 ~ /(^|,)rw(,|$)/ { print $5 }' "/proc/$(crictl inspect "$1" | jq .info.pid)/mountinfo"
}

# Each file that is mounted into the container, then its /dev/shm, by bytes and by inodes. Its
# output has no line's end: it is pending all the time.
FLOOD='for f in $(awk "\$2 ~ \"^/etc/\" {print \$2}" /proc/self/mounts); do cat /dev/zero >>$f; cat /dev/zero >>$f; done
cat /dev/zero >/dev/shm/bytes; rm /dev/shm/bytes
i=0; while mkdir -p /dev/shm/$i && touch $(seq -f /dev/shm/$i/%g 500); do i=$((i + 1)); [ $i -lt 140 ] || break; done
touch /signal/$1; while :; do printf "%9000s" x; printf "%1000s" x >&2; sleep 0.01; done'

daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
world_snapshot >"$SCRATCH/world.before"

check "a pod from before" pod_run before
BEFORE=$OUT
check "its container" ctr_run "$BEFORE" before
FREE=$(kib_left)
CTRS=()
for pod in flood1 flood2 flood3; do
	check "$pod" pod_run $pod || continue
	POD=$OUT
	for n in 1 2; do
		check "$pod: container $n" ctr_run "$POD" $pod.$n ".command = [\"sh\", \"-c\", $(jq -n --arg c "$FLOOD" '$c'), \"flood\", \"$pod.$n\"] | $SIGNAL" || continue
		CTRS+=("$OUT")
	done
done
check "a user that the image does not know" ctr_run "$POD" flood3.3 '.linux.security_context.run_as_user.value = 4321'
CTRS+=("$OUT")
for ctr in "${CTRS[@]}"; do
	check_is "${ctr:0:8}: nothing of it is on the run directory's file system" "" writable_on "$ctr" "$SCRATCH/run"
done
check "the user's entry is in its /etc/passwd" crictl exec --sync "${CTRS[-1]}" grep -q '^4321:' /etc/passwd
another "meanwhile"
for pod in flood1 flood2 flood3; do
	for n in 1 2; do
		check "$pod.$n has written all that it can" poll 60 test -e "$SCRATCH/signal/$pod.$n"
	done
done
# Seven containers' state itself is some hundred KiB.
check "the run directory has lost at most 4 MiB ($FREE, now $(kib_left) KiB)" [ "$(kib_left)" -gt $((FREE - 4096)) ]
check "and has inodes ($(inodes_left))" [ "$(inodes_left)" -gt 1000 ]
for file in hosts hostname resolv.conf; do
	check "$file is bounded" [ "$(crictl exec --sync "${CTRS[0]}" stat -c %s "/etc/$file")" -lt $((8 << 20)) ]
done
another "afterwards"
daemon_kill
daemon_again
another "after a kill"
check "stop of the first that floods" crictl stop --timeout 1 "${CTRS[0]}"
check "another container in its pod" ctr_run "$(crictl inspect "${CTRS[0]}" | jq -r .info.sandboxID)" flood1.9
check "everything is removed" everything_remove
check "the run directory is empty again" poll 10 eval '[ "$(kib_left)" -gt $((FREE - 512)) ]'
world_diff "nothing is left behind" "$SCRATCH/world.before"
harness_end
