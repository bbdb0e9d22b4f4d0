/*
 * test_loop.c - descriptors, timers, posts and jobs on the one loop.
 *
 * Nothing here measures time: a test ends because what it waits for has happened (a watchdog ends
 * the program when it never does).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "loop/loop.h"

#define N_POSTERS 4
#define N_POSTS 2000

static struct loop *l;

static int setup(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	alarm(120);
	l = loop_new(&e);
	return l ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(take_ptr(l));
	return 0;
}

static int64_t soon(int ms)
{
	return clock_monotonic_ns() + ms * NSEC_PER_MSEC;
}

/* --- stopping --- */

static void stop_post(struct loop_post *p)
{
	(void)p;
	assert_true(loop_is_current(l));
	loop_stop(l);
}

static void it_stops(void **state)
{
	struct loop_post p = { .fn = stop_post };

	(void)state;
	loop_post(l, &p);
	loop_run(l);
	loop_free(NULL);
}

static void it_stops_before_it_runs(void **state)
{
	(void)state;
	loop_stop(l);
	loop_run(l);
}

static void *run_main(void *arg)
{
	loop_run(arg);
	return NULL;
}

struct flagged {
	struct loop_post post;
	int happened, other_thread;
};

static void note_thread(struct loop_post *p)
{
	struct flagged *f = container_of(p, struct flagged, post);

	f->happened = 1;
	f->other_thread = loop_is_current(l);
	loop_stop(l);
}

static void one_thread_is_the_loops(void **state)
{
	struct flagged f = { .post.fn = note_thread };
	pthread_t thread;

	(void)state;
	assert_true(loop_is_current(l));
	assert_int_equal(pthread_create(&thread, NULL, run_main, l), 0);
	loop_post(l, &f.post);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(f.happened && f.other_thread);
}

/* --- posts --- */

struct post {
	struct loop_post base;
	int poster, number;
};

static struct post posts[N_POSTERS][N_POSTS];
static int next_of[N_POSTERS];
static int n_posted, out_of_order;

static void take_post(struct loop_post *base)
{
	struct post *p = container_of(base, struct post, base);

	if (p->number != next_of[p->poster])
		out_of_order++;
	next_of[p->poster] = p->number + 1;
	memset(p, 0x5a, sizeof(*p)); /* it is ours now */
	if (++n_posted == N_POSTERS * N_POSTS)
		loop_stop(l);
}

static void *poster_main(void *arg)
{
	int who = (int)(intptr_t)arg;

	for (int i = 0; i < N_POSTS; i++) {
		posts[who][i] = (struct post){ .base.fn = take_post, .poster = who, .number = i };
		loop_post(l, &posts[who][i].base);
	}
	return NULL;
}

static void posts_arrive_once_and_in_order(void **state)
{
	pthread_t threads[N_POSTERS];

	(void)state;
	n_posted = out_of_order = 0;
	for (intptr_t i = 0; i < N_POSTERS; i++) {
		next_of[i] = 0;
		assert_int_equal(pthread_create(&threads[i], NULL, poster_main, (void *)i), 0);
	}
	loop_run(l);
	for (int i = 0; i < N_POSTERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(n_posted, N_POSTERS * N_POSTS);
	assert_int_equal(out_of_order, 0);
}

static int posted_again;

static void post_again(struct loop_post *p)
{
	if (++posted_again == 1000)
		loop_stop(l);
	else
		loop_post(l, p);
}

static void a_post_may_be_posted_from_a_post(void **state)
{
	struct loop_post p = { .fn = post_again };

	(void)state;
	posted_again = 0;
	loop_post(l, &p);
	loop_run(l);
	assert_int_equal(posted_again, 1000);
}

/* --- timers --- */

struct timer {
	struct loop_timer base;
	int number;
};

static struct timer timers[300];
static int fired[300], n_fired, to_fire;

static void fire(struct loop_timer *base)
{
	struct timer *t = container_of(base, struct timer, base);

	assert_int_equal(t->base.slot, 0);
	assert_true(clock_monotonic_ns() >= t->base.at);
	fired[n_fired++] = t->number;
	if (n_fired == to_fire)
		loop_stop(l);
}

static void timers_fire_in_their_order(void **state)
{
	int64_t at = soon(2);
	uint32_t seed = 99;

	(void)state;
	n_fired = 0;
	for (int i = 0; i < 300; i++) {
		timers[i] = (struct timer){ .number = i };
		/* First somewhere, then where it belongs: 7 and 300 have no common divisor. */
		seed = seed * 1103515245 + 12345;
		loop_timer_set(l, &timers[i].base, at + (seed >> 12) % 1000, fire);
	}
	for (int k = 0; k < 300; k++)
		loop_timer_set(l, &timers[k * 7 % 300].base, at + k * 7 % 300, fire);
	to_fire = 300;
	for (int i = 0; i < 300; i += 3) {
		loop_timer_stop(l, &timers[i].base);
		loop_timer_stop(l, &timers[i].base); /* again is nothing */
		to_fire--;
	}
	loop_run(l);
	assert_int_equal(n_fired, 200);
	for (int i = 0, want = 0; i < n_fired; i++, want++) {
		want += want % 3 == 0;
		assert_int_equal(fired[i], want);
	}
}

static struct timer chained[3];

static void fire_and_stop_the_next(struct loop_timer *base)
{
	(void)base;
	n_fired++;
	loop_timer_stop(l, &chained[1].base);
}

static void fire_last(struct loop_timer *base)
{
	(void)base;
	n_fired++;
	loop_stop(l);
}

static void fire_never(struct loop_timer *base)
{
	(void)base;
	n_fired += 100;
}

static void a_timer_may_stop_one_that_is_due(void **state)
{
	int64_t past = soon(-10);

	(void)state;
	n_fired = 0;
	loop_timer_set(l, &chained[0].base, past, fire_and_stop_the_next);
	loop_timer_set(l, &chained[1].base, past + 1, fire_never);
	loop_timer_set(l, &chained[2].base, past + 2, fire_last);
	loop_run(l);
	assert_int_equal(n_fired, 2);
}

/* --- descriptors --- */

struct pipe_io {
	struct loop_io io;
	int write_fd;
};

static struct pipe_io pipes[8];
static int n_read;

static void pipe_open(struct pipe_io *p, void (*fn)(struct loop_io *, uint32_t))
{
	struct err e = ERR_NULL;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	p->write_fd = fds[1];
	assert_int_equal(loop_io_add(l, &p->io, fds[0], EPOLLIN, fn, &e), 0);
}

static void pipe_close(struct pipe_io *p)
{
	loop_io_del(&p->io);
	loop_io_del(&p->io); /* safe on one that is not watched */
	close_fdp(&p->io.fd);
	close_fdp(&p->write_fd);
}

static void read_byte(struct loop_io *io, uint32_t events)
{
	char c;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(io->fd, &c, 1), 1);
	if (++n_read == 8)
		loop_stop(l);
}

static void descriptors_are_watched(void **state)
{
	(void)state;
	n_read = 0;
	for (int i = 0; i < 8; i++) {
		pipe_open(&pipes[i], read_byte);
		assert_int_equal(write(pipes[i].write_fd, "x", 1), 1);
	}
	loop_run(l);
	assert_int_equal(n_read, 8);
	for (int i = 0; i < 8; i++)
		pipe_close(&pipes[i]);
}

static int calls_after_close;

/* Whoever comes first closes all others, whose events are in the same batch. */
static void close_the_others(struct loop_io *io, uint32_t events)
{
	struct pipe_io *self = container_of(io, struct pipe_io, io);

	(void)events;
	calls_after_close++;
	for (int i = 0; i < 8; i++)
		if (&pipes[i] != self)
			pipe_close(&pipes[i]);
	loop_stop(l);
}

static void no_callback_for_what_is_gone(void **state)
{
	(void)state;
	calls_after_close = 0;
	for (int i = 0; i < 8; i++) {
		pipe_open(&pipes[i], close_the_others);
		assert_int_equal(write(pipes[i].write_fd, "x", 1), 1);
	}
	loop_run(l);
	assert_int_equal(calls_after_close, 1);
	for (int i = 0; i < 8; i++)
		pipe_close(&pipes[i]);
}

static void see_hangup(struct loop_io *io, uint32_t events)
{
	(void)io;
	assert_true(events & EPOLLHUP);
	n_read++;
	loop_stop(l);
}

static void wanted_events_can_change(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	n_read = 0;
	pipe_open(&pipes[0], see_hangup);
	assert_int_equal(write(pipes[0].write_fd, "x", 1), 1);
	/* Not asked for: the byte wakes nobody, the hangup always does. */
	assert_int_equal(loop_io_change(&pipes[0].io, 0, &e), 0);
	close_fdp(&pipes[0].write_fd);
	loop_run(l);
	assert_int_equal(n_read, 1);
	pipe_close(&pipes[0]);
}

static void what_cannot_be_watched_is_an_error(void **state)
{
	struct loop_io io;
	struct err e = ERR_NULL;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC), closed;

	(void)state;
	closed = fcntl(fd, F_DUPFD_CLOEXEC, 500);
	close(closed);
	close(fd);
	assert_int_equal(loop_io_add(l, &io, closed, EPOLLIN, see_hangup, &e), -ERR_INTERNAL);
	assert_int_equal(e.errnum, EBADF);
	loop_io_del(&io);
}

/* --- turns --- */

static int turns;

static bool count_turns(void *arg)
{
	assert_ptr_equal(arg, &turns);
	if (++turns < 50)
		return true; /* goes on without anything to wake it */
	loop_stop(l);
	return false;
}

static void turns_go_on_while_there_is_more(void **state)
{
	struct timer t = { .number = 0 };

	(void)state;
	turns = 0;
	loop_set_turn_end(l, count_turns, &turns);
	loop_timer_set(l, &t.base, soon(0), fire_never);
	loop_run(l);
	assert_int_equal(turns, 50);
}

/* --- jobs --- */

struct job {
	struct loop_job base;
	pthread_t worker;
	int value;
};

static struct job *jobs;
static int n_done, wrong;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void job_work(struct loop_job *base)
{
	struct job *j = container_of(base, struct job, base);

	j->worker = pthread_self();
	j->value *= 2;
	if (loop_is_current(l))
		j->value = -1;
}

static void job_done(struct loop_job *base)
{
	struct job *j = container_of(base, struct job, base);

	if (!loop_is_current(l) || pthread_equal(j->worker, pthread_self()) ||
	    j->value != 2 * (int)(j - jobs))
		wrong++;
	if (++n_done == 1000)
		loop_stop(l);
}

static void start_jobs(struct loop_post *p)
{
	struct err e = ERR_NULL;

	(void)p;
	for (int i = 0; i < 1000; i++) {
		jobs[i] =
			(struct job){ .base = { .work = job_work, .done = job_done }, .value = i };
		if (loop_work(l, LANE_SLOW, &jobs[i].base, &e) < 0)
			wrong++;
	}
}

static void jobs_run_elsewhere_and_end_here(void **state)
{
	struct loop_post p = { .fn = start_jobs };

	(void)state;
	n_done = wrong = 0;
	jobs = xcalloc(1000, sizeof(*jobs));
	loop_post(l, &p);
	loop_run(l);
	assert_int_equal(n_done, 1000);
	assert_int_equal(wrong, 0);
	free(jobs);
}

static void wait_for_gate(struct loop_job *base)
{
	(void)base;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static void count_done(struct loop_job *base)
{
	(void)base;
	if (++n_done == LIMIT_JOBS_QUEUED)
		loop_stop(l);
}

static void the_queue_is_bounded(void **state)
{
	int accepted = 0, r = 0;
	struct err e = ERR_NULL;

	(void)state;
	n_done = 0;
	jobs = xcalloc(2 * LIMIT_JOBS_QUEUED, sizeof(*jobs));
	pthread_mutex_lock(&gate);
	for (; r == 0 && accepted < 2 * LIMIT_JOBS_QUEUED; accepted += r == 0) {
		jobs[accepted].base =
			(struct loop_job){ .work = wait_for_gate, .done = count_done };
		r = loop_work(l, LANE_SLOW, &jobs[accepted].base, &e);
	}
	pthread_mutex_unlock(&gate);
	assert_int_equal(r, -ERR_EXHAUSTED);
	/* Those that the workers hold do not wait any more. */
	assert_true(accepted >= LIMIT_JOBS_QUEUED && accepted <= LIMIT_JOBS_QUEUED + 4);
	loop_run(l);
	assert_true(n_done >= LIMIT_JOBS_QUEUED);
	loop_free(take_ptr(l));
	free(jobs);
}

/* --- lanes --- */

static struct job *held;
static int n_at_once, at_once_max;

static void hold_lane(struct loop_job *base)
{
	int n = __atomic_add_fetch(&n_at_once, 1, __ATOMIC_RELAXED);

	if (n > __atomic_load_n(&at_once_max, __ATOMIC_RELAXED))
		__atomic_store_n(&at_once_max, n, __ATOMIC_RELAXED);
	wait_for_gate(base);
	__atomic_sub_fetch(&n_at_once, 1, __ATOMIC_RELAXED);
}

static void ignore_done(struct loop_job *base)
{
	(void)base;
}

static void stop_done(struct loop_job *base)
{
	(void)base;
	loop_stop(l);
}

static void note_priority(struct loop_job *base)
{
	container_of(base, struct job, base)->value = getpriority(PRIO_PROCESS, (id_t)gettid());
}

static int fill_lane(enum loop_lane lane, size_t n)
{
	struct err e = ERR_NULL;
	size_t i = 0;
	int r = 0;

	held = xcalloc(n, sizeof(*held));
	for (; i < n && r == 0; i += r == 0) {
		held[i].base = (struct loop_job){ .work = hold_lane, .done = ignore_done };
		r = loop_work(l, lane, &held[i].base, &e);
	}
	return (int)i;
}

static int n_awaited;

static void awaited_done(struct loop_job *base)
{
	(void)base;
	if (--n_awaited == 0)
		loop_stop(l);
}

static void put_noting(struct job *j, enum loop_lane lane)
{
	struct err e = ERR_NULL;

	*j = (struct job){ .base = { .work = note_priority, .done = awaited_done } };
	assert_int_equal(loop_work(l, lane, &j->base, &e), 0);
	n_awaited++;
}

/* With a full queue and no free thread in one lane, jobs of all others run. */
static void a_full_lane_holds_up_no_other(void **state)
{
	struct job others[LANE_COUNT];

	(void)state;
	for (enum loop_lane full = 0; full < LANE_COUNT; full++) {
		pthread_mutex_lock(&gate);
		assert_true(fill_lane(full, 2 * LIMIT_JOBS_QUEUED) >= LIMIT_JOBS_QUEUED);
		n_awaited = 0;
		for (enum loop_lane lane = 0; lane < LANE_COUNT; lane++)
			if (lane != full)
				put_noting(&others[lane], lane);
		loop_run(l);
		pthread_mutex_unlock(&gate);
		loop_free(take_ptr(l));
		free(held);
		assert_int_equal(setup(NULL), 0);
	}
}

static void the_trash_has_one_thread(void **state)
{
	(void)state;
	n_at_once = at_once_max = 0;
	fill_lane(LANE_TRASH, 100);
	held[99].base.done = stop_done;
	loop_run(l);
	assert_int_equal(at_once_max, 1);
	loop_free(take_ptr(l));
	free(held);
}

static void slow_work_has_a_low_priority(void **state)
{
	int own = getpriority(PRIO_PROCESS, 0);
	struct job j[LANE_COUNT];

	(void)state;
	n_awaited = 0;
	for (enum loop_lane lane = 0; lane < LANE_COUNT; lane++)
		put_noting(&j[lane], lane);
	loop_run(l);
	for (enum loop_lane lane = 0; lane < LANE_COUNT; lane++)
		assert_int_equal(j[lane].value, lane == LANE_SLOW || lane == LANE_TRASH ? 5 : own);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
}

static int n_worked;

static void work_behind_gate(struct loop_job *base)
{
	wait_for_gate(base);
	__atomic_add_fetch(&n_worked, 1, __ATOMIC_RELAXED);
}

/* What was done is finished, posts that are left are run, jobs that no worker had taken are
 * dropped. */
static void joining_loses_no_end(void **state)
{
	struct flagged f = { .post.fn = note_thread };
	struct job late[20];
	struct err e = ERR_NULL;

	(void)state;
	n_done = n_worked = 0;
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 20; i++) {
		late[i].base = (struct loop_job){ .work = work_behind_gate, .done = count_done };
		assert_int_equal(loop_work(l, LANE_SLOW, &late[i].base, &e), 0);
	}
	loop_post(l, &f.post);
	pthread_mutex_unlock(&gate);
	loop_join(l);
	assert_int_equal(n_done, n_worked);
	assert_true(f.happened);
	loop_free(take_ptr(l));
	assert_int_equal(n_done, n_worked);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(it_stops),
		test(it_stops_before_it_runs),
		test(one_thread_is_the_loops),
		test(posts_arrive_once_and_in_order),
		test(a_post_may_be_posted_from_a_post),
		test(timers_fire_in_their_order),
		test(a_timer_may_stop_one_that_is_due),
		test(descriptors_are_watched),
		test(no_callback_for_what_is_gone),
		test(wanted_events_can_change),
		test(what_cannot_be_watched_is_an_error),
		test(turns_go_on_while_there_is_more),
		test(jobs_run_elsewhere_and_end_here),
		test(the_queue_is_bounded),
		test(a_full_lane_holds_up_no_other),
		test(the_trash_has_one_thread),
		test(slow_work_has_a_low_priority),
		test(joining_loses_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
