/*
 * pull.h - pulls: images on their way (runtime.v1 ImageService.PullImage, crisp.v1 Admin).
 * All on the loop thread.
 */
#pragma once

#include "core/objects.h"
#include "gen/admin.pb-c.h"
#include "gen/api.pb-c.h"
#include "gen/sm_pull.h"
#include "images/puller.h"

extern const struct kind_ops kind_pull;

/* The pull of the request's image with its credentials, made when there is none.  <0: the request
 * is refused. */
int pull_for(const Runtime__V1__PullImageRequest *req, struct object **ret, struct err *e);
/* The same from an OCI layout on this node. */
struct object *pull_for_layout(const Crisp__V1__LoadImageRequest *req);

/* By the beginning of its id, or by the reference that was asked for in any form of it. */
bool pull_answers_to(const struct object *o, const char *name);

/* What was asked for. */
const char *pull_reference(const struct object *o);

/* How far it is; NULL: nothing is fetched. */
const struct image_pull_progress *pull_progress_of(const struct object *o);

/* Since this daemon was started; of pulls that it has adopted, from their beginning. */
struct pull_counters {
	uint64_t succeeded, failed, cancelled;
	uint64_t bytes_received; /* of layers */
	uint64_t layers_reused; /* that were wanted and were here */
	uint64_t retries;
};
const struct pull_counters *pull_counters(void);

/* At the start, after the rows are loaded: the secret of pull ids, and what pulls have left and no
 * row has goes.  Blocks. */
int pull_start(struct err *e);
/* The daemon is about to end: who waits for a pull is told so, the pulls go on. */
void pull_drain(void);
