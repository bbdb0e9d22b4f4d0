/*
 * stop.c - a flag, and an eventfd to wake threads that poll.
 */
#include "pull/base/stop.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

int stop_init(struct stop *s, int watch_fd, struct err *e)
{
	atomic_init(&s->set, false);
	atomic_init(&s->asked, false);
	s->watch_fd = watch_fd;
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->fd < 0 ? err_errno(e, ERR_INTERNAL, errno, "eventfd") : 0;
}

void stop_done(struct stop *s)
{
	close_fdp(&s->fd);
}

void stop_set(struct stop *s)
{
	const uint64_t one = 1;

	atomic_store(&s->set, true);
	(void)!write(s->fd, &one, sizeof(one));
}

bool stop_is_set(struct stop *s)
{
	return stop_wait(s, 0);
}

bool stop_wait(struct stop *s, int64_t ms)
{
	struct pollfd p[2] = {
		{ .fd = s->fd, .events = POLLIN },
		{ .fd = s->watch_fd, .events = POLLIN },
	};

	if (atomic_load(&s->set))
		return true;
	poll(p, 2, (int)MIN(ms, INT64_C(600000)));
	if (p[1].revents) {
		atomic_store(&s->asked, true);
		stop_set(s);
	}
	return atomic_load(&s->set);
}

void stop_clear(struct stop *s)
{
	uint64_t count;

	if (atomic_load(&s->asked))
		return;
	atomic_store(&s->set, false);
	(void)!read(s->fd, &count, sizeof(count));
}
