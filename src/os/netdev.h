/*
 * netdev.h - traffic counters of the interfaces of a network namespace.
 */
#pragma once

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define NETDEV_MAX 256 /* bound on the interfaces read, since a pod may make any number */

struct netdev {
	char name[IFNAMSIZ];
	/* since the creation of the interface */
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

/* All interfaces except the loopback of the namespace pinned at path, in the kernel's order; the
 * caller frees *ret.  1: no namespace is pinned there.  Blocks: call on a worker. */
int netdev_read(const char *path, struct netdev **ret, size_t *ret_n, struct err *e);

/* Open the counters' file of the namespace pinned at path.  The descriptor keeps the namespace
 * alive.  1: as netdev_read. */
int netdev_open(const char *path, int *ret_fd, struct err *e);
int netdev_read_fd(int fd, struct netdev **ret, size_t *ret_n, struct err *e);

/* Parse the text of a /proc/PID/net/dev.  Skips lines of another format. */
void netdev_parse(const char *text, struct netdev **ret, size_t *ret_n);
