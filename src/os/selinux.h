/*
 * selinux.h - SELinux labels of containers: derived from the policy's defaults, checked against the
 * kernel's policy, set on files for a container.
 *
 * selinux_none.c has the same functions for a build without SELinux.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

bool selinux_is_enabled(void);

/* Parts of a label in a request; NULL or "": not set. */
struct selinux_parts {
	const char *user, *role, *type, *level;
};

/* The labels of a container's processes and files: the policy's container contexts with parts
 * inserted.  Without a level the two categories derive from seed (the pod's id), so that a pod
 * keeps its label over a restart and its containers share it.  The caller frees both. */
int selinux_make_labels(const struct selinux_parts *parts, const char *seed, char **ret_process,
			char **ret_file, struct err *e);

/* Set label on path and everything below it on the same file system.  Refuses the host's own
 * top-level directories, whose relabelling breaks the host. */
int selinux_relabel_tree(const char *path, const char *label, struct err *e);
