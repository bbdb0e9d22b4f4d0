/*
 * reclaim.h - what is left of a container whose shim is gone: its processes, and the record of its
 * end.  On a worker.
 */
#pragma once

#include "base/err.h"
#include "core/payloads.h"

/* End what still runs of container id and find out how it ended.  A process that outlived its shim
 * has lost its parent and its log; it is ended so that its end is a fact.  pidfd: of its first
 * process, -1: not held; it tells the exit code that nobody wrote down.  *ret: the end, malloc'ed;
 * NULL: it is not known.  <0: something does not end in ten seconds; it can be called again. */
int reclaim_settle(const char *id, const Crisp__State__Container *row, int pidfd,
		   struct payload_exit **ret, struct err *e);
