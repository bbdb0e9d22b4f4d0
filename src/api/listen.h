/*
 * listen.h - the listening unix socket: never taken from a live server, always removed at exit.
 * gRPC's own listener unlinks any socket at the path, including one that another process serves.
 * At shutdown it may remove the socket of its successor.
 */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

/* The longest path that a client can connect to: sun_path without its final NUL. */
#define LISTEN_PATH_MAX 107
/* Suffix of the CRI socket's path: socket for streaming clients on this node, without TLS. */
#define LISTEN_STREAM_SUFFIX ".stream"

struct listener {
	char *path;
	int fd, lock_fd;
	dev_t dev; /* of the socket file, to identify it */
	ino_t ino;
};

#define LISTENER_NULL ((struct listener){ .fd = -1, .lock_fd = -1 })

/* Make the directory, take the lock PATH.lock (held until listener_done; the file stays), replace a
 * stale socket, bind with exactly this mode, listen.  ERR_EXISTS: another server serves the path or
 * holds the lock; ERR_PRECONDITION: the file at the path is no socket; ERR_INVALID: the path is not
 * absolute or too long. */
int listener_open(struct listener *ret, const char *path, mode_t mode, struct err *e);

/* Close the socket, and remove its file unless another server has replaced it. */
void listener_close(struct listener *l);

/* listener_close, then release the lock.  Safe on LISTENER_NULL. */
void listener_done(struct listener *l);
