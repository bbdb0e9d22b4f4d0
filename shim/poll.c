/*
 * poll.c - epoll, and timers in a list: there is about one timer per running runtime call.
 */
#include "shim/poll.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/util.h"

#define REST_MS 2000 /* from the first event after a call of on_rest to the next call */

static int epoll_fd = -1;
static bool stopping;
static struct list timers;
static struct timer rest;
static void (*have_rest)(void);

int poll_init(void (*on_rest)(void), struct err *e)
{
	have_rest = on_rest;
	list_init(&timers);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd < 0 ? err_errno(e, ERR_INTERNAL, errno, "epoll_create") : 0;
}

void poll_stop(void)
{
	stopping = true;
}

static struct timer *next_timer(void)
{
	struct timer *next = NULL;

	list_for_each(pos, &timers) {
		struct timer *t = list_entry(pos, struct timer, node);

		if (!next || t->at < next->at)
			next = t;
	}
	return next;
}

/* Fire all due timers.  Returns the milliseconds until the next one; -1: none. */
static int run_timers(void)
{
	struct timer *t;

	while ((t = next_timer())) {
		int64_t left = t->at - clock_monotonic_ns();

		if (left > 0)
			return (int)MIN(left / NSEC_PER_MSEC + 1, (int64_t)INT_MAX);
		timer_stop(t);
		t->fn(t);
	}
	return -1;
}

static void take_rest(struct timer *t)
{
	(void)t;
	have_rest();
}

void poll_run(void)
{
	while (!stopping) {
		int timeout = run_timers();
		struct epoll_event ev;
		int n;

		if (stopping)
			break;
		n = epoll_wait(epoll_fd, &ev, 1, timeout);
		assert(n >= 0 || errno == EINTR);
		if (n == 1) {
			struct watch *w = ev.data.ptr;

			w->fn(w, ev.events);
			if (!rest.on)
				timer_set(&rest, REST_MS, take_rest);
		}
	}
}

int watch_add(struct watch *w, int fd, uint32_t events, void (*fn)(struct watch *, uint32_t),
	      struct err *e)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	*w = (struct watch){ .fd = fd, .fn = fn };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "watch descriptor %d", fd);
	w->on = true;
	return 0;
}

void watch_change(struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };
	int r = w->on ? epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) : 0;

	assert(r == 0);
}

void watch_del(struct watch *w)
{
	if (w->on)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->on = false;
}

void timer_set(struct timer *t, int64_t after_ms, void (*fn)(struct timer *))
{
	timer_stop(t);
	t->at = clock_monotonic_ns() + after_ms * NSEC_PER_MSEC;
	t->fn = fn;
	t->on = true;
	list_append(&timers, &t->node);
}

void timer_stop(struct timer *t)
{
	if (t->on)
		list_remove(&t->node);
	t->on = false;
}
