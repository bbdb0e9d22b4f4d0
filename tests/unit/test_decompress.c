/*
 * test_decompress.c - gzip, zstd and plain streams in pieces of any size; damaged and truncated
 * ones are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <isa-l.h>
#include <zstd.h>

#include "base/buf.h"
#include "pull/unpack/decompress.h"

#define PLAIN_SIZE (700 * 1000) /* more than one output buffer */

static unsigned char plain[PLAIN_SIZE];

static int setup(void **state)
{
	uint32_t x = 1;

	(void)state;
	/* Compressible, but not to nothing. */
	for (size_t i = 0; i < PLAIN_SIZE; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = (unsigned char)("abcdefgh"[x >> 29] + (i % 7000 < 3500 ? 0 : x >> 28));
	}
	return 0;
}

static void add_gzip(struct buf *b, const void *data, size_t size)
{
	struct isal_zstream s;
	unsigned char *out = buf_reserve(b, size + 4096);

	isal_deflate_init(&s);
	s.gzip_flag = IGZIP_GZIP;
	s.end_of_stream = 1;
	s.flush = NO_FLUSH;
	s.next_in = (unsigned char *)data;
	s.avail_in = (uint32_t)size;
	s.next_out = out;
	s.avail_out = (uint32_t)size + 4096;
	assert_int_equal(isal_deflate(&s), COMP_OK);
	assert_int_equal(s.avail_in, 0);
	buf_commit(b, s.total_out);
}

static void add_zstd(struct buf *b, const void *data, size_t size)
{
	size_t bound = ZSTD_compressBound(size);
	size_t n = ZSTD_compress(buf_reserve(b, bound), bound, data, size, 3);

	assert_false(ZSTD_isError(n));
	buf_commit(b, n);
}

static int sink(void *arg, const void *data, size_t size, struct err *e)
{
	(void)e;
	assert_true(size > 0);
	buf_add(arg, data, size);
	return 0;
}

static int run(const struct buf *in, size_t chunk, struct buf *out, struct err *e)
{
	_cleanup_decompress_ struct decompress *d = decompress_new(sink, out);
	int r = 0;

	for (size_t at = 0; at < in->len && r == 0; at += chunk)
		r = decompress_feed(d, in->data + at, MIN(chunk, in->len - at), e);
	return r < 0 ? r : decompress_finish(d, e);
}

/* Frees in. */
static void becomes(struct buf *in, const void *data, size_t size)
{
	static const size_t chunks[] = { 1, 2, 5, 7, 18, 100, 4096, 65536, 1 << 20 };

	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		_cleanup_buf_ struct buf out = BUF_NULL;
		struct err e = ERR_NULL;

		if (run(in, chunks[i], &out, &e) < 0)
			fail_msg("by %zu: %s", chunks[i], e.text);
		assert_int_equal(out.len, size);
		if (size)
			assert_memory_equal(out.data, data, size);
	}
	buf_done(in);
}

static void fails(const struct buf *in, size_t chunk, enum err_code code, const char *text)
{
	_cleanup_buf_ struct buf out = BUF_NULL;
	struct err e = ERR_NULL;

	assert_true(run(in, chunk, &out, &e) < 0);
	if (e.code != code || !strstr(e.text, text))
		fail_msg("%s %s, expected %s", err_code_name(e.code), e.text, text);
}

static void test_whole(void **state)
{
	struct buf b = BUF_NULL;

	(void)state;
	add_gzip(&b, plain, PLAIN_SIZE);
	assert_true(b.len < PLAIN_SIZE);
	becomes(&b, plain, PLAIN_SIZE);
	add_zstd(&b, plain, PLAIN_SIZE);
	assert_true(b.len < PLAIN_SIZE);
	becomes(&b, plain, PLAIN_SIZE);
	buf_add(&b, plain, PLAIN_SIZE);
	becomes(&b, plain, PLAIN_SIZE);
}

/* Several members or frames stand for what they have in them, one after the other. */
static void test_many(void **state)
{
	static const char skippable[] = "\x5e\x2a\x4d\x18\x05\0\0\0hello";
	struct buf b = BUF_NULL;

	(void)state;
	for (size_t at = 0; at < PLAIN_SIZE; at += PLAIN_SIZE / 7)
		add_gzip(&b, plain + at, PLAIN_SIZE / 7);
	add_gzip(&b, "", 0);
	becomes(&b, plain, PLAIN_SIZE);
	buf_add(&b, skippable, sizeof(skippable) - 1);
	for (size_t at = 0; at < PLAIN_SIZE; at += PLAIN_SIZE / 7)
		add_zstd(&b, plain + at, PLAIN_SIZE / 7);
	buf_add(&b, skippable, sizeof(skippable) - 1);
	becomes(&b, plain, PLAIN_SIZE);
}

static void test_small(void **state)
{
	struct buf b = BUF_NULL;

	(void)state;
	becomes(&b, "", 0);
	buf_puts(&b, "x");
	becomes(&b, "x", 1);
	buf_puts(&b, "\x1fzzzzzzz");
	becomes(&b, "\x1fzzzzzzz", 8);
	add_gzip(&b, "", 0);
	becomes(&b, "", 0);
	add_zstd(&b, "", 0);
	becomes(&b, "", 0);
}

static void test_cut(void **state)
{
	struct buf b = BUF_NULL;

	(void)state;
	for (int i = 0; i < 2; i++) {
		size_t len;

		if (i == 0)
			add_gzip(&b, plain, 3000);
		else
			add_zstd(&b, plain, 3000);
		for (len = b.len; b.len = len, len > 6; len--) {
			struct buf cut = { .data = b.data, .len = len - 1 };

			fails(&cut, 10, ERR_DATA_LOSS, "ends in its middle");
		}
		buf_done(&b);
	}
}

static void test_damaged(void **state)
{
	struct buf b = BUF_NULL;

	(void)state;
	add_gzip(&b, plain, PLAIN_SIZE);
	b.data[b.len - 6] ^= 1; /* the checksum */
	fails(&b, 4096, ERR_DATA_LOSS, "broken gzip");
	b.data[b.len - 6] ^= 1;
	buf_puts(&b, "garbage");
	fails(&b, 4096, ERR_DATA_LOSS, "gzip");
	buf_done(&b);
	add_zstd(&b, plain, PLAIN_SIZE);
	b.data[b.len / 2] ^= 0x55;
	b.data[b.len / 2 + 1] ^= 0x55;
	{
		_cleanup_buf_ struct buf out = BUF_NULL;
		struct err e = ERR_NULL;

		/* Without a checksum of its own zstd may not notice; it must not crash. */
		if (run(&b, 4096, &out, &e) < 0)
			assert_int_equal(e.code, ERR_DATA_LOSS);
	}
	buf_puts(&b, "garbage");
	fails(&b, 4096, ERR_DATA_LOSS, "zstd");
	buf_done(&b);
	buf_puts(&b, "BZh91AY&SY");
	fails(&b, 4, ERR_UNIMPLEMENTED, "bzip2");
	buf_done(&b);
	buf_add(&b,
		"\xfd"
		"7zXZ\0\0\0",
		8);
	fails(&b, 1, ERR_UNIMPLEMENTED, "xz");
	buf_done(&b);
}

static int count(void *arg, const void *data, size_t size, struct err *e)
{
	(void)data;
	(void)e;
	*(uint64_t *)arg += size;
	return 0;
}

/* 512 MiB of zeros take 17 KiB in zstd: ten of them are no image. */
static void test_bomb(void **state)
{
	size_t size = (size_t)64 << 20;
	_cleanup_free_ void *zeros = xcalloc(1, size);
	_cleanup_buf_ struct buf b = BUF_NULL;
	uint64_t out = 0;
	_cleanup_decompress_ struct decompress *d = decompress_new(count, &out);
	struct err e = ERR_NULL;
	int r = 0;

	(void)state;
	add_zstd(&b, zeros, size);
	for (int i = 0; i < 200 && r == 0; i++)
		r = decompress_feed(d, b.data, b.len, &e);
	assert_true(r < 0);
	assert_int_equal(e.code, ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "bomb"));
	assert_true(out <= (uint64_t)5 << 30);
}

static int refuse(void *arg, const void *data, size_t size, struct err *e)
{
	(void)arg;
	(void)data;
	(void)size;
	return err_set(e, ERR_ABORTED, "no more");
}

static void test_sink_stops(void **state)
{
	_cleanup_decompress_ struct decompress *d = decompress_new(refuse, NULL);
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct err e = ERR_NULL;

	(void)state;
	add_gzip(&b, plain, PLAIN_SIZE);
	assert_int_equal(decompress_feed(d, b.data, b.len, &e), -ERR_ABORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	   cmocka_unit_test(test_many),
		cmocka_unit_test(test_small),	   cmocka_unit_test(test_cut),
		cmocka_unit_test(test_damaged),	   cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_sink_stops),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
