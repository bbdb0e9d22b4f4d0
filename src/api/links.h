/*
 * links.h - the connections of the gRPC socket: their number, peers and calls under way.
 * A connection is waiting until its first call arrives.  Above the limit of waiting connections,
 * the oldest one is closed.  Above the limit of connections that have called, the one idle for
 * longest is closed.  A connection with a call under way is never closed in favour of another. gRPC
 * clients reconnect by themselves.
 * The library owns the descriptors and closes them without notice: the socket's inode identifies a
 * descriptor.  Not thread-safe: the caller holds `calls.lock`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct links;

/* Reference of a call to its connection.  id 0: none. */
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

/* Register a new connection before the library gets it.  Shuts others down when there are too
 * many. */
void links_add(struct links *l, int fd);

/* Register a call that arrived on descriptor fd.  *ret is for links_end.  false: the maximum of
 * connections have calls under way; refuse this call. */
bool links_begin(struct links *l, int fd, struct link_ref *ret, struct link_peer *ret_peer);

/* Unregister a call that got its reply. */
void links_end(struct links *l, struct link_ref ref);

/* The library has freed its memory of the call: uncount its stream. */
void links_freed(struct links *l, struct link_ref ref);

/* Shut down one connection without calls, to free its descriptor.  false: there is none. */
bool links_evict(struct links *l);
