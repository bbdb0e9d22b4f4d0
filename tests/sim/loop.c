/*
 * loop.c - the loop of src/loop on one thread: watches, timers, posts and jobs, in an order that
 * the seed decides.  A job runs on a stack of its own, so that each blocking call is a point where
 * the loop or another job goes on.
 */
#include "loop/loop.h"

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/util.h"
#include "client.h"
#include "sim.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK ((size_t)256 * 1024)
#define WORKERS 24
#define IOS 256
#define TIMERS 1024

struct loop {
	bool stop, running, more;
	bool (*turn_end)(void *arg);
	void *turn_end_arg;
	struct list posts, jobs, done;
	struct loop_io *ios[IOS];
	unsigned n_ios;
	struct loop_timer *timers[TIMERS];
	unsigned n_timers;
};

struct worker {
	ucontext_t context;
	void *stack;
	struct loop_job *job; /* NULL: idle */
	int64_t until; /* sleeps */
};

static struct loop *the_loop;
static struct worker workers[WORKERS], *current;
static ucontext_t scheduler;
static int on_client; /* a call arrives: not the loop's thread */

/* --- stacks --- */

static const void *main_bottom;
static size_t main_size;

static void switch_begin(void **fake, const void *bottom, size_t size)
{
#if defined(__SANITIZE_ADDRESS__)
	__sanitizer_start_switch_fiber(fake, bottom, size);
#else
	(void)fake;
	(void)bottom;
	(void)size;
#endif
}

static void switch_end(void *fake, bool from_main)
{
#if defined(__SANITIZE_ADDRESS__)
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(fake, &bottom, &size);
	if (from_main) {
		main_bottom = bottom;
		main_size = size;
	}
#else
	(void)fake;
	(void)from_main;
#endif
}

static void worker_leave(bool for_ever)
{
	struct worker *w = current;
	void *fake = NULL;

	current = NULL;
	switch_begin(for_ever ? NULL : &fake, main_bottom, main_size);
	swapcontext(&w->context, &scheduler);
	switch_end(fake, true);
}

static void worker_main(void)
{
	switch_end(NULL, true);
	for (;;) {
		struct worker *w = current;

		w->job->work(w->job);
		list_append(&the_loop->done, &w->job->node);
		w->job = NULL;
		worker_leave(false);
	}
}

static void worker_enter(struct worker *w)
{
	void *fake = NULL;

	w->until = 0;
	current = w;
	switch_begin(&fake, w->stack, STACK);
	swapcontext(&scheduler, &w->context);
	switch_end(fake, false);
}

static void worker_start(struct worker *w, struct loop_job *job)
{
	if (!w->stack) {
		w->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		assert(w->stack != MAP_FAILED);
		getcontext(&w->context);
		w->context.uc_stack.ss_sp = w->stack;
		w->context.uc_stack.ss_size = STACK;
		makecontext(&w->context, worker_main, 0);
	}
	w->job = job;
	worker_enter(w);
}

bool sim_in_worker(void)
{
	return current != NULL;
}

void sim_sleep_until(int64_t at)
{
	assert(current);
	current->until = at;
	worker_leave(false);
}

/* --- src/loop/loop.h --- */

struct loop *loop_new(struct err *e)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	(void)e;
	list_init(&l->posts);
	list_init(&l->jobs);
	list_init(&l->done);
	the_loop = l;
	return l;
}

static bool run_worker(bool even_asleep)
{
	unsigned first = sim_below(WORKERS);

	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[(first + i) % WORKERS];

		if (!w->job || (w->until > node->mono && !even_asleep))
			continue;
		if (w->until > node->mono)
			node->mono = w->until;
		worker_enter(w);
		return true;
	}
	return false;
}

static void run_done(struct loop *l)
{
	struct loop_job *job = list_entry(l->done.next, struct loop_job, node);

	list_remove(&job->node);
	job->done(job);
}

static void run_post(struct loop *l)
{
	struct loop_post *p = list_entry(l->posts.next, struct loop_post, node);

	list_remove(&p->node);
	p->fn(p);
}

void loop_join(struct loop *l)
{
	l->stop = true;
	while (run_worker(true))
		continue;
	while (!list_empty(&l->posts))
		run_post(l);
	while (!list_empty(&l->done))
		run_done(l);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	loop_join(l);
	free(l);
	the_loop = NULL;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

bool loop_is_stopping(const struct loop *l)
{
	return l->stop;
}

bool loop_is_current(const struct loop *l)
{
	return !l->running || (!current && !on_client);
}

void loop_set_turn_end(struct loop *l, bool (*fn)(void *arg), void *arg)
{
	l->turn_end = fn;
	l->turn_end_arg = arg;
}

int loop_io_add(struct loop *l, struct loop_io *io, int fd, uint32_t events,
		void (*fn)(struct loop_io *, uint32_t), struct err *e)
{
	int errnum = sim_call("epoll_ctl", false);

	assert(loop_is_current(l));
	(void)events;
	io->fd = fd;
	io->fn = fn;
	io->loop = NULL;
	if (errnum)
		return err_errno(e, ERR_INTERNAL, errnum, "watch descriptor %d", fd);
	SIM_CHECK(l->n_ios < IOS, "%u descriptors are watched", IOS);
	l->ios[l->n_ios++] = io;
	io->loop = l;
	return 0;
}

int loop_io_change(struct loop_io *io, uint32_t events, struct err *e)
{
	(void)io;
	(void)events;
	(void)e;
	return 0;
}

void loop_io_del(struct loop_io *io)
{
	struct loop *l = io->loop;

	if (!l)
		return;
	assert(loop_is_current(l));
	for (unsigned i = 0; i < l->n_ios; i++)
		if (l->ios[i] == io)
			l->ios[i] = l->ios[--l->n_ios];
	io->loop = NULL;
}

void loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	if (!t->slot)
		return;
	assert(loop_is_current(l));
	l->timers[t->slot - 1] = l->timers[--l->n_timers];
	l->timers[t->slot - 1]->slot = t->slot;
	t->slot = 0;
}

void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_monotonic_ns,
		    void (*fn)(struct loop_timer *))
{
	loop_timer_stop(l, t);
	assert(loop_is_current(l));
	SIM_CHECK(l->n_timers < TIMERS, "%u timers are armed", TIMERS);
	t->at = at_monotonic_ns;
	t->fn = fn;
	l->timers[l->n_timers++] = t;
	t->slot = l->n_timers;
}

void loop_post(struct loop *l, struct loop_post *p)
{
	list_append(&l->posts, &p->node);
}

int loop_work(struct loop *l, enum loop_lane lane, struct loop_job *job, struct err *e)
{
	(void)lane;
	if (sim_chance(node->odds.call_fails / 4))
		return err_set(e, ERR_EXHAUSTED, "sim: the lane's queue is full");
	list_append(&l->jobs, &job->node);
	return 0;
}

/* --- turns --- */

static struct loop_timer *first_timer(const struct loop *l)
{
	struct loop_timer *first = NULL;

	for (unsigned i = 0; i < l->n_timers; i++)
		if (!first || l->timers[i]->at < first->at)
			first = l->timers[i];
	return first;
}

static bool run_io(struct loop *l)
{
	unsigned first = l->n_ios ? sim_below(l->n_ios) : 0;

	for (unsigned i = 0; i < l->n_ios; i++) {
		struct loop_io *io = l->ios[(first + i) % l->n_ios];
		struct pollfd p = { .fd = io->fd, .events = POLLIN };

		SIM_CHECK(io->fd >= 0, "what is watched is gone");
		if (ppoll(&p, 1, &(const struct timespec){ .tv_sec = 0 }, NULL) <= 0)
			continue;
		io->fn(io, (uint32_t)p.revents);
		return true;
	}
	return false;
}

static bool run_timer(struct loop *l)
{
	struct loop_timer *t = first_timer(l);

	if (!t || t->at > node->mono)
		return false;
	loop_timer_stop(l, t);
	t->fn(t);
	return true;
}

static bool one_event(struct loop *l)
{
	unsigned first = sim_below(6);

	for (unsigned i = 0; i < 6; i++) {
		switch ((first + i) % 6) {
		case 0:
			if (run_io(l))
				return true;
			break;
		case 1:
			if (run_timer(l))
				return true;
			break;
		case 2:
			if (list_empty(&l->posts))
				break;
			run_post(l);
			return true;
		case 3:
			if (list_empty(&l->done))
				break;
			run_done(l);
			return true;
		case 4:
			if (shim_step())
				return true;
			break;
		case 5:
			if (puller_step())
				return true;
			break;
		}
	}
	return false;
}

/* Some events, then the commit of what they brought. */
static bool loop_turn(struct loop *l)
{
	bool any = l->more;

	for (unsigned n = 1 + sim_below(3); n && !l->stop && one_event(l); n--)
		any = true;
	if (any && l->turn_end)
		l->more = l->turn_end(l->turn_end_arg);
	return any;
}

static bool start_job(struct loop *l)
{
	struct loop_job *job;

	if (list_empty(&l->jobs))
		return false;
	for (unsigned i = 0; i < WORKERS; i++) {
		if (workers[i].job)
			continue;
		job = list_entry(l->jobs.next, struct loop_job, node);
		list_remove(&job->node);
		worker_start(&workers[i], job);
		return true;
	}
	return false;
}

bool sim_loop_step(void)
{
	unsigned first = sim_below(3);

	for (unsigned i = 0; i < 3; i++)
		switch ((first + i) % 3) {
		case 0:
			if (loop_turn(the_loop))
				return true;
			break;
		case 1:
			if (run_worker(false))
				return true;
			break;
		case 2:
			if (start_job(the_loop))
				return true;
			break;
		}
	return false;
}

int64_t sim_loop_next(void)
{
	const struct loop_timer *t = first_timer(the_loop);
	int64_t next = t ? t->at : INT64_MAX;

	for (unsigned i = 0; i < WORKERS; i++)
		if (workers[i].job)
			next = MIN(next, workers[i].until);
	return next;
}

bool sim_loop_idle(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (workers[i].job)
			return false;
	return list_empty(&the_loop->jobs) && list_empty(&the_loop->done) &&
	       list_empty(&the_loop->posts) && !shim_is_pending() && !puller_is_pending();
}

void loop_run(struct loop *l)
{
	l->running = true;
	while (!l->stop && node->phase != PHASE_END)
		sim_life();
	l->running = false;
}

void sim_arrive(bool begin)
{
	on_client = begin;
}
