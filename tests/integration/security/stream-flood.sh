#!/bin/bash
# stream-flood.sh - more idle connections than each listener admits: streaming port, operator's
# streaming socket and CRI socket still serve others, and an older session stays.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
cc -std=gnu17 -D_GNU_SOURCE -O1 -o "$SCRATCH/crowd" "$LIB_DIR/crowd.c" || bail "crowd does not compile"
registry_start
# By hand: as a shell of an operator starts it, with 1,024 descriptors to begin with.
ulimit -Sn 1024
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run flood
POD=$OUT
check "a container" ctr_run "$POD" flood.a '.metadata.name = "a" | .log_path = "a.log"'
CTR=$OUT
# The shim's, whose children the containers are; some builds of runc raise it by themselves.
check_is "containers start with the soft limit of descriptors that the daemon was given" 1024 \
	awk '/^Max open files/ { print $4 }' "/proc/$(cut -d " " -f 1 "$RUNROOT/pods/$POD/shim.pid")/limits"
check "the daemon has more" [ "$(awk '/^Max open files/ { print $4 }' "/proc/$(daemon_pid)/limits")" -gt 1024 ]
PORT=$(grep -oE 'url=http://127.0.0.1:[0-9]+' "$SCRATCH/daemon.log" | grep -oE '[0-9]+$' | head -1)
descriptors() { find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l; }

check_is "a first session" x timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" exec "$CTR" echo x
BEFORE=$(descriptors)

# crowd_start N ADDRESS [HEX]: returns when all are connected
crowd_start() {
	coproc CROWD { "$SCRATCH/crowd" "$@"; }
	IFS= read -r -t 60 -u "${CROWD[0]}" READY || READY=
	[ "$READY" = "ready $1" ]
}
# crowd_counts: "open N last M"
crowd_counts() { echo >&"${CROWD[1]}"; IFS= read -r -t 60 -u "${CROWD[0]}" COUNTS; }
crowd_end() { eval "exec ${CROWD[1]}>&-"; wait "$CROWD_PID" 2>/dev/null; }

# A session that was there before: its end is asked for by a file of the container.
timeout 120 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" exec "$CTR" sh -c \
	'echo begun; until [ -e /tmp/end ]; do sleep 0.1; done; echo ended' >"$SCRATCH/session" 2>&1 &
SESSION=$!
check "a session that lasts" poll 30 grep -q begun "$SCRATCH/session"

# served WHO: everybody else gets in
served() {
	check_is "$1: exec over the streaming port" x timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" exec "$CTR" echo x
	check_is "$1: the operator's exec" x timeout 60 "$BUILD_DIR/crisp" --socket "$SOCKET" exec "$CTR" echo x
	check "$1: a call" timeout 60 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" ps
}

# hex TEXT
hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }

# flood NAME ADDRESS [HEX]
flood() {
	if crowd_start 1100 "${@:2}"; then ok "$1: 1,100 connect"; else not_ok "$1: 1,100 connect" "${READY:-}"; fi
	served "$1"
	crowd_counts
	read -r _ OPEN _ LAST <<<"$COUNTS"
	check "$1: only so many stay ($OPEN)" [ "$OPEN" -le 600 ]
	check "$1: the oldest have gone, the last ones are there ($LAST of 10)" [ "$LAST" -gt 0 ]
	crowd_end
}

flood "silent" "tcp:127.0.0.1:$PORT"
flood "half a request" "tcp:127.0.0.1:$PORT" "$(hex $'GET /exec/0123 HTTP/1.1\r\nHost: x\r\nX: ')"
flood "the operator's socket" "unix:$SOCKET.stream"
flood "the CRI socket" "unix:$SOCKET"
# The preface of HTTP/2 and empty SETTINGS: a client that has connected and calls nothing.
flood "HTTP/2 without a call" "unix:$SOCKET" \
	"$(hex $'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')000000040000000000"

check "the session of before goes on" kill -0 $SESSION
check "it is told to end" crictl exec -s "$CTR" touch /tmp/end
wait $SESSION
check_is "and ends well" "begun ended" eval 'tr "\n" " " <"$SCRATCH/session" | sed "s/ \$//"'
check "the daemon has the descriptors of before ($BEFORE)" poll 60 eval '[ "$(descriptors)" -le $((BEFORE + 4)) ]'
check "all is removed" everything_remove
daemon_stop
check_is "the daemon ends well" 0 echo "$DAEMON_STATUS"
harness_end
