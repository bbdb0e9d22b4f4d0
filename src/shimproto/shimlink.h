/*
 * shimlink.h - the daemon's client of a pod's shim.
 *
 * Everything except shim_start and shim_is_alive runs on the loop thread and does not block.  The
 * link keeps no objects: on every connection the shim reports its objects again, through
 * on_container and on_exec, before on_ready.
 */
#pragma once

#include <stdbool.h>

#include "loop/loop.h"
#include "os/spawn.h"
#include "shimproto/shimproto.h"

struct shim_link;

/* Called on the loop thread.  A callback may close the link; after that no function of the link may
 * be called.  Any callback may be NULL. */
struct shim_link_ops {
	/* Status of a container: during the re-sync, and when it ends (ENDED).  The shim repeats an
	 * end on every connection until SHIM_FORGET.  fd: its pty master if the report carries one,
	 * else -1; set to -1 to keep it. */
	void (*on_container)(void *arg, const struct shim_status *st, int *fd);
	/* Likewise for exec sessions. */
	void (*on_exec)(void *arg, const struct shim_status *st);
	/* Output of st->id is being lost. */
	void (*on_log_error)(void *arg, const struct shim_status *st, const struct err *why);
	/* The re-sync is complete. */
	void (*on_ready)(void *arg, const struct shim_status *st /* shim_pid */);
	/* The shim exited, accepted another connection or sent an invalid frame.  All pending calls
	 * have been called back before.  Close the link: it is dead. */
	void (*on_lost)(void *arg, const struct err *why);
};

/* Connect to the shim of pod directory dir and request the re-sync.  ERR_UNAVAILABLE: no listener
 * there.  Another code: not determined, try again.  shim_link_close frees the link. */
int shim_link_open(struct loop *l, const char *dir, const struct shim_link_ops *ops, void *arg,
		   struct shim_link **ret, struct err *e);

struct shim_answer {
	struct shim_status status; /* of the object, after the call */
	int fd; /* EXEC with SHIM_TTY: pty master; set to -1 to keep it */
};

/* err: NULL: success.  With err, ans->status is what the shim sent with the error (exit_code
 * 126/127 of an exec), all zero when the link was lost. */
typedef void shim_call_fn(void *arg, struct shim_answer *ans, const struct err *err);

/* Send a request.  The loop calls fn exactly once, after this function has returned: with the
 * answer, or with ERR_UNAVAILABLE when the link is lost or closed before the answer.  The kernel
 * duplicates fds, the caller keeps them.  <0: the request cannot be packed or the link is dead, and
 * fn is not called.  The only time limit is the timeout_ms of the request: the caller's state
 * machine has its own. */
int shim_link_call(struct shim_link *link, const struct shim_request *req, const int *fds,
		   size_t n_fds, shim_call_fn *fn, void *arg, struct err *e);

/* Call back every pending call (ERR_UNAVAILABLE), without on_lost, then free.  The shim and its
 * containers go on. */
void shim_link_close(struct shim_link *link);

/* Worker: start a shim for pod id in dir, which exists, and wait until its socket accepts.  cgroup:
 * for the shim itself, relative to the root of each hierarchy; NULL: stay.  owner: "UID:GID" of the
 * pod's root on the node; NULL: root.  timeout_ms bounds the wait.  0 also if a shim already runs.
 * *ret is the shim, no child of the caller: do not wait for it.  The caller closes ret->pidfd. */
int shim_start(const char *shim_path, const char *id, const char *dir, const char *cgroup,
	       const char *owner, int64_t timeout_ms, struct spawn_child *ret, struct err *e);

/* Worker or loop: does a shim hold the lock of dir?  The lock is queried, not taken.  *ret (may be
 * NULL) is the shim, SPAWN_CHILD_NULL before it wrote its pid; the caller closes ret->pidfd. */
bool shim_is_alive(const char *dir, struct spawn_child *ret);
