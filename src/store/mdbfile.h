/*
 * mdbfile.h - read LMDB's data file (format 1 of LMDB 0.9, 64 bit) with pread(2) alone.
 *
 * LMDB maps the file without checks: a truncated file causes SIGBUS, corrupt pages cause wild reads
 * and failed assertions.  So check the file before LMDB maps it, and read the intact parts of a
 * damaged one without LMDB.  Nothing here writes.  All functions block.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct mdbfile;

/* 1: the file is missing or empty.  <0: it cannot be read at all. */
int mdbfile_open(const char *path, struct mdbfile **ret, struct err *e);
void mdbfile_close(struct mdbfile *f);

static inline void mdbfile_closep(struct mdbfile **f)
{
	mdbfile_close(*f);
}

struct mdbfile_info {
	uint64_t txnid; /* of the last commit; 0: no commit so far */
	uint64_t rows; /* in the main database */
};

/* Walk both trees and the free list from the newest meta page.  Each page must be in the file,
 * agree with its parent, be well formed, and be used once.  Values are not checked.  max_bytes:
 * bound on the offset of pages.  ERR_DATA_LOSS: with the page and its defect. */
int mdbfile_check(struct mdbfile *f, uint64_t max_bytes, struct mdbfile_info *ret, struct err *e);

/* Origin of a row, the most trusted first. */
enum mdbfile_source {
	MDBFILE_SOURCE_TREE, /* reached from the newest meta page */
	MDBFILE_SOURCE_OLDER, /* reached from the other one: the previous commit */
	MDBFILE_SOURCE_STRAY, /* in an unreferenced leaf page: of any age */
};

/* key and value are valid during the call. */
typedef void mdbfile_row_fn(void *arg, enum mdbfile_source source, const void *key, size_t key_size,
			    const void *value, size_t size);

/* Call fn for every readable row, source by source; the second and third source only if the newest
 * tree is damaged.  A row may come several times.  Skips damaged pages and returns their number. */
size_t mdbfile_salvage(struct mdbfile *f, mdbfile_row_fn *fn, void *arg);
