/*
 * mount.h - mounts that can be made and removed again after a crash at any point.
 *
 * All functions block (umount may wait for a file system) and belong on a worker.  Targets are
 * crisp's own paths; a symbolic link as last component is never followed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Mount a tmpfs at path, made with its parents: nosuid nodev noexec.  size: maximum bytes of files;
 * inodes: maximum files and directories, its root included.  label: SELinux context; NULL or "":
 * none.  Does nothing if path is a mount point. */
int mount_tmpfs(const char *path, uint64_t size, uint64_t inodes, mode_t mode, const char *label,
		struct err *e);

/* Mount a writable sysfs of the calling thread's network namespace at path, made with its parents:
 * nosuid nodev noexec.  Does nothing if path is a mount point. */
int mount_sysfs(const char *path, struct err *e);

enum mount_flags {
	MOUNT_RECURSIVE = 1, /* with all mounts below source */
	MOUNT_READ_ONLY = 2, /* the bind itself, not the mounts below it */
	MOUNT_NO_SUID = 4,
	MOUNT_NO_DEV = 8,
	MOUNT_NO_EXEC = 16,
};

/* Bind source to target, made when missing as a directory or an empty file like source.  Does
 * nothing if target is a mount point.  If the flags cannot be set the bind is undone. */
int mount_bind(const char *source, const char *target, unsigned flags, struct err *e);

/* Bind the directory source read-only to target, made when missing, without the mounts below
 * source.  userns, pinned, maps the owners of files: user 0 is its root.  Does nothing if target is
 * a mount point.  ERR_PRECONDITION: the kernel or the file system cannot do this. */
int mount_idmapped(const char *source, const char *target, const char *userns, struct err *e);

/* Unmount all mounts stacked at path, lazily if busy.  Success if path is missing or no mount.  The
 * mount point itself stays. */
int mount_remove(const char *path, struct err *e);

/* mount_remove for dir and every mount below it, the deepest first. */
int mount_remove_below(const char *dir, struct err *e);

/* Is path the root of a mount?  False for a missing path. */
int mount_is_mounted(const char *path, bool *ret, struct err *e);
