#!/bin/bash
# metrics-flood.sh - hundreds of silent and slow metrics clients: the next scrape is served at once,
# over TCP and over the unix socket.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
cc -std=gnu17 -D_GNU_SOURCE -O1 -o "$SCRATCH/crowd" "$LIB_DIR/crowd.c" || bail "crowd does not compile"
cat >"$SCRATCH/config.d/46-metrics.conf" <<-CONF
	[crio.metrics]
	enable_metrics = true
	metrics_port = 9190
	metrics_socket = "$SCRATCH/run/metrics.sock"
CONF
daemon_start
scrape_tcp() { curl -o /dev/null -fsS --max-time 5 http://127.0.0.1:9190/metrics; }
scrape_unix() { curl -o /dev/null -fsS --max-time 5 --unix-socket "$SCRATCH/run/metrics.sock" http://localhost/metrics; }
descriptors() { find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l; }
check "figures" scrape_tcp
BEFORE=$(descriptors)

# flood NAME ADDRESS [HEX]
flood() {
	coproc CROWD { "$SCRATCH/crowd" 500 "${@:2}"; }
	IFS= read -r -t 60 -u "${CROWD[0]}" READY || READY=
	if [ "$READY" = "ready 500" ]; then ok "$1: 500 connect"; else not_ok "$1: 500 connect" "$READY"; fi
	check "$1: a scrape over TCP" scrape_tcp
	check "$1: a scrape over the unix socket" scrape_unix
	check "$1: and ten more" eval 'for i in $(seq 10); do scrape_tcp && scrape_unix || exit 1; done >/dev/null'
	check "$1: the daemon has few descriptors more than before ($BEFORE)" [ "$(descriptors)" -le $((BEFORE + 100)) ]
	eval "exec ${CROWD[1]}>&-"
	wait "$CROWD_PID" 2>/dev/null
}
flood "silent" tcp:127.0.0.1:9190
flood "half a request" tcp:127.0.0.1:9190 "$(printf 'GET /metrics HTTP/1.1\r\nHo' | od -An -v -tx1 | tr -d ' \n')"
flood "at the unix socket" "unix:$SCRATCH/run/metrics.sock"

# By the byte: each one in time for a limit that starts again with each byte.
for i in $(seq 40); do
	(exec 3<>/dev/tcp/127.0.0.1/9190 && for b in G E T ' ' /; do printf %s "$b" >&3; sleep 1; done) 2>/dev/null &
done
sleep 1
check "while 40 clients send a byte a second" scrape_tcp
check_fails "a page of another host reads no figures" 403 \
	curl -fsS --max-time 5 -H 'Origin: http://evil.example' http://127.0.0.1:9190/metrics
wait $(jobs -p | grep -vx "$REAPER_PID")
check "the daemon has the descriptors of before" poll 30 eval '[ "$(descriptors)" -le $((BEFORE + 2)) ]'
daemon_stop
check_is "the daemon ends well" 0 echo "$DAEMON_STATUS"
harness_end
