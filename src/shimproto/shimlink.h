/*
 * shimlink.h - the daemon's end of the line to a pod's shim.
 *
 * Everything except shim_start and shim_is_alive runs on the loop thread and does not block.
 * Nothing here remembers objects: what the shim knows is told again on every connection, through
 * on_container and on_exec, before on_ready.
 */
#pragma once

#include <stdbool.h>

#include "loop/loop.h"
#include "os/spawn.h"
#include "shimproto/shimproto.h"

struct shim_link;

/* Called on the loop thread.  A callback may close the link, nothing else of it may be used
 * after that.  Any of them may be NULL. */
struct shim_link_ops {
	/* What the shim knows of a container: part of the re-sync, and when it ends (ENDED).  An
	 * end is told again on every connection until SHIM_FORGET.  fd: its pty master when that
	 * came along, else -1; set to -1 to keep it. */
	void (*on_container)(void *arg, const struct shim_status *st, int *fd);
	/* The same for exec sessions. */
	void (*on_exec)(void *arg, const struct shim_status *st);
	/* Output of st->id is being lost. */
	void (*on_log_error)(void *arg, const struct shim_status *st, const struct err *why);
	/* Re-sync is complete. */
	void (*on_ready)(void *arg, const struct shim_status *st /* shim_pid */);
	/* The shim died, replaced us by another connection or sent nonsense.  All calls under way
	 * have been called back before.  The link is dead: close it. */
	void (*on_lost)(void *arg, const struct err *why);
};

/* Connect to the shim of pod directory dir and ask for the re-sync.  ERR_UNAVAILABLE at once
 * when nobody listens there, another code when that could not be found out: try again.  The
 * link is freed by shim_link_close. */
int shim_link_open(struct loop *l, const char *dir, const struct shim_link_ops *ops, void *arg,
		   struct shim_link **ret, struct err *e);

struct shim_answer {
	struct shim_status status; /* of the object, after the call */
	int fd; /* EXEC with SHIM_TTY: pty master; set to -1 to keep it */
};

/* err is NULL for success.  With err, ans->status is what the shim said beside it (exit_code
 * 126/127 of an exec), all zero when the link was lost. */
typedef void shim_call_fn(void *arg, struct shim_answer *ans, const struct err *err);

/* Send a request; fn is called exactly once, from the loop, never from inside this function:
 * with the answer, or with ERR_UNAVAILABLE when the link is lost or closed before it came.
 * fds are duplicated by the kernel, they stay the caller's.  A request that cannot be packed or
 * a dead link is an error here and fn is not called.  There is no time limit except what the
 * request itself carries: the caller's state machine has its own. */
int shim_link_call(struct shim_link *link, const struct shim_request *req, const int *fds,
		   size_t n_fds, shim_call_fn *fn, void *arg, struct err *e);

/* Calls back everything under way (ERR_UNAVAILABLE), not on_lost; frees.  The shim and its
 * containers go on. */
void shim_link_close(struct shim_link *link);

/* Worker: start a shim for pod id in dir (which exists) and wait until its socket accepts.
 * cgroup: for the shim itself, relative to each hierarchy's root, NULL: stay.  timeout_ms bounds
 * the wait.  0 also when one runs already.  *ret is the shim, which is no child of the caller: it
 * need not be waited for.  The caller closes ret->pidfd. */
int shim_start(const char *shim_path, const char *id, const char *dir, const char *cgroup,
	       int64_t timeout_ms, struct spawn_child *ret, struct err *e);

/* Worker or loop: does a shim hold dir (its lock is asked, not taken)?  *ret (may be NULL) is the
 * shim, SPAWN_CHILD_NULL when it has not written its pid yet; the caller closes ret->pidfd. */
bool shim_is_alive(const char *dir, struct spawn_child *ret);
