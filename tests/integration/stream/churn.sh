#!/bin/bash
# churn.sh - streaming clients that disconnect at any moment leave no process, descriptor or session
# in the daemon, and execs and attachments of the container stay available.
#
# CRISP_TEST_ROUNDS  how many times 19 clients come and vanish (default 3)
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"
registry_start
daemon_start
check "pull" crictl pull "$BUSYBOX"
check "a pod" pod_run churn
POD=$OUT
check "a container that says nothing" ctr_run "$POD" churn.a '.metadata.name = "a" | .log_path = "a.log"'
CTR=$OUT
check "a server in the pod" ctr_run "$POD" churn.web '.metadata.name = "web" | .log_path = "web.log"
	| .command = ["sh", "-c", "mkdir /www && head -c 3000000 /dev/zero >/www/large && exec httpd -f -p 127.0.0.1:8080 -h /www"]'
check "which listens" poll 20 port_open "$OUT" 8080

descriptors() { find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l; }
processes() { ps -o args= -p "$(pgrep -d , --ns "$(crictl inspect "$CTR" | jq .info.pid)" --nslist pid)"; }

check_is "a first session" x crictl exec "$CTR" echo x
BEFORE=$(descriptors)
SEED=${CRISP_TEST_SEED:-$$}
RANDOM=$SEED
echo "# seed $SEED"
# vanish COMMAND...: crictl with it, killed after a part of a second
vanish() { timeout -s KILL "0.$((RANDOM % 9 + 1))" "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" "$@" >/dev/null 2>&1; }
round() {
	local i t pids=() port=$((20000 + $1))
	"$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" port-forward "$POD" $port:8080 >/dev/null 2>&1 &
	local forward=$!
	for i in 1 2 3 4 5 6; do
		t=$([ $((i % 2)) = 0 ] && echo spdy || echo websocket)
		RANDOM=$((SEED + 100 * $1 + i))
		vanish exec -r $t "$CTR" head -c 3000000 /dev/zero & pids+=($!)
		head -c 2000000 /dev/zero | vanish exec -i -r $t "$CTR" cat & pids+=($!)
		vanish attach -r $t "$CTR" & pids+=($!)
	done
	poll 20 curl -fsS -o /dev/null "http://127.0.0.1:$port/large"
	for i in 1 2 3 4 5 6; do timeout "0.0$i" curl -s -o /dev/null "http://127.0.0.1:$port/large" & pids+=($!); done
	for i in "${pids[@]}"; do wait "$i"; done
	kill -KILL $forward
	wait $forward
}
for n in $(seq "${CRISP_TEST_ROUNDS:-3}"); do round "$n" 2>/dev/null; done

check "the daemon has the descriptors of before" poll 30 eval '[ "$(descriptors)" -le '"$BEFORE"' ]'
check "the container's own process is seen" eval 'processes | grep -q "^sh"'
check "no exec is left in the container" poll 30 eval '! processes | grep -E "^(cat|head)"'
check_is "it goes on" x crictl exec "$CTR" echo x
# One that is refused ends at once, with 1.  An attached crictl keeps SIGTERM for itself.
check_is "and takes one more client after 18 that it has not seen leave" 137 eval \
	'timeout -s KILL 3 "$CACHE/bin/crictl" -c "$SCRATCH/crictl.yaml" attach "$CTR"; echo $?'
check "all is removed" everything_remove
daemon_stop
check_is "the daemon ends well" 0 echo "$DAEMON_STATUS"
harness_end
