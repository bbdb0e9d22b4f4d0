/*
 * ctr.h - a container as the shim sees it: from the runtime's create to the daemon's FORGET.
 *
 * What must hold at its end, in this order: its status is taken, its streams are read, the
 * memory counters are read, the exit record is on disk, then the daemon is told.
 */
#pragma once

#include "shim/child.h"
#include "shim/console.h"
#include "shim/control.h"
#include "shim/guard.h"
#include "shim/job.h"
#include "shim/life.h"
#include "shim/runtime.h"
#include "shim/stdio.h"
#include "shimproto/exitrec.h"
#include "shimproto/shimproto.h"

struct ctr {
	struct list node;
	struct life life;
	struct shim_status status; /* what is told */
	struct runtime runtime;
	char *bundle, *exit_path, *cgroup;
	uint32_t flags;

	struct guard guard; /* of the create, until it is undone when it failed */
	struct stdio_child ends; /* for the create, until it runs */
	int64_t create_ms; /* its time-out */
	char *freezer; /* directory of its cgroup there, NULL: not looked for yet */
	bool held; /* it stands still, see guard.h */

	struct shim_job job; /* create, start or delete */
	struct waiter waiter; /* of it */
	struct console console;
	struct err failure; /* of its create, start or adoption */
	struct child init;
	bool end_seen; /* of init: it is in end, also before the state shows it */
	struct reaped end;
	bool record_due; /* the exit record could not be written yet */
	struct timer record_retry;

	struct timer kill_again; /* KILL of all until nobody is left */
	int kill_rounds;
	struct waiter kill_waiter;

	struct stdio io; /* last: the largest part of it is seldom touched */
};

struct ctr *ctr_find(const char *id);
/* Walk: NULL starts and ends. */
struct ctr *ctr_next(struct ctr *c);

/* Each sees to the answer of w, now or later.  The caller has asked life_permit. */
void ctr_create(const struct shim_request *req, struct waiter *w);
void ctr_start(struct ctr *c, const struct shim_request *req, struct waiter *w);
void ctr_kill(struct ctr *c, const struct shim_request *req, struct waiter *w);
void ctr_forget(struct ctr *c);

/* The pty master, -1: the container has no terminal. */
int ctr_pty(const struct ctr *c);

/* --- for takeover.c --- */

/* The fields that name files and the runtime. */
int ctr_check(const struct shim_request *req, struct err *e);
/* Listed, without a state, streams or a process yet. */
struct ctr *ctr_new(const struct shim_request *req);
void ctr_free(struct ctr *c);
/* The streams are as they will be: hear of their troubles. */
void ctr_watch_streams(struct ctr *c);
/* SIGKILL to all in its cgroup, until nobody is left. */
void ctr_kill_all(struct ctr *c);
/* The end of init, as child.h tells it. */
void ctr_init_ended(struct child *init, const struct reaped *r);
