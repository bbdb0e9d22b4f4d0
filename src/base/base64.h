/*
 * base64.h - standard base64 with padding (RFC 4648, section 4): encode whole, decode in pieces.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* Append the encoding of data. */
void base64_put(struct buf *out, const void *data, size_t size);

/* State of one decoding; zeroed at the start. */
struct base64_reader {
	uint32_t bits; /* of the incomplete group */
	unsigned digits; /* in the incomplete group, padding included */
	unsigned padding;
};

/* Append the decoded bytes of all complete groups.  -1: not base64. */
int base64_read(struct base64_reader *r, const char *text, size_t size, struct buf *out);
/* Is the text complete here? */
bool base64_is_whole(const struct base64_reader *r);
