/*
 * gate.h - limit the connections of one listening socket, in total and per peer.
 *
 * A connection is waiting until it has sent a token, a complete request or the preface of HTTP/2;
 * then it is settled.  Only waiting connections are evicted for new ones: the oldest of the peer
 * with the most waiting ones first.  Settled ones are never evicted.
 *
 * Has no clock, descriptors or lock of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

/* An IPv4 address, the /64 network of an IPv6 address, or the uid at a unix socket. */
struct gate_peer {
	uint64_t key;
	uint64_t kind;
};

struct gate {
	unsigned waiting_max; /* waiting connections */
	unsigned per_peer_max; /* of those, from one peer */
	unsigned settled_max;
	unsigned n_waiting, n_settled;
	uint64_t evicted, refused; /* totals since the start */
	struct list waiting; /* oldest first */
};

/* Embedded in the caller's connection. */
struct gate_entry {
	struct list node;
	struct gate *gate; /* NULL: not in one */
	struct gate_peer peer;
	bool settled;
};

void gate_init(struct gate *g, unsigned waiting_max, unsigned per_peer_max, unsigned settled_max);

/* The peer of a connected socket. */
struct gate_peer gate_peer_of(int fd);

/* Count a new connection as waiting.  Call gate_excess afterwards until it returns NULL. */
void gate_enter(struct gate *g, struct gate_entry *n, struct gate_peer peer);

/* The waiting connection to close so that the bounds hold: call gate_leave for it, then ask again.
 * NULL: the bounds hold. */
struct gate_entry *gate_excess(struct gate *g);

/* The waiting connection to close when descriptors run out; NULL: none waits. */
struct gate_entry *gate_victim(struct gate *g);

/* The connection makes progress: waiting ones without progress are evicted first. */
void gate_touch(struct gate_entry *n);

/* Move from waiting to settled.  false: settled_max are settled, this one still waits. */
bool gate_settle(struct gate_entry *n);

/* Safe on an entry that never entered (all zero). */
void gate_leave(struct gate_entry *n);
