/*
 * layer.h - one layer of an image on its way from bytes of a blob to a directory that overlayfs
 * can mount: decompressed, digested twice (the blob as it comes, the tar inside: the diffID),
 * unpacked into its place in staging (image/staging.h), all in one pass, without a temporary file.
 *
 * What must hold: nothing appears in layers/ before every layer of the image is verified; a blob
 * that lies about its size or digest is noticed, whatever else it is.  Nothing is remembered
 * outside struct layer: different layers may be fed on different threads.
 *
 * Needs /proc, any umask, and the capabilities CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER,
 * FSETID, SETFCAP and SYS_ADMIN (trusted.overlay.opaque); device nodes are left out without MKNOD.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "pull/stop.h"

struct layer;

/* Begin to make a layer in staging: hold it, make its fs empty and wait for bytes.
 * media_type: OCI "application/vnd.oci.image.layer.v1.tar" with "+gzip", "+zstd" or nothing (and
 * the nondistributable ones), docker "application/vnd.docker.image.rootfs.diff.tar[.gzip|.zstd]"
 * (and foreign); anything else is ERR_UNIMPLEMENTED.  The blob's first bytes decide how it is
 * decompressed: registries are full of gzip called tar.
 * blob_size: what the manifest says.  diff_id: what the config says.  Strings are copied.
 * 1: another puller makes it at this moment, or has made it: look again.
 * Free with layer_abort. */
int layer_begin(const char *images_root, const char *media_type, const char *blob_digest,
		uint64_t blob_size, const char *diff_id, struct layer **ret, struct err *e);

/* The same for a blob that is not an archive but one file of the layer: mode 0644, owner root, the
 * time 0, in directories that are made for it.  file: its path, relative; media_type: any.
 * diff_id: names the layer, and follows from file and blob_digest, which is what is verified. */
int layer_begin_file(const char *images_root, const char *file, const char *media_type,
		     const char *blob_digest, uint64_t blob_size, const char *diff_id,
		     struct layer **ret, struct err *e);

/* A layer that is whole in staging, made by another puller or by an earlier try: *ret counts on it
 * (a shared flock), may be inherited into and published like one of our own and is freed with
 * layer_abort.  *ret_row as from layer_reuse.
 * 1: nobody has it.  2: somebody makes it at this moment. */
int layer_take(const char *images_root, const char *diff_id, struct layer **ret,
	       Crisp__State__Layer **ret_row, struct err *e);

/* Finished or taken: it may stay in staging for another try. */
bool layer_is_whole(const struct layer *l);

/* The next bytes of the blob, of any size; blocks while they are unpacked.  ERR_DATA_LOSS: more
 * bytes than blob_size; ERR_EXHAUSTED: no space, or larger unpacked than allowed.  After a failure
 * only layer_abort may follow.  Content that is wrong in itself is told by layer_finish, when it is
 * known whether the blob is the right one. */
int layer_feed(struct layer *l, const void *data, size_t size, struct err *e);

/* How many bytes were fed, for progress and for resuming with a range request. */
uint64_t layer_bytes_fed(const struct layer *l);

/* The blob is complete: check size, blob digest, content and diffID, in this order, and write meta.
 * ERR_DATA_LOSS says expected and got; ERR_INVALID: the right blob, but not an archive we unpack;
 * ERR_UNIMPLEMENTED: compressed as no image is.  *ret is for
 * crisp__state__layer__free_unpacked(x, NULL).  The layer stays in staging, where other pulls
 * may count on it from here. */
int layer_finish(struct layer *l, Crisp__State__Layer **ret, struct err *e);

/* Directories that a layer has only because something is in them get owner, mode, times and
 * extended attributes from the nearest layer below that has them: overlay shows the highest.
 * diff_ids and l: all layers of the image, the lowest first; l[i] is NULL for a layer that
 * layer_reuse has found, the others are whole.  Before layer_publish.  A layer is built on one
 * base, so whichever image brings it first decides; a pull that shares it waits for that one. */
int layer_inherit(const char *images_root, const char *const *diff_ids, struct layer *const *l,
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
