/*
 * exe.h - an exec in a running container: its process is ours to wait for, its streams are
 * the daemon's.
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

/* exec-SESSION.left in the bundle, "pid cgroup\n", the pid 0 while the runtime is at work: it is
 * there for as long as the session lives, for a shim that comes after this one. */
#define SESSION_LEFT "left"

#define SESSION_ARGS_MAX 4

struct exe {
	struct list node;
	struct life life;
	struct shim_status status;
	char *bundle;
	char *cgroup; /* of its own, "": none */
	bool tty;
	struct guard guard;
	/* What the runtime is started with, until it runs. */
	struct {
		int fds[3]; /* stdin, stdout, stderr; -1: none */
		char *process_path;
		char *args[SESSION_ARGS_MAX + 1];
		int64_t timeout_ms;
	} exec;
	struct shim_job job;
	struct waiter waiter;
	const struct err *failure; /* while the waiter is told of it */
	struct console console;
	int pty; /* for the waiter, -1: none */
	struct child process;
};

struct exe *exe_find(const char *name);
struct exe *exe_next(struct exe *s);

/* fds: as SHIM_EXEC says, taken over; c: running. */
void exe_exec(struct ctr *c, const struct shim_request *req, int *fds, struct waiter *w);
/* SIGKILL to its process and what descends from it.  One that was not started yet is forgotten. */
void exe_kill(struct exe *s);
/* It has ended. */
void exe_forget(struct exe *s);
/* All that have ended of a container. */
void exe_forget_all(const char *ctr_id);
