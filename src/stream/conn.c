/*
 * conn.c - connections of the streaming server: HTTP request, token, upgrade, socket I/O and the
 * pump at the end of a turn.
 */
#include "stream/conn.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "stream/tls.h"
#include "stream/upgrade.h"

#define OPENING_NS (30 * NSEC_PER_SEC)
#define LINGER_NS (600 * NSEC_PER_SEC)
#define ANSWER_NS (5 * NSEC_PER_SEC) /* limit for a client to read an HTTP error */
#define FLOOD_MAX (4 * CONN_OUT_MAX) /* bytes queued, including replies to PINGs */
#define TOKEN_MAX 64
#define CROWD 32

/* --- taps --- */

void tap_init(struct tap *t, struct conn *c, int fd, void (*fn)(struct loop_io *, uint32_t))
{
	*t = (struct tap){ .io.fd = fd, .fn = fn, .conn = c };
}

void tap_want(struct tap *t, uint32_t events)
{
	struct err e = ERR_NULL;
	int r = 0;

	if (t->io.fd < 0 || t->events == events)
		return;
	if (!events)
		loop_io_del(&t->io);
	else if (t->events)
		r = loop_io_change(&t->io, events, &e);
	else
		r = loop_io_add(t->conn->conns->loop, &t->io, t->io.fd, events, t->fn, &e);
	t->events = events;
	if (r < 0)
		conn_kill(t->conn); /* no memory in the kernel */
}

void tap_close(struct tap *t)
{
	if (t->io.fd < 0)
		return;
	tap_want(t, 0);
	close_fdp(&t->io.fd);
}

bool tap_write(struct tap *t, struct buf *data)
{
	size_t at = 0;
	ssize_t n = 0;

	while (t->io.fd >= 0 && at < data->len) {
		n = write(t->io.fd, data->data + at, data->len - at);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	buf_consume(data, at);
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* --- functions for sessions --- */

void conn_mark(struct conn *c)
{
	if (list_empty(&c->mark))
		list_append(&c->conns->marked, &c->mark);
}

void conn_kill(struct conn *c)
{
	c->dead = true;
	conn_mark(c);
}

struct buf *conn_out(struct conn *c)
{
	conn_mark(c);
	return c->tunnel ? &c->plain : &c->out;
}

struct conn *conn_find(struct conns *cs, uint64_t id)
{
	list_for_each(pos, &cs->all) {
		struct conn *c = list_entry(pos, struct conn, node);

		if (c->id == id && !c->dead)
			return c;
	}
	return NULL;
}

static void enter(struct conn *c, enum conn_phase phase, int64_t limit_ns);

/* No traffic for idle_ns: end the session with an error.  A client would take a plain close for
 * success. */
static void idle(struct conn *c)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_DEADLINE, "stream_idle_timeout: no data for %lld s",
		(long long)(c->conns->idle_ns / NSEC_PER_SEC));
	c->ops->aborted(c->session, &e);
	c->shut = true;
	enter(c, CONN_PHASE_LINGER, ANSWER_NS);
}

static void overdue(struct loop_timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);
	int64_t idle_at = c->active_ns + c->conns->idle_ns;

	if (c->phase != CONN_PHASE_RUNNING)
		conn_kill(c);
	else if (clock_monotonic_ns() < idle_at)
		loop_timer_set(c->conns->loop, t, idle_at, overdue);
	else
		idle(c);
}

static void enter(struct conn *c, enum conn_phase phase, int64_t limit_ns)
{
	c->phase = phase;
	loop_timer_set(c->conns->loop, &c->timer, clock_monotonic_ns() + limit_ns, overdue);
	conn_mark(c);
}

void conn_begin(struct conn *c)
{
	enter(c, CONN_PHASE_RUNNING, c->conns->idle_ns);
	c->conns->hooks->begin(c->id);
}

void conn_finish(struct conn *c)
{
	enter(c, CONN_PHASE_LINGER, LINGER_NS);
}

/* --- HTTP --- */

void conn_answer(struct conn *c, const char *status, const char *headers, const char *body)
{
	buf_printf(&c->out,
		   "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
		   "Content-Length: %zu\r\nConnection: close\r\n%s\r\n%s",
		   status, strlen(body), headers, body);
	c->shut = true;
	enter(c, CONN_PHASE_LINGER, ANSWER_NS);
}

/* Parse /exec/TOKEN and similar.  false: no such route. */
static bool route(const struct http_word *path, enum stream_kind *ret, char token[TOKEN_MAX])
{
	static const char *const prefixes[] = {
		[STREAM_KIND_EXEC] = "/exec/",
		[STREAM_KIND_ATTACH] = "/attach/",
		[STREAM_KIND_PORT_FORWARD] = "/portforward/",
	};

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t n = strlen(prefixes[i]), rest = path->n > n ? path->n - n : 0;

		if (!rest || rest >= TOKEN_MAX || memcmp(path->p, prefixes[i], n) != 0 ||
		    memchr(path->p + n, '/', rest))
			continue;
		memcpy(token, path->p + n, rest);
		token[rest] = '\0';
		*ret = (enum stream_kind)i;
		return true;
	}
	return false;
}

static void head_complete(struct conn *c, size_t size)
{
	enum stream_kind kind = STREAM_KIND_EXEC;
	char token[TOKEN_MAX];
	struct http_head head;
	struct err e = ERR_NULL;

	if (http_parse_head(c->in.data, size, &head, &e) < 0) {
		_cleanup_free_ char *body = xasprintf("bad request: %s\n", e.text);

		conn_answer(c, "400 Bad Request", "", body);
	} else if (!route(&head.path, &kind, token)) {
		conn_answer(c, "404 Not Found", "", "404: Page Not Found");
	} else if (head.method == HTTP_METHOD_OTHER) {
		conn_answer(c, "405 Method Not Allowed", "Allow: GET, POST\r\n",
			    "405: Method Not Allowed");
	} else if (!http_origin_may(&head)) {
		conn_answer(c, "403 Forbidden", "",
			    "the header Origin names a page of another host\n");
	} else {
		enter(c, CONN_PHASE_REDEEM, OPENING_NS);
		gate_touch(&c->entry);
		c->redeemed = true;
		c->conns->hooks->redeem(c->id, kind, token);
	}
}

/* --- the session --- */

void conn_set_session(struct conn *c, const struct session_ops *ops, void *session)
{
	bool forward = c->ask.kind == STREAM_KIND_PORT_FORWARD;

	c->ops = ops;
	c->session = session;
	enter(c, forward ? CONN_PHASE_RUNNING : CONN_PHASE_OPENING,
	      forward ? c->conns->idle_ns : OPENING_NS);
}

static void feed(struct conn *c, char *data, size_t size)
{
	struct err e = ERR_NULL;
	int r = 0;

	if (c->ws.ops)
		r = ws_feed(&c->ws, data, size, &c->out, &e);
	else if (c->spdy)
		r = spdy_feed(c->spdy, data, size, &c->out, &e);
	if (r < 0)
		conn_kill(c); /* hostile or broken client: treat as a hang-up */
	conn_mark(c);
}

void conn_admit(struct conn *c, const struct stream_ask *ask)
{
	_cleanup_buf_ struct buf in = c->in;
	size_t size = http_head_size(in.data, in.len);
	struct http_head head;
	struct err e = ERR_NULL;

	if (c->phase != CONN_PHASE_REDEEM)
		return;
	c->in = BUF_NULL;
	if (!ask || http_parse_head(in.data, size, &head, &e) < 0) {
		conn_answer(c, "404 Not Found", "", "404 page not found\n");
		return;
	}
	if (!c->entry.gate || !gate_settle(&c->entry)) {
		conn_answer(c, "503 Service Unavailable", "Retry-After: 1\r\n",
			    "the streaming server has as many sessions as it may have\n");
		return;
	}
	c->ask = *ask;
	upgrade(c, &head);
	/* Bytes after the request belong to the new protocol. */
	if (c->session && in.len > size)
		feed(c, in.data + size, in.len - size);
}

/* --- the socket --- */

static void head_read(struct conn *c, const char *data, size_t size)
{
	size_t n;

	buf_add(&c->in, data, size);
	n = http_head_size(c->in.data, c->in.len);
	if (n && n <= HTTP_HEAD_MAX)
		head_complete(c, n);
	else if (n || c->in.len >= HTTP_HEAD_MAX)
		conn_answer(c, "431 Request Header Fields Too Large", "",
			    "the request is too long\n");
}

static bool tls_waits(const struct conn *c)
{
	return c->tls && tls_link_wants_write(c->tls);
}

static void socket_ready(struct loop_io *io, uint32_t events)
{
	struct conn *c = container_of(io, struct conn, socket.io);
	char data[CONN_CHUNK];
	ssize_t n;

	conn_mark(c);
	if (c->dead || (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !tls_waits(c)))
		return;
	if (!(c->socket.events & EPOLLIN)) {
		if (events & (EPOLLHUP | EPOLLERR))
			conn_kill(c); /* only a hang-up is reported unrequested */
		return;
	}
	n = c->tls ? tls_link_read(c->tls, data, sizeof(data)) : read(io->fd, data, sizeof(data));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_kill(c);
		return;
	}
	c->active_ns = clock_monotonic_ns();
	if (c->phase == CONN_PHASE_HEAD)
		head_read(c, data, (size_t)n);
	else if (c->session)
		feed(c, data, (size_t)n);
}

static void evict(struct gate_entry *n)
{
	gate_leave(n);
	conn_kill(container_of(n, struct conn, entry));
}

bool conn_evict(struct gate *gate)
{
	struct gate_entry *n = gate_victim(gate);

	if (n)
		evict(n);
	return n != NULL;
}

void conn_new(struct conns *cs, struct gate *gate, int fd, struct tls *tls)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	struct gate_entry *n;
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	list_init(&c->mark);
	list_append(&cs->all, &c->node);
	cs->n++;
	cs->peak = MAX(cs->peak, cs->n);
	c->conns = cs;
	c->id = ++cs->next_id;
	c->active_ns = clock_monotonic_ns();
	tap_init(&c->socket, c, fd, socket_ready);
	if (tls)
		c->tls = tls_link_new(tls, fd);
	enter(c, CONN_PHASE_HEAD, OPENING_NS);
	gate_enter(gate, &c->entry, gate_peer_of(fd));
	while ((n = gate_excess(gate)))
		evict(n);
}

/* After a burst of connections, return the holes left by their buffers to the kernel. */
static void give_back(struct conns *cs)
{
	if (cs->peak >= CROWD)
		malloc_trim(0);
	cs->peak = 0;
}

static void conn_free(struct conn *c)
{
	if (c->session)
		c->ops->free(c->session);
	spdy_free(c->spdy);
	loop_timer_stop(c->conns->loop, &c->timer);
	tls_link_free(c->tls);
	tap_close(&c->socket);
	if (c->redeemed)
		c->conns->hooks->gone(c->id);
	gate_leave(&c->entry);
	list_remove(&c->node);
	list_remove(&c->mark);
	if (--c->conns->n == 0)
		give_back(c->conns);
	buf_done(&c->in);
	buf_done(&c->plain);
	buf_done(&c->out);
	free(c);
}

/* --- the pump --- */

static bool write_tls(struct conn *c)
{
	size_t at = 0;
	ssize_t n = 0;

	while (at < c->out.len) {
		n = tls_link_write(c->tls, c->out.data + at, c->out.len - at);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	buf_consume(&c->out, at);
	return n >= 0 || errno == EAGAIN;
}

static void say_end(struct conn *c)
{
	if (!c->tls || tls_link_shutdown(c->tls))
		shutdown(c->socket.io.fd, SHUT_WR);
}

static void send_out(struct conn *c)
{
	size_t before;

	for (size_t at = 0; at < c->plain.len; at += CONN_CHUNK)
		ws_put_message(&c->out, false, NULL, 0, c->plain.data + at,
			       MIN(c->plain.len - at, (size_t)CONN_CHUNK));
	c->plain.len = 0;
	before = c->out.len;
	if (c->tls ? !write_tls(c) : !tap_write(&c->socket, &c->out))
		conn_kill(c);
	if (c->out.len < before)
		c->active_ns = clock_monotonic_ns();
	if (c->shut && !c->out.len)
		say_end(c);
}

static void pump(struct conn *c)
{
	bool hungry = c->phase != CONN_PHASE_REDEEM;

	/* A dead WebSocket connection still sends its Close. */
	if (!c->dead || c->ws.close_sent)
		send_out(c);
	if (!c->dead && c->session)
		hungry = c->ops->update(c->session, c->out.len >= CONN_OUT_MAX);
	if (!c->dead)
		tap_want(&c->socket, (hungry && c->out.len < FLOOD_MAX ? (uint32_t)EPOLLIN : 0) |
					     (c->out.len || tls_waits(c) ? (uint32_t)EPOLLOUT : 0));
	if (c->dead)
		conn_free(c);
}

void conn_pump_all(struct conns *cs)
{
	struct list now;

	/* Connections marked during an update are pumped in the next round. */
	while (!list_empty(&cs->marked)) {
		list_init(&now);
		list_splice(&now, &cs->marked);
		while (!list_empty(&now)) {
			struct conn *c = list_entry(now.next, struct conn, mark);

			list_remove(&c->mark);
			pump(c);
		}
	}
}

void conn_abort_all(struct conns *cs)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_UNAVAILABLE, "crispd is shutting down");
	list_for_each(pos, &cs->all) {
		struct conn *c = list_entry(pos, struct conn, node);

		if (c->session && c->phase != CONN_PHASE_LINGER)
			c->ops->aborted(c->session, &e);
		conn_mark(c);
	}
	conn_pump_all(cs);
	list_for_each(pos, &cs->all) {
		struct conn *c = list_entry(pos, struct conn, node);

		say_end(c);
		conn_kill(c);
	}
	conn_pump_all(cs);
}
