/*
 * crisp_stream.h - the client side of exec, attach and port-forward: SPDY/3.1 over crispd's
 * streaming unix socket.
 * All runs on one loop.  The client sends queued data by itself.  A data source pauses while
 * stream_client_is_full, until the `room` callback.
 */
#pragma once

#include "crisp.h"
#include "loop/loop.h"
#include "stream/spdy.h"

struct stream_client;

struct stream_client_ops {
	void (*data)(void *arg, uint32_t id, const void *data, size_t size);
	void (*finished)(void *arg, uint32_t id); /* the daemon sends no more on stream id */
	void (*reset)(void *arg, uint32_t id); /* and accepts no more */
	void (*room)(void *arg); /* queue has room again; may be NULL */
	/* The connection has ended; the last callback. */
	void (*closed)(void *arg, const struct err *why);
};

/* Connect, request the URL that an RPC returned, with protocol (a value of
 * X-Stream-Protocol-Version).  Blocks until the daemon has switched to SPDY.  A refusal is an error
 * with the daemon's text.  ops stay the caller's. */
int stream_client_open(struct cli *cli, struct loop *loop, const char *url, const char *protocol,
		       const struct stream_client_ops *ops, void *arg, struct stream_client **ret,
		       struct err *e);
/* Not from a callback of this client.  c may be NULL. */
void stream_client_close(struct stream_client *c);

/* Open a stream with the headers in `what`; set what->id and return it. */
uint32_t stream_client_stream(struct stream_client *c, struct spdy_open *what);
void stream_client_put(struct stream_client *c, uint32_t id, const void *data, size_t size,
		       bool fin);
bool stream_client_is_full(const struct stream_client *c);
/* Stop (or resume) reading from the daemon, on all streams, while received data cannot be
 * written. */
void stream_client_pause(struct stream_client *c, bool pause);
