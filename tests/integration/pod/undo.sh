#!/bin/bash
# undo.sh - a CNI plugin or runtime that refuses to undo a failed attempt, or hangs, delays neither
# the answer nor the next attempt with the same name.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

BAD=$SCRATCH/bad			# files here make plugin and runtime refuse
mkdir -p "$BAD" "$SCRATCH/plugins"
cat >"$SCRATCH/plugins/moody" <<SH
#!/bin/sh
[ "\$CNI_COMMAND" = VERSION ] && { echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}'; exit 0; }
[ ! -e "$BAD/hang.\$CNI_COMMAND" ] || exec sleep 1000
[ ! -e "$BAD/cni.\$CNI_COMMAND" ] || { echo '{"cniVersion": "1.0.0", "code": 999, "msg": "link not found"}'; exit 1; }
[ "\$CNI_COMMAND" != ADD ] || jq -c .prevResult
SH
cat >"$SCRATCH/runtime" <<SH
#!/bin/bash
for word; do
	case \$word in
	create|delete)
		[ ! -e "$BAD/\$word" ] || { echo "\$word is refused" >&2; exit 1; } ;;
	esac
done
exec runc "\$@"
SH
chmod 755 "$SCRATCH/plugins/moody" "$SCRATCH/runtime"
ln -s "$CNI_PLUGINS"/* "$SCRATCH/plugins/"
CNI_PLUGINS=$SCRATCH/plugins
cni_write
jq '.plugins += [{type: "moody"}]' "$CNI_CONF/10-test.conflist" >"$SCRATCH/conflist"
mv "$SCRATCH/conflist" "$CNI_CONF/10-test.conflist"
cat >"$SCRATCH/config.d/10-moody.conf" <<-TOML
[crio.runtime.runtimes.runc]
runtime_path = "$SCRATCH/runtime"
runtime_root = "$SCRATCH/run/runc"
TOML
registry_start
daemon_start
crictl pull "$BUSYBOX" >/dev/null || bail "the image cannot be pulled"
POD=$(pod_run keep) || bail "a pod does not start"
world_snapshot >"$SCRATCH/world.before"

explained() { "$BUILD_DIR/crisp" --socket "$SOCKET" explain; }
# undone_behind STATE N: so many objects are in it.
undone_behind() { test "$(explained | grep -c "^  $1 (busy)")" = "$2"; }

# --- a CNI plugin that refuses ADD and DEL -----------------------------------------------------------------------------

touch "$BAD/cni.ADD" "$BAD/cni.DEL"
check_fails "ADD is refused: the run fails with the plugin's words" "CNI ADD, plugin moody.*link not found" pod_run a
check_fails "and so does the next run, which does not wait for the first" "CNI ADD, plugin moody.*link not found" pod_run a
check "two runs are undone" poll 20 undone_behind NETWORK_DOWN 2
check "explain says what holds that up, and when it is tried again" poll 20 eval \
	'explained | grep -A2 NETWORK_DOWN | tr "\n" " " | grep -E "tried again in [0-9]+ ms after [0-9]+ failed tries.*CNI DEL, plugin moody"'
check_is "no client sees them" "$POD" crictl pods -q
rm "$BAD/cni.ADD"
check "ADD works: the next run of that name succeeds" pod_run a
A=$OUT
daemon_kill
daemon_again
check_is "after a restart the pod has its name" "$A" crictl pods -q --name '^a$'
check "and the failed runs are still undone" poll 20 undone_behind NETWORK_DOWN 2
check_is "asked again, the run is the same" "$A" crictl runp "$SCRATCH/pod-a.json"
rm "$BAD/cni.DEL"
check "DEL works: nothing is left of them" poll 100 undone_behind NETWORK_DOWN 0
check "the pod is stopped" crictl stopp "$A"
check "and removed" crictl rmp "$A"
world_diff "nothing is left behind" "$SCRATCH/world.before"

# --- a CNI plugin that does not come back ------------------------------------------------------------------------------

touch "$BAD/cni.ADD" "$BAD/hang.DEL"
BEFORE=$(date +%s)
check_fails "DEL hangs: the run fails with what ADD said" "CNI ADD, plugin moody.*link not found" pod_run b
check "without waiting for DEL" test $(($(date +%s) - BEFORE)) -lt 20
rm "$BAD/cni.ADD"
check "the next run of that name succeeds" pod_run b
B=$OUT
rm "$BAD/hang.DEL"
pgrep -P "$(daemon_pid)" -fx "sleep 1000" | xargs -r kill -KILL
check "nothing is left of the first" poll 100 undone_behind NETWORK_DOWN 0
check "the pod is stopped and removed" eval 'crictl stopp "$B" && crictl rmp "$B"'
world_diff "nothing is left behind" "$SCRATCH/world.before"

# --- a runtime that refuses create and delete --------------------------------------------------------------------------

pod_config keep >/dev/null
touch "$BAD/create" "$BAD/delete"
attempt() { ctr_run "$POD" keep.c ".metadata.attempt = $1"; }
check_fails "create is refused: the start says so" "create is refused" attempt 0
check_fails "and so does that of the next attempt" "create is refused" attempt 1
mapfile -t REFUSED < <(crictl ps -a -q --name '^keep.c$')
check_is "both are there for a kubelet to see" 2 echo ${#REFUSED[@]}
BEFORE=$(date +%s)
for id in "${REFUSED[@]}"; do crictl rm "$id"; done >/dev/null 2>&1
check "delete is refused: a removal is answered all the same" test $(($(date +%s) - BEFORE)) -lt 60
rm "$BAD/create"
check "create works: the next attempt succeeds" attempt 2
C=$OUT
check "it runs" ctr_is "$C" CONTAINER_RUNNING
rm "$BAD/delete"
check "it is removed" crictl rm -f "$C"
check "nothing is left of the others" poll 100 undone_behind REMOVING 0
world_diff "nothing is left behind" "$SCRATCH/world.before"

check "the first pod is removed" crictl rmp -f "$POD"
daemon_stop
check_is "the daemon ends with status 0" 0 echo "$DAEMON_STATUS"
harness_end
