/*
 * buf.c - growth of a byte buffer, formatted output into it, clean-up of untrusted text.
 */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

void buf_done(struct buf *b)
{
	free(b->data);
	*b = BUF_NULL;
}

void *buf_reserve(struct buf *b, size_t size)
{
	if (b->cap - b->len < size + 1) {
		b->cap = MAX(b->cap * 2, b->len + size + 64);
		b->data = xrealloc(b->data, b->cap);
	}
	b->data[b->len] = '\0';
	return b->data + b->len;
}

void buf_commit(struct buf *b, size_t size)
{
	b->len += size;
	b->data[b->len] = '\0';
}

void buf_add(struct buf *b, const void *data, size_t size)
{
	char *to = buf_reserve(b, size);

	if (size)
		memcpy(to, data, size);
	buf_commit(b, size);
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		abort();
	vsnprintf(buf_reserve(b, (size_t)n), (size_t)n + 1, fmt, ap);
	buf_commit(b, (size_t)n);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t size)
{
	if (!b->data)
		return;
	size = MIN(size, b->len);
	memmove(b->data, b->data + size, b->len - size);
	b->len -= size;
	b->data[b->len] = '\0';
}

char *buf_take(struct buf *b)
{
	char *s;

	buf_reserve(b, 0);
	s = b->data;
	*b = BUF_NULL;
	return s;
}

void buf_add_clean(struct buf *b, const char *s, size_t size)
{
	while (size && strchr(" \n\r", s[size - 1]))
		size--;
	for (size_t i = 0; i < size;) {
		size_t n = str_utf8_char(s + i, size - i);

		if (s[i] == '\n')
			buf_puts(b, " | ");
		else if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			buf_puts(b, " ");
		else if (n)
			buf_add(b, s + i, n);
		else
			buf_puts(b, "?");
		i += MAX(n, (size_t)1);
	}
}
