/*
 * localroute.h - routes from the node's loopback to a pod.
 */
#pragma once

#include "base/err.h"

/* Route packets from 127.0.0.0/8 to an IPv4 address: set route_localnet of the interface that leads
 * there.  Blocks. */
int localroute_allow(const char *ip, struct err *e);
