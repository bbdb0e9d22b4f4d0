/*
 * objects.c - tables, calls and jobs; how rows are loaded.  See objects.h.
 */
#include "core/objects.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "core/dirs.h"
#include "core/listing.h"
#include "core/quarantine.h"

struct world world;

/* --- what the engine needs --- */

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

/* A row is written to the boot environment always, so that readers look in one place, and to
 * the durable one when the machine says save.  Which of the two is newer tells their seq. */
static int engine_commit(void *arg, const struct sm_write *writes, size_t n, struct err *e)
{
	struct store_txn t;

	(void)arg;
	store_begin(world.store, &t);
	for (size_t i = 0; i < n; i++) {
		const struct sm_write *w = &writes[i];
		const struct kind_ops *k = kind_ops(object_of(w->obj)->kind);
		_cleanup_free_ char *key = xasprintf("%s/%s", w->obj->machine->name, w->obj->id);

		t.grows = t.grows || sm_state(w->obj)->kind == SM_KIND_INITIAL;
		if (w->final) {
			if (!w->obj->machine->boot_scoped)
				store_del(&t, STORE_ENV_DURABLE, key);
			store_del(&t, STORE_ENV_BOOT, key);
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

static void engine_reply(void *arg, struct sm_object *sm, struct sm_waiter *w, const struct err *e)
{
	(void)arg;
	caller_finish(container_of(w, struct caller, waiter), sm, e);
}

static bool is_nameless(enum kind k, const struct sm_object *sm)
{
	return kind_ops(k)->is_nameless && kind_ops(k)->is_nameless(sm);
}

static void drop_name(const struct object *o)
{
	if (*o->name_key && map_get(world.names, o->name_key) == o)
		map_del(world.names, o->name_key);
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
	if (is_nameless(o->kind, sm))
		drop_name(o);
	if (kind_ops(o->kind)->moved)
		kind_ops(o->kind)->moved(o, row);
}

static void object_free(struct object *o)
{
	drop_name(o);
	map_del(world.objects[o->kind], o->sm->id);
	loop_timer_stop(world.loop, &o->timer);
	kind_ops(o->kind)->gone(o);
	list_splice(&o->jobs, &o->delayed);
	while (!list_empty(&o->jobs)) {
		struct job *j = list_entry(o->jobs.next, struct job, node);

		list_remove(&j->node);
		loop_timer_stop(world.loop, &j->delay);
		j->done(j, NULL);
		j->free_job(j);
	}
	sm_object_free(o->sm);
	free(o->name_copy);
	free(o);
}

/* Calls that waited for the object's rest learn that it is gone, or ask again: a create that
 * waited for a removal makes the object anew. */
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
	log_error("event that cannot be", "%s=%.13s state=%s event=%s", sm->machine->prefix, sm->id,
		  sm_state(sm)->name, sm->machine->events[ev->event].name);
}

static struct sm_object *engine_find(void *arg, const char *machine, const char *id)
{
	enum kind k = kind_of_machine(machine);
	struct object *o = k < KIND_COUNT ? world_find(k, id) : NULL;

	(void)arg;
	return o ? o->sm : NULL;
}

static const struct sm_ops engine_ops = {
	.now = engine_now,
	.arm = engine_arm,
	.commit = engine_commit,
	.reply = engine_reply,
	.moved = engine_moved,
	.gone = engine_gone,
	.never = engine_never,
	.find = engine_find,
};

/* --- objects --- */

struct object *world_find(enum kind k, const char *id)
{
	return world.objects[k] ? map_get(world.objects[k], id) : NULL;
}

struct object *world_child(const struct object *parent, enum kind k, const struct object *after)
{
	const struct list *end = &parent->sm->children;
	const struct list *at = after ? after->sm->sibling.next : end->next;

	for (; at != end; at = at->next) {
		struct object *o = object_of(list_entry(at, struct sm_object, sibling));

		/* One that is being made is in no table yet. */
		if (o && o->kind == k)
			return o;
	}
	return NULL;
}

struct object *world_find_name(const char *name_key)
{
	return map_get(world.names, name_key);
}

struct object *world_next_named(enum kind k, const char *name, size_t *pos)
{
	struct object *o;

	while ((o = map_next(world.objects[k], pos)))
		if (kind_ops(k)->answers_to(o, name))
			return o;
	return NULL;
}

int world_lookup(enum kind k, const char *id, struct object **ret, struct err *e)
{
	const char *kind = kind_ops(k)->machine->name;
	struct object *o, *found = NULL;
	size_t pos = 0;

	if (kind_ops(k)->answers_to) {
		*ret = world_next_named(k, id, &pos);
		return *ret ? 0
			    : err_set(e, ERR_NOT_FOUND, "there is no %s of \"%.300s\"", kind, id);
	}
	if (!id_is_prefix(id))
		return err_set(e, ERR_NOT_FOUND,
			       "%s with ID \"%.80s\" not found: an id is up to %d hex digits", kind,
			       id, ID_LEN);
	*ret = world_find(k, id);
	if (*ret)
		return 0;
	while ((o = map_next(world.objects[k], &pos))) {
		if (!str_starts(o->sm->id, id))
			continue;
		if (found)
			return err_set(e, ERR_PRECONDITION,
				       "%s id %s fits several: give more of it", kind, id);
		found = o;
	}
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "%s with ID %s not found", kind, id);
	*ret = found;
	return 0;
}

static struct object *object_add(enum kind k, struct sm_object *sm, const char *name_key)
{
	struct object *o = xcalloc(1, sizeof(*o));

	o->sm = sm;
	o->kind = k;
	o->name_copy = name_key ? xstrdup(name_key) : NULL;
	o->name_key = o->name_copy ? o->name_copy : "";
	list_init(&o->jobs);
	list_init(&o->delayed);
	sm->user = o;
	map_put(world.objects[k], sm->id, o);
	if (*o->name_key && !is_nameless(k, sm))
		map_put(world.names, o->name_key, o);
	kind_ops(k)->born(o);
	return o;
}

struct object *world_new(enum kind k, const char *id, void *row, const char *name_key)
{
	return object_add(k, sm_object_new(world.engine, kind_ops(k)->machine, id, row), name_key);
}

/* --- calls --- */

struct caller *caller_new(struct rpc_call *rpc, const void *request,
			  void (*done)(struct rpc_call *, const struct sm_object *,
				       const struct err *))
{
	struct caller *c = xcalloc(1, sizeof(*c));

	list_init(&c->waiter.node);
	c->rpc = rpc;
	c->request = request;
	c->done = done;
	return c;
}

void caller_finish(struct caller *c, const struct sm_object *obj, const struct err *e)
{
	c->done(c->rpc, obj, e);
	free(c);
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
	sm_dispatch(o->sm, ev);
}

/* --- jobs --- */

static void job_work(struct loop_job *base)
{
	struct job *j = container_of(base, struct job, base);

	j->result = j->work(j, &j->err);
}

static void job_run(struct object *o, struct job *j);

static void job_done(struct loop_job *base)
{
	struct job *j = container_of(base, struct job, base);
	struct object *o = world_find(j->kind, j->id);

	if (o)
		o->job_runs = false;
	j->done(j, o);
	/* done may have made the object go away. */
	o = world_find(j->kind, j->id);
	if (o && !o->job_runs && !list_empty(&o->jobs)) {
		struct job *next = list_entry(o->jobs.next, struct job, node);

		list_remove(&next->node);
		job_run(o, next);
	}
	j->free_job(j);
}

static void job_run(struct object *o, struct job *j)
{
	o->job_runs = true;
	/* A full queue is a pause: the effect was promised by a commit. */
	if (loop_work(world.loop, j->lane, &j->base, &j->err) < 0) {
		o->job_runs = false;
		job_start_after(j, NSEC_PER_SEC);
	}
}

void job_init(struct job *j, struct object *o, enum loop_lane lane,
	      int (*work)(struct job *, struct err *), void (*done)(struct job *, struct object *),
	      void (*free_job)(struct job *))
{
	list_init(&j->node);
	list_init(&j->base.node);
	j->base.work = job_work;
	j->base.done = job_done;
	j->lane = lane;
	j->kind = o->kind;
	memcpy(j->id, o->sm->id, sizeof(j->id));
	j->gen = o->sm->effect_gen;
	j->work = work;
	j->done = done;
	j->free_job = free_job;
}

void job_start(struct job *j)
{
	struct object *o = world_find(j->kind, j->id);

	if (!o) {
		j->done(j, NULL);
		j->free_job(j);
	} else if (o->job_runs) {
		list_append(&o->jobs, &j->node);
	} else {
		job_run(o, j);
	}
}

static void job_delay_over(struct loop_timer *t)
{
	struct job *j = container_of(t, struct job, delay);

	list_remove(&j->node);
	job_start(j);
}

void job_start_after(struct job *j, int64_t pause_ns)
{
	struct object *o = world_find(j->kind, j->id);

	if (pause_ns <= 0 || !o) {
		job_start(j);
		return;
	}
	list_append(&o->delayed, &j->node);
	loop_timer_set(world.loop, &j->delay, clock_monotonic_ns() + pause_ns, job_delay_over);
}

void effect_report(struct object *o, uint64_t gen, struct sm_event *ev)
{
	sm_effect_done(o->sm, gen, ev);
}

void job_report(const struct job *j, struct object *o, struct sm_event *ev)
{
	if (o)
		effect_report(o, j->gen, ev);
	else
		sm_event_free(ev);
}

/* --- loading --- */

struct loading {
	enum kind kind;
	enum store_env env;
	struct store_read *read;
	struct err err;
};

static const char *name_key_of(enum kind k, const void *row)
{
	return kind_ops(k)->name_key ? kind_ops(k)->name_key(row) : "";
}

static uint64_t seq_of(const struct store_row *row)
{
	Crisp__State__Envelope *env;
	uint64_t seq;

	if (row->damaged)
		return 0;
	env = crisp__state__envelope__unpack(NULL, row->size, row->payload);
	if (!env)
		return 0;
	seq = env->seq;
	crisp__state__envelope__free_unpacked(env, NULL);
	return seq;
}

/* Each row stands in one environment or in both; the intact copy with the higher seq counts. */
static int load_row(void *arg, const struct store_row *row)
{
	struct loading *l = arg;
	const struct sm_machine *m = kind_ops(l->kind)->machine;
	const char *id = row->key + strlen(m->name) + 1;
	const struct store_row *best = row;
	struct sm_object *sm = NULL;
	struct store_row other;
	struct err e = ERR_NULL;
	int r;

	if (world_find(l->kind, id))
		return 0; /* came from the other environment already */
	if (!id_is_valid(id)) {
		quarantine_add(l->kind, id, "its key does not end in an id");
		return 0;
	}
	r = store_get(l->read, l->env == STORE_ENV_BOOT ? STORE_ENV_DURABLE : STORE_ENV_BOOT,
		      row->key, &other, &l->err);
	if (r < 0)
		return r;
	/* Acknowledged and durable, but gone from the boot store only, does not happen; the other
	 * way round does: a row of this boot that was removed durably is gone. */
	if (r == 1 && l->env == STORE_ENV_BOOT && !m->boot_scoped)
		return 0;
	if (r == 0 && seq_of(&other) > seq_of(row))
		best = &other;
	if (best->damaged)
		err_set(&e, ERR_DATA_LOSS, "checksum or header of the row is wrong");
	else if (sm_object_load(world.engine, m, id, best->payload, best->size, &sm, &e) == 0 &&
		 !is_nameless(l->kind, sm) && *name_key_of(l->kind, sm->row) &&
		 world_find_name(name_key_of(l->kind, sm->row)))
		err_set(&e, ERR_DATA_LOSS, "another %s has the same name", m->name);
	if (e.code) {
		sm_object_free(sm);
		quarantine_add(l->kind, id, e.text);
	} else {
		object_add(l->kind, sm, name_key_of(l->kind, sm->row));
	}
	return 0;
}

/* Of an unstored machine there are no rows. */
static int load_kind(enum kind k, struct err *e)
{
	_cleanup_free_ char *prefix = xasprintf("%s/", kind_ops(k)->machine->name);
	struct store_read read;
	struct loading l = { .kind = k, .read = &read };
	int r = 0;

	if (kind_ops(k)->machine->unstored)
		return 0;
	store_read_begin(world.store, &read);
	for (int env = STORE_ENV_DURABLE; env <= STORE_ENV_BOOT && r == 0; env++) {
		l.env = (enum store_env)env;
		r = store_scan(&read, l.env, prefix, load_row, &l, e);
	}
	store_read_end(&read);
	if (r < 0 && l.err.code)
		*e = l.err;
	return r;
}

static bool turn_end(void *arg)
{
	(void)arg;
	return sm_flush(world.engine);
}

static void retry_stalled(struct loop_timer *t)
{
	sm_retry(world.engine);
	dirs_keep_spare(world.conf);
	loop_timer_set(world.loop, t, clock_monotonic_ns() + NSEC_PER_SEC, retry_stalled);
}

int world_load(struct err *e)
{
	world.engine = sm_engine_new(&engine_ops, NULL);
	list_init(&world.quarantine);
	world.names = map_new();
	for (int k = 0; k < KIND_COUNT; k++)
		world.objects[k] = map_new();
	loop_set_turn_end(world.loop, turn_end, NULL);
	loop_timer_set(world.loop, &world.retry, clock_monotonic_ns() + NSEC_PER_SEC,
		       retry_stalled);
	for (int k = 0; k < KIND_COUNT; k++) {
		int r = load_kind((enum kind)k, e);

		if (r < 0)
			return err_wrap(e, "load the %s rows",
					kind_ops((enum kind)k)->machine->name);
	}
	return 0;
}

int world_recover(struct err *e)
{
	if (listing_rebuild(e) < 0)
		return err_wrap(e, "write what readers see");
	world.recovering = true;
	for (int k = 0; k < KIND_COUNT; k++) {
		struct object *o;
		size_t pos = 0;

		/* Recovery only starts effects: nothing comes or goes before the loop runs. */
		while ((o = map_next(world.objects[k], &pos)))
			sm_recover(o->sm);
	}
	world.recovering = false;
	return 0;
}

void world_stop(void)
{
	if (!world.engine)
		return;
	for (int k = KIND_COUNT - 1; k >= 0; k--) {
		size_t pos = 0;
		struct object *o;

		while (world.objects[k] && (o = map_next(world.objects[k], &pos))) {
			object_free(o);
			pos = 0;
		}
	}
	/* What still is called back, by the end of a line or of the loop, finds nothing. */
	for (int k = 0; k < KIND_COUNT; k++)
		map_free(take_ptr(world.objects[k]));
	while (world.quarantine.next && !list_empty(&world.quarantine)) {
		struct quarantined *q = list_entry(world.quarantine.next, struct quarantined, node);

		list_remove(&q->node);
		free(q);
	}
	map_free(world.names);
	sm_engine_free(take_ptr(world.engine));
}
