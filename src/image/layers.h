/*
 * layers.h - unpacked layers on disk: mount, remove, sweep, count. All functions but
 * image_layer_discard, _exists and _quarantine block; call them on a worker.
 *
 * Below the images' root: layers/<24 hex of the diffID>/{fs,meta}: one unpacked overlay diff each,
 * shared by all images that have it; quarantine/: damaged layers; staging/: unfinished pulls
 * (staging.h). A complete layer is renamed into layers/, and renamed into trash/ on removal;
 * core/trash.h empties trash/. A puller has a shared flock on each layer directory that it needs,
 * until the daemon has committed its image. Removal takes an exclusive flock without waiting, and
 * skips locked layers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/layerset.h"
#include "os/userns.h"

/* Directory of a layer below images_root, malloc'ed; NULL: diff_id is not "sha256:<64 hex>". */
char *image_layer_dir(const char *images_root, const char *diff_id);

/* For a mount whose files belong to a pod with a user namespace. */
struct image_idmap {
	const char *userns; /* the pinned namespace */
	const struct userns_map *map; /* of it */
	const char
		*dir; /* mount point for the layers with mapped ids, used during the mount only */
};

/* Create target and mount the overlay of the layers (lowest first) on it. upper and work NULL: read
 * only; else both are created with mode 0755. If target is already a mount point, does nothing.
 * idmap: owners of the layers' files are mapped; NULL: they stay. ERR_DATA_LOSS: a layer is
 * missing; the image must be pulled again. ERR_PRECONDITION: a file's owner has no id in the map.
 */
int image_mount(const char *images_root, const char *const *diff_ids, size_t n, const char *upper,
		const char *work, const char *target, const struct image_idmap *idmap,
		struct err *e);

/* Move a layer into trash/, if it exists. 1: a puller locks it, or the disk is full: retry. Does
 * not block: the loop calls it, so no image can become the layer's owner between check and move. */
int image_layer_discard(const char *images_root, const char *diff_id, struct err *e);

/* true: the layer's directory exists. Does not check the content. */
bool image_layer_exists(const char *images_root, const char *diff_id);

/* Move a damaged layer into quarantine/; existing mounts go on using it. 1: a puller locks it:
 * retry. Does not block. */
int image_layer_quarantine(const char *images_root, const char *diff_id, struct err *e);

/* Move the content of quarantine/ into trash/, except layers in use. */
int image_quarantine_empty(const char *images_root, const struct layer_set *in_use, struct err *e);

/* An entry of the store that belongs to no image. */
struct image_leftover {
	enum image_leftover_kind {
		IMAGE_LEFTOVER_LAYER,
		IMAGE_LEFTOVER_QUARANTINE,
		IMAGE_LEFTOVER_TRASH,
		IMAGE_LEFTOVER_STAGING, /* all of staging/ as one entry */
	} kind;
	const char *name; /* of its directory */
	const char *diff_id; /* of a layer; "": unknown */
	bool held; /* a puller locks it */
	uint64_t bytes; /* on disk */
};
/* fn: 0: continue; else the walk ends and returns fn's value. */
int image_leftovers(const char *images_root, const struct layer_set *owned,
		    int (*fn)(void *arg, const struct image_leftover *l), void *arg, struct err *e);

/* From hold to release, image_sweep keeps unknown layers: the rows of their images were lost, and a
 * new pull reuses these layers. */
int image_sweep_hold(const char *images_root, struct err *e);
int image_sweep_release(const char *images_root, struct err *e);
bool image_sweep_is_held(const char *images_root);

/* Start, before any pull: move every layer into trash/ that is not in known and not locked. */
int image_sweep(const char *images_root, const struct layer_set *known, struct err *e);

/* List paths below images_root that are not in known (NULL: empty set), for a disk usage walk.
 * Paths and array are malloc'ed, *ret_n of them also on failure. bytes and inodes: of further
 * layers, from their meta files. */
int image_uncounted(const char *images_root, const struct layer_set *known, char ***ret_paths,
		    size_t *ret_n, uint64_t *ret_bytes, uint64_t *ret_inodes, struct err *e);
