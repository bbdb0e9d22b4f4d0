/*
 * test_slots.c - concurrent pulls never unpack more layers at one time than there are slots.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/util.h"
#include "pull/slots.h"
#include "scratch.h"

#define SLOTS 3
#define MAKERS 12
#define LAYERS 8 /* of each */
#define HOLD_MS 500

static struct {
	struct scratch scratch;
	char *path;
	struct stop stop;
	atomic_int active, most, made;
} run;

static void *maker(void *arg)
{
	struct err e = ERR_NULL;

	(void)arg;
	for (int i = 0; i < LAYERS; i++) {
		_cleanup_close_ int slot = -1;
		int now, most = atomic_load(&run.most);

		if (slot_take(run.path, SLOTS, &run.stop, &slot, &e) < 0)
			return NULL;
		now = atomic_fetch_add(&run.active, 1) + 1;
		while (now > most && !atomic_compare_exchange_weak(&run.most, &most, now))
			;
		/* Hold until each slot was taken at one moment: losers look again later. */
		poll(NULL, 0, 1);
		for (int k = 0; k < HOLD_MS && atomic_load(&run.most) < SLOTS; k++)
			poll(NULL, 0, 1);
		atomic_fetch_add(&run.made, 1);
		atomic_fetch_sub(&run.active, 1);
	}
	return NULL;
}

static void test_never_more_than_slots(void **state)
{
	pthread_t makers[MAKERS];

	(void)state;
	for (int i = 0; i < MAKERS; i++)
		assert_int_equal(pthread_create(&makers[i], NULL, maker, NULL), 0);
	for (int i = 0; i < MAKERS; i++)
		pthread_join(makers[i], NULL);
	assert_int_equal(atomic_load(&run.made), MAKERS * LAYERS);
	assert_int_equal(atomic_load(&run.most), SLOTS);
}

/* Who waits for a slot is told when nobody wants the image any more. */
static void test_stopped_while_waiting(void **state)
{
	int slots[SLOTS], none = -1;
	struct err e = ERR_NULL;

	(void)state;
	for (int i = 0; i < SLOTS; i++)
		assert_int_equal(slot_take(run.path, SLOTS, &run.stop, &slots[i], &e), 0);
	stop_set(&run.stop);
	assert_true(slot_take(run.path, SLOTS, &run.stop, &none, &e) < 0);
	assert_int_equal(e.code, ERR_CANCELLED);
	assert_int_equal(none, -1);
	for (int i = 0; i < SLOTS; i++)
		close(slots[i]);
}

static int setup(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	scratch_make(&run.scratch);
	run.path = scratch_file(&run.scratch, "slots");
	atomic_store(&run.most, 0);
	atomic_store(&run.made, 0);
	return stop_init(&run.stop, -1, &e);
}

static int teardown(void **state)
{
	(void)state;
	stop_done(&run.stop);
	free(run.path);
	scratch_drop(&run.scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_never_more_than_slots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped_while_waiting, setup, teardown),
	};

	return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
