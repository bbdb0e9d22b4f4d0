/*
 * portforward.c - pairs of streams or channels, each connected to a TCP port in the pod's netns.
 */
#include "stream/portforward.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "stream/wschan.h"

#define PAIRING_NS (30 * NSEC_PER_SEC)

enum pair_state {
	PAIR_STATE_HALF, /* one of the two streams is open */
	PAIR_STATE_DIALING, /* the main loop makes sockets */
	PAIR_STATE_CONNECTING,
	PAIR_STATE_OPEN,
};

struct pair {
	struct list node;
	struct portforward *pf;
	char request[SPDY_VALUE_MAX + 1];
	uint32_t error_id, data_id; /* streams, or channels + 1; 0: not open */
	uint32_t number;
	uint16_t port;
	enum pair_state state;
	struct tap target;
	int spare; /* the IPv6 socket while IPv4 is tried, -1: none */
	struct buf data; /* for the target */
	bool client_ended, target_ended; /* that side sends no more */
	bool told; /* the end of data_id was sent to the client */
	bool shut; /* shutdown(SHUT_WR) was called on the target */
	struct loop_timer timer;
};

struct portforward {
	struct conn *conn;
	bool channels; /* WebSocket channels instead of SPDY streams */
	struct wschan chan;
	struct list pairs;
	unsigned n;
	uint32_t next_number;
};

/* --- pairs --- */

static void pair_free(struct pair *p)
{
	loop_timer_stop(p->pf->conn->conns->loop, &p->timer);
	tap_close(&p->target);
	close_fdp(&p->spare);
	list_remove(&p->node);
	p->pf->n--;
	buf_done(&p->data);
	free(p);
}

/* Queue data for a stream or channel.  fin applies to streams only: channels have no end. */
static void say(struct portforward *pf, uint32_t id, const void *data, size_t size, bool fin)
{
	if (!pf->channels)
		spdy_put_data(conn_out(pf->conn), id, data, size, fin);
	else if (size)
		wschan_put(&pf->chan, conn_out(pf->conn), id - 1, data, size);
}

static void tell_end(struct pair *p)
{
	if (p->data_id && !p->told)
		say(p->pf, p->data_id, NULL, 0, true);
	p->told = true;
}

/* End a pair.  text: why the connection failed; "": it was established.  The error goes before
 * the end of data: the client waits for the error stream's end, and some clients read only the
 * data's. */
static void pair_end(struct pair *p, const char *text)
{
	struct portforward *pf = p->pf;

	if (p->error_id)
		say(pf, p->error_id, text, strlen(text), true);
	tell_end(p);
	conn_mark(pf->conn);
	pair_free(p);
	if (!pf->channels || !list_empty(&pf->pairs))
		return;
	ws_put_close(&pf->conn->ws, conn_out(pf->conn), 1000);
	conn_finish(pf->conn);
}

static void pair_fail(struct pair *p, const char *why)
{
	_cleanup_free_ char *text = xasprintf("error forwarding port %u to pod: %s", p->port, why);

	pair_end(p, text);
}

static void pair_late(struct loop_timer *t)
{
	pair_fail(container_of(t, struct pair, timer), "timed out waiting for streams");
}

/* request: shorter than a header's value. */
static struct pair *pair_new(struct portforward *pf, const char *request, uint16_t port)
{
	struct pair *p = xcalloc(1, sizeof(*p));

	p->pf = pf;
	snprintf(p->request, sizeof(p->request), "%s", request);
	p->port = port;
	p->spare = -1;
	tap_init(&p->target, pf->conn, -1, NULL);
	list_append(&pf->pairs, &p->node);
	pf->n++;
	p->number = ++pf->next_number;
	loop_timer_set(pf->conn->conns->loop, &p->timer, clock_monotonic_ns() + PAIRING_NS,
		       pair_late);
	return p;
}

static struct pair *pair_of_stream(struct portforward *pf, uint32_t id)
{
	list_for_each(pos, &pf->pairs) {
		struct pair *p = list_entry(pos, struct pair, node);

		if (id && (p->data_id == id || p->error_id == id))
			return p;
	}
	return NULL;
}

static struct pair *pair_of_request(struct portforward *pf, const char *request)
{
	list_for_each(pos, &pf->pairs) {
		struct pair *p = list_entry(pos, struct pair, node);

		if (p->state == PAIR_STATE_HALF && strcmp(p->request, request) == 0)
			return p;
	}
	return NULL;
}

/* --- bytes --- */

/* Write the queued data to the target, then its end.  A target that accepts no more may still have
 * sent data to read.  May free the pair. */
static void push(struct pair *p)
{
	bool alive = tap_write(&p->target, &p->data);

	conn_mark(p->pf->conn);
	if (!alive) {
		p->data.len = 0;
		p->client_ended = true;
	}
	if (p->client_ended && !p->data.len && !p->shut) {
		p->shut = true;
		shutdown(p->target.io.fd, SHUT_WR);
	}
	if (p->shut && p->target_ended)
		pair_end(p, "");
}

/* Read once.  A reset is an ordinary end: data read before it was already queued. */
static void pull(struct pair *p)
{
	char data[CONN_CHUNK];
	ssize_t n = read(p->target.io.fd, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		say(p->pf, p->data_id, data, (size_t)n, false);
		return;
	}
	p->target_ended = true;
	tell_end(p);
	if (n < 0 || p->shut)
		pair_end(p, "");
}

static void target_ready(struct loop_io *io, uint32_t events)
{
	struct pair *p = container_of(io, struct pair, target.io);

	conn_mark(p->pf->conn);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !p->target_ended)
		pull(p);
	else
		push(p);
}

/* --- connecting --- */

static void connect_next(struct pair *p, int fd);

static void connected(struct pair *p)
{
	p->state = PAIR_STATE_OPEN;
	close_fdp(&p->spare);
	tap_want(&p->target, 0);
	p->target.fn = target_ready;
	push(p);
}

/* Try IPv6 after IPv4 failed. */
static void refused(struct pair *p, int errnum)
{
	if (p->spare >= 0) {
		tap_close(&p->target);
		connect_next(p, take_fd(p->spare));
	} else {
		_cleanup_free_ char *why =
			xasprintf("dial tcp 127.0.0.1:%u and [::1]:%u: connect: %s", p->port,
				  p->port, strerror(errnum));
		pair_fail(p, why);
	}
}

static void connect_ready(struct loop_io *io, uint32_t events)
{
	struct pair *p = container_of(io, struct pair, target.io);
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	(void)events;
	if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
		errnum = errno;
	if (errnum)
		refused(p, errnum);
	else
		connected(p);
}

static void connect_next(struct pair *p, int fd)
{
	const struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_port = htons(p->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(p->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	int family = AF_INET, r;
	socklen_t len = sizeof(family);

	p->state = PAIR_STATE_CONNECTING;
	tap_init(&p->target, p->pf->conn, fd, connect_ready);
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
	r = family == AF_INET ? connect(fd, (const struct sockaddr *)&v4, sizeof(v4))
			      : connect(fd, (const struct sockaddr *)&v6, sizeof(v6));
	if (r == 0)
		connected(p);
	else if (errno == EINPROGRESS)
		tap_want(&p->target, EPOLLOUT);
	else
		refused(p, errno);
}

static void pf_dialed(void *session, uint32_t number, const int fds[2], const struct err *err)
{
	struct portforward *pf = session;
	int have[2] = { fds[0], fds[1] };

	list_for_each(pos, &pf->pairs) {
		struct pair *p = list_entry(pos, struct pair, node);

		if (p->number != number || p->state != PAIR_STATE_DIALING)
			continue;
		if (err || (have[0] < 0 && have[1] < 0)) {
			pair_fail(p, err ? err->text : "no sockets");
		} else {
			p->spare = have[0] >= 0 ? take_fd(have[1]) : -1;
			connect_next(p, have[0] >= 0 ? take_fd(have[0]) : take_fd(have[1]));
		}
		break;
	}
	close_fdp(&have[0]);
	close_fdp(&have[1]);
}

static void pair_dial(struct pair *p)
{
	loop_timer_stop(p->pf->conn->conns->loop, &p->timer);
	p->state = PAIR_STATE_DIALING;
	p->pf->conn->conns->hooks->dial(p->pf->conn->id, p->number);
}

/* --- the client's streams --- */

static bool good_request(const struct spdy_open *o, uint16_t *ret_port)
{
	int64_t port;

	if (str_to_i64(o->port, 1, UINT16_MAX, &port) < 0)
		return false;
	*ret_port = (uint16_t)port;
	return strcmp(o->type, "error") == 0 || strcmp(o->type, "data") == 0;
}

/* Old clients send no request id: the data stream's id is the error stream's plus 2. */
static void request_name(const struct spdy_open *o, bool data, char out[SPDY_VALUE_MAX + 1])
{
	if (*o->request_id)
		memcpy(out, o->request_id, SPDY_VALUE_MAX + 1);
	else
		snprintf(out, SPDY_VALUE_MAX + 1, "stream %u", data ? o->id - 2 : o->id);
}

static void pf_opened(void *arg, const struct spdy_open *o)
{
	struct portforward *pf = arg;
	struct buf *out = conn_out(pf->conn);
	bool data = strcmp(o->type, "data") == 0;
	char request[SPDY_VALUE_MAX + 1] = "";
	struct pair *p;
	uint16_t port;

	if (!good_request(o, &port)) {
		spdy_put_reset(out, o->id, SPDY_STATUS_CANCEL);
		return;
	}
	request_name(o, data, request);
	p = pair_of_request(pf, request);
	if ((p && (data ? p->data_id : p->error_id)) || (!p && pf->n >= PORTFORWARD_PAIRS_MAX)) {
		spdy_put_reset(out, o->id, SPDY_STATUS_REFUSED_STREAM);
		return;
	}
	spdy_put_reply(pf->conn->spdy, out, o->id);
	if (!p)
		p = pair_new(pf, request, port);
	*(data ? &p->data_id : &p->error_id) = o->id;
	if (!p->data_id || !p->error_id)
		return;
	pair_dial(p);
}

static void pf_data(void *arg, uint32_t id, const void *data, size_t size)
{
	struct pair *p = pair_of_stream(arg, id);

	if (!p || id != p->data_id || p->client_ended)
		return; /* late for a pair that has ended */
	buf_add(&p->data, data, size);
	if (p->state == PAIR_STATE_OPEN)
		push(p);
}

static void pf_finished(void *arg, uint32_t id)
{
	struct pair *p = pair_of_stream(arg, id);

	if (!p || id != p->data_id)
		return;
	p->client_ended = true;
	if (p->state == PAIR_STATE_OPEN)
		push(p);
}

static void pf_reset(void *arg, uint32_t id)
{
	struct pair *p = pair_of_stream(arg, id);

	if (!p)
		return;
	*(id == p->data_id ? &p->data_id : &p->error_id) = 0;
	pair_end(p, "");
}

static void pf_goaway(void *arg)
{
	conn_kill(((struct portforward *)arg)->conn);
}

static const struct spdy_ops pf_spdy = {
	pf_opened, pf_data, pf_finished, pf_reset, pf_goaway,
};

/* --- the client's channels --- */

static void pf_message(void *arg, const void *data, size_t size, bool first, bool last)
{
	struct portforward *pf = arg;
	_cleanup_buf_ struct buf bytes = BUF_NULL;
	unsigned channel = 0;
	int r = wschan_read(&pf->chan, data, size, first, last, &bytes, &channel);

	if (r < 0)
		conn_kill(pf->conn);
	else if (bytes.len)
		pf_data(pf, channel + 1, bytes.data, bytes.len);
}

static const struct ws_ops pf_ws = { pf_message, pf_goaway };

/* --- session --- */

struct portforward *portforward_new(struct conn *c)
{
	struct portforward *pf = xcalloc(1, sizeof(*pf));

	pf->conn = c;
	list_init(&pf->pairs);
	return pf;
}

struct portforward *portforward_new_channels(struct conn *c, bool base64)
{
	struct portforward *pf = portforward_new(c);

	pf->channels = true;
	pf->chan.base64 = base64;
	for (uint32_t i = 0; i < c->ask.n_ports; i++) {
		uint16_t port = c->ask.ports[i];
		const unsigned char text[] = { (unsigned char)port, (unsigned char)(port >> 8) };
		struct pair *p = pair_new(pf, "", port);

		p->data_id = 2 * i + 1;
		p->error_id = 2 * i + 2;
		say(pf, p->data_id, text, sizeof(text), false);
		say(pf, p->error_id, text, sizeof(text), false);
		pair_dial(p);
	}
	return pf;
}

static bool pf_update(void *session, bool full)
{
	struct portforward *pf = session;
	bool hungry = true;

	list_for_each(pos, &pf->pairs) {
		struct pair *p = list_entry(pos, struct pair, node);

		if (p->state == PAIR_STATE_OPEN)
			tap_want(&p->target, (full || p->target_ended ? 0 : (uint32_t)EPOLLIN) |
						     (p->data.len ? (uint32_t)EPOLLOUT : 0));
		hungry &= p->data.len < CONN_IN_MAX;
	}
	return hungry;
}

static void pf_ended(void *session, const struct stream_end *end)
{
	struct portforward *pf = session;

	/* The pod is gone, with all its processes. */
	while (!list_empty(&pf->pairs))
		pair_fail(list_entry(pf->pairs.next, struct pair, node),
			  end->err.code ? end->err.text : "the pod has ended");
}

static void pf_aborted(void *session, const struct err *err)
{
	const struct stream_end end = { .code = -1, .err = *err };
	struct portforward *pf = session;

	pf_ended(pf, &end);
	if (!pf->channels)
		spdy_put_goaway(pf->conn->spdy, conn_out(pf->conn));
}

static void pf_free(void *session)
{
	struct portforward *pf = session;

	while (!list_empty(&pf->pairs))
		pair_free(list_entry(pf->pairs.next, struct pair, node));
	free(pf);
}

const struct session_ops portforward_ops = {
	.spdy = &pf_spdy,
	.ws = &pf_ws,
	.ended = pf_ended,
	.dialed = pf_dialed,
	.aborted = pf_aborted,
	.update = pf_update,
	.free = pf_free,
};
