/*
 * decompress.h - decompress a stream of pieces of any size: gzip (any number of members), zstd (any
 * number of frames) or uncompressed, detected by the first bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

struct decompress;

/* Receives the plain bytes; <0 stops the stream and is returned to the caller. */
typedef int decompress_sink(void *arg, const void *data, size_t size, struct err *e);

struct decompress *decompress_new(decompress_sink *sink, void *arg);
void decompress_free(struct decompress *d); /* d may be NULL */

/* ERR_DATA_LOSS: corrupt; ERR_UNIMPLEMENTED: a compression that images do not use (bzip2, xz);
 * ERR_EXHAUSTED: excessive expansion. After an error feed nothing more. */
int decompress_feed(struct decompress *d, const void *data, size_t size, struct err *e);

/* End of input; ERR_DATA_LOSS: the compressed stream is incomplete. */
int decompress_finish(struct decompress *d, struct err *e);

static inline void decompress_freep(struct decompress **d)
{
	decompress_free(*d);
}
#define _cleanup_decompress_ _cleanup_(decompress_freep)
