/*
 * jail.h - takes everything of the host from the process that becomes a pod's init.
 *
 * Containers of the pod see that process as pid 1, and /proc/1 leads to its root, its namespaces
 * and its program.
 */
#pragma once

#include <stddef.h>

/* Call in a new process that is pid 1 of a new PID namespace and about to exec.
 * ns: descriptors of the pod's namespaces, entered in this order; n_ns may be 0.
 * cgroup: a cgroup of its own, relative to each hierarchy's root; NULL: stay.
 * NULL: done.  Else the step that failed, and errno is set. */
const char *jail_enter(const int *ns, size_t n_ns, const char *cgroup);
