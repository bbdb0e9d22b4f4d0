/*
 * pull.h - pulls in progress (runtime.v1 ImageService.PullImage, crisp.v1 Admin). Call all
 * functions on the loop thread.
 */
#pragma once

#include "core/objects.h"
#include "gen/admin.pb-c.h"
#include "gen/api.pb-c.h"
#include "gen/sm_pull.h"
#include "images/puller.h"

extern const struct kind_ops kind_pull;

/* Find or create the pull of the request's image with its credentials. <0: the request is
 * refused. */
int pull_for(const Runtime__V1__PullImageRequest *req, struct object **ret, struct err *e);
/* Like pull_for, from an OCI layout on this node. */
struct object *pull_for_layout(const Crisp__V1__LoadImageRequest *req);

/* true: name is an id prefix of the pull, or its requested reference in any spelling. */
bool pull_answers_to(const struct object *o, const char *name);

/* The requested reference. */
const char *pull_reference(const struct object *o);

/* Progress of the pull; NULL: no fetch is running. */
const struct image_pull_progress *pull_progress_of(const struct object *o);

/* Since this daemon's start. An adopted pull counts from its beginning. */
struct pull_counters {
	uint64_t succeeded, failed, cancelled;
	uint64_t bytes_received; /* of layers */
	uint64_t layers_reused; /* required, and already on this node */
	uint64_t retries;
};
const struct pull_counters *pull_counters(void);

/* Start, after the rows are loaded: load the secret of pull ids, remove leftovers of pulls that
 * have no row. Blocks. */
int pull_start(struct err *e);
/* Shutdown: fail waiting PullImage calls with UNAVAILABLE. The pulls go on. */
void pull_drain(void);
