/*
 * listen.h - the listening unix socket: never stolen from a live server, never left behind.
 *
 * gRPC's own listener unlinks whatever is at the path, also a socket that another process serves,
 * and removes at shutdown what may be its successor's.
 */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

/* The longest path a client can connect to: sun_path with its final NUL. */
#define LISTEN_PATH_MAX 107
/* Behind the path of the CRI socket: where streaming clients on this node connect, without TLS. */
#define LISTEN_STREAM_SUFFIX ".stream"

struct listener {
	char *path;
	int fd, lock_fd;
	dev_t dev; /* of the socket file, to know it again */
	ino_t ino;
};

#define LISTENER_NULL ((struct listener){ .fd = -1, .lock_fd = -1 })

/* Take the lock PATH.lock (held until listener_done; the file stays), replace a stale socket,
 * bind with exactly this mode, listen.  ERR_EXISTS: somebody serves there; ERR_PRECONDITION: what
 * is there is no socket; ERR_INVALID: the path is not absolute or too long. */
int listener_open(struct listener *ret, const char *path, mode_t mode, struct err *e);

/* Remove the socket from the file system if it still is ours, and close it. */
void listener_close(struct listener *l);

/* listener_close and give the lock back.  Safe on LISTENER_NULL. */
void listener_done(struct listener *l);
