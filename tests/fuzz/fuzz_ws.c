/*
 * fuzz_ws.c - WebSocket frames of any bytes, in pieces: refused, or messages with matching borders,
 * independent of the pieces.
 */
#include <assert.h>
#include <string.h>

#include "base/util.h"
#include "stream/ws.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct heard {
	struct buf text;
	bool inside;
	unsigned closed;
};

static void message(void *arg, const void *data, size_t size, bool first, bool last)
{
	struct heard *h = arg;

	assert(first != h->inside && !h->closed);
	h->inside = !last;
	buf_add(&h->text, data, size);
	if (last)
		buf_puts(&h->text, "|");
}

static void closed(void *arg)
{
	((struct heard *)arg)->closed++;
}

static const struct ws_ops ops = { message, closed };

static int hear(const unsigned char *data, size_t size, size_t step, struct heard *h,
		struct buf *out)
{
	struct ws w = { .ops = &ops, .arg = h };
	struct err e = ERR_NULL;
	int r = 0;

	for (size_t i = 0; i < size && r == 0; i += step) {
		size_t n = MIN(step, size - i);
		_cleanup_free_ void *piece = xmemdup(data + i, n);

		r = ws_feed(&w, piece, n, out, &e);
	}
	assert(r == 0 || e.code == ERR_INVALID);
	assert(h->closed <= 1);
	return r;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct heard whole = { .text = BUF_NULL }, pieces = { .text = BUF_NULL };
	_cleanup_buf_ struct buf out = BUF_NULL, out_pieces = BUF_NULL;
	int r = hear(data, size, size + 1, &whole, &out);

	assert(r == hear(data, size, 1, &pieces, &out_pieces));
	/* Of a text that goes wrong in the middle, the pieces before that were handed on. */
	assert(out.len == out_pieces.len);
	assert(r < 0 ? whole.text.len <= pieces.text.len : whole.text.len == pieces.text.len);
	assert(!whole.text.len || memcmp(whole.text.data, pieces.text.data, whole.text.len) == 0);
	assert(!out.len || memcmp(out.data, out_pieces.data, out.len) == 0);
	assert(out.len <= size + 4);
	buf_done(&whole.text);
	buf_done(&pieces.text);
	return 0;
}
