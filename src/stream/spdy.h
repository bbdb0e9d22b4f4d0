/*
 * spdy.h - SPDY/3.1 as Kubernetes streaming clients use it: a frame reader and writer, for either
 * end of a connection.  SPDY Protocol draft 3.1, section 2.
 * No descriptors and no clock: the caller feeds received bytes, and output is appended to a buffer.
 * One header compression context lasts as long as the connection, so every header block is
 * inflated, including those of refused streams.  Neither side uses flow control: clients never send
 * WINDOW_UPDATE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SPDY_CONTROL_MAX (16 * 1024) /* accepted payload of a control frame, bytes */
#define SPDY_HEADERS_MAX (64 * 1024) /* an inflated header block, bytes */
#define SPDY_VALUE_MAX 63 /* of an evaluated header, bytes */

enum spdy_status {
	SPDY_STATUS_PROTOCOL_ERROR = 1,
	SPDY_STATUS_REFUSED_STREAM = 3,
	SPDY_STATUS_CANCEL = 5,
};

/* A stream that the client opens.  Absent headers are "". */
struct spdy_open {
	uint32_t id;
	char type[SPDY_VALUE_MAX + 1]; /* streamtype */
	char port[SPDY_VALUE_MAX + 1];
	char request_id[SPDY_VALUE_MAX + 1]; /* requestid */
};

/* Callbacks for received frames, in their order.  data comes in parts, as it arrives. */
struct spdy_ops {
	/* Answer with spdy_put_reply or spdy_put_reset. */
	void (*opened)(void *arg, const struct spdy_open *open);
	void (*data)(void *arg, uint32_t id, const void *data, size_t size);
	void (*finished)(void *arg, uint32_t id); /* the client sends no more on this stream */
	void (*reset)(void *arg, uint32_t id);
	void (*goaway)(void *arg); /* the client leaves: treat as a hang-up */
};

struct spdy;

struct spdy *spdy_new(const struct spdy_ops *ops, void *arg);
void spdy_free(struct spdy *s);

/* Parse bytes of the client and append PING replies to out.  ERR_INVALID: not SPDY; close the
 * connection and feed no more. */
int spdy_feed(struct spdy *s, const void *data, size_t size, struct buf *out, struct err *e);

/* Client side: open a stream with an odd id, higher than all before. */
void spdy_put_open(struct spdy *s, struct buf *out, const struct spdy_open *open);
/* Send before any data on that stream. */
void spdy_put_reply(struct spdy *s, struct buf *out, uint32_t id);
/* fin: data ends this stream. */
void spdy_put_data(struct buf *out, uint32_t id, const void *data, size_t size, bool fin);
void spdy_put_reset(struct buf *out, uint32_t id, enum spdy_status status);
/* Append GOAWAY, the last frame. */
void spdy_put_goaway(struct spdy *s, struct buf *out);
