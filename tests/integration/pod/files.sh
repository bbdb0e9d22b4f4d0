#!/bin/bash
# files.sh - crisp adds /etc/mtab and the passwd and group entries of ids that the image lacks, unless
# the user may write the file, and makes missing log directories.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

echo "its own" >"$SCRATCH/mtab"
registry_start
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"

# says NAME [JQ]: what container NAME prints, whose pod is p.
says() {
	local id
	id=$(ctr_run "$POD" "p.$1" "$2") || return
	poll 30 ctr_is "$id" CONTAINER_EXITED
	log_text p "p.$1"
}
ends_with() { echo "$1 | .command = [\"sh\", \"-c\", \"$2\"]"; }
AS='.linux.security_context += {run_as_user: {value: 64892}, run_as_group: {value: 6263}}'

POD=$(pod_run p "$HOST_NET | .log_directory += \"/not/there\"") || bail "a pod does not start"
check "the pod's log directory was made" test -d "$SCRATCH/logs/p/not/there"
C=$(crictl create "$POD" "$(ctr_config p.l "$BUSYBOX" '.log_path = "below/it/0.log" | .command = ["echo", "logged"]')" "$SCRATCH/pod-p.json")
check "a container's log may lie in a directory that is not there" crictl start "$C"
check "its log is written there" poll 30 grep -q logged "$SCRATCH/logs/p/not/there/below/it/0.log"
echo a file >"$SCRATCH/logs/p/not/file"
check_fails "a directory that cannot be made is named" "config.log_path: directory of the log: mkdir .*/0.log/x: Not a directory" \
	crictl create "$POD" "$(ctr_config p.m "$BUSYBOX" '.log_path = "below/it/0.log/x/y.log"')" "$SCRATCH/pod-p.json"
check_fails "the pod's as well" "config.log_directory" pod_run q "$HOST_NET | .log_directory = \"$SCRATCH/logs/p/not/file/x\""
check "the pod is removed" crictl rmp -f "$POD"

POD=$(pod_run p "$HOST_NET") || bail "a pod does not start"
check_is "a user and a group that the image does not know have entries" \
	"64892:x:64892:6263:64892 user:/:/sbin/nologin 6263:x:6263:" \
	eval 'says ids "$(ends_with "$AS" "grep ^64892 /etc/passwd; grep :6263: /etc/group")" | paste -sd" "'
# An image for any uid: everybody may write its passwd; its group has an owner and a mode.
any_push() {
	local dir=$SCRATCH/any
	skopeo copy -q --src-tls-verify=false "docker://$BUSYBOX" "oci:$dir:v" && mkdir -p "$dir.fs" || return
	echo root:x:0:0::/: >"$dir.fs/passwd"
	echo root:x:0: >"$dir.fs/group"
	chmod 666 "$dir.fs/passwd"
	chmod 604 "$dir.fs/group" && chown 7:8 "$dir.fs/group"
	umoci insert --image "$dir:v" "$dir.fs/passwd" /etc/passwd && umoci insert --image "$dir:v" "$dir.fs/group" /etc/group &&
		skopeo copy -q --dest-tls-verify=false "oci:$dir:v" "docker://$REGISTRY/any:1"
} >"$SCRATCH/any.log" 2>&1
any_push || { cat "$SCRATCH/any.log"; bail "the image for any uid cannot be made"; }
check "the image for any uid" crictl pull "$REGISTRY/any:1"
check_is "what the user may write is left to it, owner and mode stay" "0 own:x:64892:0::/: 6263:x:6263: 604_7:8" \
	eval 'says any "$(ends_with "$AS | .image.image = \"$REGISTRY/any:1\"" \
		"grep -c 64892 /etc/passwd; echo own:x:64892:0::/: >>/etc/passwd; tail -n 1 /etc/passwd; tail -n 1 /etc/group; stat -c %a_%u:%g /etc/group")" | paste -sd" "'
check_is "known ones are left alone" "1 1" \
	eval 'says known "$(ends_with . "grep -c ^root: /etc/passwd; grep -c ^root: /etc/group")" | paste -sd" "'
check_is "with a read-only root the entries are read-only" refused \
	eval 'says ro "$(ends_with "$AS | .linux.security_context.readonly_rootfs = true" "echo x >>/etc/group || echo refused")" | tail -n 1'
check_is "/etc/mtab leads to the mounts" /proc/mounts eval 'says mtab "$(ends_with . "readlink /etc/mtab")"'
check_is "and what is there stays" "its own" eval 'says own "$(ends_with ".mounts = [{container_path: \"/etc/mtab\", host_path: \"$SCRATCH/mtab\"}]" "cat /etc/mtab")"'
check "the pod is removed" crictl rmp -f "$POD"
daemon_stop
check_is "the daemon ends with status 0" 0 echo "$DAEMON_STATUS"
harness_end
