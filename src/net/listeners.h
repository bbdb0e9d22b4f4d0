/*
 * listeners.h - processes of the node that listen at a port which a pod is to have.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "net/hostports.h"

/* ERR_UNAVAILABLE: a socket of this network namespace listens at one of the ports, at its host_ip
 * or at each local address; the text names the port.  0 also if the kernel does not list sockets
 * (sock_diag).  Blocks. */
int listeners_check(const struct hostport *ports, size_t n, struct err *e);
