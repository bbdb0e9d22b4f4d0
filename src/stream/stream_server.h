/*
 * stream_server.h - the streaming server: exec, attach and port-forward over SPDY/3.1 and
 * WebSocket.
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

struct tls_conf;

enum stream_kind {
	STREAM_KIND_EXEC,
	STREAM_KIND_ATTACH,
	STREAM_KIND_PORT_FORWARD,
};

#define STREAM_PORTS_MAX 128 /* two channels for each, which one byte names */

/* What the client was promised when it got its URL. */
struct stream_ask {
	enum stream_kind kind;
	uint16_t ports[STREAM_PORTS_MAX]; /* port-forward: only the oldest clients have them here */
	unsigned n_ports;
	bool tty, in, out, err; /* exec, attach */
	bool in_once; /* attach: the end of stdin is the container's, too */
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
	/* The TLS files have changed.  NULL: they are in use; else why the old ones stay. */
	void (*certificate)(const struct err *err);
};

struct stream_conf {
	const char *address; /* an IP address */
	uint16_t port; /* 0: any */
	int64_t idle_ns; /* a session ends when nothing happens for so long */
	const struct tls_conf *tls; /* NULL: plain HTTP */
	int local_fd; /* listens at a unix socket, for clients on this node, without
				     * TLS; -1: none */
};

struct stream_server;

/* Listen and start the thread.  hooks and conf->local_fd stay the caller's; the rest of conf is not
 * needed afterwards. */
int stream_server_start(const struct stream_conf *conf, const struct stream_hooks *hooks,
			struct stream_server **ret, struct err *e);
/* "http://ADDRESS:PORT" or https; of an address that means all, the loopback's. */
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
