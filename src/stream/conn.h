/*
 * conn.h - one client connection of the streaming server: HTTP, the transport below a session, and
 * the bounds.
 * Callbacks neither write nor change watches: sessions append to conn_out and mark the connection.
 * At the end of the turn the pump writes, decides which connections may read on, and frees dead
 * ones.  No callback finds its connection freed under it.
 */
#pragma once

#include "base/buf.h"
#include "base/gate.h"
#include "base/list.h"
#include "loop/loop.h"
#include "stream/http.h"
#include "stream/spdy.h"
#include "stream/stream_server.h"
#include "stream/ws.h"

struct tls;
struct tls_link;

#define CONN_OUT_MAX (256 * 1024) /* bytes queued to a client before its sources pause */
#define CONN_IN_MAX (256 * 1024) /* bytes queued for one sink before its client pauses */
#define CONN_CHUNK (32 * 1024) /* bytes of one read, and of one message */
#define CONN_MAX 1024 /* sessions of one door (listening socket) at a time */
#define CONN_WAITING_MAX 256 /* connections of one door without a redeemed token */
#define CONN_WAITING_PEER_MAX 128 /* of those, from one peer */

struct conn;

/* A descriptor in the loop, with the events wanted of it. */
struct tap {
	struct loop_io io; /* io.fd -1: closed; only used after tap_init */
	uint32_t events; /* watched events; 0: not watched */
	void (*fn)(struct loop_io *io, uint32_t events);
	struct conn *conn;
};
void tap_init(struct tap *t, struct conn *c, int fd, void (*fn)(struct loop_io *, uint32_t));
/* Set the watched events.  0: stop watching, including for hang-ups. */
void tap_want(struct tap *t, uint32_t events);
void tap_close(struct tap *t);
/* Write from the front of data without blocking.  false: the reading end is closed. */
bool tap_write(struct tap *t, struct buf *data);

/* A session on top of a connection. */
struct session_ops {
	const struct spdy_ops *spdy;
	const struct ws_ops *ws; /* NULL: none */
	void (*given)(void *session, const struct stream_fds *fds); /* takes ownership of fds */
	void (*ended)(void *session, const struct stream_end *end);
	void (*dialed)(void *session, uint32_t pair, const int fds[2], const struct err *err);
	/* The server stops: send err to the client at once. */
	void (*aborted)(void *session, const struct err *err);
	/* Set the watches.  full: the client's output queue is full.  false: do not read from the
	 * client. */
	bool (*update)(void *session, bool full);
	void (*free)(void *session);
};

enum conn_phase {
	CONN_PHASE_HEAD, /* HTTP request */
	CONN_PHASE_REDEEM, /* the main loop checks the token */
	CONN_PHASE_OPENING, /* the client opens its streams */
	CONN_PHASE_RUNNING,
	CONN_PHASE_LINGER, /* all output was queued; the client closes first */
};

/* State shared by connections; owned by the server. */
struct conns {
	struct loop *loop;
	const struct stream_hooks *hooks;
	int64_t idle_ns; /* end a session after so long without traffic */
	struct list all, marked;
	unsigned n, peak; /* connections now; and at most since there was none */
	uint64_t next_id;
};

struct conn {
	struct list node, mark;
	struct gate_entry entry; /* in its door's gate */
	struct conns *conns;
	uint64_t id;
	struct tap socket;
	struct tls_link *tls; /* NULL: no TLS */
	struct loop_timer timer;
	enum conn_phase phase;
	bool redeemed, dead, shut;
	bool tunnel; /* SPDY inside of WebSocket messages */
	int64_t active_ns;
	struct stream_ask ask;
	struct buf in; /* HTTP request and the bytes after it */
	struct buf out; /* for the client */
	struct buf plain; /* with tunnel: not yet framed in messages */
	struct ws ws;
	struct spdy *spdy; /* NULL: a WebSocket session, or none yet */
	const struct session_ops *ops;
	void *session;
};

/* Make a connection of the socket, which it owns.  Closes other connections waiting at the gate
 * when there are too many.  tls may be NULL: no TLS. */
void conn_new(struct conns *cs, struct gate *gate, int fd, struct tls *tls);
/* Close the gate's first victim among waiting connections.  false: none waits. */
bool conn_evict(struct gate *gate);
/* NULL: the connection has ended. */
struct conn *conn_find(struct conns *cs, uint64_t id);
/* Set the result of the token's check.  ask NULL: no such token. */
void conn_admit(struct conn *c, const struct stream_ask *ask);
/* Answer an HTTP error instead of a session; headers are whole lines. */
void conn_answer(struct conn *c, const char *status, const char *headers, const char *body);
/* Attach the session that the upgrade has made. */
void conn_set_session(struct conn *c, const struct session_ops *ops, void *session);
/* Mark the connection for the pump at the end of this turn. */
void conn_mark(struct conn *c);
/* The buffer for a session's output. */
struct buf *conn_out(struct conn *c);
/* Report that the client has opened all its streams. */
void conn_begin(struct conn *c);
/* Enter the linger phase: all output is queued, and the client closes first. */
void conn_finish(struct conn *c);
/* Close at the end of this turn. */
void conn_kill(struct conn *c);
/* Pump all marked connections; call at the end of a turn. */
void conn_pump_all(struct conns *cs);
/* Before the server ends: abort every session, try to send its error, free all. */
void conn_abort_all(struct conns *cs);
