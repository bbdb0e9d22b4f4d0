/*
 * ns.h - a pod's namespaces without a process in them: made by a thread that leaves, kept alive
 * by bind mounts DIR/net, DIR/ipc, DIR/uts and DIR/pid.
 *
 * All functions block and belong on a worker.  All can be repeated after a crash at any point:
 * what is done stays, what is missing is added.  DIR derives from the pod's id, so that nothing
 * has to be remembered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum ns_kind {
	NS_KIND_NET = 1,
	NS_KIND_IPC = 2,
	NS_KIND_UTS = 4,
	NS_KIND_PID = 8, /* only ns_pin_pid makes it */
};

/* Make and pin those of kinds (NET, IPC, UTS) that are not pinned yet; dir is made with its
 * parents.  hostname: of a new UTS namespace, NULL or "": as the host's.  A new network
 * namespace has `lo` up. */
int ns_pin(const char *dir, unsigned kinds, const char *hostname, struct err *e);

/* Pin the PID namespace of process pid at DIR/pid, in place of another one that is pinned there. */
int ns_pin_pid(const char *dir, pid_t pid, struct err *e);

/* Unpin everything below dir and remove dir when it is empty then.  Missing parts are success.
 * Processes still inside keep their namespaces. */
int ns_unpin(const char *dir, struct err *e);

/* Is path a pinned namespace (any kind)?  False also when it does not exist. */
bool ns_is_pinned(const char *path);

struct ns_sysctl {
	const char *name; /* net.ipv4.ip_forward, or with slashes as sysctl(8) has it */
	const char *value;
};

/* May a pod set it?  Only what belongs to a namespace of the pod: kernel.shm*, kernel.msg*,
 * kernel.sem and fs.mqueue.* when the IPC namespace is its own, net.* when the network namespace
 * is.  ERR_INVALID with the reason otherwise. */
int ns_check_sysctl(const struct ns_sysctl *s, bool host_network, bool host_ipc, struct err *e);

/* Set them inside the namespaces pinned in dir.  The kind of namespace that a name belongs to
 * must be pinned there, else ERR_INVALID and nothing was set. */
int ns_set_sysctls(const char *dir, const struct ns_sysctl *s, size_t n, struct err *e);

/* Run fn(arg, e) in a thread of its own inside the namespace pinned at path; returns what fn
 * returns.  For netlink requests and statistics of a pod's network. */
int ns_run_inside(const char *path, int (*fn)(void *arg, struct err *e), void *arg, struct err *e);
