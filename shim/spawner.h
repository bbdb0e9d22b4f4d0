/*
 * spawner.h - a helper process that keeps the shim's privileges and starts programs.
 *
 * The shim parses the containers' output and the frames of its socket; it needs few privileges for
 * that and drops the others (privileges.h).  The OCI runtime and the pod's init need them.  The
 * shim forks the helper before it drops them; the helper does nothing but the requests below.  The
 * programs become children of the shim, which reaps them.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define SPAWNER_NS_MAX 4 /* namespaces that a pod has pinned: user, network, IPC, UTS */

/* Root of the pod on the node: 0, or that of its user namespace. */
struct spawner_owner {
	uid_t uid;
	gid_t gid;
};

/* Fork the helper.  Call before privileges_drop, and before the shim fills memory that the helper
 * would keep.  cgroup: the shim's, parent of the cgroup of the pod's init; NULL: none for init.
 * owner: of the pipes that programs get, which a container opens again as /dev/stdout. */
int spawner_start(const char *cgroup, struct spawner_owner owner, struct err *e);
/* Call after poll_init.  The shim exits when the helper exits, since it could start no program;
 * another shim adopts the containers. */
int spawner_watch(struct err *e);

/* Start argv (argv[0] is looked up in PATH) with these descriptors, -1: /dev/null.  Returns after
 * the program has started.  ERR_NOT_FOUND: no such program. */
int spawner_run(const char *const *argv, int in, int out, int err, pid_t *ret_pid, struct err *e);

/* Start the program of descriptor exe as pid 1 of a new PID namespace, detached from the host
 * (jail.h).  ns: n_ns (at most SPAWNER_NS_MAX) namespaces to enter; a user namespace is the first
 * and owns the PID namespace. */
int spawner_run_init(int exe, const int *ns, size_t n_ns, pid_t *ret_pid, struct err *e);

/* Enlarge the buffer of a pipe or socket to size bytes, beyond the limit of unprivileged processes.
 * On failure the buffer stays as it was. */
void spawner_widen(int fd, int size);
