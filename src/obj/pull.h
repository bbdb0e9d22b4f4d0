/*
 * pull.h - pulls: images on their way (runtime.v1 ImageService.PullImage, crisp.v1 Admin).
 * All on the loop thread.
 */
#pragma once

#include "gen/admin.pb-c.h"
#include "gen/api.pb-c.h"
#include "obj/world.h"

int pull_image(struct caller *c, const Runtime__V1__PullImageRequest *req, struct err *e);
/* From an OCI layout on this node. */
int pull_layout(struct caller *c, const Crisp__V1__LoadImageRequest *req, struct err *e);

/* At the start, after the rows are loaded: remove what pulls have left and no row has.  Blocks. */
int pull_start(struct err *e);
