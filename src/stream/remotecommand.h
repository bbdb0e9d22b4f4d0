/*
 * remotecommand.h - exec and attach: connect a client's five channels to a container's descriptors
 * (remotecommand protocol, versions 1 to 5, over SPDY streams or WebSocket channels).
 * Invariants: send all output before the status, and the status before closing anything.  Send
 * exactly one status (versions before 4: only of a failure).
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

/* Make the session for c->ask. */
struct remotecommand *remotecommand_new(struct conn *c, const struct remotecommand_form *form);

/* The text of the error channel; NULL: send none.  The caller frees the text. */
char *remotecommand_status(unsigned version, enum stream_kind kind, const struct stream_end *end);
