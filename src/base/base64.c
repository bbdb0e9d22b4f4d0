/*
 * base64.c - encode with a table; decode one group of four characters at a time.
 */
#include "base/base64.h"

#include <string.h>

#include "base/buf.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *out, const void *data, size_t size)
{
	const unsigned char *p = data;

	for (; size; size -= size < 3 ? size : 3, p += 3) {
		uint32_t v = (uint32_t)p[0] << 16 | (size > 1 ? (uint32_t)p[1] << 8 : 0) |
			     (size > 2 ? p[2] : 0U);
		char group[4] = { digits[v >> 18], digits[v >> 12 & 63],
				  size > 1 ? digits[v >> 6 & 63] : '=',
				  size > 2 ? digits[v & 63] : '=' };

		buf_add(out, group, sizeof(group));
	}
}

/* Decode a group of four: three bytes, minus one per padding.  Its unused bits must be zero. */
static int group_done(struct base64_reader *r, struct buf *out)
{
	const unsigned char b[] = { (unsigned char)(r->bits >> 16), (unsigned char)(r->bits >> 8),
				    (unsigned char)r->bits };
	size_t n = 3 - r->padding;

	for (size_t i = n; i < sizeof(b); i++)
		if (b[i])
			return -1;
	buf_add(out, b, n);
	r->bits = 0;
	r->digits = 0;
	return 0;
}

int base64_read(struct base64_reader *r, const char *text, size_t size, struct buf *out)
{
	for (size_t i = 0; i < size; i++) {
		const char *d = text[i] ? strchr(digits, text[i]) : NULL;

		if (text[i] == '=' && r->digits >= 2 && r->padding < 2)
			r->padding++;
		else if (!d || r->padding)
			return -1;
		r->bits = r->bits << 6 | (d ? (uint32_t)(d - digits) : 0);
		if (++r->digits == 4 && group_done(r, out) < 0)
			return -1;
	}
	return 0;
}

bool base64_is_whole(const struct base64_reader *r)
{
	return r->digits == 0;
}
