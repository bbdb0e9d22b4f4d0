/*
 * file.h - one CDI specification file, read and checked.
 * A file is immutable once read, so that any thread may use it; the last reference frees it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

/* What differs after each change of a file. */
struct cdi_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
	bool trusted; /* by its owner and mode, and those above it */
};

struct cdi_file {
	unsigned refs;
	char *path;
	size_t dir; /* index of its directory */
	struct cdi_stamp stamp;
	bool settled; /* no change since has the same stamp */
	json_t *root; /* NULL: err says why the file is not used */
	char *kind; /* "vendor.com/class"; NULL: not known, because the file was not read so far */
	struct err err;
};

/* Read and check a file of the directory with index dir.  old: what an earlier call returned for
 * the path, or NULL; an unchanged file is not read again.  room: bytes that all files may have
 * still, and gets less.  Never NULL: a file that cannot be used has err.  Blocks. */
struct cdi_file *cdi_file_read(const char *path, size_t dir, struct cdi_file *old, size_t *room);
/* A file that stands for an error of its directory. */
struct cdi_file *cdi_file_failed(const char *path, size_t dir, const struct err *e);

/* Parse and check the text of a file; name ends in ".json" or ".yaml".  *ret_kind, for the caller
 * to free, is set as soon as it is known, also on errors. */
int cdi_file_parse(const char *name, const char *text, size_t size, json_t **ret, char **ret_kind,
		   struct err *e);

struct cdi_file *cdi_file_ref(struct cdi_file *f);
void cdi_file_unref(struct cdi_file *f);
bool cdi_stamp_is_same(const struct cdi_stamp *a, const struct cdi_stamp *b);
