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

/* On a worker: write an exec's process.json, derived from the container's config.json. */
int exec_write_process(const char *config_path, const char *process_path, const char *const *cmd,
		       bool tty, struct err *e);

/* An exec's own cgroup, for a request to the shim. */
struct exec_place {
	char *dir; /* NULL: runtime or host do not support one; the exec shares its container's */
	char *option; /* value of the runtime's --cgroup */
};
#define EXEC_PLACE_NULL ((struct exec_place){ .dir = NULL })
void exec_place_find(const Crisp__State__Container *row, const char *session,
		     struct exec_place *ret);
void exec_place_done(struct exec_place *p);
/* Set cgroup and args of req.  req then points to strings of p. */
void exec_place_use(const struct exec_place *p, struct shim_request *req);

/* Handle a status message of the shim: report the end of an ended session. */
void exec_shim_says(struct object *o, const struct shim_status *st);
/* The sandbox's shim died: report its sessions as lost. */
void exec_pod_lost(const struct object *sandbox);
