/*
 * restore.h - effects of states/container.sm that make a container from a checkpoint, and checks of
 * the request for one.  Loop thread only.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/state.pb-c.h"

/* May containers be restored in this pod?  <0: e is set (ERR_PRECONDITION). */
int restore_check_pod(const Crisp__State__Sandbox *pod, struct err *e);
/* Path of the checkpoint that the request names; the caller frees *ret.  NULL: it names an image.
 * <0: e is set (ERR_PRECONDITION: restores are off, or not possible in this pod). */
int restore_source_for(const Runtime__V1__ContainerConfig *c, const struct object *sandbox,
		       char **ret, struct err *e);

/* The same of a request with an image; NULL: the image is no checkpoint. */
int restore_source_of_image(const Runtime__V1__ContainerConfig *c, const struct object *sandbox,
			    const struct object *image, char **ret, struct err *e);

/* The container runs: remove the files that its restore needed. */
void restore_started(struct object *o);
/* The container has ended, perhaps before its restore: drop no packets for it. */
void restore_over(struct object *o);
/* Its shim has gone for good: end what is left of the restore, then report its failure. */
void restore_lost(struct object *o);
