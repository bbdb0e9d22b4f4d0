#!/bin/bash
# conf-field.sh - configuration files of the field, with the keys of CRI-O's releases, OpenShift,
# kubespray, Kata Containers, Oracle, minikube and others, start crispd. What is ignored is reported
# with its line, a handler of virtual machines is left out, and selinux is honoured or stops it.
#
# The comments at the end of a file in conf-field/ say what to expect: "ignored N", "left-out HANDLER".
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
echo '{"defaultAction": "SCMP_ACT_ALLOW"}' >"$SCRATCH/seccomp.json"
FIELD=$LIB_DIR/node/conf-field
DROP_IN=$SCRATCH/config.d/00-field

# told FILE WORD: what stands behind it in the file's comment
told() { sed -n "s/^# $2 *//p" "$1"; }

# The file with the programs and the profile that this node has at other places.
prepare() {
	local program
	cp "$1" "$DROP_IN"
	for program in runc crun; do
		sed -i "s#^runtime_path = \".*/$program\"#runtime_path = \"$(command -v $program)\"#" "$DROP_IN"
	done
	sed -i "s#^seccomp_profile = \"/.*\"#seccomp_profile = \"$SCRATCH/seccomp.json\"#" "$DROP_IN"
}

field_start() {
	CRISP_TEST_RUNTIME=$(sed -n 's/^default_runtime = "\(.*\)"/\1/p' "$DROP_IN")
	: >"$SCRATCH/daemon.log"
	daemon_start --namespaces-dir "$SCRATCH/ns" --log-dir "$SCRATCH/logs"
}

# A handler that was left out is not in the status.
handlers() { crictl info | jq -r '.runtimeHandlers[].name // empty'; }

for file in "$FIELD"/*; do
	name=${file##*/}
	prepare "$file"
	if grep -q '^selinux = true' "$DROP_IN" && [ ! -e /sys/fs/selinux/enforce ]; then
		check_fails "$name: selinux stops crispd where it cannot be honoured" "00-field:[0-9]+: crio.runtime.selinux: .true. is not kept to" \
			"$BUILD_DIR/crisp" check --config "$DROP_IN"
		sed -i 's/^selinux = true/selinux = false/' "$DROP_IN"
	fi
	field_start
	ok "$name: crispd starts"
	check_is "$name: what is ignored is reported" "$(told "$file" ignored)" eval \
		'grep -c "00-field:[0-9]*: crio[a-z._]*: .*; ignored, as CRI-O does" "$SCRATCH/daemon.log" || :'
	check_is "$name: crisp check finds as many errors" "$(told "$file" ignored)" eval \
		'"$BUILD_DIR/crisp" check --config "$DROP_IN" | grep -c ^error:  || :'
	check_is "$name: keys without effect are at most one line" yes eval \
		'[ $(grep -c "have no effect yet" "$SCRATCH/daemon.log") -le 1 ] && echo yes'
	left=$(told "$file" left-out)
	if [ -n "$left" ]; then
		check "$name: the handler $left is left out" grep -q "runtimes.$left.*the handler is left out" "$SCRATCH/daemon.log"
		check_is "$name: and not in the status" 0 eval 'handlers | grep -c -x "$left" || :'
		check_fails "$name: its pods are refused" "runtime_handler: .*$left.* is not configured" crictl runp -r "$left" "$(pod_config b)"
	fi
	case $name in
	nvidia.conf) check_is "$name: a handler with inherit_default_runtime is there" 1 eval 'handlers | grep -c -x low-overhead' ;;
	crio-1.20.conf) check "$name: blanks in a sysctl do not matter" eval \
		'curl -fsS --unix-socket "$SOCKET" http://localhost/config | grep -x "default_sysctls = .\"net.ipv4.ping_group_range=0   2147483647\"."' ;;
	esac
	daemon_stop
done
check_is "they are all there" 13 eval 'ls "$FIELD" | wc -l'

# One of them runs a pod.
registry_start
prepare "$FIELD/crio-1.20.conf"
field_start
check "a pod runs with the file of CRI-O 1.20" pod_run a
POD=$OUT
check "pull" crictl pull "$BUSYBOX"
check "and its container" ctr_run "$POD" a
check_is "with the pids_limit" 1024 eval 'crictl inspect "$OUT" | jq .info.runtimeSpec.linux.resources.pids.limit'
check "all is removed" everything_remove
harness_end
