/*
 * tcphold.h - drops the packets of TCP connections that have no socket yet, in a pod's network
 * namespace: the kernel would answer them with a reset, which ends the peer's side.
 *
 * All functions block and belong on a worker.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* As the socket sees it. */
struct tcp_flow {
	bool v6;
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	uint16_t local_port, remote_port;
};

/* Text for nft that replaces the table; no flows: removes it. */
void tcphold_text(const char *table, const struct tcp_flow *flows, size_t n, struct buf *to);

/* Drop the packets that arrive for these flows in the namespace pinned at netns, until
 * tcphold_clear.  table: a name of letters, digits and _.  ERR_PRECONDITION: there is no nft, or
 * the kernel refuses the rules. */
int tcphold_set(const char *netns, const char *table, const struct tcp_flow *flows, size_t n,
		struct err *e);
/* Success if nothing is dropped, or the namespace is gone. */
int tcphold_clear(const char *netns, const char *table, struct err *e);
