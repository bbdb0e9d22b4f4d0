/*
 * wschan.c - splitting channel and data of WebSocket messages, plain or base64.
 */
#include "stream/wschan.h"

#include "stream/ws.h"

#define DIGITS 10 /* channels that the base64 variants can name */

int wschan_read(struct wschan *w, const void *data, size_t size, bool first, bool last,
		struct buf *out, unsigned *ret_channel)
{
	const unsigned char *p = data;

	if (first) {
		w->channel = -1;
		w->reader = (struct base64_reader){ .bits = 0 };
	}
	if (w->channel < 0 && size) {
		w->channel = w->base64 ? *p - '0' : *p;
		if (w->base64 && (w->channel < 0 || w->channel >= DIGITS))
			return -1;
		p++;
		size--;
	}
	if (w->channel < 0)
		return 0; /* empty so far */
	*ret_channel = (unsigned)w->channel;
	if (!w->base64) {
		buf_add(out, p, size);
		return 1;
	}
	if (base64_read(&w->reader, (const char *)p, size, out) < 0 ||
	    (last && !base64_is_whole(&w->reader)))
		return -1;
	return 1;
}

void wschan_put(const struct wschan *w, struct buf *out, unsigned channel, const void *data,
		size_t size)
{
	const unsigned char number = (unsigned char)(w->base64 ? channel + '0' : channel);
	_cleanup_buf_ struct buf text = BUF_NULL;

	if (w->base64)
		base64_put(&text, data, size);
	ws_put_message(out, w->base64, &number, 1, w->base64 ? text.data : data,
		       w->base64 ? text.len : size);
}
