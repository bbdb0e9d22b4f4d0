#!/bin/bash
# cdi.sh - a container gets a CDI device by CDI_devices and by annotation, with runc and crun: node,
# cgroup rule, mount, environment, hooks, group. A file changed a moment ago counts; errors name file
# and field, in the answer and once in the log.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

# crun does not run on hosts with both versions of cgroups.
HANDLERS=runc
! [ -e /sys/fs/cgroup/cgroup.controllers ] || [ -z "$(command -v crun)" ] || HANDLERS="runc crun"
CDI=$SCRATCH/cdi
MARKS=$SCRATCH/marks
mkdir -p "$CDI"/{etc,run} "$MARKS" "$SCRATCH/lib"
echo "from the host" >"$SCRATCH/lib/file"
cat >"$SCRATCH/hook.sh" <<HOOK
#!/bin/sh
echo "\$1 \$HOOKED" >>"$MARKS/\$(grep -o '"id": *"[^"]*"' | head -n 1 | tr -dc 0-9a-f | tail -c 64)"
HOOK
chmod 755 "$SCRATCH/hook.sh"

# A character device without a driver: an open that the device cgroup permits ends with ENXIO.
cat >"$CDI/etc/vendor.yaml" <<YAML
cdiVersion: 0.7.0
kind: vendor.com/dev
containerEdits:
  env: [CDI_ALL=yes]
devices:
- name: full
  containerEdits: &full
    deviceNodes:
    - {path: /dev/cdi-full, hostPath: /dev/full, fileMode: 0666}
    - {path: /dev/cdi-none, type: c, major: 240, minor: 77, permissions: r, fileMode: 0640, uid: 5, gid: 6}
    mounts:
    - {hostPath: $SCRATCH/lib, containerPath: /opt/cdi, options: [ro, nosuid, nodev, bind]}
    env: [CDI_DEVICE=full]
    additionalGids: [4711]
    hooks:
    - {hookName: createRuntime, path: $SCRATCH/hook.sh, args: [hook.sh, made], env: [HOOKED=1]}
    - {hookName: poststop, path: $SCRATCH/hook.sh, args: [hook.sh, gone], env: [HOOKED=2]}
- name: again
  containerEdits: *full
YAML
config() {
	printf '[crio.runtime]\ncdi_spec_dirs = ["%s/etc", "%s/run"]\nenable_cdi = %s\n' "$CDI" "$CDI" "$1"
	[[ "$HANDLERS" != *crun* ]] || echo "[crio.runtime.runtimes.crun]"
} >"$SCRATCH/config.d/cdi.conf"

config true
registry_start
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"
for handler in $HANDLERS; do
	crictl runp -r "$handler" "$(pod_config "$handler" "$HOST_NET")" >"$SCRATCH/pod.$handler" || bail "no pod with $handler"
done

FIELD='.CDI_devices = [{name: "vendor.com/dev=full"}]'
ANNOTATION='.annotations = {"cdi.k8s.io/vendor": "vendor.com/dev=full"}'
# create HANDLER NAME JQ: a container in the handler's pod
create() {
	crictl create "$(cat "$SCRATCH/pod.$1")" "$(ctr_config "$1.$2" "$BUSYBOX" "$3")" "$SCRATCH/pod-$1.json"
}
# says HANDLER NAME JQ SHELL: what it prints
says() {
	local id
	id=$(create "$1" "$2" "$3 | .command = [\"sh\", \"-c\", \"$4\"]") && crictl start "$id" >/dev/null || return
	poll 30 ctr_is "$id" CONTAINER_EXITED
	log_text "$1" "$1.$2"
}

# --- both ways -----------------------------------------------------------------------------------------------------------

# One stream: the order of two pipes is nobody's promise.
REPORT='exec 2>&1; echo x 2>/dev/null >/dev/cdi-full || echo full; echo x >/dev/cdi-none; cat /dev/cdi-none; stat -c %a_%u_%g_%t_%T /dev/cdi-none
	cat /opt/cdi/file; touch /opt/cdi/x 2>/dev/null || echo read-only; echo $CDI_ALL $CDI_DEVICE; id -G; ls /dev | grep -c cdi'
GOT="full sh: can't create /dev/cdi-none: Operation not permitted cat: can't open '/dev/cdi-none': No such device or address \
640_5_6_f0_4d from the host read-only yes full 0 4711 2"
for handler in $HANDLERS; do
	check_is "$handler: a device by the field" "$GOT" eval 'says "$handler" field "$FIELD" "$REPORT" | paste -sd" "'
	check_is "$handler: a device by an annotation" "$GOT" eval 'says "$handler" note "$ANNOTATION" "$REPORT" | paste -sd" "'
	check_is "$handler: by both ways, once" "$GOT" eval 'says "$handler" both "$FIELD | $ANNOTATION" "$REPORT" | paste -sd" "'
	ID=$(crictl ps -a -q --name "^$handler.both\$")
	check_is "$handler: its hook ran once" "made 1" cat "$MARKS/$ID"
	check "$handler: the container is removed" crictl rm "$ID"
	check_is "$handler: the hook behind its end, too" "made 1 gone 2" eval 'paste -sd" " "$MARKS/$ID"'
	check_is "$handler: two devices of one file" "yes full 0 4711 2" eval 'says "$handler" two \
		".CDI_devices = [{name: \"vendor.com/dev=full\"}, {name: \"vendor.com/dev=again\"}]" "$REPORT" | tail -n 3 | paste -sd" "'
done
C=$(create runc killed "$FIELD | .command = [\"cat\", \"/opt/cdi/file\"]")
daemon_kill
daemon_again
check "a container that was created before a kill" crictl start "$C"
check_is "has its device" "from the host" eval 'poll 30 ctr_is "$C" CONTAINER_EXITED; log_text runc runc.killed'
check_fails "a runtime without network devices is not asked for one" "features do not include netDevices" eval '
	printf "%s" "{\"cdiVersion\":\"1.1.0\",\"kind\":\"net.com/dev\",\"devices\":[{\"name\":\"0\",\"containerEdits\":{\"netDevices\":[{\"hostInterfaceName\":\"lo\",\"name\":\"x\"}]}}]}" >"$CDI/etc/net.json"
	create runc net ".CDI_devices = [{name: \"net.com/dev=0\"}]"'

# --- files that change ---------------------------------------------------------------------------------------------------

# device FILE KIND NAME TEXT: a file with a device that sets CDI_DEVICE
device() { printf 'cdiVersion: 0.5.0\nkind: %s\ndevices:\n- name: %s\n  containerEdits: {env: [CDI_DEVICE=%s]}\n' "$2" "$3" "$4" >"$CDI/$1"; }
asks() { says runc "$1" ".CDI_devices = [{name: \"$2\"}]" 'echo $CDI_DEVICE'; }
device etc/x.yaml x.com/dev a one
check_is "a new file counts at once" one asks x1 x.com/dev=a
device etc/x.yaml x.com/dev a two
check_is "and so does a change" two asks x2 x.com/dev=a
device run/x.yaml x.com/dev a run
check_is "a later directory wins" run asks x3 x.com/dev=a
device run/y.yaml x.com/dev a other
check_fails "twice in a directory is a conflict that names both files" "x.com/dev=a.* is in both $CDI/run/x.yaml and $CDI/run/y.yaml" \
	asks x4 x.com/dev=a
rm "$CDI"/run/?.yaml
check_is "without them the earlier directory has it" two asks x5 x.com/dev=a
device etc/z.yaml 'bad kind' a one
check_fails "a device of an unknown kind, with the file that could have it" \
	"CDI_devices\[0\]: device .*z.com/dev=a.* is not known: .*kind z.com/dev; $CDI/etc/z.yaml: kind: .*bad kind" asks z1 z.com/dev=a
check_is "a bad file costs others nothing" two asks x6 x.com/dev=a
logged() { grep -c "CDI specification not usable.*$1" "$SCRATCH/daemon.log"; }
check_is "it is in the log once" 1 logged z.yaml:
device etc/z.yaml z.com/dev 'a b' one
check_fails "after a change the next mistake" "z.yaml: devices\[0\].name: .*a b" asks z2 z.com/dev=a
check_is "is in the log, too" 2 logged z.yaml:
device etc/w.yaml w.com/dev 'c d' one
check "a mistake is in the log before a container asks" poll 20 logged 'w.yaml: devices.*c d'
check_is "once" 1 logged w.yaml:
rm "$CDI/etc/w.yaml"
chmod 666 "$CDI/etc/x.yaml"
check_fails "a file that anybody may write is not believed" "chmod go-w $CDI/etc/x.yaml" asks x7 x.com/dev=a
chmod 644 "$CDI/etc/x.yaml"
check_fails "no device's name" "CDI_devices\[0\]: .*/dev/full.* is not a device's full name" asks n1 /dev/full
mv "$SCRATCH/lib" "$SCRATCH/lib.away"
check_fails "a mount whose source is missing" "CDI device vendor.com/dev=full .$CDI/etc/vendor.yaml.: mounts\[0\]: hostPath .*: No such file" \
	create runc nosource "$FIELD"
check "nothing was made in its place" test ! -e "$SCRATCH/lib"

# --- the operator's view, and the switch ---------------------------------------------------------------------------------

check_is "crisp cdi lists the devices" "net.com/dev=0 vendor.com/dev=again vendor.com/dev=full x.com/dev=a" \
	eval '"$BUILD_DIR/crisp" cdi --dir "$CDI/etc" --dir "$CDI/run" 2>/dev/null | awk "NR > 1 { print \$1 }" | paste -sd" "'
check_is "those of the configuration's directories" 4 eval '"$BUILD_DIR/crisp" -o json cdi --config "$SCRATCH/crisp.conf" \
	--config-dir "$SCRATCH/config.d" | jq ".devices | length"; :'
check_fails "and the mistakes" "z.yaml: devices\[0\].name" "$BUILD_DIR/crisp" cdi --dir "$CDI/etc"
config false
daemon_kill
daemon_again
check_fails "switched off, the field is refused" "enable_cdi = false" create runc off1 "$FIELD"
check_fails "and so is the annotation" "annotation cdi.k8s.io/vendor: .*enable_cdi = false" create runc off2 "$ANNOTATION"
check "everything is removed" everything_remove
daemon_stop
check_is "the daemon ends with status 0" 0 echo "$DAEMON_STATUS"
harness_end
