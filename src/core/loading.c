/*
 * loading.c - loads rows into objects, quarantines those that do not load.
 */
#include "core/loading.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "core/commits.h"
#include "core/dirs.h"
#include "core/ended.h"
#include "core/listing.h"
#include "core/objects.h"
#include "core/quarantine.h"

struct loading {
	enum kind kind;
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

/* Load the row of the durable environment, or its copy in the boot environment: the intact one with
 * the higher seq.  A removal deletes the durable one first: do not look for others in boot. */
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

	if (!id_is_valid(id)) {
		quarantine_add(l->kind, id, "its key does not end in an id");
		return 0;
	}
	r = store_get(l->read, STORE_ENV_BOOT, row->key, &other, &l->err);
	if (r < 0)
		return r;
	if (r == 0 && seq_of(&other) > seq_of(row))
		best = &other;
	if (best->damaged)
		err_set(&e, ERR_DATA_LOSS, "checksum or header of the row is wrong");
	else if (sm_object_load(world.engine, m, id, best->payload, best->size, &sm, &e) == 0 &&
		 !object_is_nameless(l->kind, sm) && *name_key_of(l->kind, sm->row) &&
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

static int load_kind(enum kind k, struct err *e)
{
	_cleanup_free_ char *prefix = xasprintf("%s/", kind_ops(k)->machine->name);
	struct store_read read;
	struct loading l = { .kind = k, .read = &read };
	int r;

	if (kind_ops(k)->machine->unstored)
		return 0;
	store_read_begin(world.store, &read);
	r = store_scan(&read, STORE_ENV_DURABLE, prefix, load_row, &l, e);
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
	world.engine = sm_engine_new(&commits_ops, NULL);
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
	return ended_load(e);
}

int world_recover(struct err *e)
{
	if (listing_rebuild(e) < 0)
		return err_wrap(e, "write the list entries");
	world.recovering = true;
	for (int k = 0; k < KIND_COUNT; k++) {
		struct object *o;
		size_t pos = 0;

		/* Recovery only starts effects: the table does not change before the loop runs. */
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
	ended_stop();
	for (int k = KIND_COUNT - 1; k >= 0; k--) {
		size_t pos = 0;
		struct object *o;

		while (world.objects[k] && (o = map_next(world.objects[k], &pos))) {
			object_free(o);
			pos = 0;
		}
	}
	/* Late callbacks, from shim links or the loop's end, must find no objects. */
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
