#!/bin/bash
# known-faults.sh - published faults of container runtimes fail on crisp: smuggled sysctls and
# properties, overflowing ids, paths out of the root, unbounded answers and files, leaked sessions.
# src/SECURITY.md has the list.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
. "$(dirname "$0")/../imagelib.sh"
registry_start
cat >"$SCRATCH/old" <<'SH'
#!/bin/sh
[ "$1" != --version ] || { echo "runc version 1.0.0-rc5"; exit 0; }
exec runc "$@"
SH
chmod 755 "$SCRATCH/old"
daemon_start --runtimes "old:$SCRATCH/old:$SCRATCH/run/old"
check "a runtime's version with known faults is a warning" grep -q 'level=warn msg="vulnerable runtime" handler=old.*CVE-2019-5736.*CVE-2024-21626' "$SCRATCH/daemon.log"
check "Status says so" eval 'crictl info | jq -e ".config.runtimes[] | select(.name == \"old\").warning | contains(\"CVE-2019-5736\")"'
check "crisp info says so" eval '"$BUILD_DIR/crisp" --socket "$SOCKET" info | grep "^runtime old: runc reports version 1.0.0;.*CVE-2019-5736"'
check "pull" crictl pull "$BUSYBOX"

# CVE-2022-0811: a second sysctl behind a separator in the value of a harmless one.
PATTERN=$(cat /proc/sys/kernel/core_pattern)
for value in '1+kernel.core_pattern=|/tmp/x' '1=kernel.core_pattern=|/tmp/x' $'1\nkernel.core_pattern=|/tmp/x' '1 kernel.core_pattern=x'; do
	crictl runp "$(pod_config smuggle ".linux.sysctls = {\"kernel.shm_rmid_forced\": $(jq -Rs . <<<"$value" | sed 's/\\n"$/"/')}")" >/dev/null 2>&1
done
check_is "a value of a sysctl sets no other one" "$PATTERN" cat /proc/sys/kernel/core_pattern
for key in kernel.core_pattern kernel/core_pattern net.ipv4.../../kernel/core_pattern kernel.shm_rmid_forced/../core_pattern 'net.ipv4.ip_forward=1+kernel.core_pattern'; do
	check_fails "the sysctl $key is refused" 'sysctl' crictl runp "$(pod_config "key" ".linux.sysctls = {\"$key\": \"x\"}")"
done
FORWARD=$(cat /proc/sys/net/ipv4/ip_forward)
check "net sysctls of a pod with the host's network are left out" \
	crictl runp "$(pod_config netkey "$HOST_NET | .linux.sysctls = {\"net.ipv4.ip_forward\": \"$((1 - FORWARD))\"}")"
check_is "the host's is as before" "$FORWARD" cat /proc/sys/net/ipv4/ip_forward
check_is "the host's core_pattern is as before" "$PATTERN" cat /proc/sys/kernel/core_pattern
crictl pods -q | xargs -r -n 1 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" rmp -f >/dev/null

# CVE-2024-3154: annotations that a runtime would pass to systemd.
check "a pod with systemd properties in its annotations" crictl runp "$(pod_config props \
	'.annotations = {"org.systemd.property.ExecStartPre": "[[\"/bin/touch\", \"/tmp/x\"]]", "org.systemd.property.After": "[\"x\"]"}')"
POD=$OUT
check "and a container with some" ctr_run "$POD" props '.annotations = {"org.systemd.property.ExecStartPre": "x"}'
CTR=$OUT
check "the runtime has a specification" eval 'find "$RUNROOT" -path "*$CTR*" -name config.json | grep .'
check_is "which holds none of them" "" eval 'grep -l org.systemd "$OUT" || :'

# CVE-2022-1708 and its kind: the output of an exec is bounded.
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$(daemon_pid)/status"; }
crictl exec --sync "$CTR" true
BEFORE=$(rss)
for i in 1 2 3; do crictl exec --sync "$CTR" sh -c 'head -c 200000000 /dev/zero' 2>/dev/null | wc -c >"$SCRATCH/exec.$i"; done
check "ExecSync answers with 16 MiB of 200 MB at most" [ "$(cat "$SCRATCH/exec.3")" -le $((16 << 20)) ]
hoard() { crictl exec --sync "$CTR" sh -c 'head -c 16000000 /dev/zero; until [ -e /tmp/end ]; do sleep 0.2; done' >"$SCRATCH/hoard.$1" 2>/dev/null; }
for i in $(seq 10); do hoard "$i" & HOARDS[i]=$!; done
check "of many calls the daemon holds 32 MiB of output in all" poll 60 grep -q 'output of an exec is cut off' "$SCRATCH/daemon.log"
check_is "another one has its output meanwhile" "sixteen" crictl exec --sync "$CTR" echo sixteen
check "all of them end" eval 'crictl exec --sync "$CTR" touch /tmp/end'
for i in $(seq 10); do wait "${HOARDS[i]}"; done
check "and have got part of it each" eval 'for i in $(seq 10); do [ -s "$SCRATCH/hoard.$i" ] || exit 1; done'
check "a call that is alone has all of it" eval '[ "$(crictl exec --sync "$CTR" head -c 16000000 /dev/zero | wc -c)" -ge 16000000 ]'
check "the daemon never had 160 MB of output" eval '[ "$(awk "/^VmHWM/ { print \$2 }" "/proc/$(daemon_pid)/status")" -lt 150000 ]'
check "and the daemon gives back the memory" poll 30 eval '[ $(($(rss) - BEFORE)) -lt 40000 ]'

# CVE-2025-64329: attach sessions that end on one side only.
fds() { ls "/proc/$(daemon_pid)/fd" | wc -l; }
threads() { ls "/proc/$(daemon_pid)/task" | wc -l; }
FDS=$(fds) THREADS=$(threads)
cut_off() { timeout -s KILL 0.5 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" attach "$CTR"; }
for i in $(seq 40); do cut_off; done >/dev/null 2>&1
check "40 attach sessions that were cut leave no descriptor" poll 60 eval '[ "$(fds)" -le $((FDS + 2)) ]'
check "and no thread" poll 60 eval '[ "$(threads)" -le $((THREADS + 4)) ]'

# CVE-2020-15257: nothing of ours listens at an abstract socket, which a container with the host's network could reach.
ours() { for pid in $(daemon_pid) $(pgrep -f "crisp-shim.*$SCRATCH"); do ls -l "/proc/$pid/fd" | grep -o 'socket:\[[0-9]*\]' | tr -dc '0-9\n'; done; }
check_is "no abstract socket" "" eval 'awk "NR == FNR { mine[\$1]; next } \$8 ~ /^@/ && \$7 in mine" <(ours) /proc/net/unix'

# CVE-2024-40635: an identifier beyond 31 bits is not root.
for who in '{run_as_user: {value: 4294967296}}' '{run_as_user: {value: 4294967295}}' '{run_as_user: {value: -1}}' '{run_as_user: {value: 9223372036854775807}}' \
	'{run_as_user: {value: 1}, run_as_group: {value: 4294967296}}' '{supplemental_groups: [4294967296]}'; do
	check_fails "$who is refused" 'run_as_user|run_as_group|supplemental_groups' ctr_run "$POD" props.over \
		".metadata.name = \"over\" | .log_path = \"over.log\" | .linux.security_context = $who"
done

# CVE-2022-2995: the image's own group is not kept beside the one that was asked for.
check "a container of user 1000 and group 2000" ctr_run "$POD" props.groups '.metadata.name = "groups" | .log_path = "groups.log"
	| .linux.security_context = {run_as_user: {value: 1000}, run_as_group: {value: 2000}, supplemental_groups: [3000]}'
check_is "has these groups and no others" "2000 3000" crictl exec --sync "$OUT" id -G

# Log paths: CVE-2025-0750 and its kind.
for path in ../x.log a/../../x.log /etc/x.log; do
	check_fails "the log path $path is refused" 'log_path' ctr_run "$POD" props.log ".metadata.name = \"log\" | .log_path = \"$path\""
done
mkdir -p "$SCRATCH/outside"
ln -s "$SCRATCH/outside/stolen" "$SCRATCH/logs/props/link.log"
ctr_run "$POD" props.link '.metadata.name = "link" | .log_path = "link.log" | .command = ["echo", "x"]' >/dev/null 2>&1
check "a link in the place of a log is not followed" [ ! -e "$SCRATCH/outside/stolen" ]

# Images: CVE-2022-23648 (a VOLUME above the root), CVE-2025-4437 (an /etc/passwd of 1 GB).
mkdir -p "$BLOBS"
echo '{"imageLayoutVersion":"1.0.0"}' >"$LAY/oci-layout"
echo '{"schemaVersion":2,"manifests":[]}' >"$LAY/index.json"
root=$SCRATCH/tree
mkdir -p "$root/bin" "$root/etc" "$root/data"
cp /usr/bin/busybox "$root/bin/sh"
echo 'root:x:0:0::/:/bin/sh' >"$root/etc/passwd"
truncate -s 1G "$root/etc/passwd"
tar -C "$root" -S --owner=0 --group=0 -czf "$SCRATCH/rootfs.tar.gz" .
gunzip -c "$SCRATCH/rootfs.tar.gz" | sha256sum | cut -d' ' -f1 >"$SCRATCH/diff"
put_image large "$SCRATCH/rootfs.tar.gz=sha256:$(cat "$SCRATCH/diff")"
check "an image with an /etc/passwd of 1 GB" "$BUILD_DIR/crisp" --socket "$SOCKET" load "$LAY" local.example/large:1
BEFORE=$(rss)
check_fails "a user's name in it is an error, not a file in memory" 'passwd' ctr_run "$POD" props.large \
	'.metadata.name = "large" | .log_path = "large.log" | .linux.security_context = {run_as_username: "root"}' local.example/large:1
check "the daemon is no larger" eval '[ $(($(rss) - BEFORE)) -lt 40000 ]'

# A signal asks what each object waits for; it used to end the daemon.
DAEMON=$(daemon_pid)
for signal in USR1 USR2; do
	kill -$signal "$DAEMON"
	check "SIG$signal logs what each object waits for" poll 20 eval '[ "$(grep -c "msg=.explained. objects=" "$SCRATCH/daemon.log")" = '"${signal#USR}"' ]'
done
check_is "and the daemon goes on" "$DAEMON" daemon_pid

check "everything is removed" everything_remove
harness_end
