/*
 * hostpath.h - questions about a path of the host that a mount names.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* What other mount namespaces see of mounts made below the mount that path lies on. */
struct hostpath_propagation {
	bool shared; /* they go both ways */
	bool slave; /* they come in */
};

/* By the mount table of this process; ERR_INTERNAL when it cannot be read. */
int hostpath_propagation(const char *path, struct hostpath_propagation *ret, struct err *e);

/* The path with every link followed; a missing one is made, as a directory with mode 0755, unless
 * it is one of reject (NULL-terminated, may be NULL): then ERR_PRECONDITION.  Freed by the caller.
 */
int hostpath_prepare(const char *path, char *const *reject, char **ret, struct err *e);
