/*
 * portforward.h - port forwarding.  Over SPDY (portforward.k8s.io): many connections inside of one,
 * each a pair of an error and a data stream.  Over WebSocket (v4.channel.k8s.io): one connection
 * for each port of the call, with a pair of channels.
 * Invariants: write text to an error stream only when a connection was not established, because
 * clients then end the whole session.  Each pair ends without effect on the others.
 */
#pragma once

#include "stream/conn.h"

#define PORTFORWARD_PAIRS_MAX 1024 /* at a time in one connection */

struct portforward;

extern const struct session_ops portforward_ops;

struct portforward *portforward_new(struct conn *c);
/* With channels instead of streams: connect to all ports of c->ask. */
struct portforward *portforward_new_channels(struct conn *c, bool base64);
