/*
 * test_heap.c - a burst of small allocations leaves nothing resident, whatever is allocated above
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/heap.h"

#define PIECES 500000
#define PIECE_BYTES 100

static size_t resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long all, pages;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &all, &pages), 2);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void gives_back_after_a_burst(void **state)
{
	size_t before, full;
	char **pieces;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* they have heaps of their own */
#endif
	mallopt(M_ARENA_MAX, 1);
	heap_give_back();
	pieces = calloc(PIECES, sizeof(*pieces));
	before = resident_kib();
	for (size_t i = 0; i < PIECES; i++) {
		pieces[i] = malloc(PIECE_BYTES);
		memset(pieces[i], 1, PIECE_BYTES);
	}
	full = resident_kib();
	assert_true(full > before + PIECES * PIECE_BYTES / 1024);
	/* The last one stays, at the end of the heap. */
	for (size_t i = 0; i < PIECES - 1; i++)
		free(pieces[i]);
	assert_true(resident_kib() > full - 8192);
	heap_give_back();
	assert_true(resident_kib() < before + 8192);
	free(pieces[PIECES - 1]);
	free(pieces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_after_a_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
