/*
 * test_base_mem.c - base/: arena, buf, list, map and the ownership macros.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/util.h"
#include "gen/state.pb-c.h"

static void arena_aligns_and_zeroes(void **state)
{
	struct arena *a = arena_new(4 << 20);

	(void)state;
	for (size_t size = 0; size < 9000; size += 37) {
		unsigned char *p = arena_alloc(a, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xaa, size);
	}
	arena_free(a);
}

static void arena_keeps_to_its_cap(void **state)
{
	struct arena *a = arena_new(100);

	(void)state;
	assert_null(arena_alloc(a, 101));
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_alloc(a, SIZE_MAX - 8));
	assert_non_null(arena_alloc(a, 64));
	assert_int_equal(arena_used(a), 64);
	assert_null(arena_alloc(a, 64));
	assert_non_null(arena_alloc(a, 32));
	assert_null(arena_alloc(a, 16));
	assert_null(arena_strdup(a, "no room left"));
	assert_null(arena_printf(a, "%d", 1));
	assert_int_equal(arena_used(a), 96);
	arena_free(a);
	arena_free(NULL);
}

static void arena_holds_text(void **state)
{
	struct arena *a = arena_new(1 << 20);
	char *large;

	(void)state;
	assert_string_equal(arena_strdup(a, "text"), "text");
	assert_string_equal(arena_printf(a, "%s-%d", "n", 7), "n-7");
	/* Larger than a chunk. */
	large = arena_printf(a, "%*s", 20000, "end");
	assert_int_equal(strlen(large), 20000);
	assert_string_equal(large + 19997, "end");
	arena_free(a);
}

static void arena_bounds_what_protobuf_takes(void **state)
{
	char text[512];
	Crisp__State__Failure f = CRISP__STATE__FAILURE__INIT;
	struct arena *small = arena_new(256), *large = arena_new(4096);
	Crisp__State__Failure *got;
	uint8_t bytes[600];
	size_t n;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	f.text = text;
	n = crisp__state__failure__pack(&f, bytes);
	assert_null(crisp__state__failure__unpack(arena_allocator(small), n, bytes));
	got = crisp__state__failure__unpack(arena_allocator(large), n, bytes);
	assert_non_null(got);
	assert_string_equal(got->text, text);
	crisp__state__failure__free_unpacked(got, arena_allocator(large));
	arena_free(small);
	arena_free(large);
}

static void buf_is_text_behind_its_length(void **state)
{
	struct buf b = BUF_NULL;

	(void)state;
	buf_done(&b);
	buf_add(&b, "", 0);
	assert_string_equal(b.data, "");
	for (int i = 0; i < 1000; i++) {
		buf_printf(&b, "%d,", i);
		assert_int_equal(b.data[b.len], '\0');
	}
	assert_int_equal(b.len, strlen(b.data));
	assert_int_equal(strncmp(b.data, "0,1,2,3,", 8), 0);
	buf_consume(&b, 2);
	assert_int_equal(strncmp(b.data, "1,2,", 4), 0);
	assert_int_equal(b.len, strlen(b.data));
	buf_consume(&b, b.len);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	buf_consume(&b, 5);
	buf_puts(&b, "again");
	assert_string_equal(b.data, "again");
	buf_done(&b);
	assert_null(b.data);
	buf_consume(&b, 5); /* empty and never allocated */
	assert_null(b.data);
}

static void buf_hands_over(void **state)
{
	struct buf b = BUF_NULL;
	char *s;

	(void)state;
	s = buf_take(&b);
	assert_string_equal(s, "");
	free(s);
	buf_puts(&b, "mine");
	s = buf_take(&b);
	assert_string_equal(s, "mine");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	free(s);
}

static void buf_reserve_and_commit(void **state)
{
	struct buf b = BUF_NULL;
	char *p = buf_reserve(&b, 100);

	(void)state;
	memset(p, 'r', 100);
	buf_commit(&b, 60);
	assert_int_equal(b.len, 60);
	assert_int_equal(strlen(b.data), 60);
	buf_done(&b);
}

static void buf_cleans_foreign_text(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "one line", "one line" },
		{ "one\ntwo\n\n", "one | two" },
		{ "bell\a, escape\x1b[0m, del\x7f.", "bell , escape [0m, del ." },
		{ "tab\tand\r\n", "tab and" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "bad \xc3( \xff \xed\xa0\x80 cut \xe2\x82", "bad ?( ? ??? cut ??" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = BUF_NULL;

		buf_puts(&b, ">");
		buf_add_clean(&b, cases[i].in, strlen(cases[i].in));
		assert_string_equal(b.data + 1, cases[i].out);
		buf_done(&b);
	}
}

struct item {
	int n;
	struct list node;
};

static void expect_items(struct list *l, const char *want)
{
	char got[64] = "";

	list_for_each(node, l) {
		size_t len = strlen(got);

		snprintf(got + len, sizeof(got) - len, "%d",
			 list_entry(node, struct item, node)->n);
	}
	assert_string_equal(got, want);
}

static void list_keeps_order(void **state)
{
	struct item items[6];
	struct list a, b;

	(void)state;
	list_init(&a);
	list_init(&b);
	assert_true(list_empty(&a));
	for (int i = 0; i < 6; i++) {
		items[i].n = i;
		list_init(&items[i].node);
		list_append(i < 3 ? &a : &b, &items[i].node);
	}
	expect_items(&a, "012");
	list_splice(&a, &b);
	expect_items(&a, "012345");
	assert_true(list_empty(&b));
	list_splice(&a, &b); /* of nothing */
	expect_items(&a, "012345");
	list_remove(&items[3].node);
	list_remove(&items[3].node); /* an unlinked node is a ring of its own */
	list_prepend(&a, &items[3].node);
	expect_items(&a, "301245");
	list_for_each_safe(node, &a) {
		if (list_entry(node, struct item, node)->n % 2)
			list_remove(node);
	}
	expect_items(&a, "024");
	list_splice(&b, &a);
	assert_true(list_empty(&a));
	expect_items(&b, "024");
}

#define N_KEYS 3000

static void map_against_an_array(void **state)
{
	static char keys[N_KEYS][16];
	static bool here[N_KEYS];
	struct map *m = map_new();
	uint32_t seed = 12345;
	size_t count = 0;

	(void)state;
	for (int i = 0; i < N_KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "key-%d", i);
	for (int step = 0; step < 60000; step++) {
		int i;

		seed = seed * 1103515245 + 12345;
		i = (int)((seed >> 8) % N_KEYS);
		if (here[i]) {
			assert_ptr_equal(map_del(m, keys[i]), keys[i]);
			count--;
		} else {
			assert_null(map_del(m, keys[i]));
			map_put(m, keys[i], keys[i]);
			count++;
		}
		here[i] = !here[i];
		assert_int_equal(map_count(m), count);
		if (step % 4096 == 0)
			for (int k = 0; k < N_KEYS; k++)
				assert_ptr_equal(map_get(m, keys[k]), here[k] ? keys[k] : NULL);
	}
	map_free(m);
	map_free(NULL);
}

static void map_walks_each_value_once(void **state)
{
	static char keys[100][8];
	int seen[100] = { 0 };
	struct map *m = map_new();
	size_t pos = 0;
	char *key;

	(void)state;
	assert_null(map_next(m, &pos));
	for (int i = 0; i < 100; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%d", i);
		map_put(m, keys[i], keys[i]);
	}
	pos = 0;
	while ((key = map_next(m, &pos)))
		seen[(key - keys[0]) / (ptrdiff_t)sizeof(keys[0])]++;
	for (int i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	assert_null(map_get(m, ""));
	assert_null(map_get(m, "100"));
	map_free(m);
}

static void taking_leaves_nothing(void **state)
{
	char *p = xstrdup("x"), *q;
	int fd = 7, got;

	(void)state;
	q = take_ptr(p);
	assert_null(p);
	assert_string_equal(q, "x");
	free(q);
	got = take_fd(fd);
	assert_int_equal(got, 7);
	assert_int_equal(fd, -1);
	q = xasprintf("%s%d", "a", 1);
	assert_string_equal(q, "a1");
	free(q);
	q = xstrndup("abcdef", 3);
	assert_string_equal(q, "abc");
	free(q);
	q = xmemdup(NULL, 0);
	assert_non_null(q);
	free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_aligns_and_zeroes),
		cmocka_unit_test(arena_keeps_to_its_cap),
		cmocka_unit_test(arena_holds_text),
		cmocka_unit_test(arena_bounds_what_protobuf_takes),
		cmocka_unit_test(buf_is_text_behind_its_length),
		cmocka_unit_test(buf_hands_over),
		cmocka_unit_test(buf_reserve_and_commit),
		cmocka_unit_test(buf_cleans_foreign_text),
		cmocka_unit_test(list_keeps_order),
		cmocka_unit_test(map_against_an_array),
		cmocka_unit_test(map_walks_each_value_once),
		cmocka_unit_test(taking_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
