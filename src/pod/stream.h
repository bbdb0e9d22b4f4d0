/*
 * stream.h - exec, attach and port-forward sessions (runtime.v1: Exec, Attach, PortForward).
 *
 * A call only prepares a session: its URL is good for one client within a minute, and the container
 * or pod is checked again when the client comes.  All on the loop thread.
 *
 * Sessions live in memory: they end with the daemon, which tells their clients.  A process runs on
 * until its end when its client has gone, or its daemon.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "shimproto/shimproto.h"

/* After world_load: serve stream_address and the listening unix socket local_fd.  The caller owns
 * local_fd and keeps it open until stream_session_stop. */
int stream_session_start(int local_fd, struct err *e);
/* Stop the server and notify the clients; before loop_join. */
void stream_session_stop(void);
/* Free all sessions and tokens; after world_stop. */
void stream_session_free(void);

extern const struct kind_ops kind_stream;

/* Prepare a session.  ERR_NOT_FOUND, ERR_INVALID, ERR_PRECONDITION (does not run), ERR_EXHAUSTED
 * (too many sessions wait for their client). */
int stream_for_exec(const Runtime__V1__ExecRequest *req, struct object **ret, struct err *e);
int stream_for_attach(const Runtime__V1__AttachRequest *req, struct object **ret, struct err *e);
int stream_for_port_forward(const Runtime__V1__PortForwardRequest *req, struct object **ret,
			    struct err *e);
/* Where its client connects; the session's. */
const char *stream_url(const struct sm_object *sm);

/* The shim reports an exec or an attachment. */
void stream_shim_says(struct object *o, const struct shim_status *st);
/* The shim of a sandbox is gone, or the daemon has let go of it: cut its sessions. */
void stream_pod_lost(const struct object *sandbox, const char *why);
