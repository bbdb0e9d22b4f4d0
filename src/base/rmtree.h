/*
 * rmtree.h - remove a tree that a container has made.
 *
 * The tree's depth, width and names cost no more than a fixed number of descriptors, stack frames
 * and bytes.  Links are not followed; mounts, bind mounts too, are not entered.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* How a removal is watched from outside.  All may be 0. */
struct rmtree_watch {
	bool (*stop)(void *arg); /* asked before each entry */
	void *arg;
	uint64_t removed; /* entries removed so far; atomic */
};

/* watch may be NULL.  0: path is gone, or was never there.  1: stop returned true.  <0: something
 * cannot be removed, and e names the first; everything else is gone.  ERR_PRECONDITION: a mount is
 * in the tree. */
int rmtree(const char *path, struct rmtree_watch *watch, struct err *e);

/* Rename path into the directory trash, which is made with mode 0700, under a name that begins
 * with path's.  A missing path is success.  1: path stays, since trash has no room or is on
 * another file system: remove it in place. */
int rmtree_defer(const char *path, const char *trash, struct err *e);
