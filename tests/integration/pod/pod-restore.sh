#!/bin/bash
# pod-restore.sh - RestorePod with real runc, CRIU, CNI and nftables: a pod of two containers with a TCP connection goes on
# on the same node and after a reboot. Requests that differ, damaged files, taken addresses and accidents: an error that
# names the cause, and nothing is left.
set -u
if [ -z "${CRISP_TEST_MOUNTNS:-}" ]; then
	[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP only root can run pods"; exit 77; }
	exec env CRISP_TEST_MOUNTNS=1 unshare --mount --propagation private bash "$0" "$@"
fi
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../criulib.sh"
registry_start
cni_write
new_boot() { cat /proc/sys/kernel/random/uuid >"$SCRATCH/boot_id"; }
new_boot
mount --bind "$SCRATCH/boot_id" /proc/sys/kernel/random/boot_id || skip_all "the boot id cannot be covered"

mkdir "$SCRATCH/out"
criu_moody
daemon_start

# The server answers each line with its number; the client writes and prints them.
SERVER='.command = ["sh", "-c", "mkfifo /f; while :; do i=0; nc -l -p 7000 </f | while read -r x; do i=$((i + 1)); echo $i $x; done >/f; done"]'
CLIENT='.command = ["sh", "-c", "sleep 1; mkfifo /f; nc $ADDRESS 7000 </f | while read -r n x; do echo $n $x; echo $n >/number; done & i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05 & wait $!; done >/f"]'
CTR_PID='.linux.security_context.namespace_options.pid = 1'
MEMORY=$SCRATCH/kubelet/volumes/kubernetes.io~empty-dir
for volume in mem mem2; do
	mkdir -p "$MEMORY/$volume"
	mount -t tmpfs -o size=1m tmpfs "$MEMORY/$volume"
done
mem() { echo ".mounts += [{host_path: \"$MEMORY/$1\", container_path: \"/mem\"}]"; }
crisp() { rm -f "$SCRATCH/mood/count"; "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
number() { log_text "$1" "$1.client" | tail -n 1 | cut -d' ' -f1; }
# goes_on POD: the client gets a higher answer than the last one
goes_on() { local n; n=$(number "$1"); poll 20 eval "[ \"\$(number $1)\" -gt ${n:-0} ]"; }
# in_order POD: each answer is the one after the last, from 1
in_order() { log_text "$1" "$1.client" | awk '$1 != NR { exit 1 }'; }
# configs NAME [POD-JQ [CLIENT-JQ [SERVER-JQ]]]: write the configurations of pod NAME, with the address of the first
configs() {
	pod_config "$1" "$CTR_PID | ${2:-.}" >/dev/null
	ctr_config "$1.client" "$BUSYBOX" "$CLIENT | $(mem mem) | .metadata.name = \"client\" | .envs = [{key: \"ADDRESS\", value: \"$IP\"}] | ${3:-.}" >/dev/null
	ctr_config "$1.server" "$BUSYBOX" "$SERVER | $(mem mem) | .metadata.name = \"server\" | ${4:-.}" >/dev/null
}
# restored NAME [ARGUMENTS...]: with these configurations; sets POD, CLIENT_ID and SERVER_ID
restored() {
	local name=$1
	shift
	crisp restore -p "$SCRATCH/pod-$name.json" -c "$SCRATCH/ctr-$name.client.json" -c "$SCRATCH/ctr-$name.server.json" "$@" "$SCRATCH/out"
}
take_ids() {
	POD=$(head -n 1 <<<"$OUT")
	CLIENT_ID=$(awk '$2 == "client" { print $1 }' <<<"$OUT")
	SERVER_ID=$(awk '$2 == "server" { print $1 }' <<<"$OUT")
}
netns() { crictl inspectp "$POD" | jq -r '.info.runtimeSpec.linux.namespaces[] | select(.type == "network").path'; }
held() { nsenter --net="$(netns)" nft list tables | grep -c crisp_hold; }
no_pods() { [ -z "$(crictl pods -q)$(crictl ps -aq)" ]; }
trash_is_empty() { [ -z "$(find "$ROOT/trash" -mindepth 1 2>/dev/null)" ]; }
# as_before: nothing is there that was not before the first restore
as_before() { poll 10 trash_is_empty; world_snapshot >"$SCRATCH/world.now"; diff "$SCRATCH/world.empty" "$SCRATCH/world.now"; }

check "pull" crictl pull "$BUSYBOX"
check "a pod before" pod_run first
check "with a container" ctr_run "$OUT" first
check "go" everything_remove
world_snapshot >"$SCRATCH/world.before"

check "a pod" pod_run p "$CTR_PID"
POD=$OUT
IP=$(crictl inspectp "$POD" | jq -r .status.network.ip)
configs p
check "a server" crictl create "$POD" "$SCRATCH/ctr-p.server.json" "$SCRATCH/pod-p.json"
check "is started" crictl start "$OUT"
check "a client" crictl create "$POD" "$SCRATCH/ctr-p.client.json" "$SCRATCH/pod-p.json"
CLIENT_ID=$OUT
check "is started" crictl start "$OUT"
check "they talk by the address of the pod" poll 20 eval '[ "$(number p)" -gt 2 ]'
check "they have files in memory" crictl exec "$CLIENT_ID" sh -c 'umask 027; echo in-shm >/dev/shm/x; echo in-mem >/mem/x; chown 1:2 /mem/x; mkfifo /mem/pipe; ln -s x /mem/link'
check "a checkpoint" crisp checkpoint "$POD" "$SCRATCH/out"
AT=$(number p)
check "the pod is removed" everything_remove
rm -rf "$MEMORY"/mem/* "$SCRATCH"/logs/p/*
find "$SCRATCH/out" -type f -exec sha256sum {} + | sort >"$SCRATCH/sums"
world_snapshot >"$SCRATCH/world.empty"

# --- it goes on
check "a pod from it" restored p
take_ids
MADE=$OUT
LINES=$(log_text p p.client | wc -l)
check "has the log of the checkpoint" test "$LINES" -gt 2
check_is "has its containers" "CONTAINER_CREATED CONTAINER_CREATED" eval 'echo $(ctr_state "$CLIENT_ID") $(ctr_state "$SERVER_ID")'
check_is "is ready" SANDBOX_READY eval 'crictl inspectp "$POD" | jq -r .status.state'
check_is "has the address" "$IP" eval 'crictl inspectp "$POD" | jq -r .status.network.ip'
check_is "which the CNI plugin gave" "$IP" eval 'nsenter --net="$(netns)" ip -4 addr show eth0 | sed -n "s|.*inet \([0-9.]*\)/.*|\1|p"'
check_is "packets of two connections' ends are dropped" 2 held
check_is "the image is that of the request" "$BUSYBOX" eval 'crictl inspect "$CLIENT_ID" | jq -r .status.image.image'
check_is "the same request once more gives the same" "$MADE" restored p
sleep 1
check_is "nothing runs before its start" "$LINES" eval 'log_text p p.client | wc -l'
check "the client is started" crictl start "$CLIENT_ID"
sleep 1
check_is "its connection is not reset without the server" CONTAINER_RUNNING ctr_state "$CLIENT_ID"
check_is "the server's end is still held" 1 held
check "the server is started" crictl start "$SERVER_ID"
check "the connection goes on" goes_on p
check "it counts on from the checkpoint" test "$(number p)" -gt "$AT"
check "no answer is lost" in_order p
check "nothing is held any more" eval '[ "$(held)" = 0 ]'
check_is "/dev/shm has its file" in-shm crictl exec "$CLIENT_ID" cat /dev/shm/x
check_is "and its mode" 1777 crictl exec "$CLIENT_ID" stat -c %a /dev/shm
check_is "so has the volume in memory" "in-mem 640 1:2 fifo x" crictl exec "$SERVER_ID" sh -c 'echo $(cat /mem/x; stat -c "%a %u:%g" /mem/x; stat -c %F /mem/pipe; readlink /mem/link)'
check_is "the checkpoint is not changed" "" eval 'find "$SCRATCH/out" -type f -exec sha256sum {} + | sort | diff "$SCRATCH/sums" -'
check_fails "the same request after the start" "restored before.*EXISTS" restored p
check "a checkpoint of the restored pod" eval 'mkdir "$SCRATCH/second" && crisp checkpoint "$POD" "$SCRATCH/second"'

# --- beside the first
configs q
check_fails "another one needs the address, too" "connections of the checkpoint have the address $IP|is not available.*PRECONDITION|requested IP" restored q
check_is "and is not there" "$POD" crictl pods -q --no-trunc
check "without its connections" restored q -O tcp-established=false
take_ids
check "it has another address" eval '[ "$(crictl inspectp "$POD" | jq -r .status.network.ip)" != "$IP" ]'
check "the client is started" crictl start "$CLIENT_ID"
check_is "its connection is closed" 0 crictl exec "$CLIENT_ID" sh -c 'netstat -tn | grep -c ESTABLISHED; true'
check "the pods are removed" everything_remove
check "nothing of them is left" as_before

# --- after a reboot
reboot() {
	daemon_kill
	cgroups_ours | while read -r dir; do cat "$dir/cgroup.procs" 2>/dev/null; done | sort -u | xargs -r kill -KILL 2>/dev/null
	poll 10 eval '[ -z "$(cgroups_ours | while read -r dir; do cat "$dir/cgroup.procs"; done)" ]'
	mounts_under_scratch | grep -F "$RUNROOT" | sort -r | xargs -r umount -l
	rm -rf "${RUNROOT:?}"/*
	# The rules of the network's plugins go with the kernel.
	iptables-save -t nat | sed -n "s/^-A \(POSTROUTING .*net-$RUN_ID.*\)/-D \1/p" | while read -r rule; do eval "iptables -t nat $rule"; done
	iptables-save -t nat | sed -n "s/^-A \(CNI-[0-9a-f]*\) .*\"net-$RUN_ID\\\\\?\".*/\1/p" | sort -u | while read -r chain; do iptables -t nat -F "$chain" && iptables -t nat -X "$chain"; done
	new_boot
	daemon_again
	crictl pull "$BUSYBOX" >/dev/null
}
check "restored again" restored p
take_ids
check "it waits while the node goes down" crictl inspectp "$POD"
reboot
check "the pod has ended" poll 20 eval '[ "$(crictl inspectp "$POD" | jq -r .status.state)" = SANDBOX_NOTREADY ]'
check_is "so have its containers" CONTAINER_EXITED ctr_state "$CLIENT_ID"
check "it is removed" everything_remove
rm -rf "$MEMORY"/mem/*
LINES=$(log_text p p.client | wc -l)
check "a pod from the checkpoint of before the boot" restored p
take_ids
check "the server is started" crictl start "$SERVER_ID"
check "the client is started" crictl start "$CLIENT_ID"
check "the connection goes on" goes_on p
check "and counts" poll 20 eval '[ "$(log_text p p.client | wc -l)" -gt $((LINES + 20)) ]'
check "it is removed" everything_remove

# --- defaults, and both at once
check "with the configurations of the checkpoint, started" crisp restore -n p --start "$SCRATCH/out"
check "it goes on" goes_on p
check "it is removed" everything_remove
check "the second checkpoint" crisp restore -n p --start "$SCRATCH/second"
check "goes on, too" goes_on p
check "it is removed" everything_remove
check "a pod whose containers share a PID namespace" pod_run s
SHARED=$OUT
check "with a container" ctr_run "$SHARED" s.client '.command = ["sh", "-c", "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05 & wait $!; done"]'
check "that counts" poll 20 eval '[ "$(number s)" -gt 2 ]'
check "its checkpoint" eval 'mkdir "$SCRATCH/shared" && crisp checkpoint "$SHARED" "$SCRATCH/shared"'
check "it is removed" everything_remove
check "it is restored" crisp restore -n s --start "$SCRATCH/shared"
check "it goes on" goes_on s
check "it is removed" everything_remove
check "stop instead of start" restored p
take_ids
check "of one" crictl stop "$CLIENT_ID"
check "its packets are not held any more" poll 20 eval '[ "$(held)" = 1 ]'
check "of the pod" crictl stopp "$POD"
check "it is removed" everything_remove
check "nothing is left" as_before

# --- requests. bad NAME TEXT: what is written in the configurations of b is refused
bad() { check_fails "$1" "$2" restored b "${@:3}"; }
configs b "" "" '.metadata.name = "waiter"'
bad "a container that the checkpoint has not" "no container waiter.*INVALID"
configs b "" "" '.metadata.name = "client"'
bad "a container twice" "two containers are named client.*INVALID"
configs b
check_fails "a container is missing" "container server of the checkpoint is missing.*INVALID" \
	crisp restore -p "$SCRATCH/pod-b.json" -c "$SCRATCH/ctr-b.client.json" "$SCRATCH/out"
configs b "" '.command = ["sleep", "1"]'
bad "another command" "client: command differs.*PRECONDITION"
configs b "" '.working_dir = "/tmp"'
bad "another directory" "client: working_dir differs.*PRECONDITION"
configs b "" '.envs[0].value = "1.2.3.4"'
bad "another variable" "client: envs differs.*PRECONDITION"
configs b "" "" '.linux.security_context.run_as_user.value = 7'
bad "another user" "server: linux.security_context.run_as_user.*differs.*PRECONDITION"
configs b "" "" '.linux.security_context.capabilities.add_capabilities = ["SYS_ADMIN"]'
bad "more capabilities" "capabilities.*differs.*PRECONDITION"
configs b "" "" '.linux.security_context.privileged = true'
bad "privileged" "privileged differs.*PRECONDITION"
configs b "" "" '.mounts += [{host_path: "/usr", container_path: "/more", readonly: true}]'
bad "one more mount" "server: mounts: /more is in the request and not in the checkpoint.*PRECONDITION"
configs b "" ".mounts = []"
bad "a mount less" "client: mounts: /mem is in the checkpoint and not.*PRECONDITION"
configs b "" '.mounts[0].readonly = true'
bad "a read-only mount" "readonly of /mem differs.*PRECONDITION"
mkdir "$SCRATCH/plain"
configs b "" ".mounts[0].host_path = \"$SCRATCH/plain\"" ".mounts[0].host_path = \"$SCRATCH/plain\""
bad "a directory of the node for a volume in memory" "/mem is a volume in memory.*PRECONDITION"
check_is "it gets no files" "" ls "$SCRATCH/plain"
configs b "" ".mounts[0].host_path = \"$MEMORY/mem2\""
bad "a volume that is not shared any more" "not the same one.*PRECONDITION"
configs b "" '.tty = true'
bad "a terminal" "config.tty.*PRECONDITION"
configs b "" '.image.image = "none:1"'
bad "an image that is not here" "none:1.* is not here: pull it first.*NOT_FOUND"
configs b '.linux.security_context.namespace_options.ipc = 2'
bad "other namespaces" "namespace_options: ipc differs.*PRECONDITION"
configs b '.linux.security_context.namespace_options.pid = 0'
bad "one PID namespace" "namespace_options: pid differs.*PRECONDITION"
configs b
bad "an unknown handler" "runtime_handler: .none. is not configured.*INVALID" -r none
bad "an unknown option" "no option .x..*INVALID" -O x=true
bad "an option's bad value" "tcp-established is .1..*INVALID" -O tcp-established=1
check_fails "no checkpoint there" "no checkpoint of a pod.*INVALID" \
	crisp restore -p "$SCRATCH/pod-b.json" -c "$SCRATCH/ctr-b.client.json" "$SCRATCH/plain"
check_fails "no directory" "checkpoint_path.*No such file.*INVALID" \
	crisp restore -p "$SCRATCH/pod-b.json" -c "$SCRATCH/ctr-b.client.json" "$SCRATCH/none"
chmod 777 "$SCRATCH/out"
bad "a directory that all may write" "checkpoint_path.*DENIED"
chmod 755 "$SCRATCH/out"

check "no pod is left of all these" no_pods

# --- damaged files. damaged NAME TEXT COMMAND: in a copy
mv "$SCRATCH/out" "$SCRATCH/good"
damaged() {
	rm -rf "$SCRATCH/out"
	cp -a "$SCRATCH/good" "$SCRATCH/out"
	(cd "$SCRATCH/out/pod" && eval "$3")
	bad "$1" "$2"
}
# edit JQ: pod.json, with its right checksum
edit() { jq -c "$1" "$SCRATCH/good/pod/pod.json" >pod.json && echo -n "xxh3:$(xxh128sum pod.json | cut -d ' ' -f 1)" >pod.json.sum; }
damaged "pod.json" "pod.json: damaged.*INVALID" 'echo " " >>pod.json'
damaged "its checksum" "pod.json.sum is missing|pod.json.sum.*INVALID" 'rm pod.json.sum'
damaged "one byte of a page" "containers/client/checkpoint/pages-[0-9]*.img: damaged.*INVALID" 'f=$(ls -S containers/client/checkpoint/pages-*.img | head -n 1); printf X | dd of="$f" bs=1 seek=100 conv=notrunc status=none'
damaged "a file that is short" "damaged: .* bytes.*INVALID" 'truncate -s 10 containers/server/config.dump'
damaged "a missing file" "containers/server/spec.dump is missing.*INVALID" 'rm containers/server/spec.dump'
damaged "one too many" "no file of the checkpoint.*INVALID" 'touch containers/server/more'
damaged "a link" "no file of the checkpoint.*INVALID" 'mv containers/server/spec.dump ../x && ln -s ../../../x containers/server/spec.dump'
damaged "a volume" "volumes/1.tar: damaged.*INVALID" 'printf X | dd of=volumes/1.tar bs=1 seek=600 conv=notrunc status=none'
damaged "another version" "version 2.*reads version 1.*PRECONDITION" 'edit ".version = 2"'
damaged "another architecture" "architecture vax.*PRECONDITION" 'edit ".architecture = \"vax\""'
damaged "another handler" "runtime_handler.*not that of the checkpoint.*PRECONDITION" 'edit ".pod.runtimeHandler = \"kata\""'
damaged "no containers" "INVALID" 'edit "del(.containers)"'
damaged "a container twice" "twice.*INVALID" 'edit ".containers += [.containers[0]]"'
damaged "a volume of a strange name" "volume 1 is damaged.*INVALID" 'edit ".volumes[1].file = \"../x.tar\""'
damaged "an address that is none" "no address.*INVALID" 'edit ".pod.ips = [\"x;y\"]"'
damaged "another image" "is not that of the checkpoint.*PRECONDITION" 'edit ".containers[].imageId = \"sha256:$(printf "%064d" 1)\""'
rm -rf "$SCRATCH/out"
mv "$SCRATCH/good" "$SCRATCH/out"
check "nothing is left of all these" as_before

# --- accidents
check "restored" restored p
take_ids
touch "$SCRATCH/mood/dies"
check_fails "CRIU is killed at the start of the client" "restore failed" crictl start "$CLIENT_ID"
check_is "which has not started" CONTAINER_EXITED ctr_state "$CLIENT_ID"
rm "$SCRATCH/mood/dies"
check "the server starts" crictl start "$SERVER_ID"
check "nothing is held any more" poll 20 eval '[ "$(held)" = 0 ]'
check "it is removed" everything_remove
for at in 0.05 0.2 0.4; do
	restored p >/dev/null 2>&1 &
	CALLER=$!
	sleep "$at"
	daemon_kill
	wait "$CALLER"
	daemon_again
	check "the daemon is killed after $at s, the client asks again" restored p
	take_ids
	check_is "there is one pod" "$POD" crictl pods -q --no-trunc
	check "the server is started" crictl start "$SERVER_ID"
	check "the client is started" crictl start "$CLIENT_ID"
	check "it goes on" goes_on p
	check "it is removed" everything_remove
done
rm -rf "$MEMORY"/mem/*
check "nothing is left" as_before
umount "$MEMORY"/mem "$MEMORY"/mem2
harness_end
