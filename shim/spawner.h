/*
 * spawner.h - the one part of the shim that keeps its privileges: a helper process that starts
 * programs.
 *
 * The shim reads what containers write and what comes over its socket; it needs next to no
 * privileges for that and gives them up (privileges.h).  What it starts needs them: the OCI runtime
 * and the pod's init.  The helper is forked while the shim still has them, and does nothing but
 * the requests below.  What it starts becomes the shim's own child, to be waited for there.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define SPAWNER_NS_MAX 3 /* namespaces that a pod has pinned: network, IPC, UTS */

/* Fork the helper.  Before privileges_drop, and before memory is filled that it would keep.
 * cgroup: of the shim, that of the pod's init is made below it; NULL: init stays in the shim's. */
int spawner_start(const char *cgroup, struct err *e);
/* After poll_init.  A helper that ends takes the shim with it: one that cannot start anything is no
 * use, and another one adopts the containers. */
int spawner_watch(struct err *e);

/* Start argv (argv[0] is looked up in PATH) with these descriptors, -1: /dev/null.  Returns when
 * the program runs; ERR_NOT_FOUND when there is none. */
int spawner_run(const char *const *argv, int in, int out, int err, pid_t *ret_pid, struct err *e);

/* Start the program that exe holds as pid 1 of a new PID namespace, inside the n_ns (at most
 * SPAWNER_NS_MAX) namespaces of ns and without anything of the host: see jail.h. */
int spawner_run_init(int exe, const int *ns, size_t n_ns, pid_t *ret_pid, struct err *e);

/* Give a pipe or socket a buffer of size bytes beyond what those without privileges may have; as
 * it was when that is not possible. */
void spawner_widen(int fd, int size);
