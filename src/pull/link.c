/*
 * link.c - one thread serves the connection; the other threads queue messages for it.
 */
#include "pull/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/util.h"

#define REQUEST_MAX (1024 * 1024)
#define REQUEST_MS 10000
#define UNCOLLECTED_MS (10 * 60 * 1000)

struct link {
	int listen_fd;
	int end_fd; /* eventfd: the daemon sent end */
	int wake_fd; /* eventfd: a message is queued */
	/* Queued frames, protected by the lock. New progress replaces unsent progress. */
	pthread_mutex_t lock;
	struct buf progress, outcome;
	bool progress_is_new;
	/* Used by the serving thread only: */
	int conn; /* -1: not connected */
	struct buf in, out;
	bool outcome_sent; /* on this connection */
	bool ended;
	int64_t alone_since_ns;
	uint64_t start_ticks; /* of this process; /proc is hidden later */
};

/* --- frames --- */

static void add_frame(struct buf *b, const Crisp__Pull__FromPuller *m)
{
	uint32_t size = (uint32_t)crisp__pull__from_puller__get_packed_size(m);

	buf_add(b, &size, sizeof(size));
	crisp__pull__from_puller__pack(m, buf_reserve(b, size));
	buf_commit(b, size);
}

static void add_hello(struct buf *b, uint64_t start_ticks)
{
	Crisp__Pull__FromPuller m = CRISP__PULL__FROM_PULLER__INIT;
	Crisp__Pull__Hello hello = CRISP__PULL__HELLO__INIT;

	hello.pid = getpid();
	hello.start_ticks = start_ticks;
	m.hello = &hello;
	add_frame(b, &m);
}

/* 0: a complete frame at the front, *ret_size its size. 1: incomplete. -1: malformed. */
static int whole_frame(const struct buf *in, uint32_t *ret_size)
{
	if (in->len < sizeof(*ret_size))
		return 1;
	memcpy(ret_size, in->data, sizeof(*ret_size));
	if (*ret_size > REQUEST_MAX)
		return -1;
	return in->len < sizeof(*ret_size) + *ret_size;
}

static Crisp__Pull__ToPuller *take_frame(struct buf *in, uint32_t size)
{
	uint8_t *data = (uint8_t *)in->data + sizeof(size);
	Crisp__Pull__ToPuller *m = crisp__pull__to_puller__unpack(NULL, size, data);

	/* The frame may contain passwords. */
	explicit_bzero(data, size);
	buf_consume(in, sizeof(size) + size);
	return m;
}

/* --- the connection --- */

static void disconnect(struct link *l)
{
	close_fdp(&l->conn);
	buf_done(&l->in);
	buf_done(&l->out);
	l->outcome_sent = false;
	l->alone_since_ns = clock_monotonic_ns();
}

/* The last connection applies: an earlier one is that of a dead daemon. */
static void connect_next(struct link *l)
{
	int fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    (peer.uid != 0 && peer.uid != geteuid())) {
		close(fd);
		return;
	}
	disconnect(l);
	l->conn = fd;
	add_hello(&l->out, l->start_ticks);
	pthread_mutex_lock(&l->lock);
	l->progress_is_new = l->progress.len > 0;
	pthread_mutex_unlock(&l->lock);
}

/* -1: EOF or error. */
static int receive(struct link *l)
{
	ssize_t n = read(l->conn, buf_reserve(&l->in, 65536), 65536);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	buf_commit(&l->in, (size_t)n);
	return 0;
}

static void pass_end_on(struct link *l)
{
	const uint64_t one = 1;

	l->ended = true;
	(void)!write(l->end_fd, &one, sizeof(one));
}

static void on_readable(struct link *l)
{
	bool gone = receive(l) < 0;
	uint32_t size;
	int r;

	while ((r = whole_frame(&l->in, &size)) == 0) {
		Crisp__Pull__ToPuller *m = take_frame(&l->in, size);

		if (m && m->end)
			pass_end_on(l);
		crisp__pull__to_puller__free_unpacked(m, NULL);
	}
	if (gone || r < 0)
		disconnect(l);
}

/* Queue the next messages once all earlier ones are sent. */
static void refill(struct link *l)
{
	pthread_mutex_lock(&l->lock);
	if (l->out.len == 0 && l->progress_is_new) {
		buf_add(&l->out, l->progress.data, l->progress.len);
		l->progress_is_new = false;
	}
	if (l->outcome.len && !l->outcome_sent) {
		buf_add(&l->out, l->outcome.data, l->outcome.len);
		l->outcome_sent = true;
	}
	pthread_mutex_unlock(&l->lock);
}

static void send_more(struct link *l)
{
	ssize_t n;

	if (l->conn < 0)
		return;
	refill(l);
	if (!l->out.len)
		return;
	n = send(l->conn, l->out.data, l->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		buf_consume(&l->out, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		buf_done(&l->out); /* unread messages of the peer are handled before EOF */
}

/* --- interface for other threads --- */

int link_end_fd(const struct link *l)
{
	return l->end_fd;
}

void link_tell(struct link *l, const Crisp__Pull__FromPuller *m)
{
	struct buf *b = m->progress ? &l->progress : &l->outcome;
	const uint64_t one = 1;

	pthread_mutex_lock(&l->lock);
	buf_done(b);
	add_frame(b, m);
	l->progress_is_new |= m->progress != NULL;
	pthread_mutex_unlock(&l->lock);
	(void)!write(l->wake_fd, &one, sizeof(one));
}

static bool has_outcome(struct link *l)
{
	bool has;

	pthread_mutex_lock(&l->lock);
	has = l->outcome.len > 0;
	pthread_mutex_unlock(&l->lock);
	return has;
}

/* Timeout for poll in milliseconds; -1: none. */
static int patience_ms(struct link *l, bool over)
{
	int64_t alone_ms = (clock_monotonic_ns() - l->alone_since_ns) / NSEC_PER_MSEC;

	if (l->conn >= 0 || !over)
		return -1;
	return (int)MAX(UNCOLLECTED_MS - alone_ms, INT64_C(0));
}

void link_serve(struct link *l)
{
	bool over = has_outcome(l);

	while (!(over && l->ended) && patience_ms(l, over) != 0) {
		struct pollfd fds[3] = {
			{ .fd = l->listen_fd, .events = POLLIN },
			{ .fd = l->wake_fd, .events = POLLIN },
			{ .fd = l->conn, .events = POLLIN | (l->out.len ? POLLOUT : 0) },
		};
		uint64_t count;

		poll(fds, 3, patience_ms(l, over));
		if (fds[1].revents)
			(void)!read(l->wake_fd, &count, sizeof(count));
		if (fds[2].revents & (POLLIN | POLLHUP | POLLERR))
			on_readable(l);
		if (fds[0].revents)
			connect_next(l);
		if (!over && has_outcome(l)) {
			over = true;
			l->alone_since_ns = clock_monotonic_ns();
		}
		send_more(l);
	}
}

/* --- start and end --- */

static int first_request(struct link *l, Crisp__Pull__ToPuller **ret, struct err *e)
{
	int64_t until = clock_monotonic_ns() + REQUEST_MS * NSEC_PER_MSEC, left;
	uint32_t size;
	int r = 1;

	while (r > 0 && (left = until - clock_monotonic_ns()) > 0) {
		struct pollfd p = {
			.fd = l->conn < 0 ? l->listen_fd : l->conn,
			.events = POLLIN,
		};

		if (poll(&p, 1, (int)(left / NSEC_PER_MSEC) + 1) <= 0)
			continue;
		if (l->conn < 0) {
			connect_next(l);
			continue;
		}
		/* The request may contain passwords: reserve enough, so that realloc makes no
		 * copies. */
		if (!l->in.len)
			buf_reserve(&l->in, 2 * REQUEST_MAX);
		if (receive(l) < 0)
			break;
		r = whole_frame(&l->in, &size);
	}
	*ret = r == 0 ? take_frame(&l->in, size) : NULL;
	if (!l->in.len)
		buf_done(&l->in);
	if (*ret && (*ret)->request)
		return 0;
	if (*ret)
		crisp__pull__to_puller__free_unpacked(*ret, NULL);
	return err_set(e, ERR_ABORTED, "no request arrived");
}

int link_open(int listen_fd, struct link **ret, Crisp__Pull__ToPuller **ret_request, struct err *e)
{
	struct link *l = xcalloc(1, sizeof(*l));
	struct err ignored = ERR_NULL;
	int r;

	proc_start_ticks(getpid(), &l->start_ticks, &ignored);
	l->listen_fd = listen_fd;
	l->conn = -1;
	l->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&l->lock, NULL);
	/* Non-blocking: the peer may close the connection between poll and accept. */
	if (l->end_fd < 0 || l->wake_fd < 0 || fcntl(listen_fd, F_SETFL, O_NONBLOCK) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "set up the connection to the daemon");
	else
		r = first_request(l, ret_request, e);
	if (r < 0) {
		link_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	close_fdp(&l->conn);
	close_fdp(&l->end_fd);
	close_fdp(&l->wake_fd);
	pthread_mutex_destroy(&l->lock);
	buf_done(&l->in);
	buf_done(&l->out);
	buf_done(&l->progress);
	buf_done(&l->outcome);
	free(l);
}
