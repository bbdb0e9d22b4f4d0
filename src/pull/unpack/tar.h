/*
 * tar.h - push parser for tar streams: ustar, old V7, GNU (long names, base-256 numbers, sparse
 * files) and PAX (path, linkpath, size, uid, gid, mtime, xattrs, sparse files).
 *
 * The stream is hostile. What must hold: memory stays within the bounds below, whatever the headers
 * contain; an entry is reported completely or not at all; this code never accesses the file system.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TAR_BLOCK 512
#define TAR_PATH_MAX 4095 /* bytes of a name or link target */
#define TAR_EXTENSION_MAX (1024 * 1024) /* bytes of one PAX header or long name */
#define TAR_SPARSE_MAX 65536 /* segments of one sparse file */

enum tar_type {
	TAR_TYPE_FILE,
	TAR_TYPE_HARDLINK,
	TAR_TYPE_SYMLINK,
	TAR_TYPE_CHAR,
	TAR_TYPE_BLOCK,
	TAR_TYPE_DIRECTORY,
	TAR_TYPE_FIFO,
};

struct tar_xattr {
	char *name;
	char *value;
	size_t size;
};

/* Valid during the call; for files until end has returned. */
struct tar_entry {
	enum tar_type type;
	const char *path; /* as in the archive: may be absolute, may contain ".." */
	const char *link; /* of links; never empty for links */
	uint32_t mode; /* 07777 */
	uint32_t uid, gid;
	uint32_t dev_major, dev_minor;
	uint64_t size; /* of the file, including holes; 0 for other types */
	int64_t mtime_s;
	long mtime_ns;
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
};

/* Per entry: entry; for files also data, any number of times by ascending offset and without holes,
 * then end. <0 stops the parser; tar_feed returns it. */
struct tar_ops {
	int (*entry)(void *arg, const struct tar_entry *entry, struct err *e);
	int (*data)(void *arg, uint64_t offset, const void *data, size_t size, struct err *e);
	int (*end)(void *arg, struct err *e);
};

struct tar;

struct tar *tar_new(const struct tar_ops *ops, void *arg);
void tar_free(struct tar *t);

static inline void tar_freep(struct tar **t)
{
	tar_free(*t);
}

/* Parse the next bytes. Ignores everything after the two zero blocks. ERR_INVALID names the error
 * and its byte offset in the stream. */
int tar_feed(struct tar *t, const void *data, size_t size, struct err *e);

/* End of input. ERR_INVALID: an entry is incomplete. The zero blocks and the padding before them
 * are optional. */
int tar_finish(struct tar *t, struct err *e);
