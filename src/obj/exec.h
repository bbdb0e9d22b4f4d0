/*
 * exec.h - ExecSync sessions (runtime.v1: ExecSync).  All on the loop thread.
 */
#pragma once

#include "base/shimproto.h"
#include "gen/api.pb-c.h"
#include "obj/world.h"

/* Start a session; the call is answered when it has ended. */
int exec_sync(struct caller *c, const Runtime__V1__ExecSyncRequest *req, struct err *e);

/* What the session has read, while its call is being answered. */
void exec_output(const struct sm_object *sm, ProtobufCBinaryData *ret_stdout,
		 ProtobufCBinaryData *ret_stderr);

/* On a worker: write the process.json of an exec, made from the container's config.json. */
int exec_write_process(const char *config_path, const char *process_path, const char *const *cmd,
		       bool tty, struct err *e);

/* The shim's word on a session. */
void exec_shim_says(struct object *o, const struct shim_status *st);
/* The shim of a sandbox died. */
void exec_pod_lost(const char *sandbox_id);
