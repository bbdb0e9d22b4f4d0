/*
 * criusockets.h - the TCP connections in CRIU's images.  Workers only.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "net/tcphold.h"

/* The connections of the processes whose images are in dir; *ret is the caller's.  ERR_INVALID:
 * damaged images; ERR_EXHAUSTED: more than can be held. */
int criusockets_connected(const char *dir, struct tcp_flow **ret, size_t *ret_n, struct err *e);
