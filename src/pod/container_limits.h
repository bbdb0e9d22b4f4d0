/*
 * container_limits.h - the blocking part of UpdateContainerResources: the limits that a row wants,
 * written into the container's cgroup, all of them or none.
 */
#pragma once

#include "base/err.h"
#include "gen/state.pb-c.h"

/* Write row's wanted_resources: hugepage limits into the cgroup, the others through the OCI
 * runtime's `update`, which knows cgroup v1 and v2 and tells systemd, oom_score_adj into each
 * process.  <0: the limits that were in force before are in force again, or e says that they are
 * not.  ERR_INVALID: a value that cannot be; ERR_PRECONDITION: a memory limit below the memory in
 * use.  Blocks for up to CONTAINER_LIMITS_MS, on a worker; writing the same again does no harm. */
#define CONTAINER_LIMITS_MS 39000
int container_limits_apply(const char *id, const Crisp__State__Container *row, uint64_t update,
			   struct err *e);
