/*
 * selinux.h - SELinux labels of containers: made of the policy's own defaults, checked by the
 * kernel's policy, put on files that a container is given.
 *
 * selinux_none.c has the same functions for a build without it.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

bool selinux_is_enabled(void);

/* What a request may say about a label; NULL or "" for each part that it leaves open. */
struct selinux_parts {
	const char *user, *role, *type, *level;
};

/* The labels of a container's processes and files: the policy's container contexts, with parts put
 * in.  Without a level the two categories are derived from seed (the pod's id), so that a pod keeps
 * its label over a restart and its containers share it.  Both are freed by the caller. */
int selinux_make_labels(const struct selinux_parts *parts, const char *seed, char **ret_process,
			char **ret_file, struct err *e);

/* Put label on path and everything below it on the same file system.  Refuses the host's own
 * top-level directories, whose relabelling breaks the host. */
int selinux_relabel_tree(const char *path, const char *label, struct err *e);
