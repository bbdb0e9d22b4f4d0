/*
 * layermeta.h - the meta file of an unpacked layer, and the lock of its directory. Shared by the
 * puller, which makes layers, and layers.c, which keeps and removes them.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "image/treesum.h"

#define IMAGE_LAYER_NAME 24 /* hex digits of the diffID in a directory's name */
#define IMAGE_LAYER_EMPTY "empty" /* an empty lower directory, a sibling of the layers */

struct image_layer_meta {
	char diff_id[72]; /* in full; the directory name is a prefix */
	char blob[72]; /* digest of the layer's blob */
	uint64_t size; /* of that blob, bytes */
	uint64_t unpacked; /* bytes of the files in it */
	uint64_t disk; /* bytes they take on disk, rounded up to blocks */
	uint64_t inodes;
	char boot_id[40]; /* boot in which the layer was unpacked */
	char sum[TREESUM_TEXT]; /* of the tree; "": unknown */
};

#define IMAGE_LAYER_META_NULL ((struct image_layer_meta){ .size = 0 })

/* 0: ret is the directory name of diff_id; -1: diff_id is not a sha256 digest. */
int image_layer_name(const char *diff_id, char ret[IMAGE_LAYER_NAME + 1]);

/* Write or read dir/meta. Reading: 1: missing or malformed. */
int image_layer_meta_write(const char *dir, const struct image_layer_meta *meta, struct err *e);
int image_layer_meta_read(const char *dir, struct image_layer_meta *ret, struct err *e);

/* The largest ids of owners in the layer's tree: from dir/ids, else by a walk, which writes that
 * file.  Blocks. */
int image_layer_ids(const char *dir, uint32_t *ret_uid, uint32_t *ret_gid, struct err *e);

/* flock(2) dir; operation: LOCK_SH or LOCK_EX, optionally LOCK_NB. 0: locked until *ret_fd is
 * closed.
 * 1: the directory does not exist (any more). 2: LOCK_NB, and another process has the lock. */
int image_layer_lock(const char *dir, int operation, int *ret_fd, struct err *e);
