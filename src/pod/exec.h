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

/* Output that the session has read; valid while its call is answered. */
void exec_output(const struct sm_object *sm, ProtobufCBinaryData *ret_stdout,
		 ProtobufCBinaryData *ret_stderr);

/* The shim's word on a session. */
void exec_shim_says(struct object *o, const struct shim_status *st);
/* The sandbox's shim died: report its sessions as lost. */
void exec_pod_lost(const struct object *sandbox);
