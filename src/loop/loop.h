/*
 * loop.h - the one loop: descriptors, timers, posts from other threads, and a bounded pool of
 * workers for everything that may block.
 *
 * One thread runs loop_run and owns every object; all callbacks except a job's `work` run on it
 * and must not block.  This is the only place with mutexes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct loop;

/* workers: threads for jobs.  Returns NULL and fills e when the kernel refuses. */
struct loop *loop_new(unsigned workers, struct err *e);
/* After loop_run has returned: let the workers finish what is under way, run what they and others
 * have left for the loop thread; queued jobs are dropped without `done`. */
void loop_join(struct loop *l);
/* loop_join unless that was done, then free everything. */
void loop_free(struct loop *l);

/* Until loop_stop.  The calling thread becomes the loop thread. */
void loop_run(struct loop *l);
/* From any thread. */
void loop_stop(struct loop *l);
/* Is this the loop thread (true as well before loop_run)? */
bool loop_is_current(const struct loop *l);

/* Called at the end of every turn.  While it returns true there is more to do: the loop looks at
 * its descriptors without waiting and calls it again.  One hook a loop. */
void loop_set_turn_end(struct loop *l, bool (*fn)(void *arg), void *arg);

/* A watched descriptor.  fn gets EPOLLIN/EPOLLOUT/EPOLLHUP/EPOLLERR bits. */
struct loop_io {
	int fd;
	void (*fn)(struct loop_io *io, uint32_t events);
	struct loop *loop; /* NULL: not watched */
};
/* io is the caller's; it stays until loop_io_del, which may be called from any callback. */
int loop_io_add(struct loop *l, struct loop_io *io, int fd, uint32_t events,
		void (*fn)(struct loop_io *, uint32_t), struct err *e);
int loop_io_change(struct loop_io *io, uint32_t events, struct err *e);
/* Stops watching; does not close the descriptor.  Safe on one that is not watched. */
void loop_io_del(struct loop_io *io);

/* A timer.  Fires once on the loop thread at or after an absolute CLOCK_MONOTONIC time. */
struct loop_timer {
	int64_t at;
	void (*fn)(struct loop_timer *t);
	uint32_t slot; /* place in the heap + 1, 0: not armed */
};
/* Re-arms when armed already. */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_monotonic_ns,
		    void (*fn)(struct loop_timer *));
void loop_timer_stop(struct loop *l, struct loop_timer *t);

/* Run fn on the loop thread, in the order of posting.  From any thread.  The post belongs to
 * the loop until fn is called, which may free it. */
struct loop_post {
	struct list node;
	void (*fn)(struct loop_post *p);
};
void loop_post(struct loop *l, struct loop_post *p);

/* Work that may block.  `work` runs on a worker thread, then `done` on the loop thread (it may
 * free the job).  Fails with ERR_EXHAUSTED when LIMIT_JOBS_QUEUED are waiting. */
struct loop_job {
	struct list node;
	void (*work)(struct loop_job *job);
	void (*done)(struct loop_job *job);
};
int loop_work(struct loop *l, struct loop_job *job, struct err *e);
