/*
 * inet.h - listening TCP sockets at configured addresses.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Is text an IPv4 or IPv6 address? */
bool inet_is_address(const char *text);

/* The first address of host, IPv4 before IPv6, malloc'ed; of an address and of "" a copy.  May ask
 * a name server and wait for it.  ERR_INVALID: no such name. */
int inet_resolve(const char *host, char **ret, struct err *e);

/* Listen at an IP address (IPv4 or IPv6; no names; "": all addresses), port 0: any.  *ret_fd does
 * not block.  ERR_INVALID: no IP address.  ERR_UNAVAILABLE: bind or listen failed, with the
 * kernel's reason. */
int inet_listen(const char *address, uint16_t port, int *ret_fd, struct err *e);

/* The address at which clients on this node reach a listening socket, malloc'ed: "127.0.0.1:80" or
 * "[::1]:80".  For a wildcard address: the loopback. */
char *inet_name(int fd);
