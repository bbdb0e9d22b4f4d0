/*
 * salvage.h - check an environment of the state store without LMDB, read the rows of a damaged one,
 * replace it.  All functions block.  The caller holds the store's locks, or no other process uses
 * the environment.
 */
#pragma once

#include <stdbool.h>

#include "store/store.h"

#define STORE_DATA_FILE "data.mdb"

enum store_health {
	STORE_HEALTH_SOUND,
	STORE_HEALTH_NEW, /* no file, an empty one, or one without a commit */
	STORE_HEALTH_DAMAGED, /* why is filled */
};

/* Check an environment.  *ret_rows: its rows, if sound.  <0: the file cannot be read at all. */
int store_health(const char *dir, enum store_health *ret, uint64_t *ret_rows, struct err *why,
		 struct err *e);

/* stray: from an unreferenced page, so the row may have been deleted before. */
typedef void store_salvage_fn(void *arg, const struct store_row *row, bool stray);

/* Call fn for each intact row of the environment in dir, perhaps several times with different
 * contents.  stray: from an unreferenced page, so the row may have been deleted before.  Returns
 * the number of unreadable pages and rows; a missing file has none. */
size_t store_salvage(const char *dir, store_salvage_fn *fn, void *arg);

/* One row for store_replace. */
struct store_keep {
	const char *key;
	const void *payload;
	size_t size;
};

/* Replace the environment in dir with a new one of these rows.  Moves the old data file to
 * dir/damaged-DATE/.  *ret_kept: that directory, malloc'ed.  A crash leaves one of the two. */
int store_replace(const char *dir, const struct store_keep *rows, size_t n, char **ret_kept,
		  struct err *e);
