/*
 * staging.h - what pulls have not finished: layers on their way and who wants them.
 *
 * Below the images' root: staging/layers/<24 hex of the diffID>/{fs,meta} one layer each, made by
 * one puller and shared by all; staging/<pull id>/<24 hex> an empty file for each layer that this
 * pull wants (its claim); staging/<pull id>/work/<24 hex>/fs a layer that its unpacker works on,
 * which sees nothing else of the images.  A puller holds an exclusive flock on its own directory
 * for as long as it lives, an exclusive one on a layer that it makes and a shared one on a layer
 * that it counts on. A layer that is whole has a meta.
 *
 * What must hold: a layer in staging that nobody holds and nobody claims has no owner and goes; a
 * claim is made before the lock is taken, and looked for while the lock is held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* staging/layers/NAME, malloc'ed; NULL when diff_id is not "sha256:<64 hex>". */
char *image_staging_layer(const char *images_root, const char *diff_id);

/* staging/PULL/work, and a layer's folder in it; malloc'ed, NULL as above. */
char *image_staging_works(const char *images_root, const char *pull_id);
char *image_staging_work(const char *images_root, const char *pull_id, const char *diff_id);

/* In a puller: make the pull's directory with an empty work folder and hold it.  *ret_fd: until
 * the puller ends. ERR_INTERNAL: another puller of this id lives. */
int image_staging_enter(const char *images_root, const char *pull_id, int *ret_fd, struct err *e);

/* Note that the pull wants a layer, or wants it no more.  Its directory is there. */
int image_staging_claim(const char *images_root, const char *pull_id, const char *diff_id,
			struct err *e);
void image_staging_unclaim(const char *images_root, const char *pull_id, const char *diff_id);

/* How many layers the pull claims. */
unsigned image_staging_claims(const char *images_root, const char *pull_id);

/* Remove a layer from staging unless somebody holds or claims it. */
int image_staging_drop(const char *images_root, const char *diff_id, struct err *e);

/* In a puller that holds its directory: it wants nothing any more. */
int image_staging_leave(const char *images_root, const char *pull_id, struct err *e);

/* The same for a puller that is dead or about to be: waits for its end.  Blocks. */
int image_staging_remove(const char *images_root, const char *pull_id, struct err *e);

/* At the start, before any pull of this daemon: remove what neither a puller that lives nor one of
 * the pulls in ids has.  Makes the directories. */
int image_staging_sweep(const char *images_root, const char *const *ids, size_t n, struct err *e);
