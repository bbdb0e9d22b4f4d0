/*
 * mount.h - mounts that can be made and removed again after a crash at any point.
 *
 * All functions block (umount may wait for a file system) and belong on a worker.  Targets are
 * paths of our own; they are never followed through a symbolic link in their last component.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* A tmpfs at path (made with its parents), nosuid nodev noexec.  size: bytes of its files at most;
 * inodes: files and directories at most, its root included.  label: SELinux context, NULL or "":
 * none.  Nothing to do when something is mounted there. */
int mount_tmpfs(const char *path, uint64_t size, uint64_t inodes, mode_t mode, const char *label,
		struct err *e);

enum mount_flags {
	MOUNT_RECURSIVE = 1, /* with everything mounted below source */
	MOUNT_READ_ONLY = 2, /* the bind itself, not what is mounted below it */
	MOUNT_NO_SUID = 4,
	MOUNT_NO_DEV = 8,
	MOUNT_NO_EXEC = 16,
};

/* Bind source to target, which exists or is made: a directory or an empty file, as source is.
 * Nothing to do when something is mounted there.  A bind that cannot get its flags is undone. */
int mount_bind(const char *source, const char *target, unsigned flags, struct err *e);

/* Unmount everything stacked at path, detaching what is busy.  Not mounted or not there: done.
 * The mount point itself stays. */
int mount_remove(const char *path, struct err *e);

/* The same for every mount below dir, and at it, the deepest first. */
int mount_remove_below(const char *dir, struct err *e);

/* Is path the root of a mount?  A missing path is not. */
int mount_is_mounted(const char *path, bool *ret, struct err *e);
