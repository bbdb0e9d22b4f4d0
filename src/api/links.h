/*
 * links.h - the connections of the gRPC socket: how many, whose, which of them work.
 *
 * A connection waits until its first call arrives.  When too many wait, the oldest goes; when too
 * many have called, the one goes that has rested for the longest time.  A connection with a call
 * under way is never closed for another.  Clients of gRPC connect again by themselves.
 *
 * The library owns the descriptors and does not say when it closes one: a descriptor is known
 * again by its socket's inode.  Not thread-safe: the caller holds the lock of its calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct links;

/* A connection, as its calls remember it.  id 0: none. */
struct link_ref {
	int fd;
	uint64_t id;
};

struct link_peer {
	pid_t pid; /* -1: not known */
	uid_t uid;
};

struct links *links_new(void);
void links_free(struct links *l);

/* A new connection, before the library gets it.  Shuts others down when there are too many. */
void links_add(struct links *l, int fd);

/* A call has arrived at descriptor fd.  *ret is for links_end.  false: as many connections as may
 * be have calls under way: refuse this one. */
bool links_begin(struct links *l, int fd, struct link_ref *ret, struct link_peer *ret_peer);

/* The call was answered. */
void links_end(struct links *l, struct link_ref ref);

/* What the library kept of the call is free. */
void links_freed(struct links *l, struct link_ref ref);

/* Shut one connection down that makes no call, for its descriptor.  false: there is none. */
bool links_evict(struct links *l);
