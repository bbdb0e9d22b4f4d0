/*
 * mountinfo.h - the mounts of this mount namespace, line by line (proc(5), /proc/PID/mountinfo).
 */
#pragma once

#include "base/err.h"

/* Unescaped; valid during the call only. */
struct mountinfo {
	const char *root; /* within the file system */
	const char *target; /* the mount point */
	const char *optional; /* "shared:1 master:2", "" */
	const char *type;
	const char *super_options;
};

/* Call fn for each mount of the file at path (NULL: our own) in its order, until it returns
 * non-zero; that is returned then. */
int mountinfo_read(const char *path, int (*fn)(void *arg, const struct mountinfo *m), void *arg,
		   struct err *e);
