/*
 * test_stored_execs.c - rows of exec sessions, which older builds stored, become objects that kill
 * the sessions; each row is deleted with its object and stays while the daemon ends before that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/loading.h"
#include "gen/state.pb-c.h"
#include "pod/exec.h"
#include "all_kinds.h"
#include "scratch.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct scratch scratch;
static struct conf conf;

static void put_row(const char *key, const void *payload, size_t size)
{
	struct err e = ERR_NULL;
	struct store_txn t;

	store_begin(world.store, &t);
	store_put(&t, STORE_ENV_BOOT, key, payload, size);
	assert_int_equal(store_commit(&t, &e), 0);
}

/* A row of the container ID, which no longer exists. */
static void put_exec(const char *key)
{
	Crisp__State__Exec row = CRISP__STATE__EXEC__INIT;
	Crisp__State__Envelope env = CRISP__STATE__ENVELOPE__INIT;
	uint8_t row_bytes[512], bytes[1024];

	row.container_id = (char *)(uintptr_t)ID;
	env.state = 2;
	env.row.data = row_bytes;
	env.row.len = crisp__state__exec__pack(&row, row_bytes);
	put_row(key, bytes, crisp__state__envelope__pack(&env, bytes));
}

static bool has_row(const char *key)
{
	struct err e = ERR_NULL;
	struct store_read read;
	struct store_row row;
	int r;

	store_read_begin(world.store, &read);
	r = store_get(&read, STORE_ENV_BOOT, key, &row, &e);
	store_read_end(&read);
	assert_true(r >= 0);
	return r == 0;
}

static int setup(void **state)
{
	struct store_options o = { .no_sync = true };
	_cleanup_free_ char *durable = NULL, *boot = NULL;
	struct err e;

	(void)state;
	scratch_make(&scratch);
	conf.root = conf.runroot = scratch_file(&scratch, "run");
	o.durable_dir = durable = scratch_file(&scratch, "durable");
	o.boot_dir = boot = scratch_file(&scratch, "boot");
	world.kinds = all_kinds;
	world.conf = &conf;
	world.loop = loop_new(&e);
	assert_non_null(world.loop);
	assert_int_equal(store_open(&o, &world.store, &e), 0);
	assert_int_equal(world_load(&e), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_stop();
	store_close(take_ptr(world.store));
	loop_timer_stop(world.loop, &world.retry);
	loop_free(take_ptr(world.loop));
	free(conf.root);
	scratch_drop(&scratch);
	return 0;
}

static void a_row_goes_with_its_session(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	put_exec("exec/" ID);
	assert_int_equal(world_recover(&e), 0);
	assert_int_equal(exec_end_stored(&e), 0);
	assert_non_null(world_find(KIND_EXEC, ID));
	assert_true(has_row("exec/" ID));
	while (sm_flush(world.engine))
		continue;
	assert_null(world_find(KIND_EXEC, ID));
	assert_false(has_row("exec/" ID));
}

static void a_row_stays_when_the_daemon_ends(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	put_exec("exec/" ID);
	assert_int_equal(world_recover(&e), 0);
	assert_int_equal(exec_end_stored(&e), 0);
	world_stop();
	assert_true(has_row("exec/" ID));
}

static void an_unreadable_row_goes(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	put_row("exec/" ID, "\xff\xff", 2);
	assert_int_equal(world_recover(&e), 0);
	assert_int_equal(exec_end_stored(&e), 0);
	while (sm_flush(world.engine))
		continue;
	assert_false(has_row("exec/" ID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_row_goes_with_its_session, setup, teardown),
		cmocka_unit_test_setup_teardown(a_row_stays_when_the_daemon_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(an_unreadable_row_goes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
