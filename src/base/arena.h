/*
 * arena.h - memory of one request: bump allocation with a cap, freed as a whole.
 *
 * Not thread safe: one thread at a time handles a request.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct arena;

/* cap: bytes; beyond it arena_alloc returns NULL.  Free with arena_free. */
struct arena *arena_new(size_t cap);
void arena_free(struct arena *a);

/* Zeroed, 16-byte aligned; NULL: beyond the cap. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The arena as protobuf-c's allocator, whose free is a no-op.  Valid as long as the arena. */
ProtobufCAllocator *arena_allocator(struct arena *a);

/* Bytes handed out so far. */
size_t arena_used(const struct arena *a);
