/*
 * mdbfile.h - LMDB's data file (format 1 of LMDB 0.9, 64 bit), read with pread(2) alone.
 *
 * LMDB maps the file and trusts it: a file that is too short is SIGBUS, pages of garbage are wild
 * reads and failed assertions.  So the file is checked before LMDB sees it, and what can be read of
 * a damaged one is read without LMDB.  Nothing here writes.  All functions block.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct mdbfile;

/* 1: the file is missing or has no byte.  <0: it cannot be read at all. */
int mdbfile_open(const char *path, struct mdbfile **ret, struct err *e);
void mdbfile_close(struct mdbfile *f);

static inline void mdbfile_closep(struct mdbfile **f)
{
	mdbfile_close(*f);
}

struct mdbfile_info {
	uint64_t txnid; /* of the last commit, 0: nothing was ever committed */
	uint64_t rows; /* in the main database */
};

/* Walk both trees and the free list from the newest meta page: each page is in the file, is what
 * its parent says, is well formed, and is used once. Values are not looked at. max_bytes: no page
 * may lie beyond. ERR_DATA_LOSS: the page and what is wrong with it. */
int mdbfile_check(struct mdbfile *f, uint64_t max_bytes, struct mdbfile_info *ret, struct err *e);

/* Where a row was found, the most trusted first. */
enum mdbfile_source {
	MDBFILE_SOURCE_TREE, /* reached from the newest meta page */
	MDBFILE_SOURCE_OLDER, /* reached from the other one: the commit before */
	MDBFILE_SOURCE_STRAY, /* in a leaf page that nothing leads to: of any age */
};

/* key and value are valid during the call. */
typedef void mdbfile_row_fn(void *arg, enum mdbfile_source source, const void *key, size_t key_size,
			    const void *value, size_t size);

/* Every row that can still be read, source by source; the second and third only when the newest
 * tree is not whole.  A row may come several times.  Damage is passed over.  Returns how many pages
 * could not be used. */
size_t mdbfile_salvage(struct mdbfile *f, mdbfile_row_fn *fn, void *arg);
