/*
 * diskuse.h - bytes and inodes of containers' writable layers and of the image store.
 *
 * Figures are answered from memory: the last known value with its own time.  Trees are walked in
 * LANE_SLOW, one step at a time, so that walks take a bounded share of one CPU and a bounded
 * amount of memory whatever the trees are.  A small tree never waits for a large one to end.
 *
 * All functions belong to the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct object;

struct disk_usage {
	int64_t at; /* CLOCK_REALTIME ns; 0: not known yet */
	uint64_t bytes, inodes;
	/* of the walks */
	const struct object *of; /* a container; NULL: the image store */
	struct list node; /* in a queue, while it waits for a walk */
	int64_t next; /* CLOCK_MONOTONIC ns of the next walk at the earliest */
	bool active; /* a walk is under way */
	bool again; /* it changed during that walk */
	bool large; /* the last walk saw many entries */
};

/* A container was made or loaded: allocate its `disk`.  It goes away. */
void diskuse_born(struct object *container);
void diskuse_gone(struct object *container);

/* Walk the writable layer of a container again, unless it was walked a short time ago, measured by
 * the time that took.  now: a small tree is walked in any case. */
void diskuse_want(struct object *container, bool now);

/* Images have come, changed or gone. */
void diskuse_images_changed(void);

/* What images take: layers by their rows, and the last known figure of what no image has (staging,
 * trash, quarantine).  Asks for the next walk of the latter. */
struct disk_usage diskuse_images(void);

/* Sum of all containers' figures; at: the oldest one's time. */
struct disk_usage diskuse_containers(void);

/* When everything is loaded: walk each container once.  When the workers have ended: free. */
void diskuse_start(void);
void diskuse_stop(void);
