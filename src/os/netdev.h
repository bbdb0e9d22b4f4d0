/*
 * netdev.h - what the interfaces of a network namespace have carried.
 */
#pragma once

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define NETDEV_MAX 256 /* a pod may make as many as it likes; so many are looked at */

struct netdev {
	char name[IFNAMSIZ];
	uint64_t rx_bytes, rx_errors, tx_bytes, tx_errors; /* since the interface was made */
};

/* All interfaces but the loopback of the namespace pinned at path, in the kernel's order; the
 * caller frees *ret.  1: nothing is pinned there (any more).  Blocks: for a worker. */
int netdev_read(const char *path, struct netdev **ret, size_t *ret_n, struct err *e);

/* The file of the counters in the namespace pinned at path.  The descriptor keeps the namespace
 * alive.  1: as netdev_read. */
int netdev_open(const char *path, int *ret_fd, struct err *e);
int netdev_read_fd(int fd, struct netdev **ret, size_t *ret_n, struct err *e);

/* The same from the text of a /proc/PID/net/dev.  Lines that are none are passed over. */
void netdev_parse(const char *text, struct netdev **ret, size_t *ret_n);
