/*
 * layermeta.h - what is noted beside an unpacked layer, and how its directory is locked.  Used by
 * the puller that makes layers and by layers.c that keeps and removes them.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "image/treesum.h"

#define IMAGE_LAYER_NAME 24 /* hex digits of the diffID in a directory's name */
#define IMAGE_LAYER_EMPTY "empty" /* beside the layers: an empty lower directory */

struct image_layer_meta {
	char diff_id[72]; /* in full: the directory's name is only the beginning of it */
	char blob[72]; /* digest of the blob it came from */
	uint64_t size; /* of that blob, bytes */
	uint64_t unpacked; /* bytes of the files in it */
	uint64_t disk; /* bytes they take on disk, rounded up to blocks */
	uint64_t inodes;
	char boot_id[40]; /* of the boot in which it was unpacked */
	char sum[TREESUM_TEXT]; /* of the tree, "": not known */
};

#define IMAGE_LAYER_META_NULL ((struct image_layer_meta){ .size = 0 })

/* 0: ret is the beginning of the diffID; -1: diff_id is not a sha256 digest. */
int image_layer_name(const char *diff_id, char ret[IMAGE_LAYER_NAME + 1]);

/* dir/meta.  Reading: 1 when there is none or it is not readable as one. */
int image_layer_meta_write(const char *dir, const struct image_layer_meta *meta, struct err *e);
int image_layer_meta_read(const char *dir, struct image_layer_meta *ret, struct err *e);

/* flock(2) dir with LOCK_SH or LOCK_EX, perhaps LOCK_NB.  0: held until *ret_fd is closed.
 * 1: there is no such directory (any more).  2: LOCK_NB and somebody else holds it. */
int image_layer_lock(const char *dir, int operation, int *ret_fd, struct err *e);
