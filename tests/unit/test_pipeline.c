/*
 * test_pipeline.c - bytes through a ring to another thread: complete, in order, in pieces of any
 * size. Errors return to the writer; an end in the middle does not hang.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pull/unpack/pipeline.h"

struct work {
	uint64_t seen;
	bool in_order;
	uint64_t fail_at;
	pthread_mutex_t *gate; /* held by the test while no work is to be done */
};

/* Byte i of the stream. */
static unsigned char byte_at(uint64_t i)
{
	return (unsigned char)(i * 31 + (i >> 12));
}

static int work(void *arg, const void *data, size_t size, struct err *e)
{
	struct work *w = arg;
	const unsigned char *p = data;

	if (w->gate) {
		pthread_mutex_lock(w->gate);
		pthread_mutex_unlock(w->gate);
	}
	for (size_t i = 0; i < size; i++)
		w->in_order = w->in_order && p[i] == byte_at(w->seen + i);
	w->seen += size;
	if (w->fail_at && w->seen >= w->fail_at)
		return err_set(e, ERR_DATA_LOSS, "bad after %ju", (uintmax_t)w->seen);
	return 0;
}

static int feed(struct pipeline *s, uint64_t total, size_t chunk, struct err *e)
{
	_cleanup_free_ unsigned char *data = xmalloc(chunk);
	int r = 0;

	for (uint64_t at = 0; at < total && r == 0; at += chunk) {
		for (size_t i = 0; i < chunk; i++)
			data[i] = byte_at(at + i);
		r = pipeline_feed(s, data, (size_t)MIN((uint64_t)chunk, total - at), e);
	}
	return r;
}

static void test_all_in_order(void **state)
{
	static const size_t chunks[] = { 1000, 65536, 262144, PIPELINE_RING,
					 3 * PIPELINE_RING + 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		struct work w = { .in_order = true };
		struct pipeline *s;
		struct err e = ERR_NULL;
		uint64_t total = (uint64_t)5 * PIPELINE_RING + 12345;

		assert_int_equal(pipeline_new(work, &w, &s, &e), 0);
		assert_int_equal(feed(s, total, chunks[i], &e), 0);
		assert_int_equal(pipeline_finish(s, &e), 0);
		assert_true(w.in_order);
		assert_int_equal(w.seen, total);
		pipeline_free(s);
	}
}

static void test_nothing(void **state)
{
	struct work w = { .in_order = true };
	struct pipeline *s;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(pipeline_new(work, &w, &s, &e), 0);
	assert_int_equal(pipeline_finish(s, &e), 0);
	assert_int_equal(w.seen, 0);
	pipeline_free(s);
	pipeline_free(NULL);
}

/* Whoever feeds learns of it, at the latest when it is done. */
static void test_error(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		struct work w = { .in_order = true, .fail_at = late ? 1000 : PIPELINE_RING };
		struct pipeline *s;
		struct err e = ERR_NULL;
		int r;

		assert_int_equal(pipeline_new(work, &w, &s, &e), 0);
		r = feed(s, late ? 1000 : (uint64_t)64 * PIPELINE_RING, 4096, &e);
		if (!late)
			assert_int_equal(r, -ERR_DATA_LOSS);
		e = ERR_NULL;
		assert_int_equal(pipeline_finish(s, &e), -ERR_DATA_LOSS);
		assert_int_equal(e.code, ERR_DATA_LOSS);
		assert_true(w.seen < (uint64_t)4 * PIPELINE_RING);
		pipeline_free(s);
	}
}

/* What waits in the ring is not worked on any more. */
static void test_end_in_the_middle(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct work w = { .in_order = true, .gate = &gate };
	struct pipeline *s;
	struct err e = ERR_NULL;

	(void)state;
	pthread_mutex_lock(&gate);
	assert_int_equal(pipeline_new(work, &w, &s, &e), 0);
	assert_int_equal(feed(s, PIPELINE_RING, 65536, &e), 0);
	pthread_mutex_unlock(&gate);
	pipeline_free(s);
	assert_true(w.in_order);
	assert_true(w.seen <= PIPELINE_RING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_in_order),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_end_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
