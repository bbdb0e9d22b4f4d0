#!/bin/bash
# signals.sh - a closed log pipe, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE and SIGXFSZ do not end crispd,
# and none of them is ignored in the programs that it starts.
set -u
. "$(dirname "$0")/../lib.sh"
harness_begin "$@"

# The log goes to a reader that ends with its first line.
printf '#!/bin/bash\nexec "$@" 2> >(head -n 1 >/dev/null)\n' >"$SCRATCH/wrap"
chmod 755 "$SCRATCH/wrap"
CRISP_TEST_WRAP=$SCRATCH/wrap CRISP_TEST_LOG_LEVEL=debug daemon_start
PID=$(daemon_pid)
check "the log's reader has gone: calls are answered" eval 'for n in 1 2 3; do crictl version && crictl pods || exit 1; done >/dev/null'
for signal in HUP USR1 USR2 PIPE XFSZ; do
	check "SIG$signal can be sent" kill -$signal "$PID"
	check "SIG$signal: calls are answered" crictl version
done
check_is "by the same process" "$PID" daemon_pid
check "which lives" daemon_alive
# A child must not inherit it: a runtime in whose pipe nobody reads has to end.
check_is "the daemon ignores none of them" 0 eval \
	'echo $(( 0x$(sed -n "s/^SigIgn:[[:space:]]*//p" /proc/$PID/status) & (1 << 12 | 1 << 24) ))'
daemon_stop
check_is "the daemon ends well" 0 echo "$DAEMON_STATUS"
harness_end
