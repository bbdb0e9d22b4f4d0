/*
 * reserve.c - fallocate ahead of LMDB.  On a file system without fallocate, check its free blocks
 * instead.
 */
#include "store/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fs.h"
#include "base/util.h"

#define LOCK_FILE_MIN 40960 /* LMDB's lock file with the store's 512 readers, rounded up */

static bool has_free_blocks(const struct reserve *r)
{
	struct statvfs fs;

	return fstatvfs(r->fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= r->size;
}

static bool extend(struct reserve *r, uint64_t to)
{
	uint64_t from = r->allocated;

	if (fallocate(r->fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) < 0)
		return false;
	r->allocated = to;
	return true;
}

void reserve_keep(struct reserve *r, uint64_t used)
{
	uint64_t want = used + r->size, more = want + r->size / 4;

	r->complete = want <= r->limit;
	if (want <= r->allocated || !r->complete)
		return;
	/* Add a quarter, so that few commits allocate. */
	r->complete = extend(r, more) || extend(r, want);
	if (!r->complete && (errno == EOPNOTSUPP || errno == ENOSYS))
		r->complete = has_free_blocks(r);
}

void reserve_open(struct reserve *r, int fd, size_t size, uint64_t limit, uint64_t used)
{
	*r = (struct reserve){ .fd = fd, .size = size, .limit = limit };
	reserve_keep(r, used);
}

int reserve_lock_file(const char *dir)
{
	_cleanup_free_ char *path = xasprintf("%s/lock.mdb", dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno;
	return posix_fallocate(fd, 0, MAX(st.st_size, (off_t)LOCK_FILE_MIN));
}
