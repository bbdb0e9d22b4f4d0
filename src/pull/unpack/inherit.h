/*
 * inherit.h - what a layer cannot say without the layers below it, as the image shows them: how
 * directories look for which it has no entry, where a path leads that goes through a link of a
 * lower layer, which file a hard link means that names one of a lower layer, which whiteouts have
 * nothing to hide, and what a root has to hide that is to be seen as empty.
 *
 * While a layer is unpacked this gathers; when all layers of the image are there, it is applied to
 * them one by one, the lowest first.  What must hold: only the layer's own directory is changed,
 * and no link is followed by the kernel: each step of a path is looked at here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/util.h"
#include "image/treesum.h"

struct buf;
struct inherit;

/* root: the layer's directory, open; it stays the caller's.  The root itself is the first directory
 * without an entry. */
struct inherit *inherit_new(int root);
void inherit_free(struct inherit *h); /* NULL is fine */

/* All paths are below the root, without links on the way, "" for the root. */

/* A directory was made on the way to an entry. */
void inherit_directory(struct inherit *h, const char *path);
/* It has an entry of its own, or is none of a lower layer: nothing to inherit. */
void inherit_directory_told(struct inherit *h, const char *path);
/* A whiteout was made in the directory.  Is that the first one there? */
bool inherit_whiteout(struct inherit *h, const char *path);
/* An empty file, st, was made at path for a hard link, name, to what a lower layer has there. */
void inherit_file(struct inherit *h, const char *path, const char *name, const struct stat *st);
/* Nothing of lower layers shows at the root. */
void inherit_opaque_root(struct inherit *h);

/* Is there anything to apply? */
bool inherit_is_wanted(const struct inherit *h);

/* All of it as bytes, for another process; nothing when there is nothing. */
void inherit_save(const struct inherit *h, struct buf *ret);
int inherit_load(int root, const char *data, size_t size, struct inherit **ret, struct err *e);

/* Once; with what was saved again when it did not come to its end.  lower: the root directories of
 * the layers below, open, the nearest first.  *sum is the layer's, without what has moved: when
 * *ret_moved is set it has to be made anew.  ERR_INVALID: a link leads nowhere. */
int inherit_apply(struct inherit *h, const int *lower, size_t n, struct treesum_value *sum,
		  bool *ret_moved, struct err *e);

static inline void inherit_freep(struct inherit **h)
{
	inherit_free(*h);
}
#define _cleanup_inherit_ _cleanup_(inherit_freep)
