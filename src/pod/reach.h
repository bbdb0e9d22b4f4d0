/*
 * reach.h - kills every process of a container, in whichever cgroup.  Workers only.
 *
 * A container's processes: its first process; all in its cgroup and below, in any hierarchy; all in
 * its PID namespace, or in its mount namespace if it shares the PID namespace.  Thaws frozen
 * cgroups: on cgroup v1 a frozen process does not take SIGKILL.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "gen/state.pb-c.h"

/* Kill all processes in a cgroup (path relative to each hierarchy's root) and wait for their end.
 * spare: process to leave alive; 0: none.  <0: e is set (ERR_UNAVAILABLE: a process survived
 * REACH_LONG_MS). */
int reach_end_cgroup(const char *cgroup, pid_t spare, struct err *e);

#define REACH_QUICK_MS 300 /* for a lane in which other pods' work waits */
#define REACH_LONG_MS 10000 /* for processes that have survived a first try */

/* Kill all processes of a container and wait for their end, up to within_ms.  <0: e is set
 * (ERR_UNAVAILABLE: a process survived).  Does nothing for a container of another boot. */
int reach_end_container(const Crisp__State__Container *row, int64_t within_ms, struct err *e);

/* Thaw the container's cgroups, so that its processes handle a signal sent before. */
int reach_thaw(const Crisp__State__Container *row, struct err *e);

/* Lock the file at path, open as fd.  Wait wait_ms for holders, programs that a killed daemon
 * started, then kill them.  false: a holder does not end. */
bool reach_lock(int fd, const char *path, int64_t wait_ms);
