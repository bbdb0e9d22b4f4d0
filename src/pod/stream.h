/*
 * stream.h - exec, attach and port-forward sessions (runtime.v1: Exec, Attach, PortForward).
 *
 * A call prepares a session.  Its URL is valid for one client within a minute; the daemon checks
 * the container or pod again when that client connects.  All on the loop thread.
 *
 * Sessions live in memory and end with the daemon, which notifies their clients.  A process of Exec
 * outlives its client and the daemon.
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
/* Free the tokens; after world_stop, which frees the sessions. */
void stream_session_free(void);

extern const struct kind_ops kind_stream;

/* Prepare a session and return its object, which belongs to the tables.  ERR_NOT_FOUND,
 * ERR_INVALID, ERR_PRECONDITION (does not run), ERR_EXHAUSTED (too many sessions wait for their
 * client), ERR_UNAVAILABLE (the streaming server does not run). */
int stream_for_exec(const Runtime__V1__ExecRequest *req, struct object **ret, struct err *e);
int stream_for_attach(const Runtime__V1__AttachRequest *req, struct object **ret, struct err *e);
int stream_for_port_forward(const Runtime__V1__PortForwardRequest *req, struct object **ret,
			    struct err *e);
/* The URL for the session's client; freed with the session. */
const char *stream_url(const struct sm_object *sm);

/* Handle the shim's status of an exec or an attachment. */
void stream_shim_says(struct object *o, const struct shim_status *st);
/* Cut the sessions of a sandbox whose shim has ended or got SHUTDOWN.  why: the error text
 * for their clients. */
void stream_pod_lost(const struct object *sandbox, const char *why);
