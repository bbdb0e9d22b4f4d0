/*
 * unpack.h - the content of one layer from the bytes of its blob: decompressed, digested twice (the
 * blob as it comes, the tar inside: the diffID), unpacked into a directory that overlayfs can
 * mount, all in one pass, without a temporary file.
 *
 * What must hold: a blob that lies about its size or digest is noticed, whatever else it is.
 * Nothing is remembered outside struct unpack: different layers may be fed on different threads.
 *
 * Needs /proc/self/fd, any umask, and the capabilities of confine.h; device nodes are left out
 * without MKNOD.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/treesum.h"

#define UNPACK_IMPLICIT "implicit" /* beside fs: directories that have nothing from below yet */

struct unpack;

struct unpack_spec {
	const char *dir; /* has an empty directory fs */
	const char *blob_digest; /* "sha256:<64 hex>", as diff_id */
	const char *diff_id; /* the same as blob_digest: the blob is the plain tar */
	uint64_t blob_size;
	/* NULL: an archive; else the blob is this file of the layer: a relative path, mode 0644,
	 * owner root, the time 0. */
	const char *file;
};

struct unpack_result {
	uint64_t bytes, disk, inodes; /* see tree_stats */
	char sum[TREESUM_TEXT];
};

/* Strings are copied.  Free with unpack_free. */
int unpack_open(const struct unpack_spec *spec, struct unpack **ret, struct err *e);

/* The next bytes of the blob, of any size; blocks while they are unpacked.  ERR_DATA_LOSS: more
 * bytes than blob_size; ERR_EXHAUSTED: no space, or larger unpacked than allowed.  After a
 * failure only unpack_free may follow.  Content that is wrong in itself is told by
 * unpack_finish, when it is known whether the blob is the right one. */
int unpack_feed(struct unpack *u, const void *data, size_t size, struct err *e);

/* The blob is complete: check size, blob digest, content and diffID, in this order, and write
 * the list of implicit directories beside fs.  ERR_DATA_LOSS says expected and got; ERR_INVALID:
 * the right blob, but not an archive we unpack; ERR_UNIMPLEMENTED: compressed as no image is. */
int unpack_finish(struct unpack *u, struct unpack_result *ret, struct err *e);

void unpack_free(struct unpack *u); /* NULL is fine; the directory stays as it is */

/* Directories that the layer in dir/fs has only because something is in them get owner, mode,
 * times and extended attributes from the nearest layer below that has them.  list_fd: the list
 * of unpack_finish.  lower: the roots of the layers below, the nearest first.  sum: the layer's,
 * "" when it is not known, then and now. */
int unpack_inherit(const char *dir, int list_fd, const int *lower, size_t n, char sum[TREESUM_TEXT],
		   struct err *e);
