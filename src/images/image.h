/*
 * image.h - images (runtime.v1 ImageService).
 * All on the loop thread, except what says otherwise.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/sm_image.h"
#include "gen/state.pb-c.h"
#include "image/layerset.h"

extern const struct kind_ops kind_image;

/* May the image o be removed by this name of it?  All names go with the image; with
 * crio.image.remove_image = "untag" a tag goes alone as long as there is another: then *ret is that
 * tag, else NULL.  ERR_PRECONDITION: a container uses it. */
int image_payload_remove(const struct object *o, const char *name, struct payload_tag **ret,
			 struct err *e);

/* What a pull has found becomes an image, or adds its names to the one that is there; another that
 * has one of the names loses it.  In the turn of the loop that ends the pull.  Takes found.
 * ERR_ABORTED: the image is being removed at this moment. */
int image_adopt(const char *id, Crisp__State__Image *found, struct err *e);

/* By id ("sha256:" is optional, a prefix will do), tag or digest; NULL: none. */
struct object *image_find(const char *name);
/* The same, and those that are damaged: they still take space. */
struct object *image_find_any(const char *name);
/* What a layer takes on disk, as far as its row tells. */
uint64_t image_layer_bytes(const Crisp__State__Layer *l);
/* Does an image with this id and these names answer to name?  Pure, for any thread. */
bool image_matches(const char *id, char *const *tags, size_t n_tags, char *const *digests,
		   size_t n_digests, const char *name);

/* Does an image other than `but` (may be NULL) have this layer, one that is not being removed? */
bool image_owns_layer(const struct object *but, const char *diff_id);

/* For layer_set_free: what containers stand on or have mounted; what images have; the latter again,
 * with what they take on disk as far as their rows tell. */
struct layer_set *image_layers_in_use(void);
struct layer_set *image_layers_owned(void);
struct layer_set *image_layers_counted(uint64_t *ret_bytes, uint64_t *ret_inodes);

/* At the start, before any pull: remove what no image has, have layers of earlier boots verified.
 * Blocks. */
int image_start(struct err *e);
/* After the workers have ended.  Fine when nothing was started. */
void image_stop(void);
