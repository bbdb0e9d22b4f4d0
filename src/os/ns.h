/*
 * ns.h - a pod's namespaces without a process in them: a short-lived thread makes them, bind mounts
 * DIR/net, DIR/ipc, DIR/uts, DIR/pid and DIR/user keep them.
 *
 * All functions block and belong on a worker.  All can be repeated after a crash at any point:
 * completed parts stay, missing ones are added.  DIR derives from the pod's id, so no state needs
 * to be stored.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "os/userns.h"

enum ns_kind {
	NS_KIND_NET = 1,
	NS_KIND_IPC = 2,
	NS_KIND_UTS = 4,
	NS_KIND_PID = 8, /* only ns_pin_pid pins it */
	NS_KIND_USER = 16, /* ns_pin with a map pins it */
};

/* Make and pin the namespaces of kinds (NET, IPC, UTS) that are not pinned yet; makes dir with its
 * parents.  hostname: of a new UTS namespace; NULL or "": the host's.  A new netns has `lo` up.
 * map: of a new user namespace, pinned at DIR/user last, which owns the others; NULL: none. */
int ns_pin(const char *dir, unsigned kinds, const char *hostname, const struct userns_map *map,
	   struct err *e);

/* Pin the PID namespace of process pid at DIR/pid; replaces a different one pinned there. */
int ns_pin_pid(const char *dir, pid_t pid, struct err *e);

/* Unpin everything below dir and remove dir if it is empty then.  Missing parts are success.
 * Processes inside keep their namespaces. */
int ns_unpin(const char *dir, struct err *e);

/* Is path a pinned namespace of any kind?  False if it does not exist. */
bool ns_is_pinned(const char *path);

struct ns_sysctl {
	const char *name; /* net.ipv4.ip_forward, or with slashes as in sysctl(8) */
	const char *value;
};

/* May a pod set this sysctl?  Only those of the pod's own namespaces: kernel.shm*, kernel.msg*,
 * kernel.sem and fs.mqueue.* with its own IPC namespace, net.* with its own network namespace.
 * Else ERR_INVALID with the reason. */
int ns_check_sysctl(const struct ns_sysctl *s, bool host_network, bool host_ipc, struct err *e);

/* Value of a sysctl for a pod whose user namespace has this map, malloc'ed: ids of the pod as ids
 * of the node, if the sysctl has any. */
char *ns_map_sysctl(const struct ns_sysctl *s, const struct userns_map *map);

/* Set the sysctls inside the namespaces pinned in dir.  The namespace of each name must be pinned
 * there, else ERR_INVALID and nothing was set. */
int ns_set_sysctls(const char *dir, const struct ns_sysctl *s, size_t n, struct err *e);

/* Run fn(arg, e) in a new thread inside the namespace pinned at path; returns the result of fn.
 * For netlink requests and statistics of a pod's network. */
int ns_run_inside(const char *path, int (*fn)(void *arg, struct err *e), void *arg, struct err *e);
