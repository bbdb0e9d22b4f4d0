/*
 * exec.h - ExecSync sessions (runtime.v1: ExecSync).  Loop thread only, unless noted.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/sm_exec.h"
#include "gen/state.pb-c.h"
#include "shimproto/shimproto.h"

extern const struct kind_ops kind_exec;

/* Create a session for the request.  <0: e is set, the request is refused. */
int exec_for(const Runtime__V1__ExecSyncRequest *req, struct object **ret, struct err *e);

/* Fill the answer to the session's call; its output is valid while the call is answered.  <0: e is
 * set, the session failed. */
int exec_result(const struct sm_object *sm, Runtime__V1__ExecSyncResponse *ret, struct err *e);

/* Handle the shim's status of a session in the sandbox.  false: st is about no ExecSync session.
 * A session of an earlier daemon gets an object that kills it. */
bool exec_shim_says(const struct object *sandbox, const struct shim_status *st);
/* The sandbox's shim died: report its sessions as lost. */
void exec_pod_lost(const struct object *sandbox);
/* Kill the sessions in rows of builds that stored them, then delete the rows.  After
 * world_recover. */
int exec_end_stored(struct err *e);
