/*
 * inherit.h - resolve what a layer can only get from its lower layers, as the image shows them:
 * attributes of directories without an entry; paths through a lower symlink; hard links to lower
 * files; whiteouts with nothing to hide; the names that an opaque root hides.
 *
 * Unpacking records these. Once all layers of the image exist, inherit_apply processes them one by
 * one, lowest first. What must hold: only the layer's own directory changes, and the kernel follows
 * no symlink: this code resolves each step of a path.
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

/* root: the layer's open directory; the caller keeps it. The root itself is recorded as the first
 * directory without an entry. */
struct inherit *inherit_new(int root);
void inherit_free(struct inherit *h); /* h may be NULL */

/* All paths are below the root and free of symlinks; "": the root. */

/* Record a directory made as a parent of an entry. */
void inherit_directory(struct inherit *h, const char *path);
/* The directory has its own entry, or no lower layer has it: nothing to inherit. */
void inherit_directory_told(struct inherit *h, const char *path);
/* Record a whiteout in the directory. true: the first one there. */
bool inherit_whiteout(struct inherit *h, const char *path);
/* Record the empty file st at path: it stands for the lower file that hard link `name` refers
 * to. */
void inherit_file(struct inherit *h, const char *path, const char *name, const struct stat *st);
/* Record that the root hides all lower layers. */
void inherit_opaque_root(struct inherit *h);

/* true: inherit_apply has something to do. */
bool inherit_is_wanted(const struct inherit *h);

/* Serialize all records for another process; empty if there are none. */
void inherit_save(const struct inherit *h, struct buf *ret);
int inherit_load(int root, const char *data, size_t size, struct inherit **ret, struct err *e);

/* Apply the records, once; after an interruption again with a saved copy. lower: open roots of the
 * lower layers, nearest first. *sum: the layer's sum, updated except for moved entries; *ret_moved
 * set: compute it anew. ERR_INVALID: a link leads nowhere. */
int inherit_apply(struct inherit *h, const int *lower, size_t n, struct treesum_value *sum,
		  bool *ret_moved, struct err *e);

static inline void inherit_freep(struct inherit **h)
{
	inherit_free(*h);
}
#define _cleanup_inherit_ _cleanup_(inherit_freep)
