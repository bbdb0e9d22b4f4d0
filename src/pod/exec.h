/*
 * exec.h - ExecSync sessions (runtime.v1: ExecSync).  All on the loop thread.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/sm_exec.h"
#include "gen/state.pb-c.h"
#include "shimproto/shimproto.h"

extern const struct kind_ops kind_exec;

/* A session for the request.  <0: it is refused. */
int exec_for(const Runtime__V1__ExecSyncRequest *req, struct object **ret, struct err *e);

/* What the session has read, while its call is being answered. */
void exec_output(const struct sm_object *sm, ProtobufCBinaryData *ret_stdout,
		 ProtobufCBinaryData *ret_stderr);

/* On a worker: write the process.json of an exec, made from the container's config.json. */
int exec_write_process(const char *config_path, const char *process_path, const char *const *cmd,
		       bool tty, struct err *e);

/* The cgroup that an exec has to itself, for a request to the shim. */
struct exec_place {
	char *dir; /* NULL: the runtime or the host cannot do that, it shares its container's */
	char *option; /* of the runtime's --cgroup */
};
#define EXEC_PLACE_NULL ((struct exec_place){ .dir = NULL })
void exec_place_find(const Crisp__State__Container *row, const char *session,
		     struct exec_place *ret);
void exec_place_done(struct exec_place *p);
/* Set cgroup and args of req, which points to p then. */
void exec_place_use(const struct exec_place *p, struct shim_request *req);

/* The shim's word on a session. */
void exec_shim_says(struct object *o, const struct shim_status *st);
/* The shim of a sandbox died. */
void exec_pod_lost(const struct object *sandbox);
