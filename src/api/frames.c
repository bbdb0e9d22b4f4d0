/*
 * frames.c - count the HEADERS frames of each connection as the library reads them: a gRPC client
 * sends one for each stream.
 * The library closes descriptors without notice, and descriptor numbers are reused.  Count a read
 * only while the descriptor is still the watched socket.  The lock is a leaf: the library holds its
 * own locks during a read, and no function of the library is called here.
 */
#include "api/frames.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"

#define HEAD 9
#define TYPE_HEADERS 1
#define LOG_NS (10 * NSEC_PER_SEC)

struct watched {
	struct frames frames;
	ino_t ino;
	unsigned idle;
	int64_t forgiven_ns; /* forgiven up to this time */
	bool closed;
};

static struct {
	pthread_mutex_t lock;
	struct watched **by_fd;
	size_t n;
	unsigned total; /* sum of idle over connections not closed */
	uint64_t closed;
	int64_t logged_ns;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

unsigned frames_feed(struct frames *f, const unsigned char *data, size_t size)
{
	unsigned opened = 0;

	while (size) {
		size_t step = MIN(size, f->skip ? (size_t)f->skip : (size_t)HEAD - f->n_head);

		if (f->skip) {
			f->skip -= (uint32_t)step;
		} else {
			memcpy(f->head + f->n_head, data, step);
			f->n_head += (unsigned)step;
		}
		data += step;
		size -= step;
		if (f->n_head < HEAD)
			continue;
		f->skip = (uint32_t)f->head[0] << 16 | (uint32_t)f->head[1] << 8 | f->head[2];
		f->n_head = 0;
		opened += f->head[3] == TYPE_HEADERS;
	}
	return opened;
}

static struct watched *watched_at(int fd)
{
	return fd >= 0 && (size_t)fd < all.n ? all.by_fd[fd] : NULL;
}

static void take_off(struct watched *w, unsigned n)
{
	n = MIN(n, w->idle);
	w->idle -= n;
	if (!w->closed)
		all.total -= n;
}

static void put_on(struct watched *w, unsigned n)
{
	w->idle += n;
	if (!w->closed)
		all.total += n;
}

static void forget(int fd)
{
	struct watched *w = watched_at(fd);

	if (!w)
		return;
	take_off(w, w->idle);
	all.by_fd[fd] = NULL;
	free(w);
}

void frames_watch(int fd, ino_t ino)
{
	struct watched *w = xcalloc(1, sizeof(*w));

	w->frames = FRAMES_BEGIN;
	w->ino = ino;
	w->forgiven_ns = clock_monotonic_ns();
	pthread_mutex_lock(&all.lock);
	if ((size_t)fd >= all.n) {
		size_t n = (size_t)fd + 16;

		all.by_fd = xrealloc(all.by_fd, n * sizeof(struct watched *));
		while (all.n < n)
			all.by_fd[all.n++] = NULL;
	}
	forget(fd);
	all.by_fd[fd] = w;
	pthread_mutex_unlock(&all.lock);
}

void frames_drop(int fd)
{
	pthread_mutex_lock(&all.lock);
	forget(fd);
	pthread_mutex_unlock(&all.lock);
}

void frames_less(int fd)
{
	struct watched *w;

	pthread_mutex_lock(&all.lock);
	w = watched_at(fd);
	if (w)
		take_off(w, 1);
	pthread_mutex_unlock(&all.lock);
}

/* Above the limit, the next read closes the connection. */
void frames_more(int fd)
{
	struct watched *w;

	pthread_mutex_lock(&all.lock);
	w = watched_at(fd);
	if (w)
		put_on(w, 1);
	pthread_mutex_unlock(&all.lock);
}

static bool is_same_socket(int fd, ino_t ino)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == ino;
}

/* shutdown() ends the connection even when its client sends no more. */
static void close_one(int fd)
{
	struct watched *w = all.by_fd[fd];

	all.total -= w->idle;
	w->closed = true;
	all.closed++;
	if (is_same_socket(fd, w->ino))
		shutdown(fd, SHUT_RDWR);
}

static void close_largest(void)
{
	int largest = -1;

	for (size_t i = 0; i < all.n; i++)
		if (all.by_fd[i] && !all.by_fd[i]->closed &&
		    (largest < 0 || all.by_fd[i]->idle > all.by_fd[largest]->idle))
			largest = (int)i;
	if (largest >= 0)
		close_one(largest);
}

static void forgive(struct watched *w)
{
	int64_t now = clock_monotonic_ns();
	int64_t n = (now - w->forgiven_ns) / (NSEC_PER_SEC / FRAMES_FORGIVEN);

	if (n == 0)
		return;
	w->forgiven_ns = now;
	take_off(w, (unsigned)MIN(n, (int64_t)FRAMES_IDLE_MAX));
}

/* Call under the lock.  false: the connection is closed. */
static bool count(int fd, struct watched *w, const struct msghdr *msg, size_t size)
{
	unsigned opened = 0;

	for (size_t i = 0; size && i < msg->msg_iovlen; i++) {
		size_t n = MIN(size, msg->msg_iov[i].iov_len);

		opened += frames_feed(&w->frames, msg->msg_iov[i].iov_base, n);
		size -= n;
	}
	if (w->closed)
		return false;
	if (!opened)
		return true;
	forgive(w);
	put_on(w, opened);
	if (w->idle > FRAMES_IDLE_MAX)
		close_one(fd);
	else if (all.total > FRAMES_IDLE_TOTAL)
		close_largest();
	return !w->closed;
}

/* true: a log line about closed connections is due. */
static bool log_is_due(uint64_t closed)
{
	int64_t now = clock_monotonic_ns();

	if (all.closed == closed || (all.logged_ns && now < all.logged_ns + LOG_NS))
		return false;
	all.logged_ns = now;
	return true;
}

/* The linker (--wrap) redirects every recvmsg of the daemon here. */
ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = __real_recvmsg(fd, msg, flags);
	bool keep = true, line = false;
	struct watched *w;
	uint64_t closed;

	if (n <= 0)
		return n;
	pthread_mutex_lock(&all.lock);
	closed = all.closed;
	w = watched_at(fd);
	if (w && is_same_socket(fd, w->ino)) {
		keep = count(fd, w, msg, (size_t)n);
		line = log_is_due(closed);
		closed = all.closed;
	}
	pthread_mutex_unlock(&all.lock);
	if (line)
		log_warn("connection closed",
			 "why=\"it opened and gave up calls faster than they "
			 "are taken\" closed=%ju",
			 (uintmax_t)closed);
	if (keep)
		return n;
	errno = ECONNRESET;
	return -1;
}
