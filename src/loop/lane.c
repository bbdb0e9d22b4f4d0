/*
 * lane.c - bounded worker threads and job queues, one set per lane.
 *
 * A job without an idle thread starts one, up to the lane's bound; a thread ends after IDLE_NS
 * without a job.  The next use of an ended thread's slot joins the thread.
 */
#include "loop/lane.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/util.h"

#define IDLE_NS (10 * NSEC_PER_SEC)
#define STACK_BYTES ((size_t)512 * 1024)
#define THREADS_MAX 16
#define NICE_LOW 5 /* a third of the default share; with 19 a busy node never finishes such jobs */
#define IO_LEVEL_LOW \
	7 /* of the best-effort class.  The idle class would hold a file system's journal during
	   * I/O, and block every commit with it. */

static const struct {
	const char *name;
	unsigned threads;
	bool low; /* lower CPU and I/O priority */
} kinds[LANE_COUNT] = {
	[LANE_START] = { "start", 16, false },
	[LANE_CREATE] = { "create", 16, false },
	[LANE_NET_UP] = { "network set-up", 16, false },
	[LANE_NET_DOWN] = { "network removal", 16, false },
	[LANE_END] = { "end", 4, false },
	[LANE_STOP] = { "stop", 8, false },
	[LANE_NET_RETRY] = { "network retry", 4, false },
	[LANE_RETRY] = { "retry", 4, false },
	[LANE_SESSION] = { "session", 8, false },
	[LANE_DUMP] = { "checkpoint", 4, false },
	[LANE_CALL] = { "call", 4, false },
	[LANE_IMAGE] = { "image", 4, false },
	[LANE_SLOW] = { "slow", 4, true },
	[LANE_TRASH] = { "trash", 1, true },
};

struct lane;

struct worker {
	pthread_t thread;
	struct lane *lane;
	enum {
		WORKER_NONE,
		WORKER_LIVE,
		WORKER_ENDED
	} state;
};

struct lane {
	struct lanes *all;
	struct list jobs;
	pthread_cond_t ready;
	unsigned n_jobs, n_live, n_idle;
	struct worker workers[THREADS_MAX];
};

struct lanes {
	void (*done)(void *arg, struct loop_job *job);
	void *arg;
	pthread_mutex_t mutex; /* guards the members below */
	bool quit;
	struct lane lanes[LANE_COUNT];
};

/* For the calling thread only.  A kernel without I/O priorities uses only the nice value. */
static void lower_priority(void)
{
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE_LOW);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		      IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IO_LEVEL_LOW));
}

/* Call with the mutex held.  NULL: idle for IDLE_NS, or the lanes stop. */
static struct loop_job *next_job(struct lane *l)
{
	int64_t until = clock_monotonic_ns() + IDLE_NS;
	const struct timespec at = { .tv_sec = until / NSEC_PER_SEC,
				     .tv_nsec = until % NSEC_PER_SEC };
	struct loop_job *job;
	int r = 0;

	l->n_idle++;
	while (list_empty(&l->jobs) && !l->all->quit && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&l->ready, &l->all->mutex, &at);
	l->n_idle--;
	if (l->all->quit || list_empty(&l->jobs))
		return NULL;
	job = list_entry(l->jobs.next, struct loop_job, node);
	list_remove(&job->node);
	l->n_jobs--;
	return job;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct lane *l = w->lane;
	struct lanes *ls = l->all;
	struct loop_job *job;

	/* Its own working directory, since overlay mounts name their layers relative to it. */
	if (unshare(CLONE_FS) < 0)
		abort();
	if (kinds[l - ls->lanes].low)
		lower_priority();
	pthread_mutex_lock(&ls->mutex);
	while ((job = next_job(l))) {
		pthread_mutex_unlock(&ls->mutex);
		job->work(job);
		ls->done(ls->arg, job);
		pthread_mutex_lock(&ls->mutex);
	}
	l->n_live--;
	w->state = WORKER_ENDED;
	pthread_mutex_unlock(&ls->mutex);
	return NULL;
}

static void reap(struct worker *w)
{
	pthread_join(w->thread, NULL);
	w->state = WORKER_NONE;
}

/* Call with the mutex held.  Returns 0 or an errno. */
static int start_worker(struct lane *l)
{
	struct worker *w = l->workers;
	pthread_attr_t attr;
	int r;

	while (w->state == WORKER_LIVE)
		w++;
	if (w->state == WORKER_ENDED)
		reap(w);
	w->lane = l;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&w->thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (r == 0) {
		w->state = WORKER_LIVE;
		l->n_live++;
	}
	return r;
}

int lanes_put(struct lanes *ls, enum loop_lane lane, struct loop_job *job, struct err *e)
{
	struct lane *l = &ls->lanes[lane];
	int r = 0, error = 0;

	pthread_mutex_lock(&ls->mutex);
	if (l->n_jobs >= LIMIT_JOBS_QUEUED)
		r = err_set(e, ERR_EXHAUSTED,
			    "%u %s operations already wait for a worker: try "
			    "later",
			    l->n_jobs, kinds[lane].name);
	else if (l->n_jobs >= l->n_idle && l->n_live < kinds[lane].threads && !ls->quit)
		error = start_worker(l);
	if (error && !l->n_live)
		r = err_errno(e, ERR_EXHAUSTED, error, "start a worker thread for a %s operation",
			      kinds[lane].name);
	if (r == 0) {
		list_append(&l->jobs, &job->node);
		l->n_jobs++;
		pthread_cond_signal(&l->ready);
	}
	pthread_mutex_unlock(&ls->mutex);
	return r;
}

struct lanes *lanes_new(void (*done)(void *arg, struct loop_job *job), void *arg)
{
	struct lanes *ls = xcalloc(1, sizeof(*ls));
	pthread_condattr_t attr;

	ls->done = done;
	ls->arg = arg;
	pthread_mutex_init(&ls->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	for (size_t i = 0; i < LANE_COUNT; i++) {
		ls->lanes[i].all = ls;
		list_init(&ls->lanes[i].jobs);
		pthread_cond_init(&ls->lanes[i].ready, &attr);
	}
	pthread_condattr_destroy(&attr);
	return ls;
}

void lanes_join(struct lanes *ls)
{
	pthread_mutex_lock(&ls->mutex);
	ls->quit = true;
	for (size_t i = 0; i < LANE_COUNT; i++)
		pthread_cond_broadcast(&ls->lanes[i].ready);
	pthread_mutex_unlock(&ls->mutex);
	/* With quit set no worker starts, so this thread may use the slots. */
	for (size_t i = 0; i < LANE_COUNT; i++)
		for (size_t k = 0; k < THREADS_MAX; k++) {
			struct worker *w = &ls->lanes[i].workers[k];
			bool used;

			pthread_mutex_lock(&ls->mutex);
			used = w->state != WORKER_NONE;
			pthread_mutex_unlock(&ls->mutex);
			if (used)
				reap(w);
		}
}

void lanes_free(struct lanes *ls)
{
	for (size_t i = 0; i < LANE_COUNT; i++)
		pthread_cond_destroy(&ls->lanes[i].ready);
	pthread_mutex_destroy(&ls->mutex);
	free(ls);
}
