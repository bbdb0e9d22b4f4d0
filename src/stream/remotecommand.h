/*
 * remotecommand.h - exec and attach: a client's five channels and a container's descriptors
 * (remotecommand protocol, versions 1 to 5, over SPDY streams or WebSocket channels).
 *
 * What must hold: all output goes before the status, the status goes before anything closes, and
 * exactly one status is sent (versions before 4: only of a failure).
 */
#pragma once

#include <stdbool.h>

#include "stream/conn.h"

struct remotecommand;

extern const struct session_ops remotecommand_ops;

struct remotecommand_form {
	unsigned version; /* 1 to 5 */
	bool websocket, base64;
};

/* A session for what c asks for. */
struct remotecommand *remotecommand_new(struct conn *c, const struct remotecommand_form *form);

/* The text of the error channel; NULL: nothing is said.  The caller frees it. */
char *remotecommand_status(unsigned version, enum stream_kind kind, const struct stream_end *end);
