/*
 * ws.c - WebSocket frame parser and writer, with UTF-8 validation of text messages.
 */
#include "stream/ws.h"

#include <string.h>

#include "base/base64.h"
#include "base/str.h"
#include "base/util.h"
#include "stream/sha1.h"

#define CODE_NORMAL 1000
#define CODE_PROTOCOL 1002
#define CODE_INVALID_DATA 1007
#define FIN 0x80
#define MASKED 0x80

enum opcode {
	OPCODE_MORE = 0,
	OPCODE_TEXT = 1,
	OPCODE_BINARY = 2,
	OPCODE_CLOSE = 8,
	OPCODE_PING = 9,
	OPCODE_PONG = 10,
};

/* --- output --- */

static void put_head(struct buf *out, enum opcode op, size_t size)
{
	unsigned char h[10] = { (unsigned char)(FIN | op) };
	size_t n = 2;

	if (size < 126) {
		h[1] = (unsigned char)size;
	} else if (size <= UINT16_MAX) {
		h[1] = 126;
		h[2] = (unsigned char)(size >> 8);
		h[3] = (unsigned char)size;
		n = 4;
	} else {
		h[1] = 127;
		for (size_t i = 0; i < 8; i++)
			h[2 + i] = (unsigned char)((uint64_t)size >> (56 - 8 * i));
		n = 10;
	}
	buf_add(out, h, n);
}

void ws_put_message(struct buf *out, bool text, const void *head, size_t head_size,
		    const void *data, size_t size)
{
	put_head(out, text ? OPCODE_TEXT : OPCODE_BINARY, head_size + size);
	buf_add(out, head, head_size);
	buf_add(out, data, size);
}

void ws_put_close(struct ws *w, struct buf *out, unsigned code)
{
	const unsigned char b[] = { (unsigned char)(code >> 8), (unsigned char)code };

	if (w->close_sent)
		return;
	w->close_sent = true;
	put_head(out, OPCODE_CLOSE, sizeof(b));
	buf_add(out, b, sizeof(b));
}

/* --- input --- */

static enum opcode opcode_of(const struct ws *w)
{
	return (enum opcode)(w->head[0] & 0x0f);
}

static bool is_control(const struct ws *w)
{
	return w->head[0] & 0x08;
}

/* Size of the header, as far as known. */
static size_t head_size(const struct ws *w)
{
	size_t n = 2;

	if (w->head_len < 2)
		return 2;
	if ((w->head[1] & 0x7f) == 126)
		n += 2;
	else if ((w->head[1] & 0x7f) == 127)
		n += 8;
	return n + (w->head[1] & MASKED ? 4 : 0);
}

static const char *head_fault(const struct ws *w)
{
	unsigned op = w->head[0] & 0x0f;

	if (w->head[0] & 0x70)
		return "bits that no extension was agreed for";
	if (!(w->head[1] & MASKED))
		return "a frame that is not masked";
	if (op > OPCODE_PONG || (op > OPCODE_BINARY && op < OPCODE_CLOSE))
		return "an unknown kind of frame";
	if (op >= OPCODE_CLOSE)
		return !(w->head[0] & FIN) || w->left > WS_CONTROL_MAX
			       ? "a control frame in parts or too long"
			       : NULL;
	if ((op == OPCODE_MORE) != w->in_message)
		return w->in_message ? "a message inside a message" : "the end of no message";
	if (w->left > INT64_MAX)
		return "a length out of range";
	return NULL;
}

static void head_done(struct ws *w)
{
	unsigned n = w->head[1] & 0x7f, bytes = n == 126 ? 2 : n == 127 ? 8 : 0;

	w->left = bytes ? 0 : n;
	for (unsigned i = 0; i < bytes; i++)
		w->left = w->left << 8 | w->head[2 + i];
	w->at = 0;
	if (is_control(w) || opcode_of(w) == OPCODE_MORE)
		return;
	w->first = true;
	w->text = opcode_of(w) == OPCODE_TEXT;
	w->utf8_len = 0;
}

/* Codes that a peer may send (RFC 6455, 7.4). */
static bool is_close_code(unsigned code)
{
	return (code >= CODE_NORMAL && code < 1012 && (code < 1004 || code > 1006)) ||
	       (code >= 3000 && code < 5000);
}

static const char *control_done(struct ws *w, struct buf *out)
{
	size_t n = (size_t)w->at;
	unsigned code = n >= 2 ? (unsigned)w->control[0] << 8 | w->control[1] : CODE_NORMAL;

	if (opcode_of(w) == OPCODE_PING && !w->close_sent) {
		put_head(out, OPCODE_PONG, n);
		buf_add(out, w->control, n);
	} else if (opcode_of(w) == OPCODE_CLOSE) {
		if (n == 1 || !is_close_code(code) ||
		    (n > 2 && !str_is_utf8((const char *)w->control + 2, n - 2)))
			return "a Close with no good reason";
		w->closed = true;
		ws_put_close(w, out, code);
		w->ops->closed(w->arg);
	}
	return NULL;
}

/* Validate a part of a text message; a part may end inside of a character. */
static bool text_is_good(struct ws *w, const unsigned char *p, size_t n, bool end)
{
	for (size_t i = 0; i < n; i++) {
		w->utf8[w->utf8_len++] = (char)p[i];
		if (str_utf8_char(w->utf8, w->utf8_len) == w->utf8_len)
			w->utf8_len = 0;
		else if (w->utf8_len == sizeof(w->utf8))
			return false;
	}
	return !end || !w->utf8_len;
}

/* Handle n bytes of payload; last when n is all that is left.  false: invalid UTF-8. */
static bool payload(struct ws *w, unsigned char *p, size_t n)
{
	const unsigned char *mask = w->head + head_size(w) - 4;
	bool last = n == w->left;

	for (size_t i = 0; i < n; i++)
		p[i] ^= mask[(w->at + i) & 3];
	if (is_control(w)) {
		memcpy(w->control + w->at, p, n);
	} else {
		bool end = last && (w->head[0] & FIN);

		if (w->text && !text_is_good(w, p, n, end))
			return false;
		if (n || end) {
			w->ops->data(w->arg, p, n, w->first, end);
			w->first = false;
		}
		if (last)
			w->in_message = !end;
	}
	w->at += n;
	w->left -= n;
	return true;
}

static int refuse(struct ws *w, struct buf *out, unsigned code, const char *fault, struct err *e)
{
	ws_put_close(w, out, code);
	return err_set(e, ERR_INVALID, "WebSocket: %s", fault);
}

int ws_feed(struct ws *w, void *data, size_t size, struct buf *out, struct err *e)
{
	unsigned char *p = data;

	while (!w->closed) {
		const char *fault = NULL;
		size_t n;

		if (w->head_len < head_size(w)) {
			if (size == 0)
				return 0;
			w->head[w->head_len++] = *p++;
			size--;
			if (w->head_len < head_size(w))
				continue;
			head_done(w);
			fault = head_fault(w);
		}
		if (fault)
			return refuse(w, out, CODE_PROTOCOL, fault, e);
		n = (size_t)MIN((uint64_t)size, w->left);
		if (n == 0 && w->left)
			return 0;
		if (!payload(w, p, n))
			return refuse(w, out, CODE_INVALID_DATA, "a text that is not UTF-8", e);
		p += n;
		size -= n;
		if (w->left)
			continue;
		w->head_len = 0;
		if (is_control(w))
			fault = control_done(w, out);
		if (fault)
			return refuse(w, out, CODE_PROTOCOL, fault, e);
	}
	return 0;
}

void ws_accept(const char *key, size_t size, char out[WS_ACCEPT_LEN + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	_cleanup_buf_ struct buf text = BUF_NULL, digits = BUF_NULL;
	unsigned char hash[SHA1_SIZE];

	buf_add(&text, key, size);
	buf_puts(&text, guid);
	sha1(text.data, text.len, hash);
	base64_put(&digits, hash, sizeof(hash));
	memcpy(out, digits.data, WS_ACCEPT_LEN + 1);
}
