/*
 * fuzz_decompress.c - any bytes as a compressed stream, in pieces of two sizes: an error with a
 * text, or the same plain bytes both times.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pull/unpack/decompress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX ((uint64_t)64 << 20) /* of one input, so that each is quick */

struct seen {
	uint64_t size, sum;
};

static int count(void *arg, const void *data, size_t size, struct err *e)
{
	struct seen *s = arg;
	const unsigned char *p = data;

	if (!size)
		abort();
	s->size += size;
	for (size_t i = 0; i < size; i++)
		s->sum = s->sum * 31 + p[i];
	return s->size > OUT_MAX ? err_set(e, ERR_EXHAUSTED, "enough") : 0;
}

static int run(const uint8_t *data, size_t size, size_t chunk, struct seen *seen, struct err *e)
{
	_cleanup_decompress_ struct decompress *d = decompress_new(count, seen);
	int r = 0;

	for (size_t at = 0; at < size && r == 0; at += chunk)
		r = decompress_feed(d, data + at, MIN(chunk, size - at), e);
	return r < 0 ? r : decompress_finish(d, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { .size = 0 }, pieces = { .size = 0 };
	struct err e1 = ERR_NULL, e2 = ERR_NULL;
	size_t chunk = size ? (size_t)data[size / 2] + 1 : 1;
	int r1 = run(data, size, size ? size : 1, &whole, &e1);
	int r2 = run(data, size, chunk, &pieces, &e2);

	if ((r1 < 0 && !e1.text[0]) || (r2 < 0 && !e2.text[0]))
		abort();
	if ((r1 < 0) != (r2 < 0))
		abort();
	if (r1 == 0 && (whole.size != pieces.size || whole.sum != pieces.sum))
		abort();
	return 0;
}
