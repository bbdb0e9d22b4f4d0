/*
 * loop.h - the one loop: descriptors, timers, posts from other threads, and lanes of bounded
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

/* Returns NULL and fills e when the kernel refuses. */
struct loop *loop_new(struct err *e);
/* After loop_run has returned: let the workers finish what is under way, run what they and others
 * have left for the loop thread; queued jobs are dropped without `done`. */
void loop_join(struct loop *l);
/* loop_join unless that was done, then free everything. */
void loop_free(struct loop *l);

/* Until loop_stop.  The calling thread becomes the loop thread. */
void loop_run(struct loop *l);
/* From any thread. */
void loop_stop(struct loop *l);
/* From any thread: was loop_stop or loop_join called?  Long work ends early then. */
bool loop_is_stopping(const struct loop *l);
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
 * free the job). */
struct loop_job {
	struct list node;
	void (*work)(struct loop_job *job);
	void (*done)(struct loop_job *job);
};

/* Each lane has threads and a queue of its own, so that a job waits for jobs of its lane only.
 * A container, an image or a plugin may decide how long a job takes: such a job never shares a
 * lane with jobs that other pods need to start or stop. */
enum loop_lane {
	LANE_START, /* set a pod up, make a container's root file system and bundle */
	LANE_NET_UP, /* CNI ADD */
	LANE_NET_DOWN, /* CNI DEL, the first try */
	LANE_STOP, /* undo what LANE_START made, the first try */
	LANE_NET_RETRY, /* CNI DEL that has failed before, and may hang each time */
	LANE_RETRY, /* LANE_STOP's work that has failed before */
	LANE_SESSION, /* exec, port forwarding, limits of running containers */
	LANE_CALL, /* answers that need a worker but no tree walk */
	LANE_IMAGE, /* files of pulls and layers */
	LANE_SLOW, /* tree walks and verification; low CPU and I/O priority */
	LANE_TRASH, /* removal of what was renamed away; low CPU and I/O priority */
	LANE_COUNT,
};

/* From any thread.  ERR_EXHAUSTED: LIMIT_JOBS_QUEUED jobs wait in this lane. */
int loop_work(struct loop *l, enum loop_lane lane, struct loop_job *job, struct err *e);
