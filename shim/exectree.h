/*
 * exectree.h - the cgroup that an exec has to itself, below its container's: everything the exec
 * has started is in there, however far it got away from its parents.
 *
 * It is made before the runtime moves the exec in, and removed when its last process is gone: that
 * may be long after the exec has ended.  What is left when the container ends goes with its cgroup.
 */
#pragma once

/* 0, or an errno: the exec then shares the container's cgroup. */
int exectree_make(const char *dir);

/* SIGKILL until nobody is left, then remove it; a missing one is no error. */
void exectree_kill(const char *dir);

/* The exec has ended: remove it as soon as it is empty. */
void exectree_end(const char *dir);
