/*
 * hostpath.h - checks of a host path that a mount names.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Propagation of the mount that contains path. */
struct hostpath_propagation {
	bool shared; /* mounts propagate to and from its peer group */
	bool slave; /* mounts propagate from its master peer group */
};

/* Read from this process' mount table.  ERR_INTERNAL: the table cannot be read. */
int hostpath_propagation(const char *path, struct hostpath_propagation *ret, struct err *e);

/* Resolve path with every link followed; the caller frees *ret.  A missing path is created as a
 * directory of mode 0755.  ERR_PRECONDITION: the missing path is in reject (NULL-terminated, may be
 * NULL). */
int hostpath_prepare(const char *path, char *const *reject, char **ret, struct err *e);
