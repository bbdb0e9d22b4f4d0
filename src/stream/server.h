/*
 * server.h - the streaming server: exec, attach and port-forward over SPDY/3.1 and WebSocket.
 *
 * It runs on a thread and a loop of its own, which move the bytes between a client's socket and
 * the descriptors of a container or a forwarded port; nothing of it waits for the main loop.  The
 * two sides know each other by a connection's number only: what is told about a connection that
 * has gone is dropped (descriptors are closed).
 *
 * For one connection: redeem, the answer stream_server_admit; begin once the client has opened
 * all its streams; then stream_server_give and _end (exec, attach) or dial and _dialed; gone, when
 * redeem was called, as the last.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum stream_kind {
	STREAM_KIND_EXEC,
	STREAM_KIND_ATTACH,
	STREAM_KIND_PORT_FORWARD,
};

/* What the client was promised when it got its URL. */
struct stream_ask {
	enum stream_kind kind;
	bool tty, in, out, err; /* exec, attach */
	bool in_once;           /* attach: the end of stdin is the container's, too */
};

/* The container's side of exec and attach; -1: none.  With a terminal in and out are two
 * descriptors of it. */
struct stream_fds {
	int in, out, err;
};

/* How it ended: err when it did not come about or was cut off, else the code (0 to 255). */
struct stream_end {
	int code;
	struct err err;
};

/* All called on the stream thread; none may block. */
struct stream_hooks {
	/* A client shows a token, which is valid until this returns. */
	void (*redeem)(uint64_t id, enum stream_kind kind, const char *token);
	void (*begin)(uint64_t id);
	/* A client wants a connection inside the pod. */
	void (*dial)(uint64_t id, uint32_t pair);
	/* attach to a terminal: it has this size now.  (An exec's terminal is resized here.) */
	void (*resize)(uint64_t id, uint16_t width, uint16_t height);
	void (*gone)(uint64_t id);
};

struct stream_server;

/* Listen at an IP address (port 0: any) and, for clients on this node, at the listening unix socket
 * local_fd (-1: none), and start the thread.  hooks and local_fd stay the caller's. */
int stream_server_start(const char *address, uint16_t port, int local_fd,
			const struct stream_hooks *hooks, struct stream_server **ret,
			struct err *e);
/* "http://ADDRESS:PORT" */
const char *stream_server_url(const struct stream_server *s);
/* Tell every client that it is over, end the thread, free.  No hook is called after it. */
void stream_server_stop(struct stream_server *s);

/* From any thread.  ask NULL: no such token. */
void stream_server_admit(struct stream_server *s, uint64_t id, const struct stream_ask *ask);
/* Takes the descriptors, which must not block. */
void stream_server_give(struct stream_server *s, uint64_t id, const struct stream_fds *fds);
void stream_server_end(struct stream_server *s, uint64_t id, const struct stream_end *end);
/* Unconnected non-blocking TCP sockets (IPv4, IPv6; -1: none) in the pod's network; takes them.
 * err NULL: none. */
void stream_server_dialed(struct stream_server *s, uint64_t id, uint32_t pair, const int fds[2],
			  const struct err *err);
