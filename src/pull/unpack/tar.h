/*
 * tar.h - a tar stream, pushed in as it arrives: ustar, old V7, GNU (long names, base-256 numbers,
 * sparse files) and PAX (path, linkpath, size, uid, gid, mtime, xattrs, sparse files).
 *
 * The stream is hostile.  What must hold: no more memory than the bounds below, whatever the
 * headers say; an entry is told in full or not at all; the file system is never touched here.
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

/* Valid during the call, for files until end has returned. */
struct tar_entry {
	enum tar_type type;
	const char *path; /* as written: perhaps absolute, perhaps with ".." */
	const char *link; /* of links, never empty for them */
	uint32_t mode; /* 07777 */
	uint32_t uid, gid;
	uint32_t dev_major, dev_minor;
	uint64_t size; /* of the file, holes included; 0 for everything that is no file */
	int64_t mtime_s;
	long mtime_ns;
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
};

/* entry, then data (in rising order of offset, holes left out) any number of times, then end;
 * data and end only for files.  <0 stops the walk and is returned from tar_feed. */
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

/* The next bytes.  What follows the two zero blocks at the end is ignored.  ERR_INVALID says at
 * which byte of the stream what is wrong. */
int tar_feed(struct tar *t, const void *data, size_t size, struct err *e);

/* There is no more: ERR_INVALID when an entry is incomplete.  The zero blocks and the padding in
 * front of them may be missing. */
int tar_finish(struct tar *t, struct err *e);
