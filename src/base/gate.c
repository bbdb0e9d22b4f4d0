/*
 * gate.c - bounds on the connections of one listening socket.  The waiting list is short (hundreds
 * at most), so counting finds the peer with the most connections.
 */
#include "base/gate.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

union peer_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

void gate_init(struct gate *g, unsigned waiting_max, unsigned per_peer_max, unsigned settled_max)
{
	*g = (struct gate){
		.waiting_max = waiting_max,
		.per_peer_max = per_peer_max,
		.settled_max = settled_max,
	};
	list_init(&g->waiting);
}

struct gate_peer gate_peer_of(int fd)
{
	union peer_address a = { .any.sa_family = AF_UNSPEC };
	struct gate_peer peer = { 0 };
	socklen_t size = sizeof(a);
	struct ucred cred;

	getpeername(fd, &a.any, &size);
	peer.kind = a.any.sa_family;
	if (a.any.sa_family == AF_INET) {
		peer.key = a.v4.sin_addr.s_addr;
	} else if (a.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr)) {
		peer.kind = AF_INET;
		peer.key = a.v6.sin6_addr.s6_addr32[3];
	} else if (a.any.sa_family == AF_INET6) {
		/* The holder of one address of a /64 can use all of them. */
		memcpy(&peer.key, a.v6.sin6_addr.s6_addr, sizeof(peer.key));
	} else {
		size = sizeof(cred);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0)
			peer.key = cred.uid;
	}
	return peer;
}

static bool same_peer(const struct gate_entry *a, const struct gate_entry *b)
{
	return a->peer.key == b->peer.key && a->peer.kind == b->peer.kind;
}

static unsigned count_peer(const struct gate *g, const struct gate_entry *of)
{
	unsigned n = 0;

	list_for_each(pos, &g->waiting)
		n += same_peer(list_entry(pos, struct gate_entry, node), of);
	return n;
}

static struct gate_entry *oldest_of(const struct gate *g, const struct gate_entry *of)
{
	list_for_each(pos, &g->waiting) {
		struct gate_entry *n = list_entry(pos, struct gate_entry, node);

		if (same_peer(n, of))
			return n;
	}
	return NULL;
}

void gate_enter(struct gate *g, struct gate_entry *n, struct gate_peer peer)
{
	*n = (struct gate_entry){ .gate = g, .peer = peer };
	list_append(&g->waiting, &n->node);
	g->n_waiting++;
}

struct gate_entry *gate_victim(struct gate *g)
{
	struct gate_entry *best = NULL;
	unsigned most = 0;

	list_for_each(pos, &g->waiting) {
		struct gate_entry *n = list_entry(pos, struct gate_entry, node);
		unsigned has = count_peer(g, n);

		if (has > most) {
			most = has;
			best = n;
		}
		if (most > g->n_waiting / 2)
			break; /* no other peer can have more */
	}
	return best;
}

struct gate_entry *gate_excess(struct gate *g)
{
	struct gate_entry *newest;

	if (list_empty(&g->waiting))
		return NULL;
	newest = list_entry(g->waiting.prev, struct gate_entry, node);
	if (count_peer(g, newest) > g->per_peer_max)
		return g->evicted++, oldest_of(g, newest);
	if (g->n_waiting > g->waiting_max)
		return g->evicted++, gate_victim(g);
	return NULL;
}

void gate_touch(struct gate_entry *n)
{
	if (!n->gate || n->settled)
		return;
	list_remove(&n->node);
	list_append(&n->gate->waiting, &n->node);
}

bool gate_settle(struct gate_entry *n)
{
	struct gate *g = n->gate;

	assert(g);
	if (n->settled)
		return true;
	if (g->n_settled >= g->settled_max) {
		g->refused++;
		return false;
	}
	list_remove(&n->node);
	n->settled = true;
	g->n_waiting--;
	g->n_settled++;
	return true;
}

void gate_leave(struct gate_entry *n)
{
	if (!n->gate)
		return;
	if (n->settled) {
		n->gate->n_settled--;
	} else {
		list_remove(&n->node);
		n->gate->n_waiting--;
	}
	n->gate = NULL;
}
