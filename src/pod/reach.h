/*
 * reach.h - end every process of a container, wherever it has moved itself.  On a worker.
 *
 * A container's processes are its first process, all that is in its cgroup or below it in any
 * hierarchy, and all that is in its PID namespace or, where it shares that, in its mount
 * namespace.  Frozen cgroups are thawed: on cgroup v1 a frozen process does not take SIGKILL.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "gen/state.pb-c.h"

/* Kill all that is in a cgroup (path relative to each hierarchy's root) except one process, 0: no
 * exception, and wait for its end.  ERR_UNAVAILABLE: a process does not end in ten seconds. */
int reach_end_cgroup(const char *cgroup, pid_t spare, struct err *e);

#define REACH_QUICK_MS 300 /* for a lane in which other pods' work waits */
#define REACH_LONG_MS 10000 /* for processes that have survived a first try */

/* The same for all processes of a container, within that time.  Nothing is done for a container
 * of another boot. */
int reach_end_container(const Crisp__State__Container *row, int64_t within_ms, struct err *e);

/* Thaw the container's cgroups, so that it takes the signal that was sent to it. */
int reach_thaw(const Crisp__State__Container *row, struct err *e);

/* Lock the file at path, open as fd, when who holds it has ended: a program that a killed daemon
 * started gets wait_ms, then it is killed.  false: it does not end. */
bool reach_lock(int fd, const char *path, int64_t wait_ms);
