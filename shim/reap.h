/*
 * reap.h - reap processes and dispatch their exits to their owners.
 *
 * The shim is the subreaper of everything below it and calls waitid itself: a pid that it knows
 * stays that process until reap_all.  An exec'ed process or an init may exit before the runtime has
 * reported its pid: reap.c keeps such statuses while a runtime runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct reaped {
	pid_t pid;
	int code; /* 0..255, 128 + signal */
	int signal; /* 0: it exited by itself */
	int64_t at_ns; /* CLOCK_REALTIME */
	bool unknown; /* the exit status is not known, and code is a placeholder */
};

/* Reap every exited child and call the owners. */
void reap_all(void);
/* reap_all for SIGCHLD; also drops the kept statuses once no runtime runs. */
void reap_on_signal(void);

/* Take the kept status of a process that exited before its pid was known.  false: there is none. */
bool reap_take_early(pid_t pid, struct reaped *ret);
