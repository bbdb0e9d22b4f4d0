#!/bin/bash
# pull-restart.sh - a pull outlives the daemon: after kills at 50 moments no byte is fetched twice
# and nothing is left. A killed puller, pulls that share layers, `crisp cancel`, a registry that
# stops answering, a full disk.
#
# Takes minutes.
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

KILLS=${CRISP_TEST_KILLS:-50}
PORT=5001
LAY=$SCRATCH/layout
BLOBS=$LAY/blobs/sha256
LOG=$SCRATCH/slow.log			# what the registry is asked for, a line a request
IMG=127.0.0.1:$PORT/slow/one:one
OTHER=127.0.0.1:$PORT/slow/two:two
QUICK=127.0.0.1:$PORT/plain/one:one

cc -std=gnu17 -D_GNU_SOURCE -O1 -I"$TOP/src" -o "$SCRATCH/badregistry" "$LIB_DIR/badregistry.c" "$BUILD_DIR/libcrisp.a" -lpthread || bail "badregistry does not compile"
cc -std=gnu17 -D_GNU_SOURCE -Ulinux -O1 ${CRISP_TEST_CFLAGS:-} -I"$TOP/src" -I"$TOP" -I"$TOP/gen" -o "$SCRATCH/pulldrv" \
	"$LIB_DIR/pulldrv.c" "$BUILD_DIR/libcrisp.a" -lprotobuf-c -ljansson -lxxhash -lpthread || bail "pulldrv does not compile"
printf '[[registry]]\nlocation = "127.0.0.1:%s"\ninsecure = true\n' $PORT >"$REGISTRIES_CONF"

# --- images --------------------------------------------------------------------------------------------------------------

put_blob() { digest=$(sha256sum <"$1" | cut -d' ' -f1); size=$(stat -c %s "$1"); cp "$1" "$BLOBS/$digest"; }

# layer NAME KIB: a layer with a file of noise below a directory that it has no entry for.
layer() {
	mkdir -p "$SCRATCH/t/dir"
	head -c "$2K" /dev/urandom >"$SCRATCH/t/dir/$1"
	tar -C "$SCRATCH/t" -cf "$SCRATCH/$1.tar" "dir/$1"
}

# image TAG LAYER...
image() {
	local tag=$1 l layers= diffs= config=$SCRATCH/config.json manifest=$SCRATCH/manifest.json
	shift
	for l; do
		put_blob "$SCRATCH/$l.tar"
		layers="$layers,{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:$digest\",\"size\":$size}"
		diffs="$diffs,\"sha256:$digest\""
	done
	printf '{"os":"linux","architecture":"amd64","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "${diffs#,}" >"$config"
	put_blob "$config"
	printf '{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' \
		"$digest" "$size" "${layers#,}" >"$manifest"
	put_blob "$manifest"
	jq -c --arg d "sha256:$digest" --argjson s "$size" --arg t "$tag" \
		'.manifests += [{mediaType:"application/vnd.oci.image.manifest.v1+json",digest:$d,size:$s,annotations:{"org.opencontainers.image.ref.name":$t}}]' \
		"$LAY/index.json" >"$SCRATCH/index.json" && cp "$SCRATCH/index.json" "$LAY/index.json"
}

umoci init --layout "$LAY" || bail "umoci cannot make a layout"
tar -C "$SCRATCH" -cf "$SCRATCH/base.tar" --transform 's,^logs,dir,' --mode 711 --owner 7 logs
for n in 1 2 3 4; do layer l$n $((n * 128)); done
for n in 5 6; do layer l$n 3072; done	# long enough for a middle
image one base l1 l2 l3 l4 l5 l6
image two base l5 l6 l2
umoci unpack --image "$LAY:one" "$SCRATCH/reference" >/dev/null 2>&1 || bail "umoci cannot unpack the image"

tree_of() { (cd "$1" && { find . -mindepth 1 -printf '%p|%y|%m|%U:%G|%T@|%l\n'; find . -type f -exec sha256sum {} +; } | LC_ALL=C sort); }
tree_of "$SCRATCH/reference/rootfs" >"$SCRATCH/reference.tree"
diff_of() { sha256sum "$SCRATCH/$1.tar" | sed 's/ .*//; s/^/sha256:/'; }

# The image on the node, mounted, is what umoci has made of it.
image_is_right() {
	# shellcheck disable=SC2046
	"$SCRATCH/pulldrv" mount "$ROOT/images" "$SCRATCH/m" ro $(for l in base l1 l2 l3 l4 l5 l6; do diff_of $l; done) || return 1
	tree_of "$SCRATCH/m" >"$SCRATCH/tree"
	umount "$SCRATCH/m" && rmdir "$SCRATCH/m"
	diff "$SCRATCH/reference.tree" "$SCRATCH/tree"
}

# --- the registry --------------------------------------------------------------------------------------------------------

registry_on() {
	"$SCRATCH/badregistry" $PORT "$LAY" >>"$LOG" 2>/dev/null &
	SLOW_PID=$!
	poll 30 bash -c "</dev/tcp/127.0.0.1/$PORT" || bail "badregistry does not start"
}
registry_off() { kill "$SLOW_PID" 2>/dev/null; wait "$SLOW_PID" 2>/dev/null; SLOW_PID=; }
end() {
	local rc=$?
	[ -z "${SLOW_PID:-}" ] || registry_off
	(exit $rc)
	harness_cleanup
}
trap end EXIT

# asked LAYER: how often it was asked for since the log was emptied.
asked() { grep -c "/blobs/$(diff_of "$1")" "$LOG" || true; }
once() { local l; for l; do [ "$(asked "$l")" = 1 ] || { echo "$l was asked for $(asked "$l") times"; return 1; }; done; }

crisp() { "$BUILD_DIR/crisp" --socket "$SOCKET" "$@"; }
progress() { crisp -o json pulls "$1" | jq -r "(.pulls[0].$2 // 0) | tonumber"; }
fetching() { [ "$(progress "$1" bytesReceived)" -gt 0 ]; }
# removed IMAGE...: with all layers; those that a puller still holds go a moment later.
no_layers() { [ -z "$(ls "$ROOT/images/layers")" ]; }
removed() { crictl rmi "$@" && poll 20 no_layers; }
no_pulls() { [ -z "$(crisp pulls -q)" ] && [ -z "$(puller)" ]; }
pull_bg() { "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" pull "$1" >"$SCRATCH/bg.$2" 2>&1 & }
# The keeper of a pull; its daemon may have been killed.
puller() { pgrep -x crisp-pull -P "$REAPER_PID,$(daemon_pid)"; }

registry_on
daemon_start
check "a first pull" crictl pull "$IMG"
check "the image is right" image_is_right
check "each layer was asked for once" once base l1 l2 l3 l4 l5 l6
check "again: nothing is fetched" crictl pull "$IMG"
check "each layer was asked for once" once base l1 l2 l3 l4 l5 l6
check "it is removed" removed "$IMG"
check "no pull is left" poll 10 no_pulls
world_snapshot >"$SCRATCH/world.before"

# --- the daemon is killed ------------------------------------------------------------------------------------------------

# One pull after the other, the daemon killed all the time; a client that comes back gets the pull that is under way.
kills=0 rounds=0 met=0
while [ $kills -lt "$KILLS" ]; do
	: >"$LOG"
	rounds=$((rounds + 1))
	while :; do
		pull_bg "$IMG" kill
		client=$!
		sleep "0.$(printf '%03d' $((RANDOM % 600)))"
		[ $kills -lt "$KILLS" ] && kill -0 $client 2>/dev/null || break
		[ -z "$(puller)" ] || met=$((met + 1))
		daemon_kill
		kills=$((kills + 1))
		wait $client
		daemon_again
	done
	wait $client || { not_ok "round $rounds, $kills kills: the pull succeeds"; diag <"$SCRATCH/bg.kill"; }
	image_is_right >"$SCRATCH/diff" 2>&1 || { not_ok "round $rounds, $kills kills: the image is right"; diag <"$SCRATCH/diff"; }
	once base l1 l2 l3 l4 l5 l6 >"$SCRATCH/diff" || { not_ok "round $rounds, $kills kills: no layer was fetched twice"; diag <"$SCRATCH/diff"; }
	removed "$IMG" >/dev/null || not_ok "round $rounds: the image is removed"
done
ok "$kills kills in $rounds pulls, $met of them with a puller at work"
check "pullers were met" test $met -gt $((KILLS / 5))
check "no pull is left" poll 10 no_pulls
world_diff "nothing is left behind" "$SCRATCH/world.before"

# SIGTERM waits for no pull, and ends none.
: >"$LOG"
pull_bg "$IMG" term
client=$!
check "a pull is under way" poll 20 fetching "$IMG"
check "explain says how far it is" eval 'crisp explain "$(crisp pulls -q)" | grep -E "fetching, [0-9]+ of 7 layers.*from 127.0.0.1:$PORT"'
check "verbose status as well" eval 'crisp pulls | grep -E "fetching +[0-9]/7"'
BEFORE=$(date +%s)
daemon_kill TERM
check "SIGTERM does not wait for it" test $(($(date +%s) - BEFORE)) -lt 8
wait $client
check "its client is told to ask again" grep "shutting down" "$SCRATCH/bg.term"
daemon_again
check "asked again: it is there" crictl pull "$IMG"
check "no layer was fetched twice" once base l1 l2 l3 l4 l5 l6
check "it is removed" removed "$IMG"

# --- the puller is killed ------------------------------------------------------------------------------------------------

pull_bg "$IMG" puller
client=$!
check "a pull is under way" poll 20 fetching "$IMG"
kill -KILL "$(puller)"
wait $client
check "the puller is killed: the client is told" grep "killed by signal 9" "$SCRATCH/bg.puller"
check "no pull is left" poll 10 no_pulls
world_diff "nothing is left behind" "$SCRATCH/world.before"
check "counted" eval 'crisp -o json pulls | jq -e ".counters | map_values(tonumber) | .failed >= 1 and .succeeded >= 1 and .bytesReceived > 1000000"'

# --- two pulls share layers ----------------------------------------------------------------------------------------------

: >"$LOG"
pull_bg "$IMG" one
one=$!
pull_bg "$OTHER" two
two=$!
wait $one && wait $two
check_is "two pulls at one time" 0 echo $?
check "each layer was asked for once" once base l1 l2 l3 l4 l5 l6
check "the image is right" image_is_right
check "both are removed" removed "$IMG" "$OTHER"

# --- cancelled -----------------------------------------------------------------------------------------------------------

check_fails "no pull to cancel" "no pull of" crisp cancel "$IMG"
pull_bg "$IMG" one
one=$!
pull_bg "$OTHER" two
two=$!
two_run() { crisp -o json pulls | jq -e '[.pulls[] | select(.phase == "fetching")] | length == 2'; }
check "both are under way" poll 20 two_run
check "one is cancelled" crisp cancel "$IMG"
wait $one
check "its client is told" grep "the pull was cancelled" "$SCRATCH/bg.one"
wait $two
check_is "the other one takes what they shared and goes on" 0 echo $?
check "it is removed" removed "$OTHER"
check "no pull is left" poll 10 no_pulls
world_diff "nothing is left behind" "$SCRATCH/world.before"

# --- the registry is away ------------------------------------------------------------------------------------------------

: >"$LOG"
pull_bg "$IMG" away
client=$!
some_layers() { [ "$(progress "$IMG" layersDone)" -ge 3 ]; }
check "some layers are there" poll 20 some_layers
registry_off
wait $client
check "the registry is away: the client is told" grep RegistryUnavailable "$SCRATCH/bg.away"
check_is "what is there is kept" KEPT eval 'crisp -o json pulls | jq -r ".pulls[0].state"'
HAD=$(ls "$ROOT/images/staging/layers" | wc -l)
check "whole layers" test "$HAD" -ge 3
daemon_kill
daemon_again
check_is "also when the daemon starts anew" KEPT eval 'crisp -o json pulls | jq -r ".pulls[0].state"'
registry_on
: >"$LOG"
check "the next try succeeds" crictl pull "$IMG"
check_is "and fetches only what was missing" $((7 - HAD)) eval 'grep -c "/blobs/" "$LOG" | awk "{ print \$1 - 1 }"'	# one is the config
check "the image is right" image_is_right
check "it is removed" removed "$IMG"
pull_bg "$IMG" away
client=$!
check "some layers are there" poll 20 some_layers
registry_off
wait $client
check "what is kept may be thrown away" crisp cancel "$IMG"
check "no pull is left" no_pulls
registry_on
world_diff "nothing is left behind" "$SCRATCH/world.before"

# --- a full disk ---------------------------------------------------------------------------------------------------------

daemon_kill
mount -t tmpfs -o size=1m crisp-small "$ROOT/images" || bail "tmpfs cannot be mounted here"
daemon_again
check_fails "a full disk: the client is told" "ResourceExhausted.*file system of $ROOT/images is full" crictl pull "$QUICK"
check "no pull is left" poll 10 no_pulls
check_is "nothing is left on it" "" eval 'find "$ROOT/images" -mindepth 2 ! -path "*/staging/layers"'
daemon_kill
umount "$ROOT/images"
daemon_again

world_diff "nothing is left behind" "$SCRATCH/world.before"
daemon_stop
check_is "the daemon ends with status 0" 0 echo "$DAEMON_STATUS"
harness_end
