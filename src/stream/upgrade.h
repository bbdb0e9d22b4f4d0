/*
 * upgrade.h - upgrade an HTTP request with a valid token to a SPDY or WebSocket session, with
 * protocol negotiation.
 */
#pragma once

#include "stream/conn.h"
#include "stream/http.h"

/* Answer 101 and make the session for c->ask, or answer an HTTP error. */
void upgrade(struct conn *c, const struct http_head *h);
