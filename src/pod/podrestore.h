/*
 * podrestore.h - RestorePod (runtime.v1): a pod and its containers from a checkpoint of
 * CheckpointPod.  Loop thread only.
 */
#pragma once

#include "base/err.h"
#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/state.pb-c.h"

/* Check what of the request needs no look at the checkpoint, and write it into row, which has the
 * pod's configuration already.  <0: e is set (ERR_INVALID; ERR_PRECONDITION: configuration or
 * runtime; ERR_UNIMPLEMENTED). */
int podrestore_note(const Runtime__V1__RestorePodRequest *req, Crisp__State__Sandbox *row,
		    struct err *e);

/* List the containers of o, which is made, in ret: free it with podrestore_list_done.  ERR_EXISTS:
 * one does not wait for its start any more, so o was restored before. */
int podrestore_list(const struct object *o, Runtime__V1__RestorePodResponse *ret, struct err *e);
void podrestore_list_done(Runtime__V1__RestorePodResponse *list);
