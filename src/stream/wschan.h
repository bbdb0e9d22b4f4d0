/*
 * wschan.h - channels inside of WebSocket messages: the first byte of a message is its channel, the
 * rest are that channel's bytes; in the base64 variants a digit and their encoding, as text.
 *
 * What exec, attach and the port-forward of before SPDY was tunnelled have in common.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/base64.h"
#include "base/buf.h"

struct wschan {
	bool base64;
	int channel; /* of the message under way, -1: none yet */
	struct base64_reader reader;
};

/* Take a part of a message as ws_ops.data has it.  Its bytes are appended to out, *ret_channel is
 * theirs.  1: bytes of a channel, 0: not yet, -1: this is no such message. */
int wschan_read(struct wschan *w, const void *data, size_t size, bool first, bool last,
		struct buf *out, unsigned *ret_channel);

/* One message. */
void wschan_put(const struct wschan *w, struct buf *out, unsigned channel, const void *data,
		size_t size);
