/*
 * listing.c - writes list entries with the commits, rebuilds them at start, scans them for lists.
 */
#include "core/listing.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "core/ended.h"
#include "gen/state.pb-c.h"

#define LISTING_PREFIX "view/"
#define REBUILD_STEP 64 /* objects per transaction */

int listing_shows(enum kind k, const struct sm_state *state)
{
	const ProtobufCEnumDescriptor *d = kind_ops(k)->shows;
	const ProtobufCEnumValue *v;

	if (!state->shows || !d)
		return -1;
	v = protobuf_c_enum_descriptor_get_value_by_name(d, state->shows);
	assert(v); /* else states/X.sm names a value that the CRI enum lacks */
	return v->value;
}

bool listing_is_hidden(enum kind k, const struct sm_state *state, const void *row)
{
	const struct kind_ops *ops = kind_ops(k);

	return !state->shows || (ops->is_hidden && ops->is_hidden(row));
}

/* --- writing --- */

void listing_put(enum kind k, const char *id, const struct sm_state *state, const void *row,
		 const char *owner, const ProtobufCMessage *item, struct store_txn *t)
{
	const char *kind = kind_ops(k)->machine->name;
	_cleanup_free_ char *key = xasprintf(LISTING_PREFIX "%s/%s", kind, id);
	struct listing_head h = { .hidden = listing_is_hidden(k, state, row) };
	size_t size = protobuf_c_message_get_packed_size(item);
	_cleanup_free_ uint8_t *value = xmalloc(sizeof(h) + size);
	int shows = listing_shows(k, state);

	h.state = shows < 0 ? 0 : (uint32_t)shows;
	memcpy(h.owner, owner, MIN(strlen(owner), (size_t)ID_LEN));
	memcpy(value, &h, sizeof(h));
	protobuf_c_message_pack(item, value + sizeof(h));
	store_put(t, STORE_ENV_BOOT, key, value, sizeof(h) + size);
}

void listing_del(enum kind k, const char *id, struct store_txn *t)
{
	const char *kind = kind_ops(k)->machine->name;
	_cleanup_free_ char *key = xasprintf(LISTING_PREFIX "%s/%s", kind, id);

	store_del(t, STORE_ENV_BOOT, key);
}

/* true also for a row of a kind that only older builds stored: the kind's code deletes it. */
static bool stays(const char *key)
{
	if (str_starts(key, ENDED_PREFIX))
		return true; /* deleted when its minute is over */
	if (str_starts(key, LISTING_PREFIX))
		key += strlen(LISTING_PREFIX);
	for (int k = 0; k < KIND_COUNT; k++) {
		const struct sm_machine *m = kind_ops((enum kind)k)->machine;
		const char *name = m->name;

		if (str_starts(key, name) && key[strlen(name)] == '/')
			return m->unstored || world_find((enum kind)k, key + strlen(name) + 1);
	}
	return false;
}

static int delete_other(void *arg, const struct store_row *row)
{
	struct store_txn *t = arg;

	if (!stays(row->key))
		store_del(t, STORE_ENV_BOOT, row->key);
	return 0;
}

static int delete_others(struct err *e)
{
	struct store_read read;
	struct store_txn t;
	int r;

	/* The reader's snapshot is stable while the writer deletes. */
	store_read_begin(world.store, &read);
	store_begin(world.store, &t);
	r = store_scan(&read, STORE_ENV_BOOT, "", delete_other, &t, e);
	store_read_end(&read);
	if (r == 0)
		return store_commit(&t, e);
	store_abort(&t);
	return r;
}

static void write_row(const struct object *o, struct store_txn *t)
{
	_cleanup_free_ char *key = xasprintf("%s/%s", o->sm->machine->name, o->sm->id);
	_cleanup_free_ void *envelope = NULL;
	size_t size;

	envelope = sm_object_pack(o->sm, &size);
	store_put(t, STORE_ENV_BOOT, key, envelope, size);
}

/* Write in small transactions, which fit on a full file system.  store_put skips rows that are
 * stored already.  rows: the rows, too, not the entries alone. */
static int write_all(enum kind k, bool rows, struct err *e)
{
	struct store_txn t;
	struct object *o;
	size_t pos = 0;
	int n = 0, r = 0;

	store_begin(world.store, &t);
	while (r == 0 && (o = map_next(world.objects[k], &pos))) {
		if (sm_state(o->sm)->kind == SM_KIND_INITIAL)
			continue; /* nothing of it is stored yet */
		if (rows)
			write_row(o, &t);
		if (kind_ops(k)->put_listing)
			kind_ops(k)->put_listing(o->sm->id, sm_state(o->sm), o->sm->row, &t);
		if (++n % REBUILD_STEP)
			continue;
		r = store_commit(&t, e);
		store_begin(world.store, &t);
	}
	if (r == 0)
		return store_commit(&t, e);
	store_abort(&t);
	return r;
}

int listing_rebuild(struct err *e)
{
	int r = delete_others(e);

	for (int k = 0; k < KIND_COUNT && r == 0; k++)
		if (!kind_ops((enum kind)k)->machine->unstored)
			r = write_all((enum kind)k, true, e);
	return r;
}

int listing_refresh(enum kind k, struct err *e)
{
	return write_all(k, false, e);
}

/* --- reading --- */

struct scan {
	int (*fn)(void *arg, const struct listing *v);
	void *arg;
	size_t skip; /* of the key, up to the id */
};

static int list_row(void *arg, const struct store_row *row)
{
	const struct scan *l = arg;
	struct listing v;

	if (row->damaged || row->size < sizeof(v.head))
		return 0; /* Explain lists the object */
	memcpy(&v.head, row->payload, sizeof(v.head));
	v.head.owner[ID_LEN] = '\0';
	v.id = row->key + l->skip;
	v.item = (const char *)row->payload + sizeof(v.head);
	v.size = row->size - sizeof(v.head);
	return v.head.hidden ? 0 : l->fn(l->arg, &v);
}

int listing_each(enum kind k, const char *after, int (*fn)(void *arg, const struct listing *v),
		 void *arg, struct err *e)
{
	_cleanup_free_ char *prefix = xasprintf(LISTING_PREFIX "%s/", kind_ops(k)->machine->name);
	_cleanup_free_ char *from = xasprintf("%s%s", prefix, after);
	struct scan l = { .fn = fn, .arg = arg, .skip = strlen(prefix) };
	struct store_read read;
	int r;

	store_read_begin(world.store, &read);
	r = store_scan_after(&read, STORE_ENV_BOOT, prefix, from, list_row, &l, e);
	store_read_end(&read);
	return r;
}

struct row_search {
	struct buf found; /* the first row's payload */
	char id[ID_LEN + 1];
	size_t skip;
	unsigned n;
};

static int search_row(void *arg, const struct store_row *row)
{
	struct row_search *s = arg;

	if (row->damaged || strlen(row->key + s->skip) != ID_LEN)
		return 0;
	if (s->n++ == 0) {
		memcpy(s->id, row->key + s->skip, ID_LEN);
		buf_add(&s->found, row->payload, row->size);
	}
	/* An exact id matches one row only: all ids have the same length. */
	return 0;
}

int listing_row_unpack(enum kind k, const char *id, const void *envelope, size_t size,
		       struct listing_row *ret, struct err *e)
{
	const struct sm_machine *m = kind_ops(k)->machine;
	int state = -1;

	*ret = LISTING_ROW_NULL;
	ret->kind = k;
	memcpy(ret->id, id, sizeof(ret->id));
	ret->envelope = crisp__state__envelope__unpack(NULL, size, envelope);
	if (ret->envelope) {
		state = sm_state_by_number(m, ret->envelope->state);
		ret->row = protobuf_c_message_unpack(
			m->row_descriptor, NULL, ret->envelope->row.len, ret->envelope->row.data);
	}
	if (ret->row && state >= 0) {
		ret->state = &m->states[state];
		return 0;
	}
	listing_row_done(ret);
	return err_set(e, ERR_DATA_LOSS, "row %s/%s does not decode", m->name, id);
}

int listing_read(enum kind k, const char *id, struct listing_row *ret, struct err *e)
{
	const struct sm_machine *m = kind_ops(k)->machine;
	_cleanup_free_ char *prefix = NULL;
	_cleanup_buf_ struct buf found = BUF_NULL;
	struct row_search s = { .n = 0, .skip = strlen(m->name) + 1 };
	struct store_read read;
	int r;

	*ret = LISTING_ROW_NULL;
	if (!id_is_prefix(id))
		return err_set(e, ERR_NOT_FOUND, "%s with ID %.80s not found", m->name, id);
	prefix = xasprintf("%s/%s", m->name, id);
	store_read_begin(world.store, &read);
	r = store_scan(&read, STORE_ENV_BOOT, prefix, search_row, &s, e);
	store_read_end(&read);
	found = s.found;
	if (r < 0)
		return r;
	if (s.n == 0)
		return err_set(e, ERR_NOT_FOUND, "%s with ID %s not found", m->name, id);
	if (s.n > 1)
		return err_set(e, ERR_PRECONDITION, "%s id %s fits several: give more of it",
			       m->name, id);
	return listing_row_unpack(k, s.id, found.data, found.len, ret, e);
}

int listing_get(enum kind k, const char *id, struct listing_row *ret, struct err *e)
{
	int r = listing_read(k, id, ret, e);

	if (r < 0 || !listing_is_hidden(k, ret->state, ret->row))
		return r;
	listing_row_done(ret);
	return err_set(e, ERR_NOT_FOUND, "%s with ID %s not found", kind_ops(k)->machine->name, id);
}

void listing_row_done(struct listing_row *r)
{
	if (r->row)
		protobuf_c_message_free_unpacked(r->row, NULL);
	crisp__state__envelope__free_unpacked(r->envelope, NULL);
	*r = LISTING_ROW_NULL;
}
