/*
 * treesum.h - one sum over an unpacked layer: the names, types, modes, owners, sizes, link targets,
 * device numbers, extended attributes and contents of all that is in it, and the times of what is
 * no directory.  It says whether what the disk gives back is what was unpacked; against somebody
 * who wants to deceive there is the digest of the layer's archive.
 *
 * The sum is one of entries, in any order: who unpacks hashes files as they pass by and then only
 * lists directories, who verifies reads everything.  A change of one entry is its old value
 * taken away and its new one added.
 *
 * Not for several threads at once; all functions may block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

#define TREESUM_TEXT 38 /* "xxh3:", 32 hex digits, NUL */
#define TREESUM_ENTRY_COST 4096 /* bytes that an entry counts as in treesum_step */

struct treesum_value {
	uint64_t low, high;
};

#define TREESUM_VALUE_NULL ((struct treesum_value){ .low = 0 })

void treesum_value_add(struct treesum_value *to, const struct treesum_value *v);
void treesum_value_take(struct treesum_value *from, const struct treesum_value *v);
void treesum_value_text(const struct treesum_value *v, char ret[TREESUM_TEXT]);
/* The other way round; -1: it is no such text. */
int treesum_value_parse(const char *text, struct treesum_value *ret);

/* The value of a directory's own entry, not of what is in it: fd is open, path is below the layer's
 * root, "" for the root itself. */
int treesum_directory(int fd, const char *path, struct treesum_value *ret, struct err *e);

/* The files of one layer as they were written, remembered by inode. */
struct treesum_files;
struct treesum_files *treesum_files_new(void);
void treesum_files_free(struct treesum_files *f); /* NULL is fine */
/* The next bytes of the file that is being written, at ascending offsets; what is left out is a
 * hole. */
void treesum_files_add(struct treesum_files *f, uint64_t offset, const void *data, size_t size);
/* The file is complete, with its size, owner, mode, attributes and time. */
int treesum_files_end(struct treesum_files *f, int fd, struct err *e);

/* A walk over a layer. */
struct treesum_walk;
/* dir: the layer's root.  files: what is known of them; what is not in there is read.  NULL:
 * everything is.  It stays the caller's and is used until the walk is freed. */
int treesum_open(const char *dir, const struct treesum_files *files, struct treesum_walk **ret,
		 struct err *e);
void treesum_free(struct treesum_walk *w); /* NULL is fine */
/* Go on for about `budget` bytes (UINT64_MAX: to the end).  0: done, 1: there is more.
 * ERR_DATA_LOSS: the disk does not give back what is there. */
int treesum_step(struct treesum_walk *w, uint64_t budget, struct err *e);
/* After the last step. */
struct treesum_value treesum_result(const struct treesum_walk *w);

static inline void treesum_freep(struct treesum_walk **w)
{
	treesum_free(*w);
}
#define _cleanup_treesum_ _cleanup_(treesum_freep)
