/*
 * rootfs.h - confined reads of a container's root file system.
 * The content is untrusted.  The kernel resolves every path with RESOLVE_IN_ROOT, so links and ".."
 * end inside the root.  Only regular files are opened, never a device or FIFO; sizes are bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

/* *ret_fd: the root as an O_PATH descriptor, closed by the caller. */
int rootfs_open(const char *path, int *ret_fd, struct err *e);

/* Append a regular file of at most max bytes.  1: no such file. */
int rootfs_read_file(int root, const char *path, size_t max, struct buf *ret, struct err *e);

/* Owner and mode of a file of any type.  1: no such file. */
int rootfs_stat(int root, const char *path, struct stat *ret, struct err *e);

/* Does path exist? */
bool rootfs_exists(int root, const char *path);

/* The real host path of a path inside the root, which must exist; freed by the caller. */
int rootfs_resolve(int root, const char *path, char **ret, struct err *e);
