/*
 * calls.h - clients' calls that wait for an object.  On the loop thread.
 */
#pragma once

#include "core/objects.h"

/* A client's call on its way through a machine.  done answers the call from the object's record
 * (obj is NULL when there is none) or with e, on the loop thread; the call is freed after it. */
struct caller {
	struct sm_waiter waiter;
	struct rpc_call *rpc;
	void (*done)(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e);
	/* How to ask again when the object went away while this waited; NULL: NOT_FOUND. */
	void (*again)(struct caller *c);
	const void *request; /* lives as long as rpc */
};

struct caller *caller_new(struct rpc_call *rpc, const void *request,
			  void (*done)(struct rpc_call *, const struct sm_object *,
				       const struct err *));
/* Answer and free. */
void caller_finish(struct caller *c, const struct sm_object *obj, const struct err *e);
/* Dispatch an rpc event with c waiting for it.  Takes ev. */
void caller_dispatch(struct caller *c, struct object *o, struct sm_event *ev);
