#!/bin/bash
# pod-restore.sh - RestorePod with real runc, CRIU and CNI: a pod with a TCP connection goes on in another one.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../criulib.sh"
registry_start
cni_write

mkdir "$SCRATCH/out"
criu_moody
daemon_start

# The server answers each line with its number; the client writes and prints them.
SERVER='.command = ["sh", "-c", "mkfifo /f; while :; do i=0; nc -l -p 7000 </f | while read -r x; do i=$((i + 1)); echo $i $x; done >/f; done"]'
CLIENT='.command = ["sh", "-c", "sleep 1; mkfifo /f; nc $ADDRESS 7000 </f | while read -r n x; do echo $n $x; echo $n >/number; done & i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05 & wait $!; done >/f"]'
CTR_PID='.linux.security_context.namespace_options.pid = 1'
number() { log_text "$1" "$1.client" | tail -n 1 | cut -d' ' -f1; }
# goes_on POD: the client gets a higher answer than the last one
goes_on() { local n; n=$(number "$1"); poll 20 eval "[ \"\$(number $1)\" -gt ${n:-0} ]"; }
ck() { rm -f "$SCRATCH/mood/count"; "$BUILD_DIR/crisp" --socket "$SOCKET" checkpoint "$@"; }
rs() { rm -f "$SCRATCH/mood/count"; "$BUILD_DIR/crisp" --socket "$SOCKET" restore "$@"; }

check "pull" crictl pull "$BUSYBOX"
check "a pod before" pod_run first
check "with a container" ctr_run "$OUT" first
check "go" everything_remove
world_snapshot >"$SCRATCH/world.before"
MEMORY=$SCRATCH/kubelet/volumes/kubernetes.io~empty-dir/mem
mkdir -p "$MEMORY"
mount -t tmpfs -o size=1m tmpfs "$MEMORY"
MEM=".mounts += [{host_path: \"$MEMORY\", container_path: \"/mem\"}]"
check "a pod" pod_run p "$CTR_PID"
POD=$OUT
IP=$(crictl inspectp "$POD" | jq -r .status.network.ip)
check "a server" ctr_run "$POD" p.server "$SERVER | $MEM"
check "a client" ctr_run "$POD" p.client "$CLIENT | $MEM | .envs = [{key: \"ADDRESS\", value: \"$IP\"}]"
CLIENT_ID=$OUT
check "server and client talk" poll 20 eval '[ "$(number p)" -gt 2 ]'
check "they have files in memory" crictl exec "$CLIENT_ID" sh -c 'echo in-shm >/dev/shm/x; echo in-mem >/mem/x'
check "a checkpoint" ck "$POD" "$SCRATCH/out"
AT=$(number p)
check "the pod is removed" everything_remove
rm -f "$MEMORY"/*
check "a pod from it" rs -n p "$SCRATCH/out"
id_of() { awk -v n="$1" '$2 == n { print $1 }' <<<"$RESTORED"; }
RESTORED=$OUT
NEW=$(head -n 1 <<<"$RESTORED")
crictl ps -a; crictl pods; nsenter --net=$(crictl inspectp "$NEW" | jq -r '.info.runtimeSpec.linux.namespaces[]|select(.type=="network").path') nft list ruleset
check "start client" crictl start "$(id_of p.client)"
sleep 1
nsenter --net=$(crictl inspectp "$NEW" | jq -r '.info.runtimeSpec.linux.namespaces[]|select(.type=="network").path') nft list ruleset
check "start server" crictl start "$(id_of p.server)"
check "goes on" goes_on p
log_text p p.client | tail -5; echo AT $AT
check_is "shm" in-shm crictl exec "$(id_of p.client)" cat /dev/shm/x
check_is "mem" in-mem crictl exec "$(id_of p.server)" cat /mem/x
check "the pod is removed" everything_remove
harness_end
