/*
 * image.h - images (runtime.v1 ImageService).
 * Call all functions on the loop thread, except where stated otherwise.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/sm_image.h"
#include "gen/state.pb-c.h"
#include "image/layerset.h"

extern const struct kind_ops kind_image;

/* Check whether image o may be removed by this ImageSpec. Removal drops all its names. Less goes
 * while the image stays for others: with a runtime handler only that handler's claim, with
 * crio.image.remove_image = "untag" only the tag. *ret: what goes; NULL: the image.
 * ERR_PRECONDITION: a container uses the image. */
int image_payload_remove(const struct object *o, const Runtime__V1__ImageSpec *spec,
			 struct payload_tag **ret, struct err *e);

/* ERR_INVALID: spec names a runtime handler that is not configured. */
int image_check_handler(const Runtime__V1__ImageSpec *spec, struct err *e);

/* Turn the result of a pull into an image, or add its names to the existing image. Other images
 * lose these names. Call in the loop turn that ends the pull. Takes found.
 * ERR_ABORTED: the image is being removed. */
int image_adopt(const char *id, Crisp__State__Image *found, struct err *e);

/* Find by id or id prefix ("sha256:" is optional), tag or digest; NULL: no match. */
struct object *image_find(const char *name);
/* Like image_find, including damaged images, which still take space. */
struct object *image_find_any(const char *name);
/* Disk bytes of a layer according to its row. */
uint64_t image_layer_bytes(const Crisp__State__Layer *l);
/* true: an image with this id and these names matches name. Pure, for any thread. */
bool image_matches(const char *id, char *const *tags, size_t n_tags, char *const *digests,
		   size_t n_digests, const char *name);

/* The name that a container's status shows for image o: the tag that asked->user_specified_image
 * resolves to, else that of asked->image, else the first tag; of an image without tags a digest in
 * the same order, else asked->image. Owned by o or asked. */
const char *image_shown_name(const struct object *o, const Runtime__V1__ImageSpec *asked);

/* The runtime handler that the image's listing and the statuses of its containers show: the first
 * one that it was pulled for. A kubelet compares both to find images in use. Owned by the row. */
const char *image_shown_handler(const Crisp__State__Image *row);
/* The image's first digest, else its id, "sha256:..."; malloc'ed. */
char *image_shown_ref(const struct object *o);

/* true: an image other than `but` (may be NULL), and not being removed, has this layer. */
bool image_owns_layer(const struct object *but, const char *diff_id);

/* Free the result with layer_set_free. in_use: layers that containers use as rootfs or mount.
 * owned: layers of images. counted: layers of images whose rows hold their disk use, which is added
 * up. */
struct layer_set *image_layers_in_use(void);
struct layer_set *image_layers_owned(void);
struct layer_set *image_layers_counted(uint64_t *ret_bytes, uint64_t *ret_inodes);

/* Start, before any pull: remove layers without an image, schedule verification of layers of
 * earlier boots. Blocks. */
int image_start(struct err *e);
/* Stop, after the workers have ended. Safe without image_start. */
void image_stop(void);
