/*
 * reap.h - the ends of processes, and whose they are.
 *
 * The shim is the subreaper of everything below it and the only one who waits: a pid it has been
 * told of stays that process until reap_all has taken its status.  An exec'ed process or an init
 * may end before the runtime that made it has told us its pid: such statuses are kept while a
 * runtime runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct reaped {
	pid_t pid;
	int code; /* 0..255, 128 + signal */
	int signal; /* 0: exited by itself */
	int64_t at_ns; /* CLOCK_REALTIME */
	bool unknown; /* nobody can say how it ended: code is no fact */
};

/* Take every status there is and tell the owners. */
void reap_all(void);
/* The same when SIGCHLD came: also forgets what nobody can ask for any more. */
void reap_on_signal(void);

/* The status of a process that ended before anyone knew its name. */
bool reap_take_early(pid_t pid, struct reaped *ret);
