#!/bin/bash
# modes.sh - crispd gives root and runroot its own modes and owner, whatever their owner, mode and
# umask were before. Another user of the node opens no path of a pod in /proc/mounts.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start

nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
out_of_reach() { ! nobody test -r "$1" && ! nobody ls "$1" 2>/dev/null && ! nobody sh -c ": >>'$1/crisp-mode' || : >>'$1'" 2>/dev/null; }
mode_of() { stat -c %a "$1"; }

# private WHEN: what is below root and runroot is out of reach, the mounts first
private() {
	local path n=0
	while IFS= read -r path; do
		n=$((n + 1))
		out_of_reach "$path" || { not_ok "$1: another user does not reach $path" "$(stat -c '%a %U' "$path")"; return; }
	done < <(mounts_under_scratch | grep -e "^$ROOT/" -e "^$RUNROOT/")
	check "$1: the pod's /dev/shm, files, namespaces and root file system are mounts" [ $n -ge 6 ]
	for path in "$RUNROOT"/{pods,containers,ns}/* "$ROOT"/{pods,containers}/* "$ROOT"/{state,images} "$RUNROOT"/{state,pulls}; do
		[ -e "$path" ] || continue
		[ "$(mode_of "$path")" = 700 ] || { not_ok "$1: $path is root's alone" "$(mode_of "$path")"; return; }
		out_of_reach "$path" || { not_ok "$1: another user does not reach $path"; return; }
	done
	for path in "$ROOT" "$RUNROOT" "$RUNROOT"/{pods,containers,ns} "$ROOT"/{pods,containers}; do
		check_is "$1: ${path#"$SCRATCH/"} can be passed, not listed" 711 mode_of "$path"
	done
	check_is "$1: nothing can be written by another user" "" \
		find "$ROOT" "$RUNROOT" -xdev -perm /022 ! -type l ! -path '*/images/*' ! -path '*/diff*' ! -path '*/containers/*/work*' ! -path '*/shm' ! -type s
	check_is "$1: the socket is for root and its group" 660 mode_of "$SOCKET"
	check "$1: another user cannot connect" eval '! nobody crictl version 2>/dev/null'
}

pod_and_check() {
	check "$1: pull" crictl pull "$BUSYBOX" && check "$1: pod" pod_run "$1" && POD=$OUT &&
		check "$1: container" ctr_run "$POD" "$1" '.linux.security_context.run_as_user.value = 4321' && CTR=$OUT || return
	check "$1: the container itself uses its /dev/shm and its files" \
		crictl exec --sync "$CTR" sh -c 'echo x >/dev/shm/own && cat /dev/shm/own /etc/hosts /etc/resolv.conf /etc/passwd'
	private "$1"
}

# The directories come first, with any mode.
for mode in 0755 0777; do
	rm -rf "$ROOT" "$RUNROOT"
	mkdir -p "$ROOT" "$RUNROOT"/{state,pods,containers,ns} "$ROOT"/{state,pods,containers,images}
	chmod "$mode" "$ROOT" "$RUNROOT" "$RUNROOT"/* "$ROOT"/*
	daemon_start
	pod_and_check "m$mode"
	check "m$mode: everything is removed" everything_remove
	daemon_end
done

# Another umask, and what an older crispd or a careless administrator opened while a pod runs.
for mask in 000 077; do
	rm -rf "$ROOT" "$RUNROOT"
	umask "$mask"
	daemon_start
	umask 022
	pod_and_check "u$mask"
	chmod 755 "$ROOT" "$RUNROOT" "$RUNROOT"/{pods,containers,ns,state} "$RUNROOT"/{pods,containers,ns}/* "$ROOT"/{pods,containers,state,images}
	daemon_kill
	daemon_again
	private "u$mask, opened and started again"
	check "u$mask: the container goes on" crictl exec --sync "$CTR" cat /dev/shm/own
	check "u$mask: everything is removed" everything_remove
	daemon_end
done

# An administrator who closes the top finds it closed.
chmod 700 "$ROOT" "$RUNROOT"
daemon_start
check_is "what was closed stays closed" "700 700" eval 'echo $(mode_of "$ROOT") $(mode_of "$RUNROOT")'
daemon_end

# What belongs to another user is not trusted: the daemon says which and what to do.
refused() { mapfile -t ARGV < <(peer_argv); timeout 20 "${ARGV[@]}"; }
for path in "$RUNROOT" "$ROOT" "$RUNROOT/pods" "$ROOT/state" "$RUNROOT/state" "$ROOT/containers"; do
	chown 65534 "$path"
	check_fails "${path#"$SCRATCH/"} of another user stops the daemon" "$path belongs to user 65534.*chown" refused
	chown 0 "$path"
done
ln -s /tmp "$RUNROOT/pods/$(printf %064d 1)"
chown -h 65534 "$RUNROOT/pods/$(printf %064d 1)"
check_fails "a link of another user among the pods stops the daemon" "$(printf %064d 1) belongs to user 65534" refused
rm "$RUNROOT/pods/$(printf %064d 1)"
chmod 777 "$ROOT/state"
touch "$ROOT/state/planted"
chown 65534 "$ROOT/state/planted"
check_fails "a file of another user in a state directory that was open stops the daemon" "state/planted belongs to user 65534" refused
rm -f "$ROOT/state/planted"
daemon_start
check "with all of it root's again the daemon starts" crictl version
harness_end
