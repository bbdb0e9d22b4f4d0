/*
 * spdy.h - SPDY/3.1 as the streaming clients of Kubernetes speak it: frames in, frames out, for
 * either end of a connection.
 *
 * No descriptors and no clock: bytes are fed, what is to be sent is appended to a buffer.  One
 * header compression context lasts as long as the connection, so every header block is inflated,
 * also that of a stream that is refused.  There is no flow control on either side: clients never
 * send WINDOW_UPDATE.  SPDY Protocol draft 3.1, section 2.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SPDY_CONTROL_MAX (16 * 1024) /* payload of a control frame we take, bytes */
#define SPDY_HEADERS_MAX (64 * 1024) /* a header block inflated, bytes */
#define SPDY_VALUE_MAX 63 /* of a header that is looked at, bytes */

enum spdy_status {
	SPDY_STATUS_PROTOCOL_ERROR = 1,
	SPDY_STATUS_REFUSED_STREAM = 3,
	SPDY_STATUS_CANCEL = 5,
};

/* A stream that the client wants.  Headers that are absent are "". */
struct spdy_open {
	uint32_t id;
	char type[SPDY_VALUE_MAX + 1]; /* streamtype */
	char port[SPDY_VALUE_MAX + 1];
	char request_id[SPDY_VALUE_MAX + 1]; /* requestid */
};

/* What frames mean, in the order in which they came.  data comes in parts, as it arrives. */
struct spdy_ops {
	/* To be answered with spdy_put_reply or spdy_put_reset. */
	void (*opened)(void *arg, const struct spdy_open *open);
	void (*data)(void *arg, uint32_t id, const void *data, size_t size);
	void (*finished)(void *arg, uint32_t id); /* the client sends no more on it */
	void (*reset)(void *arg, uint32_t id);
	void (*goaway)(void *arg); /* it leaves: as if it had hung up */
};

struct spdy;

struct spdy *spdy_new(const struct spdy_ops *ops, void *arg);
void spdy_free(struct spdy *s);

/* Take bytes of the client; PINGs are answered into out.  ERR_INVALID: this is not SPDY, close the
 * connection and feed no more. */
int spdy_feed(struct spdy *s, const void *data, size_t size, struct buf *out, struct err *e);

/* What a client does first: open a stream with an odd id above those before it. */
void spdy_put_open(struct spdy *s, struct buf *out, const struct spdy_open *open);
/* Before any data on that stream. */
void spdy_put_reply(struct spdy *s, struct buf *out, uint32_t id);
/* fin: the last ones of this stream. */
void spdy_put_data(struct buf *out, uint32_t id, const void *data, size_t size, bool fin);
void spdy_put_reset(struct buf *out, uint32_t id, enum spdy_status status);
/* The last frame. */
void spdy_put_goaway(struct spdy *s, struct buf *out);
