#!/bin/bash
# log.sh - the daemon's log: text, JSON, entries at journald's socket when standard error leads there, a
# filter that a reload changes, and mistakes.
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
LOG=$SCRATCH/daemon.log
log_has() { grep -q "$1" "$LOG"; }
# The daemon's own lines: ahead of them the harness may write.
lines() { grep -E '^(\{|time=)' "$LOG"; }

daemon_start
check "text is the default" log_has '^time=.* level=info msg="ready" version='
daemon_stop

: >"$LOG"
daemon_start --log-format json
check_is "JSON: each line is an object" "" eval 'lines | grep -v "^{" | head -n 1'
check_is "with level, message and fields" "info ready $SOCKET" eval \
	'jq -r "select(.msg == \"ready\") | \"\(.level) \(.msg) \(.socket)\"" "$LOG"'
check "and a time" eval 'jq -e "select(.msg == \"ready\") | .time | test(\"^[0-9]{4}-.*Z$\")" "$LOG"'
daemon_stop
: >"$LOG"
CONTAINER_LOG_FORMAT=json daemon_start
check "the variable does the same" log_has '^{"time":'
daemon_stop
check_fails "another format is a mistake" 'yaml.* is neither text nor json' eval \
	'mapfile -t argv < <(peer_argv); timeout 20 "${argv[@]}" --log-format yaml'

# --- filter ------------------------------------------------------------------------------------------------------------

: >"$LOG"
printf '[crio.runtime]\nlog_filter = "^(ready|shutting) "\n' >"$SCRATCH/config.d/50-filter.conf"
daemon_start
check_is "a filter leaves lines out" "ready" eval 'lines | sed -n "s/.* msg=\"\([a-z]*\)\".*/\1/p" | xargs'
printf '[crio.runtime]\nlog_filter = ""\n' >"$SCRATCH/config.d/50-filter.conf"
kill -HUP "$(daemon_pid)"
reloaded() { kill -HUP "$(daemon_pid)"; log_has 'msg="configuration reloaded"'; }
check "a reload takes it away" poll 20 reloaded
printf '[crio.runtime]\nlog_filter = "("\n' >"$SCRATCH/config.d/50-filter.conf"
kill -HUP "$(daemon_pid)"
check "a bad one is refused at a reload" poll 20 log_has 'msg="configuration not reloaded".*log_filter'
daemon_stop
check_fails "and at a start" 'crio.runtime.log_filter.*extended regular expression' eval \
	'mapfile -t argv < <(peer_argv); timeout 20 "${argv[@]}"'
rm "$SCRATCH/config.d/50-filter.conf"

# --- journald ----------------------------------------------------------------------------------------------------------

JOURNAL=$SCRATCH/entries
socat -b 65536 -u UNIX-RECV:/run/systemd/journal/socket "OPEN:$JOURNAL,creat,append" 2>"$SCRATCH/socat" &
JOURNALD=$!
trap 'rc=$?; kill $JOURNALD 2>/dev/null; (exit $rc); harness_cleanup' EXIT
check "somebody listens where journald does" poll 10 [ -S /run/systemd/journal/socket ]
: >"$LOG"
export JOURNAL_STREAM
JOURNAL_STREAM=$(stat -c %d:%i "$LOG")
daemon_start
check "entries go to journald" poll 10 grep -aq '^MESSAGE=ready version=' "$JOURNAL"
check_is "with a field for each key" "CRISP_SOCKET=$SOCKET" eval 'grep -a -A 5 "^MESSAGE=ready" "$JOURNAL" | grep -a ^CRISP_SOCKET='
check_is "a priority and a name" "PRIORITY=6
SYSLOG_IDENTIFIER=crispd" eval 'grep -a -A 2 "^MESSAGE=ready" "$JOURNAL" | tail -n 2'
check_is "and not to standard error" "" eval 'lines | head -n 1'
kill $JOURNALD; wait $JOURNALD 2>/dev/null
rm -f /run/systemd/journal/socket
kill -HUP "$(daemon_pid)"
check "without journald, standard error has them" poll 20 log_has 'msg="configuration reloaded"'
daemon_stop
: >"$LOG"
daemon_start --log-format text
check "a format that is asked for goes first" log_has 'msg="ready"'
daemon_stop
: >"$LOG"
JOURNAL_STREAM=1:1
daemon_start
check "and a standard error that leads elsewhere" log_has 'msg="ready"'
harness_end
