/*
 * crisp_stream.h - the client's end of exec, attach and port-forward: SPDY/3.1 over the unix socket
 * that crispd has beside its CRI socket.
 *
 * Everything happens on one loop.  What is put goes out by itself; a source of data waits while
 * stream_client_is_full, and is told by `room` when to go on.
 */
#pragma once

#include "crisp.h"
#include "loop/loop.h"
#include "stream/spdy.h"

struct stream_client;

struct stream_client_ops {
	void (*data)(void *arg, uint32_t id, const void *data, size_t size);
	void (*finished)(void *arg, uint32_t id); /* the daemon sends no more on it */
	void (*reset)(void *arg, uint32_t id); /* and takes no more */
	void (*room)(void *arg); /* may be NULL */
	/* The connection is over; nothing else is called after it. */
	void (*closed)(void *arg, const struct err *why);
};

/* Connect, present the URL that an RPC has answered and speak protocol (a value of
 * X-Stream-Protocol-Version).  Blocks until the daemon has switched to SPDY or refused, which is an
 * error with its text.  ops stay the caller's. */
int stream_client_open(struct cli *cli, struct loop *loop, const char *url, const char *protocol,
		       const struct stream_client_ops *ops, void *arg, struct stream_client **ret,
		       struct err *e);
/* Not from a callback of this client.  NULL is fine. */
void stream_client_close(struct stream_client *c);

/* Open a stream; of what, its id is filled in and returned. */
uint32_t stream_client_stream(struct stream_client *c, struct spdy_open *what);
void stream_client_put(struct stream_client *c, uint32_t id, const void *data, size_t size,
		       bool fin);
bool stream_client_is_full(const struct stream_client *c);
/* Whether to take nothing more from the daemon, of no stream: its data would have to wait here. */
void stream_client_pause(struct stream_client *c, bool pause);
