/*
 * usage.h - what a container or a pod uses, for the statistics of the CRI.
 *
 * Three steps: usage_begin on the loop takes from the object what it needs, usage_read on a worker
 * looks at the node, usage_end on the loop compares with what was read before and keeps that with
 * the object, the open files of the figures included.  The object may go away in between: its
 * figures are then those of the moment.
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
	const char *cgroup; /* below the hierarchies' roots; NULL: none of its own */
	const char *netns; /* a pod's; NULL: it has the node's network */
	struct usage_past past;
	struct disk_usage disk; /* of a container: the last known value */

	uint64_t seq;
	struct usage_files *files; /* kept with the object; NULL: none */

	/* from usage_read */
	struct usage_files *fresh; /* opened in this call; NULL: none */
	int64_t at; /* CLOCK_REALTIME ns of the figures */
	int64_t monotonic; /* the same moment for rates */
	struct cgroup_usage now; /* all 0 without a cgroup */
	struct netdev *devs; /* malloc'ed, NULL: not known */
	size_t n_devs;
};

/* Loop: of an object that exists.  Strings are put into a (which must not have a cap that
 * matters); free with usage_done.  Asks for the next walk of a writable layer. */
void usage_begin(struct object *o, struct arena *a, struct usage *ret);

/* Worker.  A figure that cannot be read is logged and left 0. */
void usage_read(struct usage *u);

/* Worker: a pod without a cgroup of its own uses what its containers use. */
void usage_add(struct usage *pod, const struct usage *container);

/* Loop: past.rate becomes valid when the last two samples are far enough apart. */
void usage_end(struct usage *u);

/* Loop. */
void usage_done(struct usage *u);

/* Loop: the object has moved or goes.  Close its files: an open one keeps a pod's network
 * namespace alive. */
void usage_forget(struct object *o);
