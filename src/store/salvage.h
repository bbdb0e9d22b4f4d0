/*
 * salvage.h - the state store beside LMDB: is an environment sound, which rows can be read of a
 * damaged one, and a new one in its place. All functions block. The caller holds the store's
 * locks, or nothing else uses the environment.
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

/* *ret_rows: how many it has, when it is sound.  <0: the file cannot be read at all. */
int store_health(const char *dir, enum store_health *ret, uint64_t *ret_rows, struct err *why,
		 struct err *e);

/* stray: nothing led to the row, so that it may have been deleted before. */
typedef void store_salvage_fn(void *arg, const struct store_row *row, bool stray);

/* Each intact row that can still be read of the environment in dir, perhaps several times with
 * different contents.  stray: nothing led to it, so that it may have been deleted before.  Returns
 * how many pages and rows could not be read; a missing file has no rows and nothing unread. */
size_t store_salvage(const char *dir, store_salvage_fn *fn, void *arg);

/* One row for store_replace. */
struct store_keep {
	const char *key;
	const void *payload;
	size_t size;
};

/* Put a new environment with these rows in the place of the one in dir, whose data file goes to
 * dir/damaged-DATE/.  *ret_kept: that directory, malloc'ed.  A crash leaves the old one or the new
 * one. */
int store_replace(const char *dir, const struct store_keep *rows, size_t n, char **ret_kept,
		  struct err *e);
