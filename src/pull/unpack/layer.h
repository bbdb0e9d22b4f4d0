/*
 * layer.h - one layer of an image until it is in layers/. It is locked and claimed in staging
 * (image/staging.h), and unpacked by another process in the pull's work folder. Once verified it
 * moves back, and is published together with the image's other layers.
 *
 * What must hold: no layer enters layers/ before all layers of the image are verified. The unpacker
 * can reach a layer only while it is in its own pull's work folder. All state is in struct layer,
 * so threads may make different layers.
 *
 * Works with any umask; needs the capabilities DAC_OVERRIDE and FOWNER.
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

/* A layer according to manifest and config. */
struct layer_blob {
	/* OCI "application/vnd.oci.image.layer.v1.tar" with "+gzip", "+zstd" or no suffix (also
	 * nondistributable), docker "application/vnd.docker.image.rootfs.diff.tar[.gzip|.zstd]"
	 * (also foreign); else ERR_UNIMPLEMENTED. The blob's first bytes select the decompression,
	 * because registries often label gzip as tar. */
	const char *media_type;
	const char *digest;
	uint64_t size;
	const char *diff_id;
	/* Not NULL: the blob is this file (relative path) instead of an archive. media_type may be
	 * any; diff_id is only a name. */
	const char *file;
};

/* Begin to make a layer: lock it in staging, with an empty fs in the pull's work folder.
 * 1: another puller makes it, or has just made it: check again. Free with layer_abort. */
int layer_begin(const char *images_root, const char *pull_id, const struct layer_blob *blob,
		struct layer **ret, struct err *e);

/* Arguments for unpack_open, after layer_begin; points into l. */
struct unpack_spec layer_spec(const struct layer *l);
/* Name of the layer's directory in the work folder; owned by l. */
const char *layer_work_name(const struct layer *l);

/* Take a complete layer in staging, made by another puller or an earlier try. *ret holds a shared
 * flock; it may be inherited into and published like an own layer. Free with layer_abort. *ret_row:
 * as from layer_reuse. 1: not in staging. 2: another puller makes it now. */
int layer_take(const char *images_root, const char *pull_id, const char *diff_id,
	       struct layer **ret, Crisp__State__Layer **ret_row, struct err *e);

/* true: finished or taken; it may stay in staging for a retry. */
bool layer_is_whole(const struct layer *l);

/* Move the unpacked and verified layer into staging and write meta. u: the unpacker's result. Free
 * *ret with crisp__state__layer__free_unpacked(x, NULL). From here on other pulls may use the
 * layer.
 * ERR_INTERNAL: the unpacker left something else. */
int layer_finish(struct layer *l, const struct unpack_result *u, Crisp__State__Layer **ret,
		 struct err *e);

/* The unpacker, for layer_inherit. */
struct layer_hands {
	const char *read_root; /* read-only mount of the images' root */
	/* unpack_inherit for a layer in its work folder; updates sum. */
	int (*inherit)(void *arg, const struct layer *l, int list_fd, const int *lower, size_t n,
		       char sum[TREESUM_TEXT], struct err *e);
	void *arg;
};

/* Give directories without an entry the owner, mode, times and extended attributes of the nearest
 * lower layer's directory: overlay shows the highest. diff_ids and l: all layers, lowest first.
 * l[i] is NULL for a layer from layer_reuse; the others are complete. Call before layer_publish. A
 * layer is built on one base: the first image that inherits decides, and pulls that share the layer
 * wait for it. */
int layer_inherit(const struct layer_hands *h, const char *const *diff_ids, struct layer *const *l,
		  size_t n, struct stop *stop, struct err *e);

/* Publish all finished layers of an image: one syncfs, rename into layers/, fsync the directory.
 * ret_fds[i]: shared flock on l[i]'s directory until closed. If a layer already exists (another
 * pull, or twice in the image), that one is used. On failure no own layer is in layers/, and all
 * fds are -1. Still free each with layer_abort. */
int layer_publish(const char *images_root, struct layer *const *l, size_t n, int *ret_fds,
		  struct err *e);

/* Free; l may be NULL. Removes an incomplete layer. A complete but unpublished layer stays in
 * staging while others lock or claim it. */
void layer_abort(struct layer *l);

/* Use a layer in layers/: *ret_fd: shared flock. *ret: its row; blob digest and size are those at
 * unpack; no media type, which the current manifest has.
 * 1: missing, or being removed: fetch it. */
int layer_reuse(const char *images_root, const char *diff_id, int *ret_fd,
		Crisp__State__Layer **ret, struct err *e);
