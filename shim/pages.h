/*
 * pages.h - memory in whole pages: untouched pages are not resident, and used ones can be released.
 */
#pragma once

#include <stddef.h>

/* Map zeroed memory; aborts when out of memory.  For large objects that are used in part. */
void *pages_alloc(size_t size);
void pages_free(void *p, size_t size);

/* For a static buffer that shares no page with other data. */
#define PAGES_ALIGNED __attribute__((aligned(4096)))
/* Release the pages of such a buffer, which then reads as zeros.  size: a multiple of 4096. */
void pages_release(void *buffer, size_t size);

/* Release the unused stack below the caller's frame, and free memory of the heap. */
void pages_release_unused(void);
