#!/bin/bash
# side-by-side.sh - two daemons with different roots run on one machine. Neither lists or removes
# the other's pods, and the death of one leaves the other's running.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
[ "$PEER" = crispd ] || skip_all "written for crispd's command line"
daemon_start

mapfile -t ARGV < <(peer_argv)
mkdir -p "$SCRATCH/second"
"$SCRATCH/subreaper" -k -p "$SCRATCH/second/daemon.pid" "${ARGV[@]}" --root "$SCRATCH/second/root" --runroot "$SCRATCH/second/run" \
	--listen "$SCRATCH/second/crisp.sock" >"$SCRATCH/second/log" 2>&1 </dev/null &
SECOND_REAPER=$!
# The cleanup of the harness knows one daemon; this one has to go before it.
trap 'kill $SECOND_REAPER 2>/dev/null; wait $SECOND_REAPER 2>/dev/null; harness_cleanup' EXIT
other() { "$CACHE/bin/crictl" -t 60s -r "unix://$SCRATCH/second/crisp.sock" -i "unix://$SCRATCH/second/crisp.sock" "$@"; }

check "the second daemon answers" poll 15 other version
check "the first one pulls" crictl pull "$BUSYBOX"
check_is "the second one does not have the image" "" other images -q
check "the second one pulls" other pull "$BUSYBOX"
FILE=$(pod_config same)
check "a pod in the first" crictl runp "$FILE"
FIRST=$OUT
check "the same pod in the second" other runp "$FILE"
SECOND=$OUT
check "they are two" [ "$FIRST" != "$SECOND" ]
check "a container in the first" crictl create "$FIRST" "$(ctr_config same "$BUSYBOX" '.log_path = "first.log"')" "$FILE"
CTR1=$OUT
check "a container in the second" other create "$SECOND" "$(ctr_config same "$BUSYBOX" '.log_path = "second.log"')" "$FILE"
CTR2=$OUT
check "the first starts" crictl start "$CTR1"
check "the second starts" other start "$CTR2"
check_is "each lists its own" "$FIRST $SECOND" eval 'echo $(crictl pods -q --no-trunc) $(other pods -q --no-trunc)'
kill -KILL "$(cat "$SCRATCH/second/daemon.pid")"
check "the second is dead: exec in the first" crictl exec --sync "$CTR1" true
check "the second is dead: its shim lives on" pgrep -f "$SCRATCH/second"
kill -HUP $SECOND_REAPER
check "the second is back" poll 15 other exec --sync "$CTR2" true
check "the first removes everything" everything_remove
check "the second's container runs" other exec --sync "$CTR2" true
check "the second removes everything" other rmp -f "$SECOND"
harness_end
