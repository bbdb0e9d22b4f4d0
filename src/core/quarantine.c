/*
 * quarantine.c - lists and removes rows that did not load.
 *
 * The row cannot be trusted, so no machine runs: one blocking job removes all that derives from
 * the id, then the rows are deleted.
 */
#include "core/calls.h"
#include "core/quarantine.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "core/listing.h"
#include "core/trash.h"

struct removal {
	struct loop_job base;
	struct caller *call;
	enum kind kind;
	char id[ID_LEN + 1];
	int result;
	struct err err;
};

void quarantine_add(enum kind k, const char *id, const char *why)
{
	struct quarantined *q;

	list_for_each(node, &world.quarantine) {
		q = list_entry(node, struct quarantined, node);
		if (q->kind == k && strcmp(q->id, id) == 0)
			return;
	}
	q = xcalloc(1, sizeof(*q));
	q->kind = k;
	memcpy(q->id, id, MIN(strlen(id), (size_t)ID_LEN));
	memcpy(q->why, why, MIN(strlen(why), sizeof(q->why) - 1));
	list_append(&world.quarantine, &q->node);
	log_error("object quarantined", "%s=%s error=\"%s\"", kind_ops(k)->machine->name, q->id,
		  why);
}

static struct quarantined *find(enum kind k, const char *id)
{
	struct quarantined *found = NULL;

	list_for_each(node, &world.quarantine) {
		struct quarantined *q = list_entry(node, struct quarantined, node);

		if (q->kind != k || !id_is_prefix(id) || !str_starts(q->id, id))
			continue;
		if (found)
			return NULL;
		found = q;
	}
	return found;
}

static void removal_work(struct loop_job *base)
{
	struct removal *m = container_of(base, struct removal, base);

	m->result = kind_ops(m->kind)->end_remains(m->id, &m->err);
}

static int delete_rows(const struct removal *m, struct err *e)
{
	const char *name = kind_ops(m->kind)->machine->name;
	_cleanup_free_ char *key = xasprintf("%s/%s", name, m->id);
	struct store_txn t;

	store_begin(world.store, &t);
	store_del(&t, STORE_ENV_DURABLE, key);
	store_del(&t, STORE_ENV_BOOT, key);
	listing_del(m->kind, m->id, &t);
	return store_commit(&t, e);
}

static void removal_done(struct loop_job *base)
{
	struct removal *m = container_of(base, struct removal, base);
	struct quarantined *q = find(m->kind, m->id);

	/* A failed removal may have moved a directory to the trash, too. */
	trash_kick();
	if (m->result == 0)
		m->result = delete_rows(m, &m->err);
	if (m->result == 0 && q) {
		list_remove(&q->node);
		free(q);
		log_info("quarantined row removed", "%s=%s", kind_ops(m->kind)->machine->name,
			 m->id);
	}
	caller_finish(m->call, NULL, m->result < 0 ? &m->err : NULL);
	free(m);
}

bool quarantine_remove(struct caller *c, enum kind k, const char *id)
{
	struct quarantined *q = find(k, id);
	struct removal *m;

	if (!q || !kind_ops(k)->end_remains)
		return false;
	m = xcalloc(1, sizeof(*m));
	m->base.work = removal_work;
	m->base.done = removal_done;
	m->call = c;
	m->kind = k;
	memcpy(m->id, q->id, sizeof(m->id));
	if (loop_work(world.loop, LANE_STOP, &m->base, &m->err) < 0) {
		caller_finish(c, NULL, &m->err);
		free(m);
	}
	return true;
}
