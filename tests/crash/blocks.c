/*
 * blocks.c - LMDB's large buffers, kept from one life to the next.
 *
 * Each environment that LMDB opens allocates 3 MiB and uses the first few bytes.  AddressSanitizer
 * maps, poisons and unmaps all of it, which takes longer than the life.  What must hold: a block
 * is as large as LMDB has asked for, and calloc's is zero.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

#define LARGE ((size_t)512 << 10)

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

static struct block {
	void *at;
	size_t size;
	bool used;
} blocks[8];

static void *block_take(size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		struct block *b = &blocks[i];

		if (b->used || (b->at && b->size != size))
			continue;
		if (!b->at) {
			b->at = mmap(NULL, size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (b->at == MAP_FAILED)
				abort();
			b->size = size;
		}
		b->used = true;
		return b->at;
	}
	return NULL;
}

static struct block *block_of(const void *p)
{
	for (size_t i = 0; p && i < ARRAY_LEN(blocks); i++)
		if (blocks[i].at == p)
			return &blocks[i];
	return NULL;
}

void *__wrap_malloc(size_t size)
{
	void *p = size < LARGE ? NULL : block_take(size);

	return p ? p : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	size_t all;
	void *p;

	if (__builtin_mul_overflow(n, size, &all) || all < LARGE)
		return __real_calloc(n, size);
	p = block_take(all);
	if (!p)
		return __real_calloc(n, size);
	explicit_bzero(p, all);
	return p;
}

void *__wrap_realloc(void *p, size_t size)
{
	if (block_of(p))
		abort(); /* LMDB grows none of them for the few rows of a sweep */
	return __real_realloc(p, size);
}

void __wrap_free(void *p)
{
	struct block *b = block_of(p);

	if (b)
		b->used = false;
	else
		__real_free(p);
}
