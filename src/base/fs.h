/*
 * fs.h - file helpers.  Every descriptor is close-on-exec.
 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/err.h"
#include "base/util.h"

struct buf;

static inline void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
#define _cleanup_close_ _cleanup_(close_fdp)

static inline void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}
#define _cleanup_closedir_ _cleanup_(closedirp)

/* Append a whole file of at most max bytes; ERR_RANGE: larger.  1: no such file, e is not
 * filled. */
int fs_read_file(const char *path, size_t max, struct buf *ret, struct err *e);

/* Can only root, or our own user, change the file or directory at path?  Checks it and every
 * directory above it: owner, and no write permission of group or others unless the sticky bit
 * protects the entries.  ERR_DENIED: with the command that fixes it.  1: no such file.  Devices and
 * pipes are not checked. */
int fs_check_trusted(const char *path, struct err *e);
/* fs_read_file after fs_check_trusted. */
int fs_read_trusted(const char *path, size_t max, struct buf *ret, struct err *e);

/* Replace path atomically: temporary file in the same directory, fsync, rename, fsync of the
 * directory.  durable=false omits both fsyncs, for tmpfs. */
int fs_replace_file(const char *path, const void *data, size_t size, mode_t mode, bool durable,
		    struct err *e);

/* Write into an existing file (cgroup, proc, sysctl) with one write(2). */
int fs_write_existing(const char *path, const char *text, struct err *e);

/* mkdir -p; existing directories keep their mode. */
int fs_mkdir_all(const char *path, mode_t mode, struct err *e);

/* rm -rf of path, without following links or crossing into other mounts.  Success if missing. */
int fs_remove_tree(const char *path, struct err *e);

/* flock(LOCK_EX), retried for up to ms.  false: another descriptor holds the lock. */
bool fs_lock_until(int fd, int64_t ms);

/* Write everything: 0, or -1 with errno. */
int fs_write_all(int fd, const void *data, size_t size);

/* fsync of the directory. */
int fs_sync_dir(const char *path, struct err *e);

/* Call fn for every entry of a directory but .  and ..; a result other than 0 ends the walk and is
 * returned.  A missing directory has no entries. */
int fs_each(const char *dir,
	    int (*fn)(const char *path, const char *name, void *arg, struct err *e), void *arg,
	    struct err *e);

bool fs_exists(const char *path);

/* Is path dir or below it?  Compares text only; dir has no trailing slash, "" is the root. */
bool fs_path_is_within(const char *path, const char *dir);

/* Absolute, no "." or ".." or empty component, shorter than PATH_MAX, no control characters. */
bool fs_path_is_clean(const char *path);
