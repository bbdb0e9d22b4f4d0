/*
 * stream.h - exec, attach and port-forward sessions (runtime.v1: Exec, Attach, PortForward):
 * connects the streaming server with containers and pods.  Loop thread only.
 *
 * A call only prepares a session.  Its URL admits one client within a minute; container or pod are
 * checked again when the client connects.
 *
 * Sessions have no rows: they end with the daemon, which notifies their clients.  An exec without
 * its client, or without the daemon, runs until its process ends.
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

/* Prepare a session; *ret_url is malloc'ed.  <0: e is set (ERR_NOT_FOUND; ERR_INVALID;
 * ERR_PRECONDITION: not running, or ambiguous id; ERR_EXHAUSTED: too many URLs wait;
 * ERR_UNAVAILABLE: the server does not run). */
int stream_session_exec(const Runtime__V1__ExecRequest *req, char **ret_url, struct err *e);
int stream_session_attach(const Runtime__V1__AttachRequest *req, char **ret_url, struct err *e);
int stream_session_port_forward(const Runtime__V1__PortForwardRequest *req, char **ret_url,
				struct err *e);

/* The shim reports the end of an exec or an attached client; unknown sessions are ignored. */
void stream_session_ended(const struct shim_status *st);
/* The line to a sandbox's shim is settled: start the waiting sessions, or fail them. */
void stream_session_pod_settled(const char *sandbox_id);
/* The link to a sandbox's shim is lost or closed: end the sandbox's sessions with error why. */
void stream_session_pod_lost(const char *sandbox_id, const char *why);
