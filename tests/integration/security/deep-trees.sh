#!/bin/bash
# deep-trees.sh - removal of a pod with deeply nested directories answers at once, and other pods
# start and stop meanwhile. A daemon killed meanwhile resumes the removal; nothing is left.
#
# No time is compared: each check asks whether trees are still there when a call has answered.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
cc -std=gnu17 -D_GNU_SOURCE -O1 -static -o "$SCRATCH/deeptree" "$(dirname "$0")/deeptree.c" || bail "deeptree does not compile"
registry_start
daemon_start

CONTAINERS=${CRISP_TEST_CONTAINERS:-17}
DEPTH=${CRISP_TEST_DEPTH:-1000}
FILES=200
TRASH=$ROOT/containers/trash
crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }

deep_container() {
	ctr_run "$1" "deep.$2" ".command = [\"/deeptree\", \"$DEPTH\", \"$FILES\"] | .mounts = [{container_path: \"/deeptree\", host_path: \"$SCRATCH/deeptree\", readonly: true}]"
}

deep_pod() {
	local n
	DEEP=$(pod_run deep "$HOST_NET") || return
	for n in $(seq "$CONTAINERS"); do CTR[n]=$(deep_container "$DEEP" "$n") || return; done
	for n in $(seq "$CONTAINERS"); do poll 120 grep -qs made "$SCRATCH/logs/deep/deep.$n.log" || return; done
}
trees_left() { [ -n "$(ls "$TRASH" 2>/dev/null)" ]; }
trash_is_empty() { [ -d "$TRASH" ] && ! trees_left; }
mounts_under_pods() { mounts_under_scratch | grep -E "/(pods|containers)/[0-9a-f]{64}" || true; }
# Root file systems that are unmounted, and whose names the kernel has not let go of yet: their root is "/".
detached() { find "/proc/$(daemon_pid)/fd" -lname / 2>/dev/null; }
container_dirs() { ls "$ROOT/containers" | grep -v '^trash$' || true; }

# another_pod NAME [JQ]: a pod comes and goes while there are trees to remove
another_pod() {
	local id
	id=$(pod_run "$1" "${2:-.}") && crictl stopp "$id" && crictl rmp "$id"
}

check "pull" crictl pull "$BUSYBOX"
check "a first pod comes and goes" another_pod warm

declare -a CTR
check "a pod of $CONTAINERS containers with $DEPTH nested directories each" eval 'deep_pod >&2 && declare -p DEEP CTR'
eval "$OUT"
check_is "the daemon holds no root file system" "" detached
check "StopPodSandbox" crictl stopp "$DEEP"
check "RemoveContainer of one of them" crictl rm "${CTR[1]}"
check "RemovePodSandbox" crictl rmp "$DEEP"
check "its answer did not wait for the kernel to forget the names in them" [ -n "$(detached)" ]
check "its answer did not wait for the trees" trees_left
check_is "no container is listed" "" crictl ps -aq
check_is "and none has a directory" "" container_dirs
check "a pod with the host's network comes and goes meanwhile" another_pod host "$HOST_NET"
check "a pod with a network of its own as well" another_pod cni
check "neither waited for the trees" trees_left
daemon_kill
check "trees are left when the daemon is killed" trees_left
daemon_again
check "the next daemon answers before they are gone" trees_left
check "a pod of the same name comes and goes" another_pod deep "$HOST_NET"
check "the trash is emptied" poll 240 trash_is_empty
check_is "explain has nothing to say of it" "" eval '! crisp explain | grep ^trash'
check_is "no container has a directory" "" container_dirs
check_is "no mount is left" "" mounts_under_pods
check_is "nor a root file system that is unmounted" "" detached
harness_end
