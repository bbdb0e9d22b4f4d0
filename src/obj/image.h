/*
 * image.h - images and pulls (runtime.v1 ImageService, crisp.v1 Admin.LoadImage).
 * All on the loop thread, except what says otherwise.
 */
#pragma once

#include "gen/admin.pb-c.h"
#include "gen/api.pb-c.h"
#include "obj/world.h"

int image_pull(struct caller *c, const Runtime__V1__PullImageRequest *req, struct err *e);
int image_load(struct caller *c, const Crisp__V1__LoadImageRequest *req, struct err *e);
/* An image that is not there is removed already: answered OK. */
int image_remove(struct caller *c, const char *name, struct err *e);

/* By id ("sha256:" is optional, a prefix will do), tag or digest; NULL: none. */
struct object *image_find(const char *name);
/* Does an image with this id and these names answer to name?  Pure, for any thread. */
bool image_matches(const char *id, char *const *tags, size_t n_tags, char *const *digests,
		   size_t n_digests, const char *name);

/* Does an image other than `but` (may be NULL) have this layer? */
bool image_owns_layer(const struct object *but, const char *diff_id);

/* At the start, before any pull: remove what no image has.  Blocks. */
int image_start(struct err *e);
