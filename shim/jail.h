/*
 * jail.h - detach the future init of a pod from the host.
 *
 * Containers of the pod see that process as pid 1: /proc/1 leads to its root, namespaces and
 * program.
 */
#pragma once

#include <stddef.h>

/* Call in a new process that is pid 1 of a new PID namespace and about to exec.  ns: descriptors of
 * the pod's namespaces, entered in this order; n_ns may be 0.  cgroup: its own cgroup, relative to
 * the root of each hierarchy; NULL: stay.  Returns NULL, or the failed step, with errno set. */
const char *jail_enter(const int *ns, size_t n_ns, const char *cgroup);
