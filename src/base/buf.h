/*
 * buf.h - a growing byte buffer; a NUL always follows its data, so it can be read as a string.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while empty */
	size_t len, cap;
};

#define BUF_NULL ((struct buf){ .data = NULL })

/* Frees the memory and leaves BUF_NULL; safe on BUF_NULL. */
void buf_done(struct buf *b);
void buf_add(struct buf *b, const void *data, size_t size);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Make room for size more bytes and return its address.  Call buf_commit with the size written. */
void *buf_reserve(struct buf *b, size_t size);
void buf_commit(struct buf *b, size_t size);
/* Drop size bytes from the front. */
void buf_consume(struct buf *b, size_t size);
/* Return the data as a malloc'ed string for the caller, and empty the buffer.  Never NULL. */
char *buf_take(struct buf *b);
/* Append untrusted text for an error: newlines become " | ", other control characters spaces,
 * invalid UTF-8 question marks; trailing spaces and newlines are dropped. */
void buf_add_clean(struct buf *b, const char *s, size_t size);
#define _cleanup_buf_ __attribute__((cleanup(buf_done)))
