/*
 * base64.h - standard base64 with padding (RFC 4648, section 4): written whole, read in pieces.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* Append the encoding of data. */
void base64_put(struct buf *out, const void *data, size_t size);

/* What has been read of one encoding; zero at the start. */
struct base64_reader {
	uint32_t bits; /* of the group under way */
	unsigned digits; /* in it, padding too */
	unsigned padding;
};

/* Append what the text decodes to, as far as groups are complete.  -1: that is not base64. */
int base64_read(struct base64_reader *r, const char *text, size_t size, struct buf *out);
/* Could the text end here? */
bool base64_is_whole(const struct base64_reader *r);
