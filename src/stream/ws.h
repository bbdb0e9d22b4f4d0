/*
 * ws.h - WebSocket frames as a server reads and writes them (RFC 6455), without extensions.
 *
 * No descriptors: bytes are fed, what is to be sent is appended to a buffer.  Messages are handed
 * on in parts as they arrive, whatever their length; only control frames are held.
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
	/* A part of a message.  first, last: its borders; size may be 0. */
	void (*data)(void *arg, const void *data, size_t size, bool first, bool last);
	/* The client has closed, and has its answer. */
	void (*closed)(void *arg);
};

struct ws {
	const struct ws_ops *ops;
	void *arg;
	unsigned char head[14];
	size_t head_len;
	uint64_t left; /* of the payload */
	uint64_t at; /* into it: for the mask */
	bool in_message; /* between the frames of one */
	bool first; /* nothing of the message was handed on yet */
	bool text; /* the message under way is a text: UTF-8 */
	char utf8[4]; /* a character of it that is not whole yet */
	size_t utf8_len;
	bool close_sent, closed;
	unsigned char control[WS_CONTROL_MAX];
};

/* Fields beside ops and arg are zero at the start. */

/* Take bytes of the client; they are unmasked in place.  Pongs and the answer to Close go into out.
 * ERR_INVALID: not WebSocket as it has to be; a Close with the reason is in out, feed no more. */
int ws_feed(struct ws *w, void *data, size_t size, struct buf *out, struct err *e);

/* A whole message in one frame: head is put before the data (may be NULL with size 0). */
void ws_put_message(struct buf *out, bool text, const void *head, size_t head_size,
		    const void *data, size_t size);
/* Close, once; nothing may follow. */
void ws_put_close(struct ws *w, struct buf *out, unsigned code);

/* Sec-WebSocket-Accept for a key (RFC 6455, 4.2.2). */
void ws_accept(const char *key, size_t size, char out[WS_ACCEPT_LEN + 1]);
