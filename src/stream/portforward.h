/*
 * portforward.h - forwarded ports: many connections inside of one SPDY connection, each a pair of
 * an error and a data stream (portforward.k8s.io); or, over WebSocket, one connection for each port
 * that the call named, with a pair of channels (v4.channel.k8s.io).
 *
 * What must hold: text goes to an error stream only when a connection did not come about, because
 * clients end the whole session on it; each pair ends without touching the others.
 */
#pragma once

#include "stream/conn.h"

#define PORTFORWARD_PAIRS_MAX 1024 /* at a time in one connection */

struct portforward;

extern const struct session_ops portforward_ops;

struct portforward *portforward_new(struct conn *c);
/* Channels instead of streams: connects to all ports of c->ask. */
struct portforward *portforward_new_channels(struct conn *c, bool base64);
