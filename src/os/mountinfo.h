/*
 * mountinfo.h - iterate over the mounts of a mount namespace (proc(5), /proc/PID/mountinfo).
 */
#pragma once

#include "base/err.h"

/* One mount, unescaped; valid during the call only. */
struct mountinfo {
	const char *root; /* within the file system */
	const char *target; /* the mount point */
	const char *optional; /* "shared:1 master:2", "" */
	const char *type;
	const char *super_options;
};

/* Call fn for each mount of the file at path (NULL: our own) in its order.  A result of fn other
 * than 0 ends the walk and is returned. */
int mountinfo_read(const char *path, int (*fn)(void *arg, const struct mountinfo *m), void *arg,
		   struct err *e);
