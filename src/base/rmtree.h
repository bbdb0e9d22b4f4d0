/*
 * rmtree.h - remove a tree that a container has made.
 *
 * Descriptors, stack and memory are bounded for any depth, width and names of the tree.  Links are
 * not followed; mounts, bind mounts too, are not entered.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Stop and progress of a removal.  All fields may be 0. */
struct rmtree_watch {
	bool (*stop)(void *arg); /* called before each entry */
	void *arg;
	uint64_t removed; /* entries removed so far; atomic */
};

/* watch may be NULL.  0: path is gone or never existed.  1: stop returned true.  <0: some entry
 * cannot be removed, e is set for the first; all others are gone.  ERR_PRECONDITION: the tree
 * contains a mount. */
int rmtree(const char *path, struct rmtree_watch *watch, struct err *e);

/* Rename path into the directory trash, made with mode 0700, under a name that begins with path's.
 * A missing path is success.  1: path stays, since trash has no room or is on another file system:
 * remove it in place. */
int rmtree_defer(const char *path, const char *trash, struct err *e);
