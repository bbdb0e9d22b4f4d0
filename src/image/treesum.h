/*
 * treesum.h - one checksum over an unpacked layer: names, types, modes, owners, sizes, link
 * targets, device numbers, extended attributes and contents of all entries; times of all but
 * directories. It detects disk corruption. Against an attacker there is the digest of the layer's
 * archive.
 *
 * The sum adds up entries, in any order. The unpacker hashes files while it writes them and then
 * only lists directories; verification reads everything. To change an entry, subtract its old value
 * and add its new value.
 *
 * Not thread-safe; all functions may block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

#define TREESUM_TEXT 38 /* "xxh3:", 32 hex digits, NUL */
#define TREESUM_ENTRY_COST 4096 /* bytes per entry in the budget of treesum_step */

struct treesum_value {
	uint64_t low, high;
};

#define TREESUM_VALUE_NULL ((struct treesum_value){ .low = 0 })

void treesum_value_add(struct treesum_value *to, const struct treesum_value *v);
void treesum_value_take(struct treesum_value *from, const struct treesum_value *v);
void treesum_value_text(const struct treesum_value *v, char ret[TREESUM_TEXT]);
/* Inverse of treesum_value_text; -1: malformed. */
int treesum_value_parse(const char *text, struct treesum_value *ret);

/* Value of a directory's own entry, without its content. fd: open directory; path: below the
 * layer's root, "": the root itself. */
int treesum_directory(int fd, const char *path, struct treesum_value *ret, struct err *e);

/* Content hashes of one layer's files, recorded by inode while they are written. */
struct treesum_files;
struct treesum_files *treesum_files_new(void);
void treesum_files_free(struct treesum_files *f); /* f may be NULL */
/* Add bytes of the current file, at ascending offsets; gaps are holes. */
void treesum_files_add(struct treesum_files *f, uint64_t offset, const void *data, size_t size);
/* End the current file: its size, owner, mode, attributes and time are final. */
int treesum_files_end(struct treesum_files *f, int fd, struct err *e);

/* A walk over a layer. */
struct treesum_walk;
/* dir: the layer's root. files: known content hashes; other files are read. NULL: read all files.
 * The caller keeps files until the walk is freed. */
int treesum_open(const char *dir, const struct treesum_files *files, struct treesum_walk **ret,
		 struct err *e);
void treesum_free(struct treesum_walk *w); /* w may be NULL */
/* Continue for about `budget` bytes (UINT64_MAX: to the end). 0: done; 1: more.
 * ERR_DATA_LOSS: the disk cannot be read, or directories are nested too deep. */
int treesum_step(struct treesum_walk *w, uint64_t budget, struct err *e);
/* Valid once treesum_step has returned 0. */
struct treesum_value treesum_result(const struct treesum_walk *w);

static inline void treesum_freep(struct treesum_walk **w)
{
	treesum_free(*w);
}
#define _cleanup_treesum_ _cleanup_(treesum_freep)
