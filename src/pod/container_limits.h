/*
 * container_limits.h - the blocking part of UpdateContainerResources: writes the limits that a row
 * wants to the container's cgroup, all or none.
 */
#pragma once

#include "base/err.h"
#include "gen/state.pb-c.h"

/* Write row's wanted_resources: hugepage limits to the cgroup, oom_score_adj to each process.
 * Write all others with the OCI runtime's `update`, which knows cgroup v1, v2 and systemd.
 * <0: the previous limits are in force again, or e says that some are not (ERR_INVALID: bad value;
 * ERR_PRECONDITION: memory limit below the memory in use).  update: seq of the row; identifies the
 * undo file.  Worker only, idempotent; blocks for up to CONTAINER_LIMITS_MS. */
#define CONTAINER_LIMITS_MS 39000
int container_limits_apply(const char *id, const Crisp__State__Container *row, uint64_t update,
			   struct err *e);
