/*
 * diskuse.h - bytes and inodes of containers' writable layers and of the image store.
 *
 * Getters return the last known values with their times. LANE_SLOW walks the trees, one step at a
 * time, with bounded CPU share and memory. A small tree never waits for a large tree to end.
 *
 * Call all functions on the loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct object;

struct disk_usage {
	int64_t at; /* CLOCK_REALTIME ns; 0: not known yet */
	uint64_t bytes, inodes;
	/* state of the walks */
	const struct object *of; /* a container; NULL: the image store */
	struct list node; /* link in a queue, while waiting for a walk */
	int64_t next; /* CLOCK_MONOTONIC ns: earliest next walk */
	bool active; /* a walk is under way */
	bool again; /* the tree changed during that walk */
	bool large; /* the last walk saw many entries */
};

/* diskuse_born: allocate the `disk` of a container that was made or loaded. diskuse_gone: free
 * it. */
void diskuse_born(struct object *container);
void diskuse_gone(struct object *container);

/* Walk the writable layer of a container again, unless the last walk is recent, measured by that
 * walk's duration. now: walk a small tree in any case. */
void diskuse_want(struct object *container, bool now);

/* Call when images appear, change or go. */
void diskuse_images_changed(void);

/* Disk use of images: layers by their rows, plus the last known value of data without an image
 * (staging, trash, quarantine). Requests the next walk of the latter. */
struct disk_usage diskuse_images(void);

/* Do images and writable layers share a file system, as of the start?  For any thread. */
bool diskuse_is_one_disk(void);

/* Sum over all containers; at: time of the oldest value. */
struct disk_usage diskuse_containers(void);

/* diskuse_start: walk each container once, after all rows are loaded. diskuse_stop: free, after the
 * workers have ended. */
void diskuse_start(void);
void diskuse_stop(void);
