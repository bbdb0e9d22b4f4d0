/*
 * calls.h - clients' calls that wait for an object.  Loop thread only.
 */
#pragma once

#include "core/objects.h"

/* A client's call that a machine handles.  done answers the call on the loop thread: with e, or
 * e NULL: from obj's record (obj may be NULL: no object).  Free the caller after done. */
struct caller {
	struct sm_waiter waiter;
	/* Answer the call, as done does, and free c. */
	void (*finish)(struct caller *c, const struct sm_object *obj, const struct err *e);
	/* All below: NULL if the call is no RPC. */
	struct rpc_call *rpc;
	void (*done)(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e);
	/* Repeat the call after its object ended; NULL: call done with obj and e NULL. */
	void (*again)(struct caller *c);
	const void *request; /* valid as long as rpc */
};

struct caller *caller_new(struct rpc_call *rpc, const void *request,
			  void (*done)(struct rpc_call *, const struct sm_object *,
				       const struct err *));
/* Answer the call and free c. */
void caller_finish(struct caller *c, const struct sm_object *obj, const struct err *e);
/* Dispatch an rpc event with c as its waiter.  Takes c and ev.  Answers ERR_EXHAUSTED if
 * LIMIT_WAITERS calls wait for o already. */
void caller_dispatch(struct caller *c, struct object *o, struct sm_event *ev);
