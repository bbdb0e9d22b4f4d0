/*
 * rootfs.h - looking into a container's root file system without ever leaving it.
 *
 * What must hold: the content is hostile.  Every path is resolved by the kernel with
 * RESOLVE_IN_ROOT, so links and ".." end inside; only regular files are opened, so no device or
 * FIFO is touched; sizes are bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* *ret_fd: the root as an O_PATH descriptor, closed by the caller. */
int rootfs_open(const char *path, int *ret_fd, struct err *e);

/* Append a regular file of at most max bytes.  1: there is none of that name. */
int rootfs_read_file(int root, const char *path, size_t max, struct buf *ret, struct err *e);

/* Is there something at path? */
bool rootfs_exists(int root, const char *path);

/* The real host path of a path inside the root, which must exist; freed by the caller. */
int rootfs_resolve(int root, const char *path, char **ret, struct err *e);
