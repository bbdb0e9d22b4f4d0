#!/bin/bash
# default-container.sh - the capabilities, system calls, masked paths, devices, mounts, limits,
# namespaces, descriptors, environment and sysctls of a default container equal the records in
# default-container/.
#
# Environment: CRISP_TEST_UPDATE  if not empty, write the records instead of comparing with them
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
RECORDS=$LIB_DIR/security/default-container
cc -std=gnu17 -D_GNU_SOURCE -static -O1 -o "$SCRATCH/probe" "$LIB_DIR/security/probe.c" || bail "probe does not compile"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX" || exit 1

# The paths that the kubelet names, as Docker, containerd and CRI-O have them.
MASKED="/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi
	/proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware"
READONLY="/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger"
HIDING="$(printf 'masked %s\n' $MASKED; printf 'readonly %s\n' $READONLY)"

# hiding_of FILE: is each path of the two lists covered as it should be? One that the kernel lacks is covered.
hiding_of() {
	local how path line
	while read -r how path; do
		if ! [ -e "$path" ]; then echo "$how $path yes"; continue; fi
		line=$(awk -v p="$path" '$1 == "mountinfo" && $6 == p { print $7, $0 }' "$1" | tail -n 1)
		case $how,$line in
		masked,*tmpfs*) echo "$how $path yes" ;;
		readonly,ro*) echo "$how $path yes" ;;
		*) echo "$how $path NO" ;;
		esac
	done <<<"$HIDING"
}

# mounts_of FILE: path, file system and flags of each mount but the masks; cgroups differ between hosts, so do the
# file systems that bind mounts lie on, and access times.
mounts_of() {
	awk -v hiding=" $(tr -s '\t\n' ' ' <<<"$MASKED $READONLY") " '$1 == "mountinfo" {
		if (index(hiding, " " $6 " ")) next
		for (i = 8; $i != "-"; i++);
		type = $(i + 1); flags = "," $7 ","
		gsub(/,(relatime|noatime|strictatime|nodiratime),/, ",", flags)
		gsub(/^,|,$/, "", flags)
		if ($6 ~ "^/sys/fs/cgroup") { if (type != "tmpfs") print "mount /sys/fs/cgroup* cgroup " flags; next }
		if ($6 ~ "^/(etc|probe)") type = "bind"
		print "mount " $6 " " type " " flags }' "$1" | sort -u
}

# What differs between hosts is named for what it is.
all_capabilities() { printf %016x $((0x$(awk '/^CapBnd/ { print $2 }' "/proc/$(daemon_pid)/status") & 0x$(awk '/^CapPrm/ { print $2 }' "/proc/$(daemon_pid)/status"))); }
limits_of() { # FILE: beside those of crispd
	local name soft hard own
	while read -r _ name soft hard; do
		own=$(prlimit --pid "$(daemon_pid)" --noheadings --raw -o SOFT,HARD "--$name" | sed 's/unlimited/-1/g')
		[ "$own" = "$soft $hard" ] && echo "limit $name as crispd" || echo "limit $name $soft $hard"
	done < <(grep '^limit ' "$1")
}
namespaces_of() { # PID
	local ns
	for ns in cgroup ipc mnt net pid time user uts; do
		[ "$(readlink "/proc/$1/ns/$ns")" = "$(readlink "/proc/$(daemon_pid)/ns/$ns")" ] && echo "namespace $ns host" || echo "namespace $ns own"
	done | if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then cat; else grep -v cgroup; fi
}
devices_of() { # FILE: of a privileged container only what every host has
	grep '^dev ' "$1" | grep -E "${2:-.}" | sort
}

# describe CONTAINER [DEVICES]: everything as text
describe() {
	local id=$1 raw=$SCRATCH/raw
	crictl exec --sync "$id" /probe >"$raw" || return
	grep '^descriptor ' "$raw" | sort
	sed -n "s/$(all_capabilities)/all that crispd has/; s/[ \t]*$//; s/[\t]/ /g; /^status /p" "$raw"
	namespaces_of "$(crictl inspect "$id" | jq .info.pid)"
	# Modules and kexec need capabilities that a virtual machine may lack.
	grep '^call ' "$raw" | if [ -n "${2:-}" ]; then grep -Ev ' (kexec_load|[a-z]*_module|reboot) '; else cat; fi
	limits_of "$raw"
	devices_of "$raw" "${2:-}"
	grep '^env ' "$raw" | sed "s/=$(hostname)\$/=HOSTNAME/" | sort
	mounts_of "$raw"
	hiding_of "$raw" | if [ -n "${2:-}" ]; then grep -E ' /proc/(interrupts|bus|fs|irq|sys) '; else cat; fi
	grep -E '^(sysctl|oom_score_adj) ' "$raw"
}

# recorded NAME CONTAINER [DEVICES]
recorded() {
	describe "$2" "${3:-}" >"$SCRATCH/now.$1" || return
	[ -z "${CRISP_TEST_UPDATE:-}" ] || cp "$SCRATCH/now.$1" "$RECORDS/$1.txt"
	diff -u "$RECORDS/$1.txt" "$SCRATCH/now.$1" >&2
}

MOUNT='.mounts = [{container_path: "/probe", host_path: "'$SCRATCH'/probe", readonly: true}]'
POD_JQ='.hostname = "pod" | .linux.security_context.namespace_options = {network: 0, pid: 1}'
check "a pod" pod_run d "$POD_JQ" || exit 1
POD=$OUT

check "a container without \"linux\"" ctr_run "$POD" d.1 "del(.linux) | .metadata.name = \"d1\" | $MOUNT"
check "has what is on record" recorded absent "$OUT"
check "a container with a security context that says nothing of protection" ctr_run "$POD" d.2 \
	".linux.security_context = {namespace_options: {network: 0, pid: 1}} | .metadata.name = \"d2\" | $MOUNT"
check "has the same" recorded absent "$OUT"
check "a container as the kubelet asks for one" ctr_run "$POD" d.3 ".metadata.name = \"d3\" | $MOUNT
	| .linux.security_context = {namespace_options: {network: 0, pid: 1}, seccomp: {profile_type: 0}, run_as_user: {value: 1000}, no_new_privs: true,
	masked_paths: [$(printf '"%s",' $MASKED | sed 's/,$//')], readonly_paths: [$(printf '"%s",' $READONLY | sed 's/,$//')]}"
check "has what is on record" recorded kubelet "$OUT"
check "a container with seccomp Unconfined" ctr_run "$POD" d.4 \
	".linux.security_context = {seccomp: {profile_type: 1}, namespace_options: {network: 0, pid: 1}} | .metadata.name = \"d4\" | $MOUNT"
check "has what is on record" recorded unconfined "$OUT"
check "a privileged pod" pod_run e "$POD_JQ | .linux.security_context.privileged = true" || exit 1
check "a privileged container" ctr_run "$OUT" e.1 \
	".linux.security_context = {privileged: true, namespace_options: {network: 0, pid: 1}} | .metadata.name = \"e1\" | $MOUNT"
check "has what is on record" recorded privileged "$OUT" '^dev (null|zero|full|random|urandom|tty|fd|ptmx|pts|shm|mqueue|stdin|stdout|stderr|\.) '
check "everything goes away" everything_remove
harness_end
