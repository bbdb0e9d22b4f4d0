/*
 * exectree.h - the cgroup of one exec, below its container's cgroup.  It holds every process that
 * the exec has started, daemonized ones too.
 *
 * Make it before the runtime moves the exec into it.  Remove it once its last process has exited,
 * perhaps long after the exec, at the latest with the container's cgroup.
 */
#pragma once

/* Make the cgroup.  Returns 0, or an errno: the exec then shares the container's cgroup. */
int exectree_make(const char *dir);

/* Send SIGKILL until the cgroup is empty, then remove it.  A missing cgroup is no error. */
void exectree_kill(const char *dir);

/* The exec has ended: remove the cgroup as soon as it is empty. */
void exectree_end(const char *dir);
