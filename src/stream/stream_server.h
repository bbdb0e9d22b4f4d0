/*
 * stream_server.h - the streaming server: exec, attach and port-forward over SPDY/3.1 and
 * WebSocket.
 * The server has its own thread and loop.  They copy bytes between a client's socket and the
 * descriptors of a container or a forwarded port.  The stream thread never waits for the main
 * loop.  Both sides identify a connection by number only.  Messages for an ended connection are
 * dropped and their descriptors closed.
 * Sequence for one connection: redeem, answered by stream_server_admit; begin, once the client has
 * opened all its streams; stream_server_give and _end (exec, attach), or dial and _dialed; last,
 * gone, if redeem was called.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fs.h"

struct tls_conf;

enum stream_kind {
	STREAM_KIND_EXEC,
	STREAM_KIND_ATTACH,
	STREAM_KIND_PORT_FORWARD,
};

#define STREAM_PORTS_MAX 128 /* two channels for each; one byte holds a channel's number */

/* The parameters of the call that returned the URL. */
struct stream_ask {
	enum stream_kind kind;
	uint16_t ports[STREAM_PORTS_MAX]; /* port-forward: filled only for the oldest clients */
	unsigned n_ports;
	bool tty, in, out, err; /* exec, attach */
	bool in_once; /* attach: the client's end of stdin closes the container's stdin */
};

/* The container's side of exec and attach; -1: none.  With a terminal, in and out are two
 * descriptors of it. */
struct stream_fds {
	int in, out, err;
};
#define STREAM_FDS_NULL ((struct stream_fds){ -1, -1, -1 })

static inline void stream_fds_close(struct stream_fds *fds)
{
	close_fdp(&fds->in);
	close_fdp(&fds->out);
	close_fdp(&fds->err);
}

/* Result of a session.  err: set when it was not established or was cut off; else the code (0 to
 * 255). */
struct stream_end {
	int code;
	struct err err;
};

/* Hooks, called on the stream thread; none may block. */
struct stream_hooks {
	/* A client presents a token; the string is valid until the return. */
	void (*redeem)(uint64_t id, enum stream_kind kind, const char *token);
	void (*begin)(uint64_t id);
	/* A client requests a connection inside the pod. */
	void (*dial)(uint64_t id, uint32_t pair);
	/* attach to a terminal: its new size.  The stream thread resizes an exec's terminal. */
	void (*resize)(uint64_t id, uint16_t width, uint16_t height);
	void (*gone)(uint64_t id);
	/* The TLS files have changed.  err NULL: the new ones are in use; else why the old ones
	 * stay. */
	void (*certificate)(const struct err *err);
};

struct stream_conf {
	const char *address; /* an IP address */
	uint16_t port; /* 0: any */
	int64_t idle_ns; /* end a session after so long without traffic */
	const struct tls_conf *tls; /* NULL: plain HTTP */
	int local_fd; /* listening unix socket for clients on this node, without TLS; -1: none */
};

struct stream_server;

/* Listen and start the thread. hooks and conf->local_fd stay the caller's; all else of conf may be
 * freed after the return. */
int stream_server_start(const struct stream_conf *conf, const struct stream_hooks *hooks,
			struct stream_server **ret, struct err *e);
/* "http://ADDRESS:PORT" or https; a wildcard address is replaced by loopback. */
const char *stream_server_url(const struct stream_server *s);
/* Abort every session, end the thread, free.  No hook is called afterwards. */
void stream_server_stop(struct stream_server *s);

/* Answer redeem.  Any thread.  ask NULL: no such token. */
void stream_server_admit(struct stream_server *s, uint64_t id, const struct stream_ask *ask);
/* Takes ownership of the descriptors, which must be non-blocking. */
void stream_server_give(struct stream_server *s, uint64_t id, const struct stream_fds *fds);
void stream_server_end(struct stream_server *s, uint64_t id, const struct stream_end *end);
/* Answer dial. fds: unconnected non-blocking TCP sockets (IPv4, IPv6; -1: none) in the pod's netns;
 * takes ownership.  err may be NULL: success. */
void stream_server_dialed(struct stream_server *s, uint64_t id, uint32_t pair, const int fds[2],
			  const struct err *err);
