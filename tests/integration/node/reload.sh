#!/bin/bash
# reload.sh - SIGHUP reloads log level, pinned and pause images, seccomp profiles, CDI directories and
# handlers, all or nothing, with one line of what changed. A bad file changes nothing, a key that needs
# a restart keeps its value, and creations go on meanwhile.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
CONF=$SCRATCH/config.d/10-reload
RUNC=$(command -v "${CRISP_TEST_RUNTIME:-runc}")
echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}' >"$SCRATCH/no-mkdir.json"
echo '{"defaultAction": ' >"$SCRATCH/broken.json"
printf '[crio.runtime]\n' >"$CONF"

# Without the options that the files below set.
peer_argv() {
	printf '%s\n' "$BUILD_DIR/crispd" --config "$SCRATCH/crisp.conf" --config-dir "$SCRATCH/config.d" --root "$ROOT" \
		--runroot "$RUNROOT" --listen "$SOCKET" --cgroup-manager "$CGROUP_MANAGER" --cni-config-dir "$CNI_CONF" \
		--cni-plugin-dir "$CNI_PLUGINS" --registries-conf "$REGISTRIES_CONF"
}
lines() { grep -c "$1" "$SCRATCH/daemon.log" || :; }
more_lines() { [ "$(lines "$1")" -gt "$2" ]; }
# hup PATTERN: the daemon reads its files again, and says so
hup() {
	local n
	n=$(lines "$1")
	kill -HUP "$(daemon_pid)"
	poll 20 more_lines "$1" "$n"
}
pinned() { crictl images -o json | jq -r '.images[0].pinned'; }

daemon_start
check "pull" crictl pull "$BUSYBOX"
check "nothing has changed" hup 'configuration reloaded" changed="" needs_restart=""'

cat >"$CONF" <<TOML
[crio]
log_dir = "$SCRATCH/elsewhere"
[crio.runtime]
pids_limit = 99
seccomp_profile = "$SCRATCH/no-mkdir.json"
[crio.runtime.runtimes.second]
runtime_path = "$RUNC"
[crio.image]
pinned_images = ["$BUSYBOX"]
TOML
check "an image is not pinned" [ "$(pinned)" = false ]
check_fails "a handler is not there" "second.* is not configured" crictl runp -r second "$(pod_config a)"
check "one line says what changed" hup 'configuration reloaded" changed="crio.runtime.seccomp_profile, crio.image.pinned_images, crio.runtime.runtimes.second" needs_restart="crio.log_dir, crio.runtime.pids_limit"'
check_is "the image is pinned" true pinned
check "the handler runs a pod" crictl runp -r second "$(pod_config a)"
POD=$OUT
check "with a container" ctr_run "$POD" a '.linux.security_context.seccomp.profile_type = 0'
CTR=$OUT
check_fails "which has the new profile" "permitted" crictl exec --sync "$CTR" mkdir /tmp/x
check_is "and not what needs a restart" null eval 'crictl inspect "$CTR" | jq .info.runtimeSpec.linux.resources.pids.limit'

cp "$CONF" "$SCRATCH/good"
check_is "the log is not of level debug" 0 lines level=debug
printf '[crio.runtime]\nlog_level = "debug"\n' >"$SCRATCH/config.d/20-debug"
check "a new level" hup 'configuration reloaded" changed="crio.runtime.log_level"'
check "counts at once" eval 'crictl version >/dev/null && poll 5 grep -q "level=debug.*rpc=Version" "$SCRATCH/daemon.log"'
rm "$SCRATCH/config.d/20-debug"
check "and back" hup 'configuration reloaded" changed="crio.runtime.log_level"'

# All or nothing.
sed -i 's/pinned_images = .*/pinned_images = []/; s/no-mkdir/broken/' "$CONF"
check "a profile that cannot be read is an error" hup 'configuration not reloaded.*10-reload:5: crio.runtime.seccomp_profile: '
check_is "the image is still pinned" true pinned
sed -i 's/broken/no-mkdir/; s/pids_limit = 99/pids_limit = "99"/' "$CONF"
check "and so is a bad value" hup 'configuration not reloaded.*10-reload:4: crio.runtime.pids_limit: must be an integer'
check_is "the image is still pinned" true pinned
echo '[crio' >"$CONF"
check "and a file that is no TOML" hup 'configuration not reloaded.*10-reload:1: '
check_is "the image is still pinned" true pinned
check_is "the handler is there" 1 eval 'crictl info | jq -r ".runtimeHandlers[].name" | grep -c -x second'

# A handler that is gone from the files still ends its containers.
printf '[crio.runtime]\n' >"$CONF"
check "a handler that is gone stays" hup 'configuration reloaded.*needs_restart="[^"]*crio.runtime.runtimes.second"'
check_is "the image is pinned no longer" false pinned
check "its container is removed" crictl rmp -f "$POD"

# Reloads in the middle of creations.
hups() { for _ in $(seq 40); do cp "$1" "$CONF"; kill -HUP "$(daemon_pid)"; sleep 0.05; cp "$2" "$CONF"; kill -HUP "$(daemon_pid)"; sleep 0.05; done; }
printf '[crio.runtime]\n' >"$SCRATCH/empty"
check "a pod" pod_run many
POD=$OUT
hups "$SCRATCH/good" "$SCRATCH/empty" &
HUPS=$!
made=0
for i in $(seq 30); do
	crictl create "$POD" "$(ctr_config "many-$i" "$BUSYBOX")" "$SCRATCH/pod-many.json" >/dev/null 2>>"$SCRATCH/create.log" && made=$((made + 1))
done
wait $HUPS
check_is "30 creations during 80 reloads" 30 echo $made
check "the daemon is the same" daemon_alive
check "all is removed" everything_remove
harness_end
