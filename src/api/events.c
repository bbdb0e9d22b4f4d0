/*
 * events.c - the RPCs that raise an event, driven by the table (struct rpc_event).  Hand-written
 * parts, payloads and answers, come from the table's hooks.
 */
#include <assert.h>
#include <string.h>

#include "api/handlers.h"
#include "core/calls.h"
#include "core/quarantine.h"

static enum kind kind_of(const struct rpc_event *ev)
{
	enum kind k = kind_of_machine(ev->machine);

	assert(k < KIND_COUNT);
	return k;
}

static int event_for(const struct rpc_event *ev, const ProtobufCMessage *req,
		     const struct object *o, struct sm_event **ret, struct err *e)
{
	int r = ev->check ? ev->check(req, o, e) : 0;

	if (r == 0 && ev->carry)
		r = ev->carry(req, o, ret, e);
	else if (r == 0)
		*ret = sm_event_new(ev->event);
	return r;
}

/* Raise the event in all objects of that name but the last, *ret, which the caller handles. */
static int raise_in_others(const struct rpc_event *ev, const ProtobufCMessage *req,
			   const char *name, struct object **ret, struct err *e)
{
	struct sm_event *event;
	struct object *o;
	size_t pos = 0;
	int r;

	*ret = NULL;
	while ((o = world_next_named(kind_of(ev), name, &pos))) {
		if (*ret) {
			r = event_for(ev, req, *ret, &event, e);
			if (r < 0)
				return r;
			sm_dispatch((*ret)->sm, event);
		}
		*ret = o;
	}
	return 0;
}

static int take(struct caller *c, const void *msg, struct err *e);

static void take_again(struct caller *c)
{
	struct err e = ERR_NULL;

	if (take(c, c->request, &e) < 0)
		caller_finish(c, NULL, &e);
}

/* Find the object for the event.  1: no such object, and the call was answered. */
static int find(const struct rpc_event *ev, struct caller *c, const ProtobufCMessage *req,
		struct object **ret, struct err *e)
{
	enum kind k = kind_of(ev);
	const char *name;
	int r;

	if (ev->make) {
		c->again = take_again;
		return ev->make(req, ret, e);
	}
	name = api_text(req, ev->inside, ev->by); /* the validator has checked its presence */
	if (ev->broken_removed && quarantine_remove(c, k, name))
		return 1;
	r = world_lookup(k, name, ret, e);
	if (r == -(int)ERR_NOT_FOUND && ev->gone_ok) {
		caller_finish(c, NULL, NULL);
		return 1;
	}
	if (r == 0 && ev->each)
		r = raise_in_others(ev, req, name, ret, e);
	return r;
}

static int take(struct caller *c, const void *msg, struct err *e)
{
	const struct rpc_event *ev = rpc_call_method(c->rpc)->raises;
	struct sm_event *event;
	struct object *o;
	int r = find(ev, c, msg, &o, e);

	if (r == 0)
		r = event_for(ev, msg, o, &event, e);
	if (r == 0) {
		event->until_ns = rpc_call_deadline(c->rpc);
		caller_dispatch(c, o, event);
	}
	return r < 0 ? r : 0;
}

int rpc_raise(struct rpc_call *call, const ProtobufCMessage *req, struct err *e)
{
	const struct rpc_event *ev = rpc_call_method(call)->raises;

	(void)e;
	return api_submit(call, req, take, ev->answer ? ev->answer : api_done_empty);
}
