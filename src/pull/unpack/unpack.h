/*
 * unpack.h - unpack one layer from the bytes of its blob. One pass, without a temporary file:
 * decompress, digest twice (the blob; the tar inside: the diffID), write a directory for overlayfs.
 *
 * What must hold: a blob with wrong size or digest is always detected. All state is in struct
 * unpack, so threads may feed different layers.
 *
 * Works with any umask; needs /proc/self/fd and the capabilities of confine.h. Without MKNOD device
 * nodes are skipped.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/treesum.h"

#define UNPACK_IMPLICIT "implicit" /* next to fs: records for unpack_inherit */

struct unpack;

struct unpack_spec {
	const char *dir; /* contains an empty directory fs */
	const char *blob_digest; /* "sha256:<64 hex>"; so is diff_id */
	const char *diff_id; /* equals blob_digest: the blob is the plain tar */
	uint64_t blob_size;
	/* NULL: an archive. Else the blob is this file of the layer: relative path, mode 0644,
	 * owner root, time 0. */
	const char *file;
};

struct unpack_result {
	uint64_t bytes, disk, inodes; /* see tree_stats */
	char sum[TREESUM_TEXT];
};

/* Copies the strings. Free with unpack_free. */
int unpack_open(const struct unpack_spec *spec, struct unpack **ret, struct err *e);

/* Feed the next bytes of the blob, of any size; blocks while the pipeline is full. ERR_DATA_LOSS:
 * more than blob_size bytes; ERR_EXHAUSTED: no space, or over the size limit. After an error call
 * only unpack_free. unpack_finish reports content errors, once the blob digest is checked. */
int unpack_feed(struct unpack *u, const void *data, size_t size, struct err *e);

/* Finish the blob: check size, blob digest, content and diffID, in this order; write the records
 * file next to fs. ERR_DATA_LOSS shows expected and actual; ERR_INVALID: the right blob, but an
 * unsupported archive; ERR_UNIMPLEMENTED: unsupported compression. */
int unpack_finish(struct unpack *u, struct unpack_result *ret, struct err *e);

void unpack_free(struct unpack *u); /* u may be NULL; the directory stays */

/* Give directories without an entry in dir/fs the owner, mode, times and extended attributes of the
 * nearest lower layer's directory. list_fd: the file of unpack_finish. lower: roots of the lower
 * layers, nearest first. sum: the layer's sum, updated; "": unknown. */
int unpack_inherit(const char *dir, int list_fd, const int *lower, size_t n, char sum[TREESUM_TEXT],
		   struct err *e);
