/*
 * conn.h - one client's connection: HTTP, the transport below a session, and the bounds.
 *
 * Nothing is written or re-armed in the middle of a callback: sessions append to conn_out and mark
 * the connection; at the end of the turn the pump writes, decides who may read on and frees what
 * has died.  So no callback finds its connection freed under it.
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

#define CONN_OUT_MAX (256 * 1024) /* queued to a client before its sources wait, bytes */
#define CONN_IN_MAX (256 * 1024) /* of a client waiting for one sink before it waits, bytes */
#define CONN_CHUNK (32 * 1024) /* of one read, and of one message */
#define CONN_MAX 1024 /* sessions of one door at a time */
#define CONN_WAITING_MAX 256 /* connections of one door that have redeemed no token yet */
#define CONN_WAITING_PEER_MAX 128 /* of those, from one peer */

struct conn;

/* A descriptor whose watch follows what is wanted of it. */
struct tap {
	struct loop_io io; /* io.fd -1: closed; only used once tap_init was called */
	uint32_t events; /* watched for; 0: not watched */
	void (*fn)(struct loop_io *io, uint32_t events);
	struct conn *conn;
};
void tap_init(struct tap *t, struct conn *c, int fd, void (*fn)(struct loop_io *, uint32_t));
/* 0: stop watching, hang-ups too. */
void tap_want(struct tap *t, uint32_t events);
void tap_close(struct tap *t);
/* Write from the front of data what goes now.  false: nobody will ever read it. */
bool tap_write(struct tap *t, struct buf *data);

/* A session on top of a connection. */
struct session_ops {
	const struct spdy_ops *spdy;
	const struct ws_ops *ws; /* NULL: none */
	void (*given)(void *session, const struct stream_fds *fds); /* takes them */
	void (*ended)(void *session, const struct stream_end *end);
	void (*dialed)(void *session, uint32_t pair, const int fds[2], const struct err *err);
	/* The server stops: say so at once. */
	void (*aborted)(void *session, const struct err *err);
	/* Set the watches.  full: the client takes nothing now.  false: do not read from it. */
	bool (*update)(void *session, bool full);
	void (*free)(void *session);
};

enum conn_phase {
	CONN_PHASE_HEAD, /* HTTP request */
	CONN_PHASE_REDEEM, /* the main loop looks at the token */
	CONN_PHASE_OPENING, /* the client opens its streams */
	CONN_PHASE_RUNNING,
	CONN_PHASE_LINGER, /* all was said; the client closes first */
};

/* What connections share; the server's. */
struct conns {
	struct loop *loop;
	const struct stream_hooks *hooks;
	int64_t idle_ns; /* a session in which nothing happens for so long ends */
	struct list all, marked;
	unsigned n, peak; /* how many there are; and were at most since there was none */
	uint64_t next_id;
};

struct conn {
	struct list node, mark;
	struct gate_entry entry; /* of its door */
	struct conns *conns;
	uint64_t id;
	struct tap socket;
	struct tls_link *tls; /* NULL: without */
	struct loop_timer timer;
	enum conn_phase phase;
	bool redeemed, dead, shut;
	bool tunnel; /* SPDY inside of WebSocket messages */
	int64_t active_ns;
	struct stream_ask ask;
	struct buf in; /* HTTP request and what came behind it */
	struct buf out; /* for the client */
	struct buf plain; /* with tunnel: not in messages yet */
	struct ws ws;
	struct spdy *spdy; /* NULL: a WebSocket session, or none yet */
	const struct session_ops *ops;
	void *session;
};

/* Takes the socket, and closes others that wait at the gate when there are too many.  tls: NULL
 * without. */
void conn_new(struct conns *cs, struct gate *gate, int fd, struct tls *tls);
/* Close the waiting connection that goes first at this gate.  false: none waits. */
bool conn_evict(struct gate *gate);
/* NULL: gone. */
struct conn *conn_find(struct conns *cs, uint64_t id);
/* The token's answer. */
void conn_admit(struct conn *c, const struct stream_ask *ask);
/* An error instead of a session; headers are whole lines. */
void conn_answer(struct conn *c, const char *status, const char *headers, const char *body);
/* What the upgrade has led to. */
void conn_set_session(struct conn *c, const struct session_ops *ops, void *session);
/* Something has changed: the pump looks at it at the end of this turn. */
void conn_mark(struct conn *c);
/* Where a session's bytes go. */
struct buf *conn_out(struct conn *c);
/* The client has all its streams. */
void conn_begin(struct conn *c);
/* Everything was said. */
void conn_finish(struct conn *c);
/* At once, at the end of this turn. */
void conn_kill(struct conn *c);
/* The end of a turn. */
void conn_pump_all(struct conns *cs);
/* Before the server ends: say so, try to send, free. */
void conn_abort_all(struct conns *cs);
