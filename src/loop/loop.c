/*
 * loop.c - epoll, an eventfd for posts, a heap of timers; lane.c runs the jobs.
 *
 * A callback may delete any watch, also one with events in this turn's batch.  loop_io_del drops
 * its entry from the batch, so no callback runs for a deleted watch.
 */
#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "loop/lane.h"

#define BATCH 64

struct loop {
	int epoll_fd;
	struct loop_io wake; /* eventfd: posts and stop */
	pthread_t thread;
	bool running, stop;
	bool (*turn_end)(void *arg);
	void *turn_end_arg;

	struct epoll_event batch[BATCH];
	int batch_at, batch_len;

	struct loop_timer **timers; /* binary heap by `at` */
	uint32_t n_timers, cap_timers;

	struct lanes *lanes;
	pthread_mutex_t mutex; /* guards the members below */
	struct list posts;
	struct list jobs_done;
};

static void wake_up(struct loop *l)
{
	uint64_t one = 1;

	/* A full counter: the loop is awake already. */
	if (write(l->wake.fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

static void wake_drain(struct loop_io *io, uint32_t events)
{
	uint64_t n;

	(void)events;
	if (read(io->fd, &n, sizeof(n)) < 0)
		assert(errno == EAGAIN || errno == EINTR);
}

static void job_worked(void *arg, struct loop_job *job)
{
	struct loop *l = arg;
	bool first;

	pthread_mutex_lock(&l->mutex);
	first = list_empty(&l->jobs_done);
	list_append(&l->jobs_done, &job->node);
	pthread_mutex_unlock(&l->mutex);
	if (first)
		wake_up(l);
}

struct loop *loop_new(struct err *e)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	list_init(&l->posts);
	list_init(&l->jobs_done);
	pthread_mutex_init(&l->mutex, NULL);
	l->lanes = lanes_new(job_worked, l);
	l->wake.fd = fd;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0 || l->epoll_fd < 0) {
		err_errno(e, ERR_INTERNAL, errno, "create the loop's descriptors");
		loop_free(l);
		return NULL;
	}
	if (loop_io_add(l, &l->wake, fd, EPOLLIN, wake_drain, e) < 0) {
		loop_free(l);
		return NULL;
	}
	return l;
}

static void run_posts(struct loop *l);

void loop_join(struct loop *l)
{
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	lanes_join(l->lanes);
	run_posts(l);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	loop_join(l);
	close_fdp(&l->wake.fd);
	close_fdp(&l->epoll_fd);
	pthread_mutex_destroy(&l->mutex);
	lanes_free(l->lanes);
	free(l->timers);
	free(l);
}

bool loop_is_stopping(const struct loop *l)
{
	return __atomic_load_n(&l->stop, __ATOMIC_ACQUIRE);
}

bool loop_is_current(const struct loop *l)
{
	return !l->running || pthread_equal(l->thread, pthread_self());
}

void loop_set_turn_end(struct loop *l, bool (*fn)(void *arg), void *arg)
{
	l->turn_end = fn;
	l->turn_end_arg = arg;
}

/* --- descriptors --- */

int loop_io_add(struct loop *l, struct loop_io *io, int fd, uint32_t events,
		void (*fn)(struct loop_io *, uint32_t), struct err *e)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	assert(loop_is_current(l));
	io->fd = fd;
	io->fn = fn;
	io->loop = NULL;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "watch descriptor %d", fd);
	io->loop = l;
	return 0;
}

int loop_io_change(struct loop_io *io, uint32_t events, struct err *e)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	if (epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "watch descriptor %d", io->fd);
	return 0;
}

void loop_io_del(struct loop_io *io)
{
	struct loop *l = io->loop;

	if (!l)
		return;
	assert(loop_is_current(l));
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	for (int i = l->batch_at; i < l->batch_len; i++)
		if (l->batch[i].data.ptr == io)
			l->batch[i].data.ptr = NULL;
	io->loop = NULL;
}

/* --- timers: slot is the index in the heap, plus one --- */

static void timer_place(struct loop *l, struct loop_timer *t, uint32_t i)
{
	l->timers[i] = t;
	t->slot = i + 1;
}

static void timer_sift(struct loop *l, uint32_t i)
{
	struct loop_timer *t = l->timers[i];

	while (i > 0 && l->timers[(i - 1) / 2]->at > t->at) {
		timer_place(l, l->timers[(i - 1) / 2], i);
		i = (i - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < l->n_timers && l->timers[child + 1]->at < l->timers[child]->at)
			child++;
		if (child >= l->n_timers || l->timers[child]->at >= t->at)
			break;
		timer_place(l, l->timers[child], i);
		i = child;
	}
	timer_place(l, t, i);
}

void loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	uint32_t i = t->slot - 1;

	if (!t->slot)
		return;
	assert(loop_is_current(l));
	t->slot = 0;
	l->n_timers--;
	if (i != l->n_timers) {
		l->timers[i] = l->timers[l->n_timers];
		timer_sift(l, i);
	}
}

void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_monotonic_ns,
		    void (*fn)(struct loop_timer *))
{
	loop_timer_stop(l, t);
	assert(loop_is_current(l));
	if (l->n_timers == l->cap_timers) {
		l->cap_timers = MAX(l->cap_timers * 2, 64U);
		l->timers = xrealloc(l->timers, l->cap_timers * sizeof(struct loop_timer *));
	}
	t->at = at_monotonic_ns;
	t->fn = fn;
	l->timers[l->n_timers] = t;
	l->n_timers++;
	timer_sift(l, l->n_timers - 1);
}

static void run_timers(struct loop *l)
{
	int64_t now = clock_monotonic_ns();

	while (l->n_timers && l->timers[0]->at <= now) {
		struct loop_timer *t = l->timers[0];

		loop_timer_stop(l, t);
		t->fn(t);
	}
}

/* Milliseconds until the next timer; rounded up, so that it is due afterwards. */
static int wait_ms(const struct loop *l)
{
	int64_t ns;

	if (!l->n_timers)
		return -1;
	ns = l->timers[0]->at - clock_monotonic_ns();
	if (ns <= 0)
		return 0;
	return (int)MIN((ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, (int64_t)INT_MAX);
}

/* --- posts and jobs --- */

void loop_post(struct loop *l, struct loop_post *p)
{
	bool first;

	pthread_mutex_lock(&l->mutex);
	first = list_empty(&l->posts);
	list_append(&l->posts, &p->node);
	pthread_mutex_unlock(&l->mutex);
	if (first)
		wake_up(l);
}

int loop_work(struct loop *l, enum loop_lane lane, struct loop_job *job, struct err *e)
{
	return lanes_put(l->lanes, lane, job, e);
}

static void run_posts(struct loop *l)
{
	struct list posts, done;

	list_init(&posts);
	list_init(&done);
	pthread_mutex_lock(&l->mutex);
	list_splice(&posts, &l->posts);
	list_splice(&done, &l->jobs_done);
	pthread_mutex_unlock(&l->mutex);
	while (!list_empty(&posts)) {
		struct loop_post *p = list_entry(posts.next, struct loop_post, node);

		list_remove(&p->node);
		p->fn(p);
	}
	while (!list_empty(&done)) {
		struct loop_job *job = list_entry(done.next, struct loop_job, node);

		list_remove(&job->node);
		job->done(job);
	}
}

/* --- the loop --- */

void loop_stop(struct loop *l)
{
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	wake_up(l);
}

static void run_batch(struct loop *l)
{
	for (l->batch_at = 0; l->batch_at < l->batch_len; l->batch_at++) {
		struct loop_io *io = l->batch[l->batch_at].data.ptr;

		if (io)
			io->fn(io, l->batch[l->batch_at].events);
	}
	l->batch_len = 0;
}

void loop_run(struct loop *l)
{
	bool again = false;

	l->thread = pthread_self();
	l->running = true;
	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		int n = epoll_wait(l->epoll_fd, l->batch, BATCH, again ? 0 : wait_ms(l));

		assert(n >= 0 || errno == EINTR);
		l->batch_len = MAX(n, 0);
		run_batch(l);
		run_timers(l);
		run_posts(l);
		again = l->turn_end && l->turn_end(l->turn_end_arg);
	}
	l->running = false;
}
