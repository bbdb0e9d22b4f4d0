/*
 * wschan.h - channels inside of WebSocket messages: the first byte of a message is the channel, the
 * others are its data.  In the base64 variants: a digit and base64 text.
 * Shared by exec, attach and port-forward over channels (used before SPDY was tunnelled).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/base64.h"
#include "base/buf.h"

struct wschan {
	bool base64;
	int channel; /* of the current message, -1: not known yet */
	struct base64_reader reader;
};

/* Parse a part of a message, as passed to ws_ops.data.  Append its bytes to out; *ret_channel is
 * their channel.  1: bytes of a channel; 0: more is needed; -1: invalid message. */
int wschan_read(struct wschan *w, const void *data, size_t size, bool first, bool last,
		struct buf *out, unsigned *ret_channel);

/* Append one message. */
void wschan_put(const struct wschan *w, struct buf *out, unsigned channel, const void *data,
		size_t size);
