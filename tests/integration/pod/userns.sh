#!/bin/bash
# userns.sh - a pod with a user namespace: mapped root file system and volumes, owners of its files,
# exec, port-forward, statistics, sysctls, recovery. Its root is nobody on the node. Errors name the
# field; a runtime without idmapped mounts is refused.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

CURRENT=$CACHE/peers/runc/usr/sbin/runc
[ -x "$CURRENT" ] || skip_all "no current runc: tools/test-deps.sh unpacks one where Debian's mirror can be reached"
"$CURRENT" --version >/dev/null || bail "the unpacked runc does not start"
cat >"$SCRATCH/config.d/runtimes.conf" <<CONF
[crio.runtime.runtimes.current]
runtime_path = "$CURRENT"
CONF
registry_start
# The boot id of the daemon; a file that covers the kernel's would forbid each /proc in a user namespace.
cat /proc/sys/kernel/random/boot_id >"$SCRATCH/boot_id"
preload_build
export CRISP_TEST_WRAP="env LD_PRELOAD=$SCRATCH/preload.so OTHERBOOT=$SCRATCH/boot_id"
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"

OPTIONS='.linux.security_context.namespace_options'
# map FIRST [COUNT]: user and group ids of the node from FIRST on, as the kubelet sends them
map() { echo "[{host_id: $1, container_id: 0, length: ${2:-65536}}]"; }
userns() { echo "$OPTIONS.userns_options = {mode: 0, uids: $(map "$@"), gids: $(map "$@")}"; }
features() { crictl info | jq -r --arg name "$1" '[.runtimeHandlers[] | select((.name // "") == $name) | .features.user_namespaces // false] | unique[]'; }
# run NAME JQ: a pod of the current runc
run() { crictl runp -r current "$(pod_config "$1" "$2")"; }
# refused CODE WHAT NAME JQ: no pod
refused() { check_fails "$3 is refused" "$1.*$2" run "${3//[^a-z0-9]/-}" "$4"; }
# create NAME JQ: prints the container's id
create() { crictl create "$(cat "$SCRATCH/pod.${1%%.*}")" "$(ctr_config "$1" "${3:-$BUSYBOX}" "$2")" "$SCRATCH/pod-${1%%.*}.json"; }
start() {
	local id
	id=$(create "$@") && crictl start "$id" >/dev/null && echo "$id"
}
inside() { crictl exec --sync "$CTR" sh -c "$1"; }
pid_of() { crictl inspect "$CTR" | jq .info.pid; }

# --- who can -------------------------------------------------------------------------------------------------------------

check_is "the handler of a current runc has the feature" true features current
for runtime in runc crun; do
	if [ "$("$runtime" features 2>/dev/null | jq '.linux.mountExtensions.idmap.enabled')" = true ]; then
		check_is "Debian's $runtime has it, too" true features "$runtime"
	else
		check_is "Debian's $runtime, which names no idmapped mounts, lacks it" false features "$runtime"
		check_fails "a pod of $runtime is refused" "FailedPrecondition.*namespace_options.userns_options: this OCI runtime has no idmapped mounts" \
			crictl runp -r "$runtime" "$(pod_config old "$(userns 200000)")"
	fi
done

# --- bad mappings --------------------------------------------------------------------------------------------------------

U="InvalidArgument.*config.linux.security_context: namespace_options.userns_options"
with() { echo "$OPTIONS.userns_options = {mode: 0, uids: $1, gids: $2}"; }
refused InvalidArgument "uids.0..length" "an empty range" "$(with "$(map 200000 0)" "$(map 200000)")"
check_fails "no mappings are refused" "$U.uids: 0 mappings" run none "$(with '[]' '[]')"
check_fails "two mappings are refused" "$U.gids: 2 mappings" run two "$(with "$(map 200000)" "$(map 200000 | jq -c -n '[range(2) | {host_id: (. * 65536 + 200000), length: 65536}]')")"
check_fails "the node's root is refused" "$U.uids.0..host_id: root of the pod" run root "$(userns 0)"
check_fails "ids beyond the last one are refused" "$U.uids.0..length: 65536 ids from 4294901761 on" run last "$(userns 4294901761)"
check_fails "a mapping without root is refused" "$U.gids.0..container_id" run one "$(with "$(map 200000)" '[{host_id: 200001, container_id: 1, length: 65535}]')"
check_fails "mappings with the host's namespace are refused" "$U.uids: mappings are set" run node "$OPTIONS.userns_options = {mode: 2, uids: $(map 200000)}"
check_fails "mode CONTAINER is refused" "InvalidArgument.*userns_options.mode: must be one of POD, NODE" run container "$OPTIONS.userns_options = {mode: 1}"
check_fails "mode TARGET is refused" "InvalidArgument.*userns_options.mode: must be one of POD, NODE" run target "$OPTIONS.userns_options = {mode: 3}"
check_fails "the host's IPC namespace is refused" "InvalidArgument.*namespace_options.ipc: a pod with a user namespace" run ipc "$(userns 200000) | $OPTIONS.ipc = 2"
check_fails "the host's PID namespace is refused" "InvalidArgument.*namespace_options.pid: a pod with a user namespace" run pid "$(userns 200000) | $OPTIONS.pid = 2"
check_fails "a shared PID namespace of few ids is refused" "$U.uids and gids: a shared PID" run few "$(userns 200000 1000)"

owners_push() {
	local dir=$SCRATCH/owners
	skopeo copy -q --src-tls-verify=false "docker://$BUSYBOX" "oci:$dir:v" || return
	echo far >"$dir.file"
	chown 5:70000 "$dir.file"
	umoci insert --image "$dir:v" "$dir.file" /far && skopeo copy -q --dest-tls-verify=false "oci:$dir:v" "docker://$REGISTRY/owners:1"
} >"$SCRATCH/owners.log" 2>&1
owners_push || { cat "$SCRATCH/owners.log"; bail "the image of owners cannot be made"; }
crictl pull "$REGISTRY/owners:1" >/dev/null || bail "the image of owners cannot be pulled"
# A layer's largest ids are noted at its first use in such a pod.
check "a first pod and its end" eval 'run first "$(userns 100000 100000)" >"$SCRATCH/pod.first" &&
	start first.a "$(userns 100000 100000)" "$REGISTRY/owners:1" && everything_remove'
world_snapshot >"$SCRATCH/world.before"

# --- a pod ---------------------------------------------------------------------------------------------------------------

SYSCTLS='.linux.sysctls = {"net.ipv4.ping_group_range": "0 2147483647", "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "20", "net.core.somaxconn": "77"}'
check "a pod with a user namespace" eval 'run shared "$(userns 200000) | .hostname = \"mapped\" | $SYSCTLS" >"$SCRATCH/pod.shared"'
mkdir -p "$SCRATCH/plain" "$SCRATCH/mapped"
chmod 777 "$SCRATCH/plain"
echo "the node's" | tee "$SCRATCH/plain/secret" >"$SCRATCH/mapped/file"
chmod 600 "$SCRATCH"/plain/secret "$SCRATCH"/mapped/file
VOLUMES=".mounts = [{host_path: \"$SCRATCH/plain\", container_path: \"/plain\"},
	{host_path: \"$SCRATCH/mapped\", container_path: \"/mapped\", uidMappings: $(map 200000), gidMappings: $(map 200000)}]"
CTR=$(start shared.a "$(userns 200000) | $VOLUMES")
check "a container runs in it" test -n "$CTR"
PID=$(pid_of)
check_is "root of the pod is user 200000 of the node" "200000 200000" eval 'stat -c "%u %g" "/proc/$PID"'
check_is "the map is the kubelet's" "0 200000 65536 0 200000 65536" eval 'cat /proc/$PID/uid_map /proc/$PID/gid_map | xargs'
check_is "its files are root's" "0:0 / 0:0 /bin/sh 0:0 /etc/hosts 0:0 /etc/resolv.conf 0:0 /etc/hostname 0:0 /dev/shm 0:0 /dev 0:0 /dev/pts 0:0 /proc/self/ 0:0 /etc/mtab" \
	eval 'inside "for f in / /bin/sh /etc/hosts /etc/resolv.conf /etc/hostname /dev/shm /dev /dev/pts; do stat -c \"%u:%g %n\" \$f; done; stat -c \"%u:%g %n\" /proc/self/ /etc/mtab" | xargs'
check_is "they can be written" "ok ok ok ok" eval 'inside "echo >>/etc/hosts && echo ok; echo >/dev/shm/x && echo ok; echo >/etc/new && echo ok; echo >>/etc/passwd && echo ok" | xargs'
check_is "what it writes is user 200000's on the node" "200000 200000" eval 'stat -c "%u %g" "$ROOT/containers/$CTR/diff/etc/new"'
check_is "its host name" mapped inside hostname
check_is "pid 1 is the pod's init" crisp-init inside 'cat /proc/1/comm'
check_is "its standard output can be opened again" again eval 'inside "sh -c \"echo again >/dev/stdout\""'
check_is "its sysctls are set, ids are the pod's" "0 65535 1 20 77" \
	eval 'inside "cat /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/shm_rmid_forced /proc/sys/fs/mqueue/msg_max /proc/sys/net/core/somaxconn" | xargs'
check_is "/sys is the pod's network" "eth0 lo" eval 'inside "ls /sys/class/net" | xargs'
# --- what its root cannot do ---------------------------------------------------------------------------------------------

check_is "a file of the node's root cannot be read" "cat: can't open '/plain/secret': Permission denied" inside 'cat /plain/secret 2>&1 || true'
check_is "it is nobody's in there" "65534:65534" inside 'stat -c %u:%g /plain/secret'
check_is "a mapped volume is root's" "the node's" inside 'cat /mapped/file'
check "a file written there is the node's root's" eval 'inside "echo >/mapped/new" && [ "$(stat -c %u:%g "$SCRATCH/mapped/new")" = 0:0 ]'
check_is "no node of a disk is made, no cache dropped" "no no" inside '(mknod /dev/sda b 8 0 || echo no; echo 1 >/proc/sys/vm/drop_caches || echo no) 2>/dev/null | xargs'
check "another pod of other ids" eval 'run other "$(userns 300000) | $OPTIONS.pid = 1" >"$SCRATCH/pod.other"'
SECRET=$SCRATCH/plain/others
CTR=$(start other.a "$(userns 300000) | $OPTIONS.pid = 1 | .mounts = [{host_path: \"$SCRATCH/plain\", container_path: \"/plain\"}]")
check "it writes a file of its own" inside 'echo mine >/plain/others && chmod 600 /plain/others'
CTR=$(crictl ps -q --name '^shared.a$')
check_is "which the first pod cannot read" 300000 eval 'inside "cat /plain/others" 2>/dev/null; stat -c %u "$SECRET"'

# --- overlaps, containers that contradict --------------------------------------------------------------------------------

check_fails "ids of another living pod are refused" "InvalidArgument.*userns_options.uids: pod crisp-test/overlap cannot have ids of pod/crisp-test/shared" \
	run overlap "$(userns 265535 1000) | $OPTIONS.pid = 1"
check_fails "its groups, too" "userns_options.gids: pod crisp-test/overlap cannot have" run overlap "$(with "$(map 400000)" "$(map 134465)")"
check_fails "a container without mappings is refused" "InvalidArgument.*userns_options.mode is NODE, that of the pod sandbox is POD" create shared.b .
check_fails "a container with other mappings is refused" "InvalidArgument.*userns_options.gids: the mappings are not those" \
	create shared.b "$(with "$(map 200000)" "$(map 200001)")"
check_fails "a mount with other mappings is refused" "InvalidArgument.*mounts.0.*gidMappings are not those of the pod" \
	create shared.b "$(userns 200000) | .mounts = [{host_path: \"$SCRATCH/mapped\", container_path: \"/m\", uidMappings: $(map 200000), gidMappings: $(map 1)}]"
check_fails "a user outside the namespace is refused" "InvalidArgument.*run_as_user: user 65536 is not one of the 65536" \
	create shared.b "$(userns 200000) | .linux.security_context.run_as_user = {value: 65536}"
check_fails "a group outside the namespace is refused" "InvalidArgument.*group 70000 of the user is not one" \
	create shared.b "$(userns 200000) | .linux.security_context.supplemental_groups = [70000]"
check_fails "an image with a group outside the namespace has no container" "FailedPrecondition.*layer sha256:.* has files of user 5 and group 70000 at most, but the pod's user namespace has 65536" \
	create shared.b "$(userns 200000)" "$REGISTRY/owners:1"
check "but it has one in a namespace with more ids" eval 'run many "$(userns 500000 100000)" >"$SCRATCH/pod.many" &&
	CTR=$(start many.a "$(userns 500000 100000)" "$REGISTRY/owners:1") && [ "$(inside "stat -c %u:%g /far")" = 5:70000 ]'
VOLUME=".mounts = [{container_path: \"/image\", image: {image: \"$REGISTRY/owners:1\"}, readonly: true, uidMappings: $(map 500000 100000), gidMappings: $(map 500000 100000)}]"
CTR=$(start many.image "$(userns 500000 100000) | $VOLUME")
check_is "an image as a volume has the pod's owners" "0:0 5:70000" inside 'stat -c %u:%g /image/bin/sh /image/far | xargs'

# --- containers of other users, unmasked /proc, exec, streams, statistics ------------------------------------------------

CTR=$(start shared.user "$(userns 200000) | .linux.security_context.run_as_user = {value: 1234} | .working_dir = \"/made/here\"")
check_is "a container of another user" "1234 201234 0:0" eval 'echo "$(inside "id -u") $(stat -c %u /proc/$(pid_of)) $(inside "stat -c %u:%g /made/here")"'
check_is "it can open its standard output" works eval 'inside "echo works >/proc/self/fd/1"'
MASKED='.linux.security_context.masked_paths = ["/proc/version"] | .linux.security_context.readonly_paths = ["/proc/sys"]'
CTR=$(start shared.masked "$(userns 200000) | $MASKED")
check_is "procMount Default: paths are masked as requested" "ro" eval 'inside "grep -o \" /proc/sys [^,]*\" /proc/mounts" | cut -d " " -f 4'
CTR=$(start shared.unmasked "$(userns 200000) | .linux.security_context.masked_paths = []")
check_is "procMount Unmasked: nothing covers /proc" 1 eval 'inside "grep -c /proc /proc/mounts"'
CTR=$(crictl ps -q --name '^shared.a$')
CAPS='.linux.security_context.capabilities.add_capabilities = ["NET_ADMIN", "SYS_ADMIN"]'
CTR=$(start shared.caps "$(userns 200000) | $CAPS")
check_is "capabilities reach the pod's namespaces: its network, host name, PID namespace" "done done done" inside \
	'(ip link set lo mtu 1400 && echo done; hostname mapped && echo done; mkdir /p && mount -t proc proc /p && echo done) | xargs'
check_is "and not the node's" "no no" inside '(echo 1 >/proc/sys/kernel/panic || echo no; echo x >/proc/sys/kernel/core_pattern || echo no) 2>/dev/null | xargs'
CTR=$(crictl ps -q --name '^shared.a$')
check_is "exec is root inside" "uid=0(root) gid=0(root)" eval 'inside id | cut -d " " -f 1-2'
check "statistics" eval '[ "$(crictl stats -o json "$CTR" | jq -r ".stats[0].memory.workingSetBytes.value")" -gt 0 ]'
check "the log" eval 'start shared.log "$(userns 200000) | .command = [\"sh\", \"-c\", \"echo out; echo err >/dev/stderr\"]" && poll 20 eval "[ \"\$(log_text shared shared.log | sort | xargs)\" = \"err out\" ]"'
crictl exec "$CTR" sh -c 'mkdir -p /www; echo served >/www/index.html; httpd -p 127.0.0.1:8080 -h /www'
PORT=$((20000 + RANDOM % 10000))
"$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" port-forward "$(cat "$SCRATCH/pod.shared")" $PORT:8080 >"$SCRATCH/forward" 2>&1 &
FORWARD=$!
check "port-forward" poll 20 eval '[ "$(curl -s http://127.0.0.1:$PORT/index.html)" = served ]'
kill $FORWARD
wait $FORWARD 2>/dev/null

# --- the host's network --------------------------------------------------------------------------------------------------

ON_HOST="$(userns 600000) | $HOST_NET"
check_is "the runtime says that such pods may have it" true eval 'crictl info | jq .features.user_namespaces_host_network'
check "a pod with it" eval 'run net "$ON_HOST" >"$SCRATCH/pod.net"'
CTR=$(start net.a "$ON_HOST")
check_is "its container has the node's network and the pod's users" "$(readlink /proc/self/ns/net) 600000" \
	eval 'echo "$(readlink "/proc/$(pid_of)/ns/net") $(stat -c %u "/proc/$(pid_of)")"'
check_is "its /sys is the node's" "$(cd /sys/class/net && echo *)" inside 'cd /sys/class/net && echo *'
check_is "in which no mount can be written" "" inside 'awk "\$5 ~ /^\/sys/ && \$5 != \"/sys/fs/cgroup\" && \$6 !~ /^ro/ { print \$5 }" /proc/self/mountinfo'
check_is "the network cannot be changed, low ports are not free" "no no" inside \
	'(ip link set lo mtu 1400 || echo no; timeout 1 nc -l -p 80 -s 127.0.0.1; [ $? != 1 ] || echo no) 2>/dev/null | xargs'
check_is "sysctls of the node stay" "no" inside '(echo 1 >/proc/sys/net/ipv4/ip_forward || echo no) 2>/dev/null'
crictl exec "$CTR" sh -c 'mkdir -p /www; echo served >/www/index.html; httpd -p 127.0.0.1:8081 -h /www'
check_is "it serves at a port of the node" served eval 'curl -s http://127.0.0.1:8081/index.html'
CTR=$(crictl ps -q --name '^shared.a$')

# --- recovery ------------------------------------------------------------------------------------------------------------

daemon_kill
daemon_again
check_is "the pod is as before after kill -9" 0 inside 'id -u'
CTR=$(start shared.after "$(userns 200000)")
check_is "and gets another container" "0:0" inside 'stat -c %u:%g /bin/sh'
kill -KILL "$(cut -d ' ' -f 1 "$RUNROOT/pods/$(cat "$SCRATCH/pod.shared")/shim.pid")"
check "a container after the shim was replaced" poll 20 eval 'CTR=$(start shared.shim "$(userns 200000)") && [ "$(inside "id -u; echo x >/dev/stdout" | xargs)" = "0 x" ]'
for i in 1 2 3 4 5; do
	run "kill$i" "$(userns $((1000000 + i * 65536)))" >/dev/null 2>&1 &
	CALL=$!
	sleep "0.0$((RANDOM % 10))$((RANDOM % 10))"
	daemon_kill
	wait $CALL
	daemon_again
	run "kill$i" "$(userns $((1000000 + i * 65536)))" >"$SCRATCH/pod.kill$i" || break
	CTR=$(start "kill$i.a" "$(userns $((1000000 + i * 65536)))") && [ "$(inside 'id -u; stat -c %u /bin/sh' | xargs)" = "0 0" ] || break
done
check_is "a pod whose daemon is killed at any moment comes to be" 5 eval 'crictl pods -q --name kill | wc -l'
check "stopped pods leave their ids to others" eval 'crictl stopp "$(cat "$SCRATCH/pod.other")" && run next "$(userns 300000)"'

# reboot: what the kernel and a tmpfs hold is gone
reboot() {
	local file
	daemon_kill
	for file in "$RUNROOT"/pods/*/shim.pid; do kill -KILL "$(cut -d ' ' -f 1 "$file")"; done
	cgroups_remove
	mounts_remove
	rm -rf "$RUNROOT"
	iptables -t nat -F && iptables -t nat -X
	cat /proc/sys/kernel/random/uuid >"$SCRATCH/boot_id"
	daemon_again
}
CTR=$(crictl ps -q --name '^shared.a$')
check "a reboot" reboot
check_is "a container has ended with the old boot" "CONTAINER_EXITED 255 NodeReboot" \
	eval 'crictl inspect "$CTR" | jq -r ".status | [.state, .exitCode, .reason] | join(\" \")"'
check_is "no pod is ready" "" crictl pods -q -s ready
check "no namespace is pinned" eval '! mounts_under_scratch | grep /ns/'
check "its ids are free: the kubelet runs the pod again" eval 'crictl runp -r current \
	<(jq ".metadata.attempt = 1" "$(pod_config shared "$(userns 200000)")") >"$SCRATCH/pod.shared"'
CTR=$(start shared.again "$(userns 200000)")
check_is "and its container" "0 200000" eval 'echo "$(inside "id -u") $(stat -c %u "/proc/$(pid_of)")"'
check "a pull, which makes its directory anew" crictl pull "$BUSYBOX"
check "all is removed" everything_remove
world_diff "nothing is left" "$SCRATCH/world.before"

# --- a node that cannot --------------------------------------------------------------------------------------------------

daemon_stop
cat >"$SCRATCH/covered" <<'SH'
#!/bin/bash
exec unshare --mount --propagation private bash -c 'mount --bind /dev/null /proc/version && exec "$@"' bash "$@"
SH
chmod 755 "$SCRATCH/covered"
CRISP_TEST_WRAP=$SCRATCH/covered daemon_start
check_is "where something covers a part of /proc no handler has the feature" false features current
check_fails "and a pod is refused" "FailedPrecondition.*userns_options.*/proc" run covered "$(userns 200000)"
harness_end
