/*
 * ctr.h - a container as the shim sees it: from the runtime's create to the daemon's FORGET.
 *
 * What must hold at its end, in this order: its status is taken, its streams are read, the
 * memory counters are read, the exit record is on disk, then the daemon is told.
 */
#pragma once

#include "base/exitrec.h"
#include "base/shimproto.h"
#include "shim/child.h"
#include "shim/conn.h"
#include "shim/console.h"
#include "shim/job.h"
#include "shim/runtime.h"
#include "shim/stdio.h"

struct ctr {
	struct list node;
	struct shim_status status; /* what is told */
	struct runtime runtime;
	char *bundle, *exit_path, *cgroup;
	uint32_t flags;

	struct job job;            /* create, start or delete */
	struct waiter waiter;      /* of it */
	struct console console;
	struct err failure;        /* of a create that is being undone */
	struct child init;
	bool start_failed;         /* the end that follows is not the program's */
	bool end_seen;             /* while the runtime's start is under way */
	struct reaped end;
	bool record_due;           /* the exit record could not be written yet */
	struct timer record_retry;

	struct timer kill_again;   /* KILL of all until nobody is left */
	int kill_rounds;
	struct waiter kill_waiter;

	struct stdio io; /* last: the largest part of it is seldom touched */
};

struct ctr *ctr_find(const char *id);
/* Walk: NULL starts and ends. */
struct ctr *ctr_next(struct ctr *c);

/* Each sees to the answer of w, now or later.  The state was checked by the caller. */
void ctr_create(const struct shim_request *req, struct waiter *w);
void ctr_start(struct ctr *c, const struct shim_request *req, struct waiter *w);
void ctr_kill(struct ctr *c, const struct shim_request *req, struct waiter *w);
void ctr_forget(struct ctr *c);
