/*
 * arrivals.c - accept, peek at the first bytes, hand the connection on.  The bytes stay in the
 * socket for the server that gets it.
 */
#include "api/arrivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/httpd.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/nofile.h"
#include "base/util.h"

#define WAITING_MAX 256
#define WAITING_PEER_MAX 128
#define SILENT_NS (10 * NSEC_PER_SEC)
#define FULL_NS (100 * NSEC_PER_MSEC) /* pause when no descriptor is left */

/* Of HTTP/2's preface: no method of HTTP/1 begins so. */
#define GRPC_BEGINS "PRI "

/* A connection that has not sent enough. */
struct visitor {
	struct list node;
	struct gate_entry entry; /* always waiting */
	struct arrivals *owner;
	struct loop_io socket;
	struct loop_timer timer;
};

struct arrivals {
	struct loop *loop;
	struct arrival_hooks hooks;
	struct loop_io listener;
	struct loop_timer pause;
	struct gate gate, http_gate;
	struct list visitors;
	struct httpd httpd;
};

enum arrival_kind arrival_kind_of(const char *data, size_t size)
{
	static const char begins[] = GRPC_BEGINS;
	size_t n = MIN(size, sizeof(begins) - 1);

	if (memcmp(data, begins, n) != 0)
		return ARRIVAL_KIND_HTTP;
	return n == sizeof(begins) - 1 ? ARRIVAL_KIND_GRPC : ARRIVAL_KIND_UNKNOWN;
}

/* Returns the socket, which is the caller's. */
static int visitor_free(struct visitor *v)
{
	int fd = v->socket.fd;

	loop_timer_stop(v->owner->loop, &v->timer);
	loop_io_del(&v->socket);
	gate_leave(&v->entry);
	list_remove(&v->node);
	free(v);
	return fd;
}

static void visitor_close(struct visitor *v)
{
	int fd = visitor_free(v);

	close_fdp(&fd);
}

static void on_silence(struct loop_timer *t)
{
	visitor_close(container_of(t, struct visitor, timer));
}

static void on_visitor(struct loop_io *io, uint32_t events)
{
	struct visitor *v = container_of(io, struct visitor, socket);
	char begin[sizeof(GRPC_BEGINS) - 1];
	ssize_t n = recv(io->fd, begin, sizeof(begin), MSG_PEEK | MSG_DONTWAIT);
	struct arrivals *a = v->owner;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		visitor_close(v);
		return;
	}
	switch (arrival_kind_of(begin, (size_t)n)) {
	case ARRIVAL_KIND_UNKNOWN:
		return;
	case ARRIVAL_KIND_GRPC:
		a->hooks.grpc(a->hooks.arg, visitor_free(v));
		return;
	case ARRIVAL_KIND_HTTP:
		httpd_add(&a->httpd, &a->http_gate, visitor_free(v), NULL);
		return;
	}
}

static void visitor_new(struct arrivals *a, int fd)
{
	struct visitor *v = xcalloc(1, sizeof(*v));
	struct err ignored = ERR_NULL;
	struct gate_entry *excess;

	v->owner = a;
	v->socket.fd = fd;
	list_append(&a->visitors, &v->node);
	gate_enter(&a->gate, &v->entry, gate_peer_of(fd));
	loop_timer_set(a->loop, &v->timer, clock_monotonic_ns() + SILENT_NS, on_silence);
	/* Edges: a peek leaves the bytes, so their level would be reported without end. */
	if (loop_io_add(a->loop, &v->socket, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, on_visitor,
			&ignored) < 0)
		visitor_close(v);
	while ((excess = gate_excess(&a->gate)))
		visitor_close(container_of(excess, struct visitor, entry));
}

static void on_pause_over(struct loop_timer *t)
{
	struct arrivals *a = container_of(t, struct arrivals, pause);
	struct err ignored = ERR_NULL;

	if (loop_io_change(&a->listener, EPOLLIN, &ignored) < 0)
		loop_timer_set(a->loop, t, clock_monotonic_ns() + FULL_NS, on_pause_over);
}

/* Retry later; clients wait in the backlog. */
static void pause_accept(struct arrivals *a)
{
	struct err ignored = ERR_NULL;

	if (loop_io_change(&a->listener, 0, &ignored) == 0)
		loop_timer_set(a->loop, &a->pause, clock_monotonic_ns() + FULL_NS, on_pause_over);
}

static void make_descriptor_free(struct arrivals *a)
{
	struct gate_entry *oldest = gate_victim(&a->gate);

	if (oldest)
		visitor_close(container_of(oldest, struct visitor, entry));
	else if (!httpd_evict(&a->http_gate))
		a->hooks.evict(a->hooks.arg);
}

static void on_listener(struct loop_io *io, uint32_t events)
{
	struct arrivals *a = container_of(io, struct arrivals, listener);
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int why = errno;

	(void)events;
	if (fd >= 0) {
		visitor_new(a, fd);
		return;
	}
	if (why == EMFILE || why == ENFILE)
		make_descriptor_free(a);
	if (why == EMFILE || why == ENFILE || why == ENOMEM || why == ENOBUFS)
		pause_accept(a);
}

int arrivals_open(struct loop *loop, int fd, const struct arrival_hooks *hooks,
		  struct arrivals **ret, struct err *e)
{
	struct arrivals *a = xcalloc(1, sizeof(*a));
	int r;

	a->loop = loop;
	a->hooks = *hooks;
	list_init(&a->visitors);
	gate_init(&a->gate, nofile_budget(WAITING_MAX, 32), nofile_budget(WAITING_PEER_MAX, 64), 0);
	gate_init(&a->http_gate, nofile_budget(WAITING_MAX, 32),
		  nofile_budget(WAITING_PEER_MAX, 64), 0);
	httpd_init(&a->httpd, loop, hooks->http);
	r = loop_io_add(loop, &a->listener, fd, EPOLLIN, on_listener, e);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void arrivals_close(struct arrivals *a)
{
	if (!a)
		return;
	loop_timer_stop(a->loop, &a->pause);
	loop_io_del(&a->listener);
	list_for_each_safe(pos, &a->visitors)
		visitor_close(list_entry(pos, struct visitor, node));
	httpd_done(&a->httpd);
	free(a);
}
