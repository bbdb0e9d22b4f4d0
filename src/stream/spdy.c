/*
 * spdy.c - SPDY/3.1 reader and writer: frame parser, header inflation with the draft's dictionary,
 * control frames.
 */
#define ZLIB_CONST
#include "stream/spdy.h"

#include <assert.h>
#include <string.h>
#include <zlib.h>

#include "base/util.h"

#define DICTIONARY_SIZE 1423
#define DICTIONARY_ADLER 0xe3c6a7c2U
#define STREAM_ID_MAX 0x7fffffffU
#define HEADERS_COUNT_MAX 1000
#define FLAG_FIN 1

enum frame_type {
	FRAME_SYN_STREAM = 1,
	FRAME_SYN_REPLY = 2,
	FRAME_RST_STREAM = 3,
	FRAME_SETTINGS = 4,
	FRAME_PING = 6,
	FRAME_GOAWAY = 7,
	FRAME_HEADERS = 8,
	FRAME_WINDOW_UPDATE = 9,
};

struct spdy {
	const struct spdy_ops *ops;
	void *arg;
	unsigned char head[8];
	size_t head_len;
	size_t left; /* of the payload */
	struct buf payload; /* of a control frame */
	uint32_t last_id; /* highest stream accepted */
	bool blocks_sent, gone;
	z_stream z;
	unsigned char dictionary[DICTIONARY_SIZE];
};

static uint32_t get_u32(const void *data)
{
	const unsigned char *p = data;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32(struct buf *out, uint32_t v)
{
	const unsigned char b[] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16),
				    (unsigned char)(v >> 8), (unsigned char)v };

	buf_add(out, b, sizeof(b));
}

/* --- header blocks --- */

/* Build the draft's dictionary: length-prefixed words, then plain text. */
static void make_dictionary(unsigned char out[DICTIONARY_SIZE])
{
	static const char words[] =
		"options,head,post,put,delete,trace,accept,accept-charset,accept-encoding,"
		"accept-language,accept-ranges,age,allow,authorization,cache-control,connection,"
		"content-base,content-encoding,content-language,content-length,content-location,"
		"content-md5,content-range,content-type,date,etag,expect,expires,from,host,"
		"if-match,if-modified-since,if-none-match,if-range,if-unmodified-since,"
		"last-modified,location,max-forwards,pragma,proxy-authenticate,"
		"proxy-authorization,range,referer,retry-after,server,te,trailer,"
		"transfer-encoding,upgrade,user-agent,vary,via,warning,www-authenticate,method,"
		"get,status,200 OK,version,HTTP/1.1,url,public,set-cookie,keep-alive,origin,";
	static const char text[] =
		"100101201202205206300302303304305306307402405406407408409410411412413414415416"
		"417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently"
		"400 Bad Request401 Unauthorized403 Forbidden404 Not Found"
		"500 Internal Server Error501 Not Implemented503 Service Unavailable"
		"Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
		"Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
		"chunked,text/html,image/png,image/jpg,image/gif,application/xml,"
		"application/xhtml+xml,text/plain,text/javascript,public"
		"privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
	size_t n = 0;

	for (const char *w = words; *w;) {
		const char *end = strchr(w, ',');
		size_t len = (size_t)(end - w);

		assert(n + 4 + len <= DICTIONARY_SIZE);
		out[n] = out[n + 1] = out[n + 2] = 0;
		out[n + 3] = (unsigned char)len;
		memcpy(out + n + 4, w, len);
		n += 4 + len;
		w = end + 1;
	}
	assert(n + sizeof(text) - 1 == DICTIONARY_SIZE);
	memcpy(out + n, text, sizeof(text) - 1);
}

/* Inflate one whole block: it ends with a flush, and no byte may be left over. */
static int inflate_block(struct spdy *s, const void *in, size_t size, struct buf *out,
			 struct err *e)
{
	s->z.next_in = in;
	s->z.avail_in = (uInt)size;
	for (;;) {
		size_t room = SPDY_HEADERS_MAX - out->len;
		int r;

		room = MIN(room, (size_t)4096);
		s->z.next_out = buf_reserve(out, room);
		s->z.avail_out = (uInt)room;
		r = inflate(&s->z, Z_SYNC_FLUSH);
		buf_commit(out, room - s->z.avail_out);
		if (r == Z_NEED_DICT) {
			if (s->z.adler != DICTIONARY_ADLER ||
			    inflateSetDictionary(&s->z, s->dictionary, DICTIONARY_SIZE) != Z_OK)
				return err_set(e, ERR_INVALID, "SPDY: unknown header dictionary");
			continue;
		}
		if (r != Z_OK && r != Z_BUF_ERROR)
			return err_set(e, ERR_INVALID, "SPDY: a header block does not inflate");
		if (s->z.avail_in == 0 && s->z.avail_out > 0)
			return 0;
		if (out->len >= SPDY_HEADERS_MAX)
			return err_set(e, ERR_INVALID, "SPDY: headers of more than %d bytes",
				       SPDY_HEADERS_MAX);
		if (r == Z_BUF_ERROR && s->z.avail_out > 0)
			return err_set(e, ERR_INVALID,
				       "SPDY: data behind the end of a header block");
	}
}

struct frame_span {
	const char *p;
	size_t n;
};

/* Read a length and that many bytes. */
static int take_span(struct frame_span *rest, struct frame_span *ret, struct err *e)
{
	size_t n;

	if (rest->n < 4)
		return err_set(e, ERR_INVALID, "SPDY: a header block is too short");
	n = get_u32(rest->p);
	if (n > rest->n - 4)
		return err_set(e, ERR_INVALID, "SPDY: a header is longer than its block");
	*ret = (struct frame_span){ rest->p + 4, n };
	*rest = (struct frame_span){ rest->p + 4 + n, rest->n - 4 - n };
	return 0;
}

static bool span_is(const struct frame_span *s, const char *text)
{
	return s->n == strlen(text) && memcmp(s->p, text, s->n) == 0;
}

/* Copy a header's value; a value that is too long or contains NUL becomes "". */
static void keep(char out[SPDY_VALUE_MAX + 1], const struct frame_span *value)
{
	size_t n = value->n <= SPDY_VALUE_MAX && !memchr(value->p, 0, value->n) ? value->n : 0;

	memcpy(out, value->p, n);
	out[n] = '\0';
}

static int parse_headers(const struct buf *block, struct spdy_open *open, struct err *e)
{
	struct frame_span rest = { block->data, block->len }, name, value;
	uint32_t count;
	int r = 0;

	if (rest.n < 4)
		return err_set(e, ERR_INVALID, "SPDY: a header block without its count");
	count = get_u32(rest.p);
	if (count > HEADERS_COUNT_MAX)
		return err_set(e, ERR_INVALID, "SPDY: %u headers are too many", count);
	rest = (struct frame_span){ rest.p + 4, rest.n - 4 };
	for (uint32_t i = 0; i < count && r == 0; i++) {
		r = take_span(&rest, &name, e);
		if (r == 0)
			r = take_span(&rest, &value, e);
		if (r < 0)
			break;
		for (size_t k = 0; k < name.n; k++)
			if (name.p[k] >= 'A' && name.p[k] <= 'Z')
				return err_set(e, ERR_INVALID, "SPDY: upper-case header name");
		if (span_is(&name, "streamtype"))
			keep(open->type, &value);
		else if (span_is(&name, "port"))
			keep(open->port, &value);
		else if (span_is(&name, "requestid"))
			keep(open->request_id, &value);
	}
	if (r == 0 && rest.n)
		return err_set(e, ERR_INVALID, "SPDY: %zu bytes behind the last header", rest.n);
	return r;
}

/* --- control frames --- */

/* Read a stream's headers; skip bytes precede the block. */
static int take_headers(struct spdy *s, size_t skip, struct spdy_open *open, struct err *e)
{
	_cleanup_buf_ struct buf block = BUF_NULL;
	int r;

	if (s->payload.len < skip)
		return err_set(e, ERR_INVALID, "SPDY: a frame with headers is too short");
	open->id = get_u32(s->payload.data) & STREAM_ID_MAX;
	r = inflate_block(s, s->payload.data + skip, s->payload.len - skip, &block, e);
	return r < 0 ? r : parse_headers(&block, open, e);
}

static int syn_stream(struct spdy *s, bool fin, struct buf *out, struct err *e)
{
	struct spdy_open open = { .id = 0 };
	int r = take_headers(s, 10, &open, e);

	if (r < 0 || s->gone)
		return r;
	if (open.id == 0)
		return err_set(e, ERR_INVALID, "SPDY: stream 0");
	/* Clients use odd ids, in increasing order. */
	if (open.id % 2 == 0 || open.id <= s->last_id) {
		spdy_put_reset(out, open.id, SPDY_STATUS_PROTOCOL_ERROR);
		return 0;
	}
	s->last_id = open.id;
	s->ops->opened(s->arg, &open);
	if (fin)
		s->ops->finished(s->arg, open.id);
	return 0;
}

static int wrong_size(struct err *e, const char *what)
{
	return err_set(e, ERR_INVALID, "SPDY: %s of a wrong size", what);
}

static int settings(const struct buf *p, struct err *e)
{
	if (p->len < 4 || (p->len - 4) % 8 || get_u32(p->data) != (p->len - 4) / 8)
		return wrong_size(e, "SETTINGS");
	return 0;
}

static int control(struct spdy *s, struct buf *out, struct err *e)
{
	unsigned type = (unsigned)s->head[2] << 8 | s->head[3];
	bool fin = s->head[4] & FLAG_FIN;
	struct spdy_open ignored = { .id = 0 };
	struct buf *p = &s->payload;

	switch (type) {
	case FRAME_SYN_STREAM:
		return syn_stream(s, fin, out, e);
	case FRAME_SYN_REPLY: /* unexpected, but its block is part of the context */
	case FRAME_HEADERS:
		return take_headers(s, 4, &ignored, e);
	case FRAME_RST_STREAM:
		if (p->len != 8)
			return wrong_size(e, "RST_STREAM");
		s->ops->reset(s->arg, get_u32(p->data) & STREAM_ID_MAX);
		return 0;
	case FRAME_SETTINGS:
		return settings(p, e);
	case FRAME_PING:
		if (p->len != 4)
			return wrong_size(e, "PING");
		if (get_u32(p->data) % 2 == 0)
			return 0; /* reply to a PING that crispd never sent */
		buf_add(out, s->head, sizeof(s->head));
		buf_add(out, p->data, p->len);
		return 0;
	case FRAME_GOAWAY:
		if (p->len != 8)
			return wrong_size(e, "GOAWAY");
		s->ops->goaway(s->arg);
		return 0;
	case FRAME_WINDOW_UPDATE:
		return p->len == 8 ? 0 : wrong_size(e, "WINDOW_UPDATE");
	}
	return err_set(e, ERR_INVALID, "SPDY: frame type %u is not known", type);
}

/* --- bytes --- */

static bool is_control(const struct spdy *s)
{
	return s->head[0] & 0x80;
}

static uint32_t data_id(const struct spdy *s)
{
	return get_u32(s->head) & STREAM_ID_MAX;
}

static int frame_done(struct spdy *s, struct buf *out, struct err *e)
{
	int r = 0;

	s->head_len = 0;
	if (is_control(s))
		r = control(s, out, e);
	else if (s->head[4] & FLAG_FIN)
		s->ops->finished(s->arg, data_id(s));
	s->payload.len = 0;
	return r;
}

static int head_done(struct spdy *s, struct err *e)
{
	s->left = get_u32(s->head + 4) & 0xffffff;
	if (!is_control(s))
		return 0;
	if ((s->head[0] & 0x7f) != 0 || s->head[1] != 3)
		return err_set(e, ERR_INVALID, "SPDY: not version 3");
	if (s->left > SPDY_CONTROL_MAX)
		return err_set(e, ERR_INVALID, "SPDY: a control frame of %zu bytes", s->left);
	return 0;
}

int spdy_feed(struct spdy *s, const void *data, size_t size, struct buf *out, struct err *e)
{
	const char *p = data;
	int r = 0;

	while (r == 0) {
		size_t n;

		if (s->head_len < sizeof(s->head)) {
			n = MIN(size, sizeof(s->head) - s->head_len);
			if (n == 0)
				return 0;
			memcpy(s->head + s->head_len, p, n);
			s->head_len += n;
			if (s->head_len == sizeof(s->head))
				r = head_done(s, e);
		} else {
			n = MIN(size, s->left);
			if (n == 0 && s->left)
				return 0;
			s->left -= n;
			if (is_control(s))
				buf_add(&s->payload, p, n);
			else if (n)
				s->ops->data(s->arg, data_id(s), p, n);
		}
		p += n;
		size -= n;
		if (r == 0 && s->head_len == sizeof(s->head) && s->left == 0)
			r = frame_done(s, out, e);
	}
	return r;
}

struct spdy *spdy_new(const struct spdy_ops *ops, void *arg)
{
	struct spdy *s = xcalloc(1, sizeof(*s));

	s->ops = ops;
	s->arg = arg;
	make_dictionary(s->dictionary);
	if (inflateInit(&s->z) != Z_OK)
		abort(); /* no memory */
	return s;
}

void spdy_free(struct spdy *s)
{
	if (!s)
		return;
	inflateEnd(&s->z);
	buf_done(&s->payload);
	free(s);
}

/* --- output --- */

static void put_control(struct buf *out, enum frame_type type, uint32_t size)
{
	put_u32(out, 0x80030000U | (uint32_t)type);
	put_u32(out, size);
}

/* Header blocks are sent as stored blocks, which need neither compressor nor history. */
static void put_block(struct spdy *s, struct buf *frame, const struct buf *block)
{
	static const char first[] = "\x78\xf9\xe3\xc6\xa7\xc2"; /* zlib, with the dictionary */
	static const char flush[] = "\x00\x00\x00\xff\xff";
	size_t n = block->len;
	const unsigned char stored[] = { 0, (unsigned char)n, (unsigned char)(n >> 8),
					 (unsigned char)~n, (unsigned char)~(n >> 8) };

	assert(n <= UINT16_MAX);
	if (!s->blocks_sent)
		buf_add(frame, first, sizeof(first) - 1);
	s->blocks_sent = true;
	buf_add(frame, stored, sizeof(stored));
	buf_add(frame, block->data, block->len);
	buf_add(frame, flush, sizeof(flush) - 1);
}

void spdy_put_reply(struct spdy *s, struct buf *out, uint32_t id)
{
	_cleanup_buf_ struct buf frame = BUF_NULL, block = BUF_NULL;

	put_u32(&block, 0);
	put_u32(&frame, id);
	put_block(s, &frame, &block);
	put_control(out, FRAME_SYN_REPLY, (uint32_t)frame.len);
	buf_add(out, frame.data, frame.len);
}

void spdy_put_open(struct spdy *s, struct buf *out, const struct spdy_open *open)
{
	const char *const headers[][2] = {
		{ "streamtype", open->type },
		{ "port", open->port },
		{ "requestid", open->request_id },
	};
	_cleanup_buf_ struct buf frame = BUF_NULL, block = BUF_NULL;
	uint32_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		count += *headers[i][1] != 0;
	put_u32(&block, count);
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		for (size_t k = 0; *headers[i][1] && k < 2; k++) {
			put_u32(&block, (uint32_t)strlen(headers[i][k]));
			buf_puts(&block, headers[i][k]);
		}
	}
	put_u32(&frame, open->id);
	put_u32(&frame, 0); /* no associated stream */
	buf_add(&frame, "\0\0", 2); /* no priority, no slot */
	put_block(s, &frame, &block);
	put_control(out, FRAME_SYN_STREAM, (uint32_t)frame.len);
	buf_add(out, frame.data, frame.len);
}

void spdy_put_data(struct buf *out, uint32_t id, const void *data, size_t size, bool fin)
{
	put_u32(out, id);
	put_u32(out, (uint32_t)size | (fin ? (uint32_t)FLAG_FIN << 24 : 0));
	buf_add(out, data, size);
}

void spdy_put_reset(struct buf *out, uint32_t id, enum spdy_status status)
{
	put_control(out, FRAME_RST_STREAM, 8);
	put_u32(out, id);
	put_u32(out, status);
}

void spdy_put_goaway(struct spdy *s, struct buf *out)
{
	put_control(out, FRAME_GOAWAY, 8);
	put_u32(out, s->last_id);
	put_u32(out, 0);
	s->gone = true;
}
