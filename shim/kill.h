/*
 * kill.h - signal all processes of a tree or a cgroup.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proc.h"

/* Send SIGKILL to a process and to all descendants whose ancestors below it still live. */
void kill_tree(pid_t pid);

/* Signal every process of a cgroup and of the cgroups below it once; SIGKILL through cgroup.kill
 * where the kernel has it.  Returns the number of processes; 0: empty or missing cgroup. */
int kill_cgroup(const char *dir, int sig);

/* Describe the first process of the cgroup or of those below it: "pid 12 (name) in state D".  For
 * errors about processes that do not die.  Returns out; "nobody": no process. */
const char *kill_describe(const char *dir, char out[PROC_TEXT_MAX]);

/* Did the kernel OOM-kill in this cgroup?  Call before the cgroup is removed. */
bool cgroup_saw_oom(const char *dir);

/* Is the process in the cgroup at directory dir, or below it? */
bool kill_is_member(const char *dir, pid_t pid);
