/*
 * ended.c - writes the rows of deleted objects with the commits, deletes them after a minute.
 */
#include "core/ended.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "core/objects.h"

#define KEEP_NS (60 * NSEC_PER_SEC)
#define ROWS_MAX 65536 /* of a few bytes each */
#define KEY_BYTES (sizeof(ENDED_PREFIX) + 20)

struct ended_row {
	struct list node;
	char key[KEY_BYTES]; /* with a number of 20 digits: sorted by commit */
	size_t size;
	int64_t until_ns; /* CLOCK_MONOTONIC */
};

static struct ended_rows {
	struct list rows; /* stored, oldest first */
	struct list coming, going; /* put and deleted by the commit under way */
	size_t n, bytes; /* of rows and coming */
	uint64_t next; /* number of the next row */
	uint64_t dropped, dropping; /* dropping: by the commit under way */
	struct loop_timer timer;
} ended;

static struct ended_row *first_of(struct list *l)
{
	return list_empty(l) ? NULL : list_entry(l->next, struct ended_row, node);
}

static void row_free(struct ended_row *r)
{
	list_remove(&r->node);
	free(r);
}

static void add(struct list *to, const char *key, size_t size)
{
	struct ended_row *r = xcalloc(1, sizeof(*r));

	snprintf(r->key, sizeof(r->key), "%s", key);
	r->size = size;
	r->until_ns = clock_monotonic_ns() + KEEP_NS;
	list_init(&r->node);
	list_append(to, &r->node);
	ended.n++;
	ended.bytes += size;
}

static void del_first(struct store_txn *t)
{
	struct ended_row *r = first_of(&ended.rows);

	store_del(t, STORE_ENV_BOOT, r->key);
	list_remove(&r->node);
	list_append(&ended.going, &r->node);
	ended.n--;
	ended.bytes -= r->size;
}

/* --- deletion after a minute --- */

static void on_timer(struct loop_timer *timer);

static void arm(void)
{
	const struct ended_row *r = first_of(&ended.rows);

	if (r && !ended.timer.slot)
		loop_timer_set(world.loop, &ended.timer, r->until_ns, on_timer);
}

static void on_timer(struct loop_timer *timer)
{
	int64_t now = clock_monotonic_ns();
	struct err e = ERR_NULL;
	struct ended_row *r;
	struct store_txn t;

	store_begin(world.store, &t);
	while ((r = first_of(&ended.rows)) && r->until_ns <= now)
		del_first(&t);
	if (store_commit(&t, &e) < 0) {
		log_err(LOG_LEVEL_WARN, "rows of deleted objects stay", &e);
		ended_settle(false);
		loop_timer_set(world.loop, timer, now + KEEP_NS, on_timer);
		return;
	}
	ended_settle(true);
	if (list_empty(&ended.rows))
		ended.dropped = 0;
}

/* --- commits --- */

static bool is_kept(const struct sm_write *w)
{
	enum kind k = object_of(w->obj)->kind;
	const struct kind_ops *ops = kind_ops(k);

	return world.conf->enable_pod_events && (k == KIND_SANDBOX || k == KIND_CONTAINER) &&
	       !ops->is_hidden(w->row);
}

void ended_put(struct store_txn *t, const struct sm_write *w)
{
	Crisp__State__Ended m = CRISP__STATE__ENDED__INIT;
	_cleanup_free_ uint8_t *packed = NULL;
	char key[KEY_BYTES];
	size_t size;

	if (!is_kept(w))
		return;
	m.machine = (char *)(uintptr_t)w->obj->machine->name;
	m.id = w->obj->id;
	m.envelope.data = (uint8_t *)(uintptr_t)w->envelope;
	m.envelope.len = w->size;
	m.dropped = UINT64_MAX; /* the largest size */
	size = crisp__state__ended__get_packed_size(&m);
	if (size > LIMIT_ENDED) {
		ended.dropping++;
		return;
	}
	while (!list_empty(&ended.rows) &&
	       (ended.bytes + size > LIMIT_ENDED || ended.n >= ROWS_MAX)) {
		del_first(t);
		ended.dropping++;
	}
	if (ended.bytes + size > LIMIT_ENDED || ended.n >= ROWS_MAX) {
		ended.dropping++; /* the commit itself fills the limit */
		return;
	}
	m.dropped = ended.dropped + ended.dropping;
	size = crisp__state__ended__get_packed_size(&m);
	packed = xmalloc(size);
	crisp__state__ended__pack(&m, packed);
	snprintf(key, sizeof(key), ENDED_PREFIX "%020llu", (unsigned long long)ended.next++);
	store_put(t, STORE_ENV_BOOT, key, packed, size);
	add(&ended.coming, key, size);
}

bool ended_settle(bool committed)
{
	bool any = !list_empty(&ended.coming) || !list_empty(&ended.going);
	struct ended_row *r;

	if (committed) {
		list_splice(&ended.rows, &ended.coming);
		ended.dropped += ended.dropping;
	}
	while ((r = first_of(&ended.coming))) {
		ended.n--;
		ended.bytes -= r->size;
		row_free(r);
	}
	while (!list_empty(&ended.going)) {
		r = list_entry(ended.going.prev, struct ended_row, node);
		if (committed) {
			row_free(r);
			continue;
		}
		ended.n++;
		ended.bytes += r->size;
		list_remove(&r->node);
		list_prepend(&ended.rows, &r->node);
	}
	ended.dropping = 0;
	arm();
	return any;
}

/* --- the earlier crispd's --- */

static int load_row(void *arg, const struct store_row *row)
{
	uint64_t number;
	Crisp__State__Ended *m = NULL;

	(void)arg;
	if (strlen(row->key) >= KEY_BYTES)
		return 0;
	add(&ended.rows, row->key, row->size);
	if (str_to_u64(row->key + strlen(ENDED_PREFIX), UINT64_MAX - 1, &number) == 0)
		ended.next = MAX(ended.next, number + 1);
	if (!row->damaged)
		m = crisp__state__ended__unpack(NULL, row->size, row->payload);
	if (m)
		ended.dropped = m->dropped;
	crisp__state__ended__free_unpacked(m, NULL);
	return 0;
}

int ended_load(struct err *e)
{
	struct store_read read;
	int r;

	ended = (struct ended_rows){ .n = 0 };
	list_init(&ended.rows);
	list_init(&ended.coming);
	list_init(&ended.going);
	store_read_begin(world.store, &read);
	r = store_scan(&read, STORE_ENV_BOOT, ENDED_PREFIX, load_row, NULL, e);
	store_read_end(&read);
	arm();
	return r;
}

void ended_stop(void)
{
	struct ended_row *r;

	loop_timer_stop(world.loop, &ended.timer);
	while (ended.rows.next && (r = first_of(&ended.rows)))
		row_free(r);
}

struct each {
	void (*fn)(void *arg, struct listing_row *row);
	void *arg;
};

static int each_row(void *arg, const struct store_row *row)
{
	const struct each *to = arg;
	Crisp__State__Ended *m = NULL;
	struct listing_row found = LISTING_ROW_NULL;
	struct err ignored = ERR_NULL;
	enum kind k = KIND_COUNT;

	if (!row->damaged)
		m = crisp__state__ended__unpack(NULL, row->size, row->payload);
	if (m)
		k = kind_of_machine(m->machine);
	if ((k == KIND_SANDBOX || k == KIND_CONTAINER) && id_is_valid(m->id) &&
	    listing_row_unpack(k, m->id, m->envelope.data, m->envelope.len, &found, &ignored) == 0)
		to->fn(to->arg, &found);
	crisp__state__ended__free_unpacked(m, NULL);
	return 0;
}

int ended_each(void (*fn)(void *arg, struct listing_row *row), void *arg, struct err *e)
{
	struct each to = { .fn = fn, .arg = arg };
	struct store_read read;
	int r;

	store_read_begin(world.store, &read);
	r = store_scan(&read, STORE_ENV_BOOT, ENDED_PREFIX, each_row, &to, e);
	store_read_end(&read);
	return r;
}

uint64_t ended_dropped(void)
{
	return ended.dropped;
}
