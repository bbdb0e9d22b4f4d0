/*
 * treewalk.h - disk usage of a directory tree, counted in bounded memory and in steps.
 *
 * The tree may belong to a container: any number of entries, any depth, hard links, FIFOs, and
 * changes during the walk.  Memory and open descriptors are bounded.  The walk follows no links,
 * enters no mounts, and opens nothing but directories.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct treewalk_sum {
	uint64_t bytes; /* blocks on disk; each link of a file with N links counts 1/N */
	uint64_t inodes; /* likewise */
	uint64_t entries; /* names counted so far */
	uint32_t uid_max, gid_max; /* the largest ids of owners */
	bool partial; /* directories moved during the walk: the tree has at least this much */
};

struct treewalk;

/* path: the top, counted too; a missing one is an empty tree.  spill_dir: directory for an unnamed
 * file, used for trees deeper than TREEWALK_LEVELS. */
struct treewalk *treewalk_new(const char *path, const char *spill_dir);
void treewalk_free(struct treewalk *w);

/* Walk on for at most max_entries names, or until CLOCK_MONOTONIC until_ns.  Blocks.  1: there is
 * more.  0: done.  <0: e is set, the walk cannot go on; treewalk_sum returns the count so far. */
int treewalk_step(struct treewalk *w, uint64_t max_entries, int64_t until_ns, struct err *e);

struct treewalk_sum treewalk_sum(const struct treewalk *w);

/* Walk the whole tree at once. */
int treewalk_all(const char *path, const char *spill_dir, struct treewalk_sum *ret, struct err *e);

static inline void treewalk_freep(struct treewalk **w)
{
	treewalk_free(*w);
}

#define TREEWALK_HELD 16 /* levels with their own descriptor and buffer */
#define TREEWALK_LEVELS 4096 /* levels below those, kept in memory */
