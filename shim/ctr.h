/*
 * ctr.h - one container in the shim, from CREATE to the daemon's FORGET.
 *
 * Order at its exit: reap init, drain the streams, read the OOM counters, write the exit record,
 * report to the daemon.
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
	struct shim_status status; /* as reported to the daemon */
	struct runtime runtime;
	char *bundle, *exit_path, *cgroup;
	uint32_t flags;

	struct guard guard; /* of the create; closed after the undo of a failed create */
	struct stdio_child ends; /* the container's ends, until the runtime's create has started */
	int64_t create_ms; /* timeout of the create */
	char *freezer; /* its cgroup directory in the freezer hierarchy; NULL: not determined yet */
	bool held; /* its processes are frozen, see guard.h */

	struct shim_job job; /* the runtime's create, start or delete */
	struct waiter waiter; /* for the answer of that job */
	struct console console;
	struct err failure; /* of create, start or adoption */
	struct child init;
	bool end_seen; /* init has exited; end is valid, also before the state is ENDED */
	struct reaped end;
	bool record_due; /* no attempt to write the exit record has succeeded yet */
	struct timer record_retry;

	struct timer kill_again; /* repeats SIGKILL until the cgroup is empty */
	int kill_rounds;
	struct waiter kill_waiter;

	struct stdio io; /* last: most of its pages are seldom used */
};

struct ctr *ctr_find(const char *id);
/* The container after c.  c NULL: the first.  Returns NULL after the last. */
struct ctr *ctr_next(struct ctr *c);

/* Handle a request and answer w, now or later.  life_permit has allowed the request. */
void ctr_create(const struct shim_request *req, struct waiter *w);
void ctr_start(struct ctr *c, const struct shim_request *req, struct waiter *w);
void ctr_kill(struct ctr *c, const struct shim_request *req, struct waiter *w);
void ctr_forget(struct ctr *c);

/* The pty master; -1: the container has no terminal.  It stays the container's. */
int ctr_pty(const struct ctr *c);

/* --- for takeover.c --- */

/* Check the paths and the runtime of req, and the number of containers. */
int ctr_check(const struct shim_request *req, struct err *e);
/* Make a container in the list, without state, streams or process. */
struct ctr *ctr_new(const struct shim_request *req);
void ctr_free(struct ctr *c);
/* Connect the callbacks of the streams, and set SHIM_TTY and SHIM_STDIN in the status. */
void ctr_watch_streams(struct ctr *c);
/* Send SIGKILL to all processes of its cgroup until it is empty, at most KILL_ROUNDS times. */
void ctr_kill_all(struct ctr *c);
/* The fn of init's struct child. */
void ctr_init_ended(struct child *init, const struct reaped *r);
