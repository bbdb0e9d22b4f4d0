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
#include "shim/job.h"

/* exec-SESSION.left in the bundle, "pid cgroup\n", the pid 0 while the runtime is at work: it is
 * there for as long as the session lives, for a shim that comes after this one. */
#define SESSION_LEFT "left"

struct session {
	struct list node;
	struct shim_status status;
	char *bundle;
	char *cgroup; /* of its own, "": none */
	bool tty;
	bool killed; /* before or after it ran */
	struct job job;
	struct waiter waiter;
	struct console console;
	struct child process;
};

struct session *session_find(const char *name);
struct session *session_next(struct session *s);

/* fds: as SHIM_EXEC says; c: running. */
void session_exec(struct ctr *c, const struct shim_request *req, const int *fds,
		  struct waiter *w);
/* SIGKILL to its process and what descends from it. */
void session_kill(struct session *s);
/* It has ended. */
void session_forget(struct session *s);
/* All that have ended of a container. */
void session_forget_all(const char *ctr_id);
