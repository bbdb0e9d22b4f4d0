#!/bin/bash
# log-journal.sh - `log_to_journald` copies output to journald, and a container never waits for
# journald. A log whose directory is removed and made again goes on.
set -u
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] || skip_all "only root can run pods"
# A /run of our own, where journald's socket can be made.
if [ -z "${JOURNAL_TEST_INSIDE:-}" ]; then
	exec unshare --mount --propagation private -- env JOURNAL_TEST_INSIDE=1 bash "$0" "$@"
fi
if [ "$JOURNAL_TEST_INSIDE" = 1 ]; then
	export JOURNAL_TEST_INSIDE=2
	"$TOP/tests/conformance/images.sh" build >/dev/null || bail "the test images do not build"
	mount -t tmpfs tmpfs /run || skip_all "no tmpfs can be mounted"
	mkdir -p /run/systemd/journal
fi
harness_begin "$@"
mkdir "$SCRATCH/journal"
JOURNAL=$SCRATCH/journal/entries
journald_start() { rm -f /run/systemd/journal/socket; socat -b 65536 -u UNIX-RECV:/run/systemd/journal/socket "OPEN:$JOURNAL,creat,append" >"$SCRATCH/journal/log" 2>&1 & JOURNALD_PID=$!; poll 10 [ -S /run/systemd/journal/socket ]; }
journald_stop() { [ -z "${JOURNALD_PID:-}" ] || { kill -CONT "$JOURNALD_PID"; kill "$JOURNALD_PID"; wait "$JOURNALD_PID"; } 2>/dev/null; JOURNALD_PID=; rm -f /run/systemd/journal/socket; }
trap 'journald_stop; harness_cleanup' EXIT

registry_start
printf '[crio.runtime]\nlog_to_journald = true\n' >"$SCRATCH/config.d/journal.conf"
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run logs
POD=$OUT
# run NAME PROGRAM: a container that runs it
run() { ctr_run "$POD" "logs.$1" ".metadata.name = \"$1\" | .log_path = \"$1.log\" | .command = [\"sh\", \"-c\", $(jq -n --arg p "$2" '$p')]"; }
entry_count() { [ "$(grep -a -c "^MESSAGE=$1" "$JOURNAL")" = "$2" ]; }
log_has() { grep -q " $2\$" "$SCRATCH/logs/logs/$1.log"; }

journald_start || bail "socat makes no socket"
check "a container" run words 'echo to-out; echo to-err >&2; sleep 0.3; head -c 20000 /dev/zero | tr "\0" p; echo; echo last'
CTR=$OUT
check "its last line comes" poll 20 entry_count last 1
check "with its id" grep -a -q "^CONTAINER_ID_FULL=$CTR\$" "$JOURNAL"
check "in short" grep -a -q "^CONTAINER_ID=${CTR:0:12}\$" "$JOURNAL"
check "with its name" grep -a -q '^CONTAINER_NAME=k8s_words_logs_crisp-test_uid-logs_0$' "$JOURNAL"
check_is "stdout has a priority" "PRIORITY=6" eval 'grep -a -B1 "^MESSAGE=to-out" "$JOURNAL" | head -n 1'
check_is "stderr another" "PRIORITY=3" eval 'grep -a -B1 "^MESSAGE=to-err" "$JOURNAL" | head -n 1'
check_is "a part of a line says so" "CONTAINER_PARTIAL_MESSAGE=true" eval 'grep -a -A1 "^MESSAGE=ppp" "$JOURNAL" | sed -n 2p'
check "the log file has it all too" log_has words last

kill -STOP "$JOURNALD_PID"
check "a container that writes much while journald sleeps" run flood 'seq 100000; echo done; while [ ! -e /tmp/x ]; do sleep 0.2; echo again; done'
check "is not stopped by that" poll 60 log_has flood done
check_is "its log is whole" 100000 eval 'log_text logs flood | grep -c "^[0-9]*\$"'
kill -CONT "$JOURNALD_PID"
check "what was dropped is told when journald wakes up" poll 30 eval 'grep -a -q "^MESSAGE=\[crisp: [0-9]* messages lost\]" "$JOURNAL"'
journald_stop
check "without journald a container goes on" run absent 'for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; done; echo done; sleep 2; while sleep 0.2; do echo back; done'
check "and writes its log" poll 20 log_has absent done
journald_start
check "until there is one again" poll 20 eval 'grep -a -q "^MESSAGE=back" "$JOURNAL"'

mv "$SCRATCH/logs/logs" "$SCRATCH/logs/old"
rm -rf "$SCRATCH/logs/old"
sleep 0.5
mkdir "$SCRATCH/logs/logs"
check "a log directory that was removed and made again is used again" poll 30 log_has absent back
check_is "the file has the right mode" 640 stat -c %a "$SCRATCH/logs/logs/absent.log"

check "everything is removed" everything_remove
harness_end
