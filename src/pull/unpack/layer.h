/*
 * layer.h - one layer of an image on its way to layers/: held and claimed in staging
 * (image/staging.h), unpacked by another process in the pull's work folder, moved back when it is
 * verified, published with the others of its image.
 *
 * What must hold: nothing appears in layers/ before every layer of the image is verified; the
 * unpacker can reach a layer only while it is in the work folder of its own pull.  Nothing is
 * remembered outside struct layer: different layers may be made on different threads.
 *
 * Needs any umask and the capabilities DAC_OVERRIDE and FOWNER.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "pull/base/stop.h"
#include "pull/unpack/unpack.h"

struct layer;

/* What manifest and config say of a layer. */
struct layer_blob {
	/* OCI "application/vnd.oci.image.layer.v1.tar" with "+gzip", "+zstd" or nothing (and the
	 * nondistributable ones), docker
	 * "application/vnd.docker.image.rootfs.diff.tar[.gzip|.zstd]" (and foreign); anything
	 * else is ERR_UNIMPLEMENTED.  The blob's first bytes decide how it is decompressed:
	 * registries are full of gzip called tar. */
	const char *media_type;
	const char *digest;
	uint64_t size;
	const char *diff_id;
	/* Not NULL: the blob is not an archive but this file, a relative path; media_type may be
	 * any, and diff_id only names the layer. */
	const char *file;
};

/* Begin to make a layer: hold it in staging, with an empty fs in the pull's work folder.
 * 1: another puller makes it at this moment, or has made it: look again.
 * Free with layer_abort. */
int layer_begin(const char *images_root, const char *pull_id, const struct layer_blob *blob,
		struct layer **ret, struct err *e);

/* For unpack_open, after layer_begin; it points into l. */
struct unpack_spec layer_spec(const struct layer *l);
/* The name of its folder in the work folder; l's own. */
const char *layer_work_name(const struct layer *l);

/* A layer that is whole in staging, made by another puller or by an earlier try: *ret counts on it
 * (a shared flock), may be inherited into and published like one of our own and is freed with
 * layer_abort.  *ret_row as from layer_reuse.
 * 1: nobody has it.  2: somebody makes it at this moment. */
int layer_take(const char *images_root, const char *pull_id, const char *diff_id,
	       struct layer **ret, Crisp__State__Layer **ret_row, struct err *e);

/* Finished or taken: it may stay in staging for another try. */
bool layer_is_whole(const struct layer *l);

/* It is unpacked and verified, as u says: take it into staging and write meta.  *ret is for
 * crisp__state__layer__free_unpacked(x, NULL).  The layer stays in staging, where other pulls
 * may count on it from here.  ERR_INTERNAL: the unpacker left something else. */
int layer_finish(struct layer *l, const struct unpack_result *u, Crisp__State__Layer **ret,
		 struct err *e);

/* Another process that works on layers. */
struct layer_hands {
	const char *read_root; /* the images' root by a read-only mount, for descriptors */
	/* unpack_inherit for a layer that is in its work folder; sum is kept true. */
	int (*inherit)(void *arg, const struct layer *l, int list_fd, const int *lower, size_t n,
		       char sum[TREESUM_TEXT], struct err *e);
	void *arg;
};

/* Directories that a layer has only because something is in them get owner, mode, times and
 * extended attributes from the nearest layer below that has them: overlay shows the highest.
 * diff_ids and l: all layers of the image, the lowest first; l[i] is NULL for a layer that
 * layer_reuse has found, the others are whole.  Before layer_publish.  A layer is built on one
 * base, so whichever image brings it first decides; a pull that shares it waits for that one. */
int layer_inherit(const struct layer_hands *h, const char *const *diff_ids, struct layer *const *l,
		  size_t n, struct stop *stop, struct err *e);

/* All layers of an image are finished: syncfs once, rename them into layers/, make that durable.
 * ret_fds[i] keeps a shared flock on l[i]'s directory until it is closed.  A layer that is already
 * there (another pull was faster, or it occurs twice in the image) is taken instead of ours.
 * After a failure nothing of ours is in layers/, all fds are -1.  layer_abort still frees each. */
int layer_publish(const char *images_root, struct layer *const *l, size_t n, int *ret_fds,
		  struct err *e);

/* Free.  What is not whole is removed; what is whole and not published stays in staging only for
 * those who hold or claim it.  NULL is fine. */
void layer_abort(struct layer *l);

/* A layer that is in layers/ already: *ret_fd keeps a shared flock on it, *ret tells what is known
 * of it (blob digest and size as they were when it was unpacked; no media type: the manifest at
 * hand has it).
 * 1: not there, or being removed: pull it. */
int layer_reuse(const char *images_root, const char *diff_id, int *ret_fd,
		Crisp__State__Layer **ret, struct err *e);
