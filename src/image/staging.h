/*
 * staging.h - layers of unfinished pulls, and the pulls that need them.
 *
 * Below the images' root: staging/layers/<24 hex of the diffID>/{fs,meta}: one layer each, made by
 * one puller and shared by all. staging/<pull id>/<24 hex>: an empty file, the pull's claim on a
 * layer. staging/<pull id>/work/<24 hex>/fs: a layer that the pull's unpacker writes; it sees
 * nothing else. A puller has an exclusive flock on its own directory for its lifetime. On a layer
 * it has an exclusive flock while making it, then a shared flock. A complete layer has a meta file.
 *
 * What must hold: a layer in staging with neither lock nor claim is removed. Claims are made before
 * the lock is taken, and looked up while the lock is held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* staging/layers/NAME, malloc'ed; NULL: diff_id is not "sha256:<64 hex>". */
char *image_staging_layer(const char *images_root, const char *diff_id);

/* staging/PULL/work, and a layer's directory in it; malloc'ed. NULL: diff_id is not "sha256:<64
 * hex>". */
char *image_staging_works(const char *images_root, const char *pull_id);
char *image_staging_work(const char *images_root, const char *pull_id, const char *diff_id);

/* In a puller: create and lock the pull's directory with an empty work directory. *ret_fd: the
 * lock, open until the puller ends. ERR_INTERNAL: another puller of this id runs. */
int image_staging_enter(const char *images_root, const char *pull_id, int *ret_fd, struct err *e);

/* Add or remove the pull's claim on a layer. The pull's directory must exist. */
int image_staging_claim(const char *images_root, const char *pull_id, const char *diff_id,
			struct err *e);
void image_staging_unclaim(const char *images_root, const char *pull_id, const char *diff_id);

/* Number of layers that the pull claims. */
unsigned image_staging_claims(const char *images_root, const char *pull_id);

/* Remove a layer from staging, unless it is locked or claimed. */
int image_staging_drop(const char *images_root, const char *diff_id, struct err *e);

/* In a puller that locks its directory: remove its directory with all claims, and all ownerless
 * layers. */
int image_staging_leave(const char *images_root, const char *pull_id, struct err *e);

/* The same for a puller that is dead or ending: waits for its end. Blocks. */
int image_staging_remove(const char *images_root, const char *pull_id, struct err *e);

/* Start, before any pull of this daemon: remove entries that belong neither to a running puller nor
 * to a pull in ids. Creates the directories. */
int image_staging_sweep(const char *images_root, const char *const *ids, size_t n, struct err *e);
