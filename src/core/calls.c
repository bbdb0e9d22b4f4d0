/*
 * calls.c - answers clients' calls and bounds how many wait for one object.
 */
#include "core/calls.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/util.h"

static void finish_rpc(struct caller *c, const struct sm_object *obj, const struct err *e)
{
	c->done(c->rpc, obj, e);
	free(c);
}

struct caller *caller_new(struct rpc_call *rpc, const void *request,
			  void (*done)(struct rpc_call *, const struct sm_object *,
				       const struct err *))
{
	struct caller *c = xcalloc(1, sizeof(*c));

	list_init(&c->waiter.node);
	c->finish = finish_rpc;
	c->rpc = rpc;
	c->request = request;
	c->done = done;
	return c;
}

void caller_finish(struct caller *c, const struct sm_object *obj, const struct err *e)
{
	c->finish(c, obj, e);
}

static void note_joined(struct object *o, int event)
{
	const struct sm_cell *cell = &sm_state(o->sm)->cells[event];

	if (cell->n_rows || cell->answer != SM_ANSWER_JOIN)
		return;
	for (const struct observer *w = world.observers; w; w = w->next)
		if (w->joined)
			w->joined(o, event);
}

void caller_dispatch(struct caller *c, struct object *o, struct sm_event *ev)
{
	struct err e = ERR_NULL;

	if (sm_waiting(o->sm) >= LIMIT_WAITERS) {
		err_set(&e, ERR_EXHAUSTED, "%s %.13s: %d calls wait for it already",
			o->sm->machine->name, o->sm->id, LIMIT_WAITERS);
		sm_event_free(ev);
		caller_finish(c, NULL, &e);
		return;
	}
	c->waiter.event = ev->event;
	ev->waiter = &c->waiter;
	note_joined(o, ev->event);
	sm_dispatch(o->sm, ev);
}
