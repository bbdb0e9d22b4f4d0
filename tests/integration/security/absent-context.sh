#!/bin/bash
# absent-context.sh - a container is confined without a security context, with an empty one and with
# a partial one. Only an explicit Unconfined or privileged takes the confinement away.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX" || exit 1
check "a pod without \"linux\" but its cgroup" pod_run a || exit 1
POD=$OUT
N=0

# What a shell in the container finds: the filter's mode, bytes of a masked file, whether a read-only one can be opened.
LOOK='echo $(sed -n "s/^Seccomp:\t//p" /proc/self/status) $(wc -c </proc/keys) $( (: >/proc/sys/kernel/domainname) 2>/dev/null && echo rw || echo ro)'
# looks WHAT EXPECTED JQ
looks() {
	N=$((N + 1))
	check "$1" ctr_run "$POD" "a.$N" "$3 | .metadata.name = \"a$N\"" || return
	[ "$(crictl exec --sync "$OUT" sh -c "$LOOK" 2>&1)" = "$2" ] && ok "$1: $2" || not_ok "$1: $2" "$(crictl exec --sync "$OUT" sh -c "$LOOK" 2>&1)"
}
SEC=.linux.security_context
looks "no linux" "2 0 ro" 'del(.linux)'
looks "no security context" "2 0 ro" '.linux = {}'
looks "an empty security context" "2 0 ro" "$SEC = {}"
looks "a security context about something else" "2 0 ro" "$SEC = {namespace_options: {pid: 1}, run_as_user: {value: 0}}"
looks "only further masked paths" "2 0 ro" "$SEC = {masked_paths: [\"/proc/keys\"]}"
looks "the default profile" "2 0 ro" "$SEC = {seccomp: {profile_type: 0}}"
looks "Unconfined takes the filter away, not the masks" "0 0 ro" "$SEC = {seccomp: {profile_type: 1}}"
check "a privileged pod" pod_run p "$SEC.privileged = true" || exit 1
check "a privileged container" ctr_run "$OUT" p.1 "$SEC.privileged = true"
check_is "has neither" "0 rw" eval 'crictl exec --sync "$OUT" sh -c "$LOOK" | cut -d " " -f 1,3'

# The CRI's own reading, which its conformance suite asks for.
everything_remove
daemon_end
printf '[crio.runtime]\nseccomp_use_default_when_empty = false\n' >"$SCRATCH/config.d/50-seccomp.conf"
daemon_start
check "a pod" pod_run a || exit 1
POD=$OUT
looks "seccomp_use_default_when_empty = false: a context without a profile" "0 0 ro" "$SEC = {}"
looks "seccomp_use_default_when_empty = false: no context" "2 0 ro" '.linux = {}'
check "everything goes away" everything_remove
harness_end
