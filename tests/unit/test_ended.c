/*
 * test_ended.c - rows of deleted objects, for events after a restart: kept by the commit that
 * deletes, found by the next daemon, dropped and counted above their limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/util.h"
#include "core/ended.h"
#include "pod/container.h"
#include "pod/exec.h"
#include "pod/sandbox.h"
#include "scratch.h"

static const struct kind_ops *const kinds[KIND_COUNT] = {
	[KIND_IMAGE] = &kind_exec, [KIND_SANDBOX] = &kind_sandbox,
	[KIND_SHIM] = &kind_exec,  [KIND_CONTAINER] = &kind_container,
	[KIND_EXEC] = &kind_exec,  [KIND_STREAM] = &kind_exec,
	[KIND_PULL] = &kind_exec,
};

static struct scratch scratch;
static struct conf conf = { .enable_pod_events = true };
static unsigned n_objects;

static int setup(void **state)
{
	_cleanup_free_ char *durable = NULL, *boot = NULL;
	struct store_options o = { .no_sync = true };
	struct err e = ERR_NULL;

	(void)state;
	scratch_make(&scratch);
	o.durable_dir = durable = scratch_file(&scratch, "durable");
	o.boot_dir = boot = scratch_file(&scratch, "boot");
	world.kinds = kinds;
	world.conf = &conf;
	world.loop = loop_new(&e);
	if (store_open(&o, &world.store, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(ended_load(&e), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ended_stop();
	store_close(take_ptr(world.store));
	loop_free(take_ptr(world.loop));
	scratch_drop(&scratch);
	return 0;
}

/* As a new daemon. */
static void restart(void)
{
	struct err e = ERR_NULL;

	ended_stop();
	assert_int_equal(ended_load(&e), 0);
}

/* Put the row of a container of n bytes into t. */
static void put(struct store_txn *t, enum kind kind, size_t n, bool hidden)
{
	Crisp__State__Envelope env = CRISP__STATE__ENVELOPE__INIT;
	Crisp__State__Container row = CRISP__STATE__CONTAINER__INIT;
	_cleanup_free_ char *config = xcalloc(n + 1, 1);
	_cleanup_free_ uint8_t *packed_row = NULL, *packed = NULL;
	struct object o = { .kind = kind };
	struct sm_object sm = { .machine = kind_ops(kind)->machine, .user = &o };
	struct sm_write w = { .obj = &sm, .row = &row, .final = true };

	o.sm = &sm;
	snprintf(sm.id, sizeof(sm.id), "%064u", n_objects++);
	row.pid = hidden ? 0 : 1;
	row.config.data = (uint8_t *)config;
	row.config.len = n;
	packed_row = xmalloc(crisp__state__container__get_packed_size(&row));
	env.row.len = crisp__state__container__pack(&row, packed_row);
	env.row.data = packed_row;
	env.state = ctr_machine.states[0].number;
	packed = xmalloc(crisp__state__envelope__get_packed_size(&env));
	w.size = crisp__state__envelope__pack(&env, packed);
	w.envelope = packed;
	ended_put(t, &w);
}

static void put_one(enum kind kind, size_t n, bool hidden)
{
	struct err e = ERR_NULL;
	struct store_txn t;

	store_begin(world.store, &t);
	put(&t, kind, n, hidden);
	assert_int_equal(store_commit(&t, &e), 0);
	ended_settle(true);
}

struct found {
	unsigned n;
	char ids[64][ID_LEN + 1];
};

static void find(void *arg, struct listing_row *row)
{
	struct found *f = arg;

	assert_int_equal(row->kind, KIND_CONTAINER);
	assert_true(f->n < ARRAY_LEN(f->ids));
	memcpy(f->ids[f->n++], row->id, sizeof(f->ids[0]));
	listing_row_done(row);
}

static struct found found(void)
{
	struct found f = { .n = 0 };
	struct err e = ERR_NULL;

	assert_int_equal(ended_each(find, &f, &e), 0);
	return f;
}

static void test_kept(void **state)
{
	struct found f;

	(void)state;
	n_objects = 0;
	put_one(KIND_CONTAINER, 10, false);
	put_one(KIND_CONTAINER, 10, true); /* no client knows its id */
	put_one(KIND_EXEC, 10, false); /* raises no events */
	put_one(KIND_CONTAINER, 10, false);
	restart();
	put_one(KIND_CONTAINER, 10, false);
	f = found();
	assert_int_equal(f.n, 3);
	assert_int_equal(f.ids[0][ID_LEN - 1], '0');
	assert_int_equal(f.ids[1][ID_LEN - 1], '3');
	assert_int_equal(f.ids[2][ID_LEN - 1], '4');
	assert_int_equal(ended_dropped(), 0);
}

static void test_off(void **state)
{
	(void)state;
	conf.enable_pod_events = false;
	put_one(KIND_CONTAINER, 10, false);
	conf.enable_pod_events = true;
	assert_int_equal(found().n, 0);
}

/* A commit that fails changes nothing, and says whether it is worth a try without the rows. */
static void test_failed(void **state)
{
	struct store_txn t;

	(void)state;
	put_one(KIND_CONTAINER, LIMIT_ENDED / 2, false);
	store_begin(world.store, &t);
	put(&t, KIND_CONTAINER, LIMIT_ENDED - 1000, false);
	store_abort(&t);
	assert_true(ended_settle(false));
	assert_false(ended_settle(false));
	assert_int_equal(found().n, 1);
	assert_int_equal(ended_dropped(), 0);
	put_one(KIND_CONTAINER, LIMIT_ENDED / 4, false);
	assert_int_equal(found().n, 2);
}

/* The number of dropped rows is known after a restart. */
static void test_limit(void **state)
{
	struct found f;

	(void)state;
	n_objects = 0;
	for (int i = 0; i < 6; i++)
		put_one(KIND_CONTAINER, LIMIT_ENDED / 3, false);
	put_one(KIND_CONTAINER, LIMIT_ENDED + 1, false);
	f = found();
	assert_int_equal(f.n, 2);
	assert_int_equal(f.ids[1][ID_LEN - 1], '5');
	assert_int_equal(ended_dropped(), 5);
	put_one(KIND_CONTAINER, 10, false);
	restart();
	assert_int_equal(found().n, 3);
	assert_int_equal(ended_dropped(), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
