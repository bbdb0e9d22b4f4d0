/*
 * exe.h - an exec session in a running container.  The shim reaps its process; the daemon reads and
 * writes its streams.
 */
#pragma once

#include "shim/child.h"
#include "shim/console.h"
#include "shim/control.h"
#include "shim/ctr.h"
#include "shim/guard.h"
#include "shim/job.h"
#include "shim/life.h"
#include "shimproto/shimproto.h"

/* BUNDLE/exec-SESSION.left, "pid cgroup\n", pid 0 while the runtime runs.  It exists until the
 * session has ended, so that the next shim finds the session. */
#define SESSION_LEFT "left"

#define SESSION_ARGS_MAX 4

struct exe {
	struct list node;
	struct life life;
	struct shim_status status;
	char *bundle;
	char *cgroup; /* of its own; "": none */
	bool tty;
	struct guard guard;
	/* Arguments of the runtime's exec, until the runtime has started. */
	struct {
		int fds[3]; /* stdin, stdout, stderr; -1: none */
		char *process_path;
		char *args[SESSION_ARGS_MAX + 1];
		int64_t timeout_ms;
	} exec;
	struct shim_job job;
	struct waiter waiter;
	const struct err *failure; /* for the answer to the waiter */
	struct console console;
	int pty; /* for the answer to the waiter; -1: none */
	struct child process;
};

struct exe *exe_find(const char *name);
struct exe *exe_next(struct exe *s);

/* Handle a SHIM_EXEC; c runs.  fds: as SHIM_EXEC describes; the session owns them. */
void exe_exec(struct ctr *c, const struct shim_request *req, int *fds, struct waiter *w);
/* Send SIGKILL to its process and all descendants.  A session whose runtime was not started yet is
 * answered ABORTED and forgotten. */
void exe_kill(struct exe *s);
/* Free a session that has ended. */
void exe_forget(struct exe *s);
/* Free every ended session of the container. */
void exe_forget_all(const char *ctr_id);
