/*
 * arena.h - memory of one request: bump allocation, freed as a whole, with a cap.
 *
 * Not thread safe: one request is worked on by one thread at a time.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct arena;

/* cap: bytes after which arena_alloc returns NULL.  Free with arena_free. */
struct arena *arena_new(size_t cap);
void arena_free(struct arena *a);

/* Zeroed, 16-byte aligned; NULL when the cap is passed. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The arena as protobuf-c's allocator: free is a no-op.  Lives as long as the arena. */
ProtobufCAllocator *arena_allocator(struct arena *a);

/* Bytes handed out so far. */
size_t arena_used(const struct arena *a);
