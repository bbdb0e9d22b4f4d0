/*
 * held.h - freeze the processes of a container for a moment.
 *
 * In the freezer hierarchy, move the processes of a cgroup into a frozen child cgroup
 * SHIM_HELD_NAME, and back.  The container's own cgroup is not frozen: the runtime can put another
 * process into it, and a freeze by another program stays in force.  The child cgroup is the only
 * state of a hold, so that any later shim can end the hold.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Map dir, a cgroup directory of any hierarchy, to that of the freezer hierarchy, malloc'ed.  NULL:
 * this host has no freezer. */
char *held_dir_of(const char *dir);

/* Hold the processes of the cgroup at freezer directory dir and of all cgroups below it.  0: every
 * process is frozen.  >0: call again.  A missing cgroup has no process. */
int held_begin(const char *dir, struct err *e);

/* Thaw all processes and move them back.  Returns the number still held; >0: call again. */
size_t held_end(const char *dir);

/* Does any cgroup at or below dir have a held child? */
bool held_any(const char *dir);
