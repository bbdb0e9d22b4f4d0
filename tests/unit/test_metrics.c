/*
 * test_metrics.c - quantiles of durations, what pulls are counted by, names of collectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "api/latency.h"
#include "base/clock.h"
#include "base/util.h"
#include "conf/checks.h"
#include "images/pulltally.h"

#define MINUTE (60 * NSEC_PER_SEC)

static int64_t quantile(const struct latency *l, double q, int64_t now_ns)
{
	int64_t ret;

	latency_quantiles(l, &q, &ret, 1, now_ns);
	return ret;
}

static void assert_near(int64_t got, int64_t wanted)
{
	assert_true(got >= wanted - wanted / 16 - 1000);
	assert_true(got <= wanted + wanted / 16 + 1000);
}

static void test_quantiles(void **state)
{
	_cleanup_free_ struct latency *l = xcalloc(1, sizeof(*l));
	int64_t now = 1000 * MINUTE;

	(void)state;
	assert_int_equal(quantile(l, 0.5, now), -1);
	for (int ms = 1000; ms > 0; ms--)
		latency_add(l, ms * NSEC_PER_MSEC, now);
	assert_near(quantile(l, 0.5, now), 500 * NSEC_PER_MSEC);
	assert_near(quantile(l, 0.9, now), 900 * NSEC_PER_MSEC);
	assert_near(quantile(l, 0.99, now), 990 * NSEC_PER_MSEC);
	assert_near(quantile(l, 0, now), NSEC_PER_MSEC);
	assert_near(quantile(l, 1, now), 1000 * NSEC_PER_MSEC);
}

static void test_old_durations_go(void **state)
{
	_cleanup_free_ struct latency *l = xcalloc(1, sizeof(*l));
	int64_t now = 1000 * MINUTE;

	(void)state;
	latency_add(l, 100 * NSEC_PER_SEC, now);
	latency_add(l, NSEC_PER_MSEC, now + 5 * MINUTE);
	assert_near(quantile(l, 1, now + 7 * MINUTE), 100 * NSEC_PER_SEC);
	assert_near(quantile(l, 1, now + 11 * MINUTE), NSEC_PER_MSEC);
	assert_int_equal(quantile(l, 1, now + 20 * MINUTE), -1);
	/* The slot of a time long ago is used again. */
	latency_add(l, NSEC_PER_SEC, now + 20 * MINUTE);
	assert_near(quantile(l, 1, now + 20 * MINUTE), NSEC_PER_SEC);
}

static void test_durations_at_the_edges(void **state)
{
	static const int64_t edges[] = { 0,	  999,	 1000,	  31999,
					 32000,	  33000, 1048575, 3600 * NSEC_PER_SEC,
					 12345678 };
	int64_t now = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
		_cleanup_free_ struct latency *l = xcalloc(1, sizeof(*l));

		latency_add(l, edges[i], now);
		assert_near(quantile(l, 0.5, now), edges[i]);
	}
	{
		_cleanup_free_ struct latency *l = xcalloc(1, sizeof(*l));

		latency_add(l, -5, now);
		latency_add(l, INT64_MAX, now);
		assert_near(quantile(l, 0.5, now), 0);
		assert_true(quantile(l, 1, now) > 3600 * NSEC_PER_SEC);
	}
}

/* --- pulls --- */

static void add(const char *type, uint64_t size, uint64_t received, bool reused)
{
	Crisp__Pull__Fetched f = CRISP__PULL__FETCHED__INIT, *list[] = { &f };

	f.media_type = (char *)(uintptr_t)type;
	f.digest = (char *)(uintptr_t) "sha256:00";
	f.size = size;
	f.received = received;
	f.reused = reused;
	pulltally_add("example.test/a:1", list, 1);
}

static size_t label(const char *name)
{
	size_t i = 0;

	while (strcmp(pulltally_sizes[i].label, name) != 0)
		i++;
	return i;
}

static void test_transfers(void **state)
{
	const struct pulltally *t = pulltally();
	const size_t other = PULLTALLY_TYPES - 1;
	size_t pos = 0;
	const struct pulltally_reuse *r;

	(void)state;
	pulltally_reset();
	add(pulltally_types[1], 1000, 1000, false);
	add(pulltally_types[1], 1001, 1001, false);
	add("text/plain", 2000000, 500, false);
	add("text/plain", 2000000, 0, true);
	add("text/plain", 2000000, 0, true);
	assert_int_equal(t->received[1][label(">0 B")], 1000);
	assert_int_equal(t->received[1][label(">1 KiB")], 1001);
	assert_int_equal(t->received[other][label(">1 MiB")], 500);
	assert_int_equal(t->reused[label(">1 MiB")], 4000000);
	assert_int_equal(t->layers[label(">1 KiB")], 1);
	assert_int_equal(t->layers[label(">1 MiB")], 0);
	assert_int_equal(t->layers_bytes, 2001);
	r = pulltally_reused(&pos);
	assert_non_null(r);
	assert_string_equal(r->name, "example.test/a:1@sha256:00");
	assert_int_equal(r->n, 2);
	assert_null(pulltally_reused(&pos));
	pulltally_reset();
}

static void test_names_are_bounded(void **state)
{
	const struct pulltally_reuse *r;
	size_t pos = 0, n = 0;
	uint64_t others = 0;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		_cleanup_free_ char *digest = xasprintf("sha256:%d", i);
		Crisp__Pull__Fetched f = CRISP__PULL__FETCHED__INIT, *list[] = { &f };

		f.digest = digest;
		f.reused = true;
		pulltally_add("a", list, 1);
	}
	while ((r = pulltally_reused(&pos))) {
		n++;
		if (strcmp(r->name, "other") == 0)
			others = r->n;
	}
	assert_int_equal(n, 1025);
	assert_int_equal(others, 3000 - 1024);
	pulltally_reset();
}

static uint64_t failures(const char *wanted)
{
	uint64_t n = 0;

	for (size_t i = 0; i < PULLTALLY_ERRORS; i++)
		if (strcmp(pulltally_errors[i].label, wanted) == 0)
			n += pulltally()->failed[i];
	return n;
}

static void test_failures(void **state)
{
	static const struct {
		const char *text, *label;
	} cases[] = {
		{ "not found (HTTP 404): {\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}",
		  "MANIFEST_UNKNOWN" },
		{ "not found (HTTP 404)", "NOT_FOUND" },
		{ "the registry wants other credentials (HTTP 401)", "UNAUTHORIZED" },
		{ "Failed to connect to 127.0.0.1 port 1: Connection refused",
		  "CONNECTION_REFUSED" },
		{ "no data for 10 ms (pull_progress_timeout)", "CONNECTION_TIMEOUT" },
		{ "what nobody has seen", "UNKNOWN" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_NULL;

		pulltally_reset();
		err_set(&e, ERR_INTERNAL, "%s", cases[i].text);
		pulltally_failed(&e);
		assert_int_equal(failures(cases[i].label), 1);
	}
	pulltally_reset();
}

/* --- collectors --- */

static void test_collectors(void **state)
{
	(void)state;
	assert_true(conf_is_collector("operations_total"));
	assert_true(conf_is_collector("crio_operations_total"));
	assert_true(conf_is_collector("container_runtime_crio_operations_total"));
	assert_true(conf_is_collector("crisp_objects"));
	assert_true(conf_is_collector("operations_latency_microseconds"));
	assert_false(conf_is_collector("operations_totals"));
	assert_false(conf_is_collector(""));
	assert_false(conf_is_collector("crio_"));
	assert_string_equal(conf_collector_family("container_runtime_crio_objects"), "objects");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_old_durations_go),
		cmocka_unit_test(test_durations_at_the_edges),
		cmocka_unit_test(test_transfers),
		cmocka_unit_test(test_names_are_bounded),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_collectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
