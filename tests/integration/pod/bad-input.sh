#!/bin/bash
# bad-input.sh - bad requests, images, CNI plugins, runtimes and databases: each gets an error that
# names the field or file, and nothing is lost or left.
#
# Takes minutes.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start

# A network plugin whose behaviour is a file's content, behind the real bridge: what the bridge did
# has to be undone. A runtime that only complains.
mkdir -p "$SCRATCH/plugins" "$SCRATCH/bin"
ln -s /usr/lib/cni/* "$SCRATCH/plugins"
CNI_PLUGINS=$SCRATCH/plugins
cat >"$SCRATCH/plugins/moody" <<SH
#!/bin/sh
if [ "\$CNI_COMMAND" = VERSION ]; then echo '{"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}'; exit 0; fi
[ "\$CNI_COMMAND" = ADD ] || exit 0
case \$(cat "$SCRATCH/mood") in
fail) echo '{"cniVersion": "1.0.0", "code": 100, "msg": "the plugin is in a bad mood"}'; exit 1 ;;
rubbish) echo 'this is } not { json' ;;
silent) ;;
hang) exec sleep 3600 ;;
flood) yes '{' | head -c 8000000 ;;
*) jq .prevResult ;;
esac
SH
cat >"$SCRATCH/bin/angry" <<'SH'
#!/bin/sh
echo "the runtime refuses to work today" >&2
exit 9
SH
chmod +x "$SCRATCH/plugins/moody" "$SCRATCH/bin/angry"
mood() { echo "$1" >"$SCRATCH/mood"; }
mood fine
cni_write
jq '.plugins += [{type: "moody"}]' "$CNI_CONF/10-test.conflist" >"$SCRATCH/conflist" && mv "$SCRATCH/conflist" "$CNI_CONF/10-test.conflist"
cat >"$SCRATCH/config.d/50-runtimes.conf" <<TOML
[crio.runtime.runtimes.angry]
runtime_path = "$SCRATCH/bin/angry"
[crio.runtime.runtimes.runc]
runtime_path = "/usr/sbin/runc"
TOML
daemon_start

crisp_only() { [ "$PEER" = crispd ]; }
alive() { crictl version >/dev/null && crictl pods >/dev/null && crictl ps -a >/dev/null && crictl images >/dev/null; }

check "pull" crictl pull "$BUSYBOX"
check "a first pod" pod_run warm
check "with a container" ctr_run "$OUT" warm
check "is removed" everything_remove
check "a pod that stays" pod_run stays
STAYS=$OUT
check "with a container" ctr_run "$STAYS" stays
KEPT=$OUT
world_snapshot >"$SCRATCH/world.before"
unchanged() {
	everything_but_kept_remove
	world_diff "$1: nothing is left behind, nothing is lost" "$SCRATCH/world.before"
	check "$1: the daemon answers" alive
	check_is "$1: the pod beside it is well" CONTAINER_RUNNING ctr_state "$KEPT"
}
everything_but_kept_remove() {
	local id
	for id in $(crictl pods -q --no-trunc); do
		[ "$id" = "$STAYS" ] || poll 120 crictl rmp -f "$id" || diag <<<"pod $id cannot be removed"
	done
}

# --- ids and configurations ---
NONE=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
NOT_FOUND='not ?found|no such|does not exist|could not find'
for command in inspect start "exec --sync" logs; do
	# shellcheck disable=SC2086  # two words
	check_fails "$command of an unknown id" "$NOT_FOUND" eval "crictl $command $NONE $([ "$command" = "exec --sync" ] && echo true)"
done
check_fails "inspectp of an unknown id" "$NOT_FOUND" crictl inspectp $NONE
for ports in '{host_port: 80}' '{host_port: 80, container_port: 0, protocol: 1}'; do
	! crisp_only || check_fails "a host port for no port: $ports" "port_mappings.0..container_port" crictl runp "$(pod_config x ".port_mappings = [$ports]")"
done
! crisp_only || check_fails "a host port at no address" "port_mappings.0..host_ip.*here" \
	crictl runp "$(pod_config x '.port_mappings = [{host_port: 80, container_port: 80, host_ip: "here"}]')"
check_fails "create in an unknown pod" "$NOT_FOUND" crictl create $NONE "$(ctr_config x "$BUSYBOX")" "$(pod_config x)"
check_fails "rmi of an unknown image" "$NOT_FOUND|no such image" crictl rmi "$REGISTRY/none/such:1"
check_fails "pull of an unknown image" "$NOT_FOUND|unknown|404" crictl pull "$REGISTRY/none/such:1"
check_fails "pull of something that is no reference" "invalid|reference|parse|must" crictl pull 'UPPER CASE::'
check_fails "pull from where nobody listens" "refused|connect" crictl pull 127.0.0.1:1/none/such:1
check_fails "create with an image that is not here" "$NOT_FOUND|not here|not present|unable" \
	crictl create "$STAYS" "$(ctr_config absent "$REGISTRY/none/such:1")" "$SCRATCH/pod-stays.json"
if crisp_only; then
	check_fails "a pod name with a slash" 'metadata\.name' crictl runp "$(pod_config slash '.metadata.name = "a/../../b"')"
	check_fails "a namespace with a slash" 'metadata\.namespace' crictl runp "$(pod_config slash '.metadata.namespace = "../b"')"
	check_fails "a name with a NUL" 'NUL|metadata\.name' crictl runp "$(pod_config nul '.metadata.name = "a\u0000b"')"
	check_fails "a pod without a name" 'metadata' crictl runp "$(pod_config noname '.metadata.name = ""')"
	check_fails "a container name with a slash" 'metadata\.name' \
		crictl create "$STAYS" "$(ctr_config slash "$BUSYBOX" '.metadata.name = "a/b"')" "$SCRATCH/pod-stays.json"
	check_fails "a relative mount path" 'mounts\[0\]' crictl create "$STAYS" \
		"$(ctr_config relative "$BUSYBOX" '.mounts = [{container_path: "x/y", host_path: "/tmp"}]')" "$SCRATCH/pod-stays.json"
	check_fails "a configuration beyond the size limit" 'large|limit|size|bytes|exhausted' crictl runp "$(pod_config large '.annotations.big = ("x" * 2000000)')"
fi
check_fails "a pod without metadata" 'metadata' crictl runp "$(pod_config none 'del(.metadata)')"
check_fails "a message beyond the size limit" 'larger|limit|size|exhausted' crictl runp "$(pod_config huge '.annotations.big = ("x" * 18000000)')"
check_fails "a mount whose source is a file's child" 'not a directory' crictl create "$STAYS" \
	"$(ctr_config child "$BUSYBOX" '.mounts = [{container_path: "/x", host_path: "/etc/passwd/x"}]')" "$SCRATCH/pod-stays.json"
check_fails "a program that is not in the image" 'no-such-program' ctr_run "$STAYS" stays.missing '.metadata.name = "missing" | .command = ["/no-such-program"]'
for id in $(crictl ps -a -q --no-trunc); do [ "$id" = "$KEPT" ] || crictl rm -f "$id" >/dev/null; done
unchanged "bad requests"

# --- images ---
BLOB=$(registry_blob crisp-tests/corrupt:1 '.layers[1].digest')
cp "$BLOB" "$SCRATCH/good-blob"
printf 'X' | dd of="$BLOB" bs=1 seek=20 conv=notrunc status=none
check_fails "a layer that does not match its digest is refused" 'digest|sha256|mismatch|checksum|verification' crictl pull "$REGISTRY/crisp-tests/corrupt:1"
check_fails "it is not listed" "$NOT_FOUND|no such image" crictl inspecti "$REGISTRY/crisp-tests/corrupt:1"
cp "$SCRATCH/good-blob" "$BLOB"
check "with the right layer it is pulled" crictl pull "$REGISTRY/crisp-tests/corrupt:1"
check "and removed" crictl rmi "$REGISTRY/crisp-tests/corrupt:1"
rm -f /tmp/crisp-escape-*
crictl pull "$REGISTRY/crisp-tests/escape:1" >"$SCRATCH/escape" 2>&1 && crictl rmi "$REGISTRY/crisp-tests/escape:1" >/dev/null 2>&1
check_is "a layer with ../ and links to / writes nothing outside its root" "" eval 'ls -d /tmp/crisp-escape-* /crisp-escape-* 2>/dev/null || :'
for image in zstd:1=compressed-with multi:1=compressed-with; do
	check "pull ${image%=*}" crictl pull "$REGISTRY/crisp-tests/${image%=*}"
	check "run ${image%=*}" ctr_run "$STAYS" stays.image '.metadata.name = "image"' "$REGISTRY/crisp-tests/${image%=*}"
	check_is "its file is there" zstd crictl exec --sync "$OUT" cat "/${image#*=}"
	crictl rm -f "$(crictl ps -a -q --no-trunc --name '^image$')" >/dev/null
	check "rmi ${image%=*}" crictl rmi "$REGISTRY/crisp-tests/${image%=*}"
done
check "pull whiteout:1" crictl pull "$REGISTRY/crisp-tests/whiteout:1"
check "run whiteout:1" ctr_run "$STAYS" stays.white '.metadata.name = "white"' "$REGISTRY/crisp-tests/whiteout:1"
WHITE=$OUT
check_fails "what a layer removed is not there" 'No such file' crictl exec --sync "$WHITE" cat /etc/group
check "what it did not remove is" crictl exec --sync "$WHITE" cat /etc/passwd
crictl rm -f "$(crictl ps -a -q --no-trunc --name '^white$')" >/dev/null
check "rmi whiteout:1" crictl rmi "$REGISTRY/crisp-tests/whiteout:1"
unchanged "bad images"

# --- network plugins ---
mood fail
check_fails "a plugin that fails: its message arrives" 'bad mood' pod_run moody-fail
unchanged "a plugin that fails"
mood rubbish
check_fails "a plugin that prints rubbish" 'json|parse|invalid|result|unexpected|decod' pod_run moody-rubbish
unchanged "a plugin that prints rubbish"
mood flood
check_fails "a plugin that prints without end" '.' pod_run moody-flood
unchanged "a plugin that prints without end"
mood hang
check_fails "a plugin that hangs: the client's deadline holds" 'deadline|timeout|timed out' crictl -t 4s runp "$(pod_config moody-hang)"
check "a plugin that hangs: the daemon answers" alive
check "a plugin that hangs: other pods do not wait" crictl exec --sync "$KEPT" true
for pid in $(pgrep -f '^sleep 3600$' || :); do
	# Only the plugin of our own network namespace: another script may have a plugin that hangs
	# as well.
	[ "$(readlink "/proc/$pid/ns/net")" != "$CRISP_TEST_NETNS" ] || kill "$pid"
done
mood fine
unchanged "a plugin that hangs"
rm "$SCRATCH/plugins/moody"
check_fails "a plugin that does not exist is named" 'moody' pod_run moody-none
printf '#!/bin/sh\n[ "$CNI_COMMAND" = VERSION ] && exec echo %s\n[ "$CNI_COMMAND" = ADD ] || exit 0\njq .prevResult\n' \
	"'{\"cniVersion\": \"1.0.0\", \"supportedVersions\": [\"1.0.0\"]}'" >"$SCRATCH/plugins/moody"
chmod +x "$SCRATCH/plugins/moody"
unchanged "a plugin that does not exist"

# --- runtimes ---
check_fails "an unknown runtime handler is named" 'no-such-handler' crictl runp --runtime no-such-handler "$(pod_config handler)"
if crisp_only; then
	angry() {
		local pod
		pod=$(crictl runp --runtime angry "$(pod_config angry)") || return
		ctr_run "$pod" angry
	}
	check_fails "a runtime that fails: its last words arrive" 'refuses to work today' angry
	unchanged "a runtime that fails"
	mv "$SCRATCH/bin/angry" "$SCRATCH/bin/away"
	check_fails "a runtime that has gone is named" "$SCRATCH/bin/angry" angry
	mv "$SCRATCH/bin/away" "$SCRATCH/bin/angry"
	unchanged "a runtime that has gone"
fi

# --- daemons and databases ---
if crisp_only; then
	second() { mapfile -t argv < <(peer_argv); timeout 30 "${argv[@]}" "$@"; }
	check_fails "a second daemon on the same root is refused" 'another|in use|already|lock|hold' \
		second --listen "$SCRATCH/run/second.sock"
	check_fails "a second daemon on the same socket is refused" 'another|in use|already|listen|live' \
		second --root "$SCRATCH/root2" --runroot "$SCRATCH/run/root2"
	rm -rf "$SCRATCH/root2" "$SCRATCH/run/root2"
	check "the first one answers" alive

	check "a pod to be damaged" pod_run damaged
	DAMAGED=$OUT
	cc -std=gnu17 -D_GNU_SOURCE -O1 -o "$SCRATCH/rowflip" "$LIB_DIR/rowflip.c" -llmdb || bail "rowflip does not compile"
	daemon_kill
	flip_all() {
		local dir changed=1
		while read -r dir; do "$SCRATCH/rowflip" "$dir" "$1" && changed=0; done < <(find "$ROOT" "$RUNROOT" -name data.mdb -printf '%h\n')
		return $changed
	}
	check "its rows are damaged" flip_all "$DAMAGED"
	daemon_again
	check "damaged rows: the daemon answers" alive
	check_is "damaged rows: the pod beside it is well" CONTAINER_RUNNING ctr_state "$KEPT"
	check "damaged rows: other pods start" pod_run beside
	check "damaged rows: and can be removed" eval 'crictl rmp -f $(crictl pods -q --name "^beside$")'
	check "damaged rows: the log says which object" eval 'grep -Ei "quarantin|damaged|checksum" "$SCRATCH/daemon.log" | grep -q '"${DAMAGED:0:12}"
fi
check "everything is removed" everything_remove
harness_end
