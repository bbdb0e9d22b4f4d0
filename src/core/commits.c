/*
 * commits.c - implements sm_ops on the loop, the store and the tables of objects.
 */
#include "core/commits.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/calls.h"
#include "core/ended.h"
#include "core/listing.h"
#include "core/objects.h"

static int64_t engine_now(void *arg)
{
	(void)arg;
	return clock_realtime_ns();
}

static void timer_fired(struct loop_timer *t)
{
	sm_overdue(container_of(t, struct object, timer)->sm);
}

static void engine_arm(void *arg, struct sm_object *sm, int64_t at_ns)
{
	struct object *o = object_of(sm);

	(void)arg;
	if (at_ns)
		loop_timer_set(world.loop, &o->timer,
			       clock_monotonic_ns() + (at_ns - clock_realtime_ns()), timer_fired);
	else
		loop_timer_stop(world.loop, &o->timer);
}

/* Write every row to the boot environment, so that readers need only that one.  Write to the
 * durable environment on `save` only.  The higher seq marks the newer copy. */
static int commit(const struct sm_write *writes, size_t n, bool keep_ended, struct err *e)
{
	struct store_txn t;

	store_begin(world.store, &t);
	for (size_t i = 0; i < n; i++) {
		const struct sm_write *w = &writes[i];
		const struct kind_ops *k = kind_ops(object_of(w->obj)->kind);
		_cleanup_free_ char *key = xasprintf("%s/%s", w->obj->machine->name, w->obj->id);

		t.grows = t.grows || sm_state(w->obj)->kind == SM_KIND_INITIAL;
		if (w->final) {
			store_del(&t, STORE_ENV_DURABLE, key);
			store_del(&t, STORE_ENV_BOOT, key);
			if (keep_ended)
				ended_put(&t, w);
		} else {
			if (w->durable)
				store_put(&t, STORE_ENV_DURABLE, key, w->envelope, w->size);
			store_put(&t, STORE_ENV_BOOT, key, w->envelope, w->size);
		}
		if (k->put_listing && w->final)
			listing_del(object_of(w->obj)->kind, w->obj->id, &t);
		else if (k->put_listing)
			k->put_listing(w->obj->id, &w->obj->machine->states[w->state], w->row, &t);
	}
	return store_commit(&t, e);
}

/* A full store must not refuse a removal for the rows that it leaves. */
static int engine_commit(void *arg, const struct sm_write *writes, size_t n, struct err *e)
{
	int r = commit(writes, n, true, e);

	(void)arg;
	if (ended_settle(r == 0) && r < 0)
		r = commit(writes, n, false, e);
	return r;
}

static void engine_reply(void *arg, struct sm_object *sm, struct sm_waiter *w, const struct err *e)
{
	(void)arg;
	caller_finish(container_of(w, struct caller, waiter), sm, e);
}

static void engine_moved(void *arg, struct sm_object *sm, const struct sm_row *row)
{
	const struct sm_machine *m = sm->machine;
	struct object *o = object_of(sm);

	(void)arg;
	log_line(m->unstored ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "move",
		 "%s=%.13s from=%s event=%s to=%s row=%u seq=%llu", m->prefix, sm->id,
		 m->states[row->state].name, m->events[row->event].name,
		 m->states[row->target].name, row->number, (unsigned long long)sm->seq);
	if (object_is_nameless(o->kind, sm))
		object_drop_name(o);
	if (kind_ops(o->kind)->moved)
		kind_ops(o->kind)->moved(o, row);
	for (const struct observer *w = world.observers; w; w = w->next)
		if (w->moved)
			w->moved(o, row);
}

/* Answer the parked calls of an object that ends, or repeat them: a create that waited for a
 * removal makes a new object. */
static void engine_gone(void *arg, struct sm_object *sm)
{
	struct list again;
	struct sm_event *ev;

	(void)arg;
	list_init(&again);
	while ((ev = sm_take_parked(sm))) {
		struct caller *c = NULL;

		if (ev->waiter)
			c = container_of(ev->waiter, struct caller, waiter);
		if (c && c->again)
			list_append(&again, &c->waiter.node);
		else if (c)
			caller_finish(c, NULL, NULL);
		sm_event_free(ev);
	}
	object_free(object_of(sm));
	while (!list_empty(&again)) {
		struct sm_waiter *w = list_entry(again.next, struct sm_waiter, node);
		struct caller *c = container_of(w, struct caller, waiter);

		list_remove(&w->node);
		c->again(c);
	}
}

static void engine_never(void *arg, struct sm_object *sm, const struct sm_event *ev)
{
	(void)arg;
	log_error("event marked never", "%s=%.13s state=%s event=%s", sm->machine->prefix, sm->id,
		  sm_state(sm)->name, sm->machine->events[ev->event].name);
}

static struct sm_object *engine_find(void *arg, const char *machine, const char *id)
{
	enum kind k = kind_of_machine(machine);
	struct object *o = k < KIND_COUNT ? world_find(k, id) : NULL;

	(void)arg;
	return o ? o->sm : NULL;
}

const struct sm_ops commits_ops = {
	.now = engine_now,
	.arm = engine_arm,
	.commit = engine_commit,
	.reply = engine_reply,
	.moved = engine_moved,
	.gone = engine_gone,
	.never = engine_never,
	.find = engine_find,
};
