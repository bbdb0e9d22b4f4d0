/*
 * treewalk.h - what a directory tree takes on disk, counted in bounded memory and in steps.
 *
 * The tree may belong to a container: any number of entries, any depth, hard links, FIFOs, and
 * changes during the walk.  Memory and open descriptors of a walk have a fixed bound.  The walk
 * follows no links, enters no mounts, and opens nothing but directories.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct treewalk_sum {
	uint64_t bytes; /* blocks on disk; a file with N links counts 1/N for each link */
	uint64_t inodes; /* likewise */
	uint64_t entries; /* names seen so far */
	bool partial; /* directories moved during the walk: the tree has at least this much */
};

struct treewalk;

/* path: the top, counted too; a missing one is an empty tree.  spill_dir: takes an unnamed
 * file for trees deeper than TREEWALK_LEVELS. */
struct treewalk *treewalk_new(const char *path, const char *spill_dir);
void treewalk_free(struct treewalk *w);

/* Walk on for at most max_entries names, or until CLOCK_MONOTONIC until_ns.  Blocks.  1: there is
 * more.  0: done.  <0: e is set, the walk cannot go on; treewalk_sum has what was counted. */
int treewalk_step(struct treewalk *w, uint64_t max_entries, int64_t until_ns, struct err *e);

struct treewalk_sum treewalk_sum(const struct treewalk *w);

/* The whole tree at once. */
int treewalk_all(const char *path, const char *spill_dir, struct treewalk_sum *ret, struct err *e);

static inline void treewalk_freep(struct treewalk **w)
{
	treewalk_free(*w);
}

#define TREEWALK_HELD 16 /* levels with a descriptor and a buffer of their own */
#define TREEWALK_LEVELS 4096 /* levels below those that are kept in memory */
