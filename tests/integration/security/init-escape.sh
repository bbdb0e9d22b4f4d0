#!/bin/bash
# init-escape.sh - a container that may trace pid 1 of a shared PID namespace reaches an empty
# read-only root, a program in sealed memory and its own pod's namespaces, and nothing else.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"

# All that a container can be given without being privileged.
TRACER='.linux.security_context = {run_as_user: {value: 0}, capabilities: {add_capabilities: ["ALL"]},
	seccomp: {profile_type: 1}, apparmor: {profile_type: 1}}'
mkdir "$SCRATCH/prize"
echo prize >"$SCRATCH/prize/secret"

inside() { crictl exec --sync "$CTR" sh -c "$1"; }
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$INIT/status"; }
ns_of() { readlink "/proc/$1/ns/$2"; }
same_ns() { [ "$(ns_of "$1" "$3")" = "$(ns_of "$2" "$3")" ]; }
other_ns() { ! same_ns "$@"; }
# Every path of /proc that leads out of a process, with as many steps up as may be needed.
walk() {
	local at
	for at in root cwd root/proc/1/root cwd/root fd/0 fd/1 fd/3 fd/7 exe task/1/root task/1/cwd; do
		for up in . .. ../../.. ../../../../../..; do
			echo "/proc/1/$at/$up$SCRATCH/prize"
		done
	done
}

# One exec that looks at everything; seen NAME: what it found under that name
LOOK='
	say() { printf "%s=%s\n" "$1" "$(shift; "$@" 2>&1 | tr -d "\0" | tr "\n" " " | sed "s/ \$//")"; }
	say comm cat /proc/1/comm
	say dirs sh -c "ls -A /proc/1/root/; ls -A /proc/1/cwd/"
	say fds ls -A /proc/1/fd/
	say environ cat /proc/1/environ
	say cmdline cat /proc/1/cmdline
	say exe readlink /proc/1/exe
	say write sh -c "echo x >/proc/1/root/x"
	say overwrite sh -c "echo x >>/proc/1/exe"
	say enter nsenter -t 1 -m /bin/sh -c "echo x >/tmp/proof"
	say enter-all nsenter -t 1 -m -n -u -i -p /bin/sh
	say devices sh -c "cut -d : -f 1 /proc/net/dev"
	say init-devices nsenter -t 1 -n cut -d : -f 1 /proc/net/dev'
seen() { sed -n "s/^$1=//p" <<<"$SEEN"; }

# pod_is_closed NAME JQ
pod_is_closed() {
	local name=$1 ns
	check "$name: a pod" pod_run "$name" "$2"
	POD=$OUT
	check "$name: a container that may do everything inside" ctr_run "$POD" "$name.tracer" "$TRACER"
	CTR=$OUT
	PID=$(crictl inspect "$CTR" | jq .info.pid)
	INIT=$(cut -d ' ' -f 1 "$RUNROOT/pods/$POD/init.pid")
	inside "$(walk | sed 's/.*/echo x >&\/proof; cat &\/secret; cat &\/secret >>\/found/')" >/dev/null 2>&1
	check_is "$name: no path through it reaches a directory of the host" secret ls "$SCRATCH/prize"
	check_is "$name: nor a file" "" inside 'cat /found'
	SEEN=$(inside "$LOOK")
	check_is "$name: the container sees init as pid 1" crisp-init seen comm
	check_is "$name: its root and working directory are empty" "" seen dirs
	check_is "$name: it has no descriptor" "" seen fds
	check_is "$name: and no environment" "" seen environ
	check_is "$name: its arguments are its name" crisp-init seen cmdline
	check_is "$name: its program is no file of a directory" "/memfd:crisp-init (deleted)" seen exe
	check_is "$name: nor is anything else that it maps" "" \
		eval 'find "/proc/$INIT/map_files" -type l -printf "%l\n" | grep -v "^/memfd:crisp-init" || :'
	check "$name: its root takes no file" eval 'seen write | grep -qi "read-only"'
	check "$name: its program takes no write" eval 'seen overwrite | grep -Eqi "busy|denied|not permitted|invalid"'
	check "$name: its mount namespace has no program to run" eval 'seen enter | grep -Eqi "no such file|not found"'
	check "$name: all its namespaces together neither" eval 'seen enter-all | grep -Eqi "no such file|not found"'
	check_is "$name: its network has the container's devices" "$(seen devices)" seen init-devices

	check_is "$name: the root is its only mount" "/ ro,nosuid,nodev,noexec tmpfs" \
		eval 'sed -E "s/^[^ ]+ [^ ]+ [^ ]+ [^ ]+ ([^ ]+) (ro,nosuid,nodev,noexec)[^-]*- ([^ ]+) .*/\1 \2 \3/" "/proc/$INIT/mountinfo"'
	for ns in mnt pid cgroup; do
		check "$name: its $ns namespace is not the host's" other_ns "$INIT" self "$ns"
	done
	check "$name: its mount namespace is no container's" other_ns "$INIT" "$PID" mnt
	for ns in net ipc uts pid user; do
		check "$name: its $ns namespace is its containers'" same_ns "$INIT" "$PID" "$ns"
	done
	check_is "$name: it has no capability" "0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000" \
		eval 'echo $(field CapInh) $(field CapPrm) $(field CapEff) $(field CapBnd) $(field CapAmb)'
	check_is "$name: gains none, is filtered, and nobody" "1 2 65535 65535 65535 65535" \
		eval 'echo $(field NoNewPrivs) $(field Seccomp) $(field Uid)'
	check_is "$name: in no group" "65535 65535 65535 65535 " eval 'echo $(field Gid) "$(field Groups | tr -d " ")"'
	check "$name: in a cgroup of its own" grep -q "/crisp-shim-$POD/init\$" "/proc/$INIT/cgroup"

	check "$name: the pod is removed" everything_remove
}

pod_is_closed own .
pod_is_closed host "$HOST_NET"

# What the pod has of its own, the host does not: compared while it runs.
check "a pod" pod_run apart
POD=$OUT
INIT=$(cut -d ' ' -f 1 "$RUNROOT/pods/$POD/init.pid")
for ns in net ipc uts; do
	check "a pod's init is in another $ns namespace than the host" other_ns "$INIT" self "$ns"
done
check "it costs no page that grows" eval '[ "$(awk "/^VmRSS:/ { print \$2 }" /proc/$INIT/status)" -lt 256 ]'
check "the pod is removed" everything_remove
harness_end
