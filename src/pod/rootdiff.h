/*
 * rootdiff.h - lists the changes of a container's root file system from its writable layer, for a
 * checkpoint's rootfs-diff.tar and deleted.files.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define ROOTDIFF_NAMES_MAX (64 * 1024 * 1024) /* bytes of all names, added and deleted */

struct rootdiff {
	const char *upper;
	const char *const *lowers; /* directories of the image's layers, NULL-terminated */
	const json_t *mounts; /* of config.json: what is mounted is no change */
	int64_t until_ns; /* CLOCK_MONOTONIC */
	struct buf names; /* changed files, relative, parents first, each with its NUL */
	json_t *deleted; /* array of absolute paths */
};

#define ROOTDIFF_NULL ((struct rootdiff){ .names = BUF_NULL })

/* Fill names and deleted.  Nothing may write to upper meanwhile.  Blocks.  <0: e is set
 * (ERR_EXHAUSTED: too many names; ERR_PRECONDITION: a change that no archive can hold). */
int rootdiff_find(struct rootdiff *d, struct err *e);
void rootdiff_done(struct rootdiff *d);
