/*
 * child.h - a process that the OCI runtime made and left to us: a container's init, an exec.
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
	bool alive; /* adopted and its end not told yet */
	pid_t pid; /* 0: never adopted */
	uint64_t start_ticks;
	bool foreign; /* another shim had it made: waitid does not show it, a pid like
			      * its own is a coincidence */
	struct watch exit; /* pidfd: signals go there, and ends that waitid does not show */
	struct timer look; /* it is gone, but its parent has not waited for it yet */
	int looks;
	bool has_ended; /* before it was adopted */
	struct reaped ended;
	/* Called once.  May free what contains the child. */
	void (*fn)(struct child *c, const struct reaped *r);
};

/* Take over the process whose pid is in pid_path; its end is told by fn, but not before
 * child_deliver was called. */
int child_adopt(struct child *c, const char *pid_path,
		void (*fn)(struct child *, const struct reaped *), struct err *e);
/* The same for a pid that is known. */
int child_adopt_pid(struct child *c, pid_t pid, void (*fn)(struct child *, const struct reaped *),
		    struct err *e);
/* The same for one that another shim left: pidfd is it for certain and is taken over on success. */
int child_adopt_pidfd(struct child *c, pid_t pid, uint64_t start_ticks, int pidfd,
		      void (*fn)(struct child *, const struct reaped *), struct err *e);

/* The owner is ready to be told.  May free what contains the child. */
void child_deliver(struct child *c);

/* A signal, if it lives.  0, or an errno. */
int child_kill(struct child *c, int sig);

/* Lose interest; the process stays. */
void child_drop(struct child *c);

bool child_exited(const struct reaped *r);
