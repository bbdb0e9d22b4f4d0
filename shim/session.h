/*
 * session.h - an exec in a running container: its process is ours to wait for, its streams are
 * the daemon's.
 */
#pragma once

#include "base/shimproto.h"
#include "shim/child.h"
#include "shim/conn.h"
#include "shim/console.h"
#include "shim/ctr.h"
#include "shim/guard.h"
#include "shim/job.h"

/* exec-SESSION.left in the bundle, "pid cgroup\n", the pid 0 while the runtime is at work: it is
 * there for as long as the session lives, for a shim that comes after this one. */
#define SESSION_LEFT "left"

#define SESSION_ARGS_MAX 4

struct session {
	struct list node;
	struct shim_status status;
	char *bundle;
	char *cgroup; /* of its own, "": none */
	bool tty;
	bool killed; /* before or after it ran */
	struct guard guard;
	/* What the runtime is started with, until it runs. */
	struct {
		int fds[3]; /* stdin, stdout, stderr; -1: none */
		char *process_path;
		char *args[SESSION_ARGS_MAX + 1];
		int64_t timeout_ms;
	} exec;
	struct job job;
	struct waiter waiter;
	struct console console;
	struct child process;
};

struct session *session_find(const char *name);
struct session *session_next(struct session *s);

/* fds: as SHIM_EXEC says, taken over; c: running. */
void session_exec(struct ctr *c, const struct shim_request *req, int *fds, struct waiter *w);
/* SIGKILL to its process and what descends from it.  One that was not started yet is forgotten. */
void session_kill(struct session *s);
/* It has ended. */
void session_forget(struct session *s);
/* All that have ended of a container. */
void session_forget_all(const char *ctr_id);
