/*
 * child.h - track one process that the OCI runtime left to the shim: a container's init or an exec.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/list.h"
#include "shim/poll.h"
#include "shim/reap.h"

struct child {
	struct list node;
	bool alive; /* adopted, and fn was not called yet */
	pid_t pid; /* 0: never adopted */
	uint64_t start_ticks;
	bool foreign; /* the child of another shim: waitid does not return its status, and an equal
		       * pid of an own child is another process */
	struct watch exit; /* the pidfd, for signals and for the exit of a foreign child */
	struct timer look; /* polls for the status until the parent of a foreign child has
			    * reaped it */
	int looks;
	bool has_ended; /* it exited before the adoption */
	struct reaped ended;
	/* Called once.  May free the object that contains the child. */
	void (*fn)(struct child *c, const struct reaped *r);
};

/* Adopt the process whose pid the file pid_path holds.  fn gets its exit; for an exit before the
 * adoption only child_deliver calls fn. */
int child_adopt(struct child *c, const char *pid_path,
		void (*fn)(struct child *, const struct reaped *), struct err *e);
/* child_adopt for a known pid. */
int child_adopt_pid(struct child *c, pid_t pid, void (*fn)(struct child *, const struct reaped *),
		    struct err *e);
/* child_adopt for a process that an earlier shim left.  pidfd identifies the process; on success
 * the child owns it. */
int child_adopt_pidfd(struct child *c, pid_t pid, uint64_t start_ticks, int pidfd,
		      void (*fn)(struct child *, const struct reaped *), struct err *e);

/* Call fn if the process exited before the adoption.  May free the object around the child. */
void child_deliver(struct child *c);

/* Signal the process if it lives.  Returns 0 or an errno; ESRCH: it has exited. */
int child_kill(struct child *c, int sig);

/* Stop tracking without a call of fn; the process continues. */
void child_drop(struct child *c);

bool child_exited(const struct reaped *r);
