/*
 * held.h - let the processes of a container stand still for a moment.
 *
 * In the hierarchy that freezes, the processes of a cgroup are moved into a frozen cgroup below it,
 * SHIM_HELD_NAME, and back.  The container's own cgroup is not frozen: the runtime can put
 * another process into it, and a container that somebody else has frozen is not thawed.  The cgroup
 * below is all that is to be known of a hold: whoever finds it ends the hold.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* The directory that freezes the cgroup whose directory in another hierarchy is dir, malloc'ed.
 * NULL: this host has no freezer. */
char *held_dir_of(const char *dir);

/* Move what is in the cgroup at freezer directory dir and in the cgroups below it.  A pass that
 * returns 0 has found every process frozen.  >0: ask again.  A missing cgroup has no process. */
int held_begin(const char *dir, struct err *e);

/* Move everything back and go on.  Returns how many cgroups are still held: ask again. */
size_t held_end(const char *dir);

/* Is anything held there? */
bool held_any(const char *dir);
