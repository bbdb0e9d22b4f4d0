/*
 * kill.h - signals to more than one process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proc.h"

/* SIGKILL to a process and everything that descends from it through parents that still live. */
void kill_tree(pid_t pid);

/* Signal every process of a cgroup and the cgroups below it once, SIGKILL at one stroke where the
 * kernel offers that (cgroup.kill).  Returns how many there were:
 * 0 for an empty or missing one. */
int kill_cgroup(const char *dir, int sig);

/* The first process of the cgroup and those below it as "pid 12 (name) in state D": what stands in
 * the way when processes do not die.  Returns out; "nobody" when there is none. */
const char *kill_describe(const char *dir, char out[PROC_TEXT_MAX]);

/* Has the kernel killed for memory in this cgroup?  Must be asked before it is removed. */
bool cgroup_saw_oom(const char *dir);

/* Is the process in the cgroup at directory dir, or below it? */
bool kill_is_member(const char *dir, pid_t pid);
