/*
 * decompress.h - a compressed stream into a plain one, in whatever pieces it comes: gzip (any
 * number of members), zstd (any number of frames) or nothing at all, told by the first bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

struct decompress;

/* Takes the plain bytes; <0 stops the stream and is handed on. */
typedef int decompress_sink(void *arg, const void *data, size_t size, struct err *e);

struct decompress *decompress_new(decompress_sink *sink, void *arg);
void decompress_free(struct decompress *d); /* NULL is fine */

/* ERR_DATA_LOSS: broken; ERR_UNIMPLEMENTED: a compression that images do not have (bzip2, xz);
 * ERR_EXHAUSTED: it grows beyond every proportion.  Nothing may be fed after an error. */
int decompress_feed(struct decompress *d, const void *data, size_t size, struct err *e);

/* The input is at its end; ERR_DATA_LOSS when the compressed stream is not. */
int decompress_finish(struct decompress *d, struct err *e);

static inline void decompress_freep(struct decompress **d)
{
	decompress_free(*d);
}
#define _cleanup_decompress_ _cleanup_(decompress_freep)
