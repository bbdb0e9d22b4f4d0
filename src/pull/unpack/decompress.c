/*
 * decompress.c - detect the compression, then feed ISA-L or libzstd; limit the expansion.
 */
#include "pull/unpack/decompress.h"

#include <isa-l.h>
#include <stdbool.h>
#include <string.h>
#include <zstd.h>

#include "base/limits.h"

#define OUT_SIZE (256 * 1024)
#define MAGIC_SIZE 6 /* longest magic: xz */

enum compression {
	COMPRESSION_UNKNOWN,
	COMPRESSION_PLAIN,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
};

struct decompress {
	decompress_sink *sink;
	void *arg;
	enum compression kind;
	unsigned char magic[MAGIC_SIZE]; /* first bytes, until there are enough */
	size_t magic_len;
	uint64_t in, out;
	bool ended; /* between two members or frames */
	struct inflate_state *gzip;
	ZSTD_DStream *zstd;
	unsigned char *buf;
};

struct decompress *decompress_new(decompress_sink *sink, void *arg)
{
	struct decompress *d = xcalloc(1, sizeof(*d));

	d->sink = sink;
	d->arg = arg;
	return d;
}

void decompress_free(struct decompress *d)
{
	if (!d)
		return;
	ZSTD_freeDStream(d->zstd);
	free(d->gzip);
	free(d->buf);
	free(d);
}

static int emit(struct decompress *d, const void *data, size_t size, struct err *e)
{
	if (!size)
		return 0;
	d->out += size;
	if (d->out > LIMIT_RATIO_FREE && d->out / LIMIT_RATIO > d->in)
		return err_set(e, ERR_EXHAUSTED,
			       "%ju compressed bytes become more than %ju: refused as a bomb",
			       (uintmax_t)d->in, (uintmax_t)d->out);
	return d->sink(d->arg, data, size, e);
}

static void gzip_start(struct decompress *d)
{
	isal_inflate_reset(d->gzip);
	d->gzip->crc_flag = ISAL_GZIP; /* parse the header, verify the trailing checksum */
	d->ended = false;
}

/* ISA-L retains output when the buffer is full: call it until it produces none. */
static int gzip_feed(struct decompress *d, const unsigned char *data, size_t size, struct err *e)
{
	struct inflate_state *s = d->gzip;
	const unsigned char *end = data + size;

	while (data < end || !d->ended) {
		int r;

		if (d->ended)
			gzip_start(d);
		s->next_in = (unsigned char *)data;
		s->avail_in = (uint32_t)MIN((size_t)(end - data), (size_t)1 << 30);
		s->next_out = d->buf;
		s->avail_out = OUT_SIZE;
		r = isal_inflate(s);
		if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT && r != ISAL_OUT_OVERFLOW)
			return err_set(e, ERR_DATA_LOSS,
				       "broken gzip (ISA-L %d) after %ju plain bytes", r,
				       (uintmax_t)d->out);
		data = s->next_in;
		d->ended = s->block_state == ISAL_BLOCK_FINISH;
		r = emit(d, d->buf, OUT_SIZE - s->avail_out, e);
		if (r < 0)
			return r;
		if (data == end && s->avail_out)
			break;
	}
	return 0;
}

static int zstd_feed(struct decompress *d, const void *data, size_t size, struct err *e)
{
	ZSTD_inBuffer in = { .src = data, .size = size };
	ZSTD_outBuffer out = { .dst = d->buf, .size = OUT_SIZE };

	do {
		size_t n;
		int r;

		out.pos = 0;
		n = ZSTD_decompressStream(d->zstd, &out, &in);
		if (ZSTD_isError(n))
			return err_set(e, ERR_DATA_LOSS, "broken zstd (%s) after %ju plain bytes",
				       ZSTD_getErrorName(n), (uintmax_t)d->out);
		d->ended = n == 0;
		r = emit(d, out.dst, out.pos, e);
		if (r < 0)
			return r;
	} while (in.pos < in.size || out.pos == out.size);
	return 0;
}

static bool begins(const struct decompress *d, const char *magic, size_t size)
{
	return d->magic_len >= size && memcmp(d->magic, magic, size) == 0;
}

static int choose(struct decompress *d, struct err *e)
{
	if (begins(d, "BZh", 3) || begins(d,
					  "\xfd"
					  "7zXZ",
					  6))
		return err_set(e, ERR_UNIMPLEMENTED,
			       "a layer compressed with %s; images have gzip or zstd",
			       d->magic[0] == 'B' ? "bzip2" : "xz");
	d->kind = COMPRESSION_PLAIN;
	if (begins(d, "\x1f\x8b", 2)) {
		d->kind = COMPRESSION_GZIP;
		d->gzip = xmalloc(sizeof(*d->gzip));
		isal_inflate_init(d->gzip);
		gzip_start(d);
	} else if (begins(d, "\x28\xb5\x2f\xfd", 4) ||
		   (d->magic_len >= 4 && (d->magic[0] & 0xf0) == 0x50 &&
		    memcmp(d->magic + 1, "\x2a\x4d\x18", 3) == 0)) {
		/* The second magic is that of a skippable frame, which precedes zstd:chunked's
		 * first frame. */
		d->kind = COMPRESSION_ZSTD;
		d->zstd = ZSTD_createDStream();
		if (!d->zstd)
			return err_set(e, ERR_EXHAUSTED, "no memory for zstd");
		ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, LIMIT_ZSTD_WINDOW_LOG);
	}
	if (d->kind != COMPRESSION_PLAIN)
		d->buf = xmalloc(OUT_SIZE);
	return 0;
}

static int feed(struct decompress *d, const void *data, size_t size, struct err *e)
{
	switch (d->kind) {
	case COMPRESSION_UNKNOWN:
		break;
	case COMPRESSION_PLAIN:
		return emit(d, data, size, e);
	case COMPRESSION_GZIP:
		return gzip_feed(d, data, size, e);
	case COMPRESSION_ZSTD:
		return zstd_feed(d, data, size, e);
	}
	return err_set(e, ERR_INTERNAL, "decompression has not begun");
}

int decompress_feed(struct decompress *d, const void *data, size_t size, struct err *e)
{
	const unsigned char *p = data;

	if (!size)
		return 0;
	d->in += size;
	if (d->kind == COMPRESSION_UNKNOWN) {
		size_t n = MIN(size, MAGIC_SIZE - d->magic_len);
		int r;

		memcpy(d->magic + d->magic_len, p, n);
		d->magic_len += n;
		p += n;
		size -= n;
		if (d->magic_len < MAGIC_SIZE)
			return 0;
		r = choose(d, e);
		r = r < 0 ? r : feed(d, d->magic, d->magic_len, e);
		if (r < 0 || !size)
			return r;
	}
	return feed(d, p, size, e);
}

int decompress_finish(struct decompress *d, struct err *e)
{
	if (d->kind == COMPRESSION_UNKNOWN) {
		int r = choose(d, e);

		r = r < 0 ? r : feed(d, d->magic, d->magic_len, e);
		if (r < 0)
			return r;
	}
	if (d->kind != COMPRESSION_PLAIN && !d->ended)
		return err_set(e, ERR_DATA_LOSS, "the %s stream ends in its middle",
			       d->kind == COMPRESSION_GZIP ? "gzip" : "zstd");
	return 0;
}
