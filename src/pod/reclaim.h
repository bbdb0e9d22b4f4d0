/*
 * reclaim.h - ends a container whose shim has ended and finds its exit status.  Workers only.
 */
#pragma once

#include "base/err.h"
#include "core/payloads.h"

/* Kill all processes of container id and find its exit status.  A process that outlived its shim
 * has no parent and no log; after the kill its end is certain.  pidfd: of its first process, gives
 * the status without an exit record; -1: not held.  *ret: status, malloc'ed; NULL: unknown.
 * <0: e is set, a process survived REACH_LONG_MS; may be called again. */
int reclaim_settle(const char *id, const Crisp__State__Container *row, int pidfd,
		   struct payload_exit **ret, struct err *e);
