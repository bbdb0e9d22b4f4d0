/*
 * upgrade.h - from an HTTP request with a good token to a session: SPDY or WebSocket, and which
 * version of which protocol.
 */
#pragma once

#include "stream/conn.h"
#include "stream/http.h"

/* c->ask is what the token stands for.  Answers 101 and makes the session, or answers an error. */
void upgrade(struct conn *c, const struct http_head *h);
