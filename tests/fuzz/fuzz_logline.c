/*
 * fuzz_logline.c - output of a container in any portions: records are complete, and no byte is lost
 * or added. The same bytes as the OCI runtime's log give a clean text.
 */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"
#include "shim/logline.h"
#include "shim/runtime_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf records;

static void keep(struct logline_batch *b)
{
	assert(b->len && b->data[b->len - 1] == '\n');
	buf_add(&records, b->data, b->len);
}

static void check_records(const char *want, size_t size)
{
	const char *p = records.data, *end = p + records.len;
	size_t at = 0;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)(nl - p);

		assert(n >= LOGLINE_PREFIX && n - LOGLINE_PREFIX <= LOGLINE_CHUNK);
		n -= LOGLINE_PREFIX;
		assert(at + n <= size && memcmp(p + LOGLINE_PREFIX, want + at, n) == 0);
		at += n;
		if (p[LOGLINE_PREFIX - 2] == 'F')
			assert(at == size || want[at++] == '\n');
		p = nl + 1;
	}
	assert(at == size);
}

static void split(const char *text, size_t size, size_t portion)
{
	static char batch[LOGLINE_RECORD_MAX];
	static char pending[LOGLINE_CHUNK];
	struct logline line = { .stream = "stdout", .pending = pending };
	struct logline_batch b = { .data = batch, .cap = sizeof(batch), .flush = keep };

	logline_stamp(&b, 1);
	records.len = 0;
	for (size_t at = 0; at < size; at += portion)
		logline_feed(&line, &b, text + at, MIN(portion, size - at));
	logline_end(&line, &b);
	logline_flush(&b);
	if (size)
		check_records(text, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	char out[RUNTIME_LOG_TEXT_MAX];
	size_t n;

	/* The first two bytes: how often the rest is repeated, and the portions' size. */
	if (size < 3)
		return 0;
	for (unsigned i = 0; i <= data[0] && text.len < 100000; i++)
		buf_add(&text, data + 2, size - 2);
	split(text.data, text.len, (size_t)data[1] * 97 + 1);
	n = runtime_log_message((const char *)data + 2, size - 2, out);
	assert(n == strlen(out) && str_is_utf8(out, n));
	n = runtime_log_clean_tail((const char *)data + 2, size - 2, out);
	assert(str_is_utf8(out, n));
	return 0;
}
