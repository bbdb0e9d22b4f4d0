/*
 * layers.h - unpacked layers on disk: mounting, removing, sweeping, counting.  All functions
 * but image_layer_discard block and belong on a worker.
 *
 * Below the images' root: layers/<24 hex of the diffID>/{fs,meta} one unpacked overlay diff each,
 * shared by every image that has it; quarantine/ those that are not what was unpacked; staging/
 * what pulls have not finished (staging.h).
 * A layer appears by rename when it is whole, and goes by rename into trash/, which core/trash.h
 * empties.  A puller holds a
 * shared flock on each layer directory it counts on until the daemon has committed its image;
 * whoever removes takes an exclusive one without waiting and leaves what is locked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/layerset.h"

/* Directory of a layer below images_root, malloc'ed; NULL when diff_id is not "sha256:<64 hex>". */
char *image_layer_dir(const char *images_root, const char *diff_id);

/* Overlay of the layers (the lowest first) at target, which is made.  upper and work NULL: read
 * only.  Makes upper and work with mode 0755.  Nothing to do when target is a mount already.
 * ERR_DATA_LOSS when a layer is missing: pull the image again. */
int image_mount(const char *images_root, const char *const *diff_ids, size_t n, const char *upper,
		const char *work, const char *target, struct err *e);

/* Move a layer into trash/, if it is there.  1: a puller counts on it, or the disk is full: try
 * again.  Does not block:
 * the loop calls it, so that no image can come to own the layer between the question and the move.
 */
int image_layer_discard(const char *images_root, const char *diff_id, struct err *e);

/* Is it there?  Its content may be anything. */
bool image_layer_exists(const char *images_root, const char *diff_id);

/* Move a damaged layer into quarantine/, where whatever has it mounted goes on using it.  1: a
 * puller counts on it, try again.  Does not block. */
int image_layer_quarantine(const char *images_root, const char *diff_id, struct err *e);

/* Move what is in quarantine/ into trash/, but for the layers that are in use. */
int image_quarantine_empty(const char *images_root, const struct layer_set *in_use, struct err *e);

/* What is in the store and belongs to no image. */
struct image_leftover {
	enum image_leftover_kind {
		IMAGE_LEFTOVER_LAYER,
		IMAGE_LEFTOVER_QUARANTINE,
		IMAGE_LEFTOVER_TRASH,
		IMAGE_LEFTOVER_STAGING, /* all of it as one */
	} kind;
	const char *name; /* of its directory */
	const char *diff_id; /* of a layer, "" when that is not known */
	bool held; /* a puller counts on it */
	uint64_t bytes; /* on disk */
};
/* fn: 0 goes on, else the walk ends with its value. */
int image_leftovers(const char *images_root, const struct layer_set *owned,
		    int (*fn)(void *arg, const struct image_leftover *l), void *arg, struct err *e);

/* Until the release image_sweep leaves layers that are not known: the rows of their images were
 * lost, and a pull that needs them has nothing to fetch. */
int image_sweep_hold(const char *images_root, struct err *e);
int image_sweep_release(const char *images_root, struct err *e);
bool image_sweep_is_held(const char *images_root);

/* At the start, before any pull: move every layer that is not in known, and that nobody holds,
 * into trash/. */
int image_sweep(const char *images_root, const struct layer_set *known, struct err *e);

/* What is below images_root and not in known (NULL: none), malloc'ed, with *ret_n paths even on
 * failure: trees to be walked.  bytes and inodes: of further layers, as noted when they were
 * unpacked. */
int image_uncounted(const char *images_root, const struct layer_set *known, char ***ret_paths,
		    size_t *ret_n, uint64_t *ret_bytes, uint64_t *ret_inodes, struct err *e);
