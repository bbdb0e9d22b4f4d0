/*
 * kill.h - signals to more than one process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* SIGKILL to a process and everything that descends from it through parents that still live. */
void kill_tree(pid_t pid);

/* Signal every process of a cgroup and the cgroups below it once.  Returns how many there were:
 * 0 for an empty or missing one. */
int kill_cgroup(const char *dir, int sig);

/* Has the kernel killed for memory in this cgroup?  Must be asked before it is removed. */
bool cgroup_saw_oom(const char *dir);
