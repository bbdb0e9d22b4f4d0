/*
 * tree.h - write the tar entries of one layer into a directory for overlayfs: whiteouts become
 * devices 0/0 and opaque directories.
 *
 * What must hold: no path outside the directory is opened, made, changed or removed, whatever names
 * and links the archive has. Every look-up starts at the directory, openat2 keeps it below, and the
 * last component is never followed. No other process changes the directory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"
#include "image/treesum.h"
#include "pull/unpack/tar.h"

#define TREE_DEPTH_MAX 400 /* nesting limit: removal opens each level */

struct tree_stats {
	uint64_t inodes;
	uint64_t bytes; /* of all files, including holes */
	uint64_t disk; /* of all files, rounded up to blocks */
	uint64_t skipped_devices; /* skipped for lack of CAP_MKNOD */
	struct treesum_value sum; /* of the finished tree */
};

struct tree;

/* Use with tar_new; arg: the struct tree. */
extern const struct tar_ops tree_tar_ops;

/* dir must exist and be empty. */
int tree_open(const char *dir, struct tree **ret, struct err *e);

/* Call after the last entry; sets the times of directories. ERR_EXHAUSTED and ERR_INVALID of the
 * entries name the entry and the reason. */
int tree_finish(struct tree *t, struct tree_stats *ret, struct err *e);

/* After tree_finish: save the records for inherit.h into a new file of an open directory. No
 * records: no file. */
int tree_save_implicit(struct tree *t, int dir, const char *name, struct err *e);

/* Apply the saved records (list) to the layer with this root. lower: open roots of the lower
 * layers, nearest first. Updates *sum. May be repeated after an interruption. */
int tree_inherit(int root, const char *list, size_t size, const int *lower, size_t n,
		 struct treesum_value *sum, struct err *e);

void tree_free(struct tree *t); /* t may be NULL; the directory stays */

static inline void tree_freep(struct tree **t)
{
	tree_free(*t);
}
#define _cleanup_tree_ _cleanup_(tree_freep)
