/*
 * loop.h - the event loop: descriptors, timers, posts from other threads, and lanes of bounded
 * workers for everything that may block.
 *
 * One thread runs loop_run and owns every object; all callbacks except a job's `work` run on it and
 * must not block.  No other module has mutexes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct loop;

/* NULL: e is set. */
struct loop *loop_new(struct err *e);
/* Call after loop_run has returned.  Waits for running jobs, then runs the posts and `done`
 * callbacks for the loop thread; drops queued jobs without `done`. */
void loop_join(struct loop *l);
/* Call loop_join unless that was done, then free everything. */
void loop_free(struct loop *l);

/* Run until loop_stop.  The calling thread becomes the loop thread. */
void loop_run(struct loop *l);
/* From any thread. */
void loop_stop(struct loop *l);
/* From any thread: was loop_stop or loop_join called?  Long work then ends early. */
bool loop_is_stopping(const struct loop *l);
/* Is this the loop thread?  Also true before loop_run. */
bool loop_is_current(const struct loop *l);

/* Call fn at the end of every turn.  true: fn has more to do, so the loop polls its descriptors
 * without waiting and calls fn again.  One hook per loop. */
void loop_set_turn_end(struct loop *l, bool (*fn)(void *arg), void *arg);

/* A watched descriptor.  events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR. */
struct loop_io {
	int fd;
	void (*fn)(struct loop_io *io, uint32_t events);
	struct loop *loop; /* NULL: not watched */
};
/* The caller owns io and keeps it until loop_io_del, which any callback may call. */
int loop_io_add(struct loop *l, struct loop_io *io, int fd, uint32_t events,
		void (*fn)(struct loop_io *, uint32_t), struct err *e);
int loop_io_change(struct loop_io *io, uint32_t events, struct err *e);
/* Stop watching; the descriptor stays open.  Safe on one that is not watched. */
void loop_io_del(struct loop_io *io);

/* A timer.  Fires once on the loop thread at or after an absolute CLOCK_MONOTONIC time. */
struct loop_timer {
	int64_t at;
	void (*fn)(struct loop_timer *t);
	uint32_t slot; /* index in the heap + 1; 0: not armed */
};
/* Arm, or re-arm. */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_monotonic_ns,
		    void (*fn)(struct loop_timer *));
void loop_timer_stop(struct loop *l, struct loop_timer *t);

/* Run fn on the loop thread, in the order of posting.  From any thread.  The loop owns the post
 * until it calls fn, which may free the post. */
struct loop_post {
	struct list node;
	void (*fn)(struct loop_post *p);
};
void loop_post(struct loop *l, struct loop_post *p);

/* Work that may block.  `work` runs on a worker thread, then `done` on the loop thread; `done` may
 * free the job. */
struct loop_job {
	struct list node;
	void (*work)(struct loop_job *job);
	void (*done)(struct loop_job *job);
};

/* Each lane has its own threads and queue, so that a job waits only for jobs of its lane.  A
 * container, an image or a plugin may determine the duration of a job.  Such a job never shares a
 * lane with jobs that other pods need to start or stop. */
enum loop_lane {
	LANE_START, /* set a pod up, start its shim again */
	LANE_CREATE, /* make a container's root file system and bundle */
	LANE_NET_UP, /* CNI ADD */
	LANE_NET_DOWN, /* CNI DEL, the first try */
	LANE_END, /* remove the cgroup of a container that ended; its end is not reported before */
	LANE_STOP, /* undo what LANE_START and LANE_CREATE made, the first try */
	LANE_NET_RETRY, /* CNI DEL that has failed before and may hang again */
	LANE_RETRY, /* LANE_STOP's work that has failed before */
	LANE_SESSION, /* exec, port forwarding, limits of running containers */
	LANE_DUMP, /* checkpoints, which may take an hour */
	LANE_CALL, /* replies that need a worker but no tree walk */
	LANE_IMAGE, /* files of pulls and of layers */
	LANE_SLOW, /* tree walks and verification; low CPU and I/O priority */
	LANE_TRASH, /* removal of renamed trees; low CPU and I/O priority */
	LANE_COUNT,
};

/* From any thread.  ERR_EXHAUSTED: the lane's queue has LIMIT_JOBS_QUEUED jobs, or it has no thread
 * and none can be started. */
int loop_work(struct loop *l, enum loop_lane lane, struct loop_job *job, struct err *e);
