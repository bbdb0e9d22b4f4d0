/*
 * util.h - macros of every file: scope cleanup, ownership transfer, array length, container_of.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Transfer ownership: set the variable to NULL (or -1), return its value. */
#define take_ptr(p) \
	({ \
		__typeof__(p) take_value_ = (p); \
		(p) = NULL; \
		take_value_; \
	})
#define take_fd(fd) \
	({ \
		int take_value_ = (fd); \
		(fd) = -1; \
		take_value_; \
	})

#define MIN(a, b) \
	({ \
		__typeof__(a) min_a_ = (a); \
		__typeof__(b) min_b_ = (b); \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b) \
	({ \
		__typeof__(a) max_a_ = (a); \
		__typeof__(b) max_b_ = (b); \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(cleanup_freep)

/* Abort when out of memory: the daemon treats that as one more crash.  Never NULL. */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull, nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull, nonnull));
void *xmemdup(const void *p, size_t size) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...)
	__attribute__((malloc, returns_nonnull, format(printf, 1, 2)));
