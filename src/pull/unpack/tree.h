/*
 * tree.h - tar entries of one layer into a directory that is a layer of overlayfs: whiteouts become
 * devices 0/0 and opaque directories.
 *
 * What must hold: nothing outside the directory is ever opened, made, changed or removed, whatever
 * names and links the archive has: every lookup starts at the directory and is kept below it by the
 * kernel (openat2), the last component is never followed.  Nobody else changes the directory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"
#include "image/treesum.h"
#include "pull/unpack/tar.h"

#define TREE_DEPTH_MAX 400 /* directories in directories: whoever removes them holds each open */

struct tree_stats {
	uint64_t inodes;
	uint64_t bytes; /* of all files, holes included */
	uint64_t disk; /* what they take, rounded up to blocks */
	uint64_t skipped_devices; /* not made: CAP_MKNOD is missing */
	struct treesum_value sum; /* of all there is in the end */
};

struct tree;

/* For tar_new, with the struct tree as arg. */
extern const struct tar_ops tree_tar_ops;

/* dir exists and is empty. */
int tree_open(const char *dir, struct tree **ret, struct err *e);

/* After the last entry: times of directories.  ERR_EXHAUSTED and ERR_INVALID from the entries say
 * which one and why. */
int tree_finish(struct tree *t, struct tree_stats *ret, struct err *e);

/* After tree_finish: into a new file of an open directory, what the layer cannot say without those
 * below it (inherit.h).  No file when there is nothing. */
int tree_save_implicit(struct tree *t, int dir, const char *name, struct err *e);

/* What such a file says of the layer with this root; lower: the directories of the layers below,
 * open, the nearest first.  *sum is kept true.  May be done again when it did not come to its
 * end. */
int tree_inherit(int root, const char *list, size_t size, const int *lower, size_t n,
		 struct treesum_value *sum, struct err *e);

void tree_free(struct tree *t); /* NULL is fine; the directory stays as it is */

static inline void tree_freep(struct tree **t)
{
	tree_free(*t);
}
#define _cleanup_tree_ _cleanup_(tree_freep)
