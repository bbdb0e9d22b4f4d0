/*
 * usage.h - resource usage of a container or pod, for the CRI's statistics.
 *
 * Three steps: usage_begin on the loop copies from the object; usage_read on a worker reads cgroup
 * and netns; usage_end on the loop computes the rate, and keeps sample and open files with the
 * object.  If the object is freed meanwhile, the figures are valid but not kept.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "core/objects.h"
#include "images/diskuse.h"
#include "os/cgroup.h"
#include "os/netdev.h"

struct usage {
	/* from usage_begin */
	enum kind kind;
	char id[ID_LEN + 1];
	const char *cgroup; /* relative to the hierarchies' roots; NULL: no own cgroup */
	const char *netns; /* a pod's; NULL: host network */
	struct usage_past past;
	struct disk_usage disk; /* of a container: the last known value */
	int64_t created_ns, started_ns; /* CLOCK_REALTIME; 0: not started */
	pid_t pid; /* of a container; 0: none */

	uint64_t seq;
	struct usage_files *files; /* kept with the object; NULL: none */

	/* from usage_read */
	struct usage_files *fresh; /* opened in this call; NULL: none */
	int64_t at; /* CLOCK_REALTIME ns of the figures */
	int64_t monotonic; /* CLOCK_MONOTONIC ns of the figures, for rates */
	struct cgroup_usage now; /* 0, limits UINT64_MAX, without a cgroup */
	struct netdev *devs; /* malloc'ed, NULL: unknown */
	size_t n_devs;
};

/* Loop: fill ret from o.  Allocates strings in a, whose cap must be ample; free with usage_done.
 * Requests the next walk of a container's writable layer. */
void usage_begin(struct object *o, struct arena *a, struct usage *ret);

/* Worker: read the figures.  On failure, log it and leave the missing figures at 0. */
void usage_read(struct usage *u);

/* Worker: add a container's figures to those of a pod without its own cgroup. */
void usage_add(struct usage *pod, const struct usage *container);

/* Loop: update past; past.rate becomes valid when the last two samples are far enough apart. */
void usage_end(struct usage *u);

/* Loop: free u's files and devices. */
void usage_done(struct usage *u);

/* Loop: close the object's files after a move and before its end.  An open file keeps a pod's
 * netns alive. */
void usage_forget(struct object *o);
