/*
 * ws.h - WebSocket frames, server side (RFC 6455), without extensions.
 * No descriptors: the caller feeds received bytes, and output is appended to a buffer.  Message
 * data is passed on in parts as it arrives, at any length; only control frames are buffered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define WS_CONTROL_MAX 125
#define WS_ACCEPT_LEN 28 /* characters of Sec-WebSocket-Accept */

struct ws_ops {
	/* A part of a message.  first, last: message boundaries; size may be 0. */
	void (*data)(void *arg, const void *data, size_t size, bool first, bool last);
	/* The client has sent Close; the reply is in out. */
	void (*closed)(void *arg);
};

struct ws {
	const struct ws_ops *ops;
	void *arg;
	unsigned char head[14];
	size_t head_len;
	uint64_t left; /* of the payload */
	uint64_t at; /* offset in the payload, for the mask */
	bool in_message; /* between the frames of one message */
	bool first; /* no part of the message was passed on yet */
	bool text; /* the current message is text: UTF-8 */
	char utf8[4]; /* an incomplete character of the text */
	size_t utf8_len;
	bool close_sent, closed;
	unsigned char control[WS_CONTROL_MAX];
};

/* Initialise all fields but ops and arg to zero. */

/* Parse bytes of the client, unmasking them in place.  Pongs and the reply to Close are appended to
 * out.  ERR_INVALID: not valid WebSocket; a Close with the reason is in out, feed no more. */
int ws_feed(struct ws *w, void *data, size_t size, struct buf *out, struct err *e);

/* Append a whole message in one frame: head, then data (NULL if size is 0). */
void ws_put_message(struct buf *out, bool text, const void *head, size_t head_size,
		    const void *data, size_t size);
/* Append Close, once; nothing may follow. */
void ws_put_close(struct ws *w, struct buf *out, unsigned code);

/* Sec-WebSocket-Accept for a key (RFC 6455, 4.2.2). */
void ws_accept(const char *key, size_t size, char out[WS_ACCEPT_LEN + 1]);
