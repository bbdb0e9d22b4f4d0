/*
 * pages.h - memory in whole pages: what is not touched costs nothing, and what was touched for a
 * moment can be given back.
 */
#pragma once

#include <stddef.h>

/* Zeroed memory of its own; aborts when there is none.  For large objects of which little is
 * used. */
void *pages_alloc(size_t size);
void pages_free(void *p, size_t size);

/* A buffer in static memory that can be released without touching its neighbours. */
#define PAGES_ALIGNED __attribute__((aligned(4096)))
/* Give back what such a buffer has taken: it reads as zeros.  Its size is a multiple of 4096. */
void pages_release(void *buffer, size_t size);

/* The same for the stack that deeper calls than the present one have used, and for free memory of
 * the heap. */
void pages_release_unused(void);
