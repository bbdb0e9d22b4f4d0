/*
 * stream.h - exec, attach and port-forward sessions (runtime.v1: Exec, Attach,
 * PortForward): what stands between the streaming server and a container or a pod.
 *
 * A call only prepares a session: its URL is good for one client within a minute, and what it is
 * about is checked again when the client comes.  All on the loop thread.
 *
 * Sessions are no objects with rows: they end with the daemon, which tells their clients.  An exec
 * whose client has gone, or whose daemon has, runs on until its process ends.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "shimproto/shimproto.h"

/* After world_start: listen at stream_address and at the listening unix socket local_fd, which
 * stays the caller's until stream_session_stop. */
int stream_session_start(int local_fd, struct err *e);
/* Tell the clients that it is over; before loop_join. */
void stream_session_stop(void);
/* After world_stop. */
void stream_session_free(void);

/* Prepare; *ret_url is malloc'ed.  ERR_NOT_FOUND, ERR_INVALID, ERR_PRECONDITION (does not run),
 * ERR_EXHAUSTED (too many wait). */
int stream_session_exec(const Runtime__V1__ExecRequest *req, char **ret_url, struct err *e);
int stream_session_attach(const Runtime__V1__AttachRequest *req, char **ret_url, struct err *e);
int stream_session_port_forward(const Runtime__V1__PortForwardRequest *req, char **ret_url,
				struct err *e);

/* The shim says that an exec or an attached client has ended, one of ours or not. */
void stream_session_ended(const struct shim_status *st);
/* The line to a sandbox's shim is settled: sessions that wait for that begin, or fail. */
void stream_session_pod_settled(const char *sandbox_id);
/* The shim of a sandbox is gone, or the daemon has let go of it. */
void stream_session_pod_lost(const char *sandbox_id, const char *why);
