/*
 * userns.h - user namespaces, and the namespaces that they own, without a program in them.
 *
 * Threads of the daemon cannot enter a user namespace.  So a process that shares the daemon's
 * memory holds the new namespaces, and only sleeps; the caller pins them by its pid and ends it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Ids 0 to count - 1 of the namespace are host to host + count - 1 of the node. */
struct userns_range {
	uint32_t host, count;
};

struct userns_map {
	struct userns_range uid, gid;
};

/* Do two ranges have an id in common? */
static inline bool userns_overlaps(const struct userns_range *a, const struct userns_range *b)
{
	return (uint64_t)a->host < (uint64_t)b->host + b->count &&
	       (uint64_t)b->host < (uint64_t)a->host + a->count;
}

struct userns_holder {
	pid_t pid;
	void *stack;
};

/* Start a process in a new user namespace with this map, and in new namespaces of clone_flags that
 * the user namespace owns.  It ends with the calling thread, at the latest.  ERR_PRECONDITION: the
 * node permits no more user namespaces. */
int userns_hold(int clone_flags, const struct userns_map *map, struct userns_holder *ret,
		struct err *e);
/* Mount a /proc in new user, mount and PID namespaces, as a runtime does for a container.
 * ERR_PRECONDITION: the kernel refuses, for example since each /proc here is covered in part. */
int userns_try_proc(struct err *e);
/* Bind the node's /sys, with all mounts below it, read-only in new user and mount namespaces, as
 * for a pod with the host's network.  ERR_PRECONDITION: the kernel refuses. */
int userns_try_sys(struct err *e);
/* End the process; namespaces that are pinned or open stay. */
void userns_release(struct userns_holder *h);
