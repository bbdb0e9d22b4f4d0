/*
 * arena.c - bump allocation from a list of chunks, which double in size up to 1 MiB.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define CHUNK_MIN ((size_t)4096)
#define CHUNK_MAX ((size_t)1024 * 1024)
#define ALIGN ((size_t)16)

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(16) unsigned char data[];
};

struct arena {
	struct chunk *chunks; /* newest first */
	size_t cap, used;
	ProtobufCAllocator allocator;
};

static void *allocator_alloc(void *data, size_t size)
{
	return arena_alloc(data, size);
}

static void allocator_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

struct arena *arena_new(size_t cap)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->cap = cap;
	a->allocator = (ProtobufCAllocator){
		.alloc = allocator_alloc,
		.free = allocator_free,
		.allocator_data = a,
	};
	return a;
}

void arena_free(struct arena *a)
{
	struct chunk *c, *next;

	if (!a)
		return;
	for (c = a->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t want = (MAX(size, (size_t)1) + ALIGN - 1) & ~(ALIGN - 1);
	struct chunk *c = a->chunks;

	if (want < size || want > a->cap - a->used)
		return NULL;
	if (!c || c->size - c->used < want) {
		size_t next = c ? MIN(c->size * 2, CHUNK_MAX) : CHUNK_MIN;

		c = calloc(1, sizeof(*c) + MAX(want, next));
		if (!c)
			return NULL;
		c->size = MAX(want, next);
		c->next = a->chunks;
		a->chunks = c;
	}
	c->used += want;
	a->used += want;
	return c->data + c->used - want;
}

char *arena_strdup(struct arena *a, const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = arena_alloc(a, n);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	s = arena_alloc(a, (size_t)n + 1);
	if (!s)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

ProtobufCAllocator *arena_allocator(struct arena *a)
{
	return &a->allocator;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
