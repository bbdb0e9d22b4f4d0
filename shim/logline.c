/*
 * logline.c - the parser from output to CRI log records, and the batch that collects them.
 */
#include "shim/logline.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"

void logline_stamp(struct logline_batch *b, int64_t realtime_ns)
{
	clock_format(realtime_ns, b->stamp);
}

void logline_flush(struct logline_batch *b)
{
	if (b->len)
		b->flush(b);
	b->len = 0;
}

/* Add one record: stamp, stream, tag, and the content in two consecutive pieces. */
static void emit(struct logline_batch *b, const char *stream, char tag, const char *head,
		 size_t head_len, const char *tail, size_t tail_len)
{
	char *p;

	assert(head_len + tail_len <= LOGLINE_CHUNK);
	if (b->cap - b->len < LOGLINE_PREFIX + head_len + tail_len + 1)
		logline_flush(b);
	p = b->data + b->len;
	memcpy(p, b->stamp, LOGLINE_STAMP);
	p += LOGLINE_STAMP;
	*p++ = ' ';
	memcpy(p, stream, 6);
	p += 6;
	*p++ = ' ';
	*p++ = tag;
	*p++ = ' ';
	memcpy(p, head, head_len);
	p += head_len;
	memcpy(p, tail, tail_len);
	p += tail_len;
	*p++ = '\n';
	b->len = (size_t)(p - b->data);
}

void logline_feed(struct logline *l, struct logline_batch *b, const char *data, size_t size)
{
	while (size) {
		size_t room = LOGLINE_CHUNK - l->len;
		/* One byte beyond the room: a newline there still ends a whole record. */
		const char *nl = memchr(data, '\n', MIN(size, room + 1));
		size_t n = nl ? (size_t)(nl - data) : MIN(size, room);

		if (!nl && size <= room) {
			memcpy(l->pending + l->len, data, size);
			l->len += size;
			return;
		}
		emit(b, l->stream, nl ? 'F' : 'P', l->pending, l->len, data, n);
		l->len = 0;
		n += nl ? 1 : 0;
		data += n;
		size -= n;
	}
}

void logline_end(struct logline *l, struct logline_batch *b)
{
	if (l->len)
		emit(b, l->stream, 'P', l->pending, l->len, "", 0);
	l->len = 0;
}

void logline_note(struct logline_batch *b, const char *text)
{
	emit(b, "stderr", 'F', text, MIN(strlen(text), (size_t)LOGLINE_CHUNK), "", 0);
}
