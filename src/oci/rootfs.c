/*
 * rootfs.c - openat2 with RESOLVE_IN_ROOT, bounded reads and path resolution.
 */
#include "oci/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

static int open_in_root(int root, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	/* openat2 fails with EAGAIN when a concurrent rename disturbs the walk. */
	for (int tries = 0; tries < 16; tries++) {
		int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

		if (fd >= 0 || errno != EAGAIN)
			return fd;
	}
	return -1;
}

/* /proc/self/fd/N of a descriptor. */
static void fd_path(int fd, char out[64])
{
	snprintf(out, 64, "/proc/self/fd/%d", fd);
}

int rootfs_open(const char *path, int *ret_fd, struct err *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open root file system %s", path);
	*ret_fd = fd;
	return 0;
}

int rootfs_read_file(int root, const char *path, size_t max, struct buf *ret, struct err *e)
{
	_cleanup_close_ int fd = open_in_root(root, path, O_PATH);
	_cleanup_close_ int in = -1;
	char self[64];
	struct stat st;
	size_t total = 0;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 1;
	if (fd < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "open %s in the root file system",
				 path);
	if (fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat %s in the root file system", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_PRECONDITION,
			       "%s in the root file system is not a regular file", path);
	fd_path(fd, self);
	in = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (in < 0)
		return err_errno(e, ERR_INTERNAL, errno, "read %s in the root file system", path);
	for (;;) {
		ssize_t n = read(in, buf_reserve(ret, 16384), 16384);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_INTERNAL, errno, "read %s in the root file system",
					 path);
		if (n == 0)
			return 0;
		buf_commit(ret, (size_t)n);
		total += (size_t)n;
		if (total > max)
			return err_set(e, ERR_PRECONDITION,
				       "%s in the root file system is larger than %zu bytes", path,
				       max);
	}
}

int rootfs_stat(int root, const char *path, struct stat *ret, struct err *e)
{
	_cleanup_close_ int fd = open_in_root(root, path, O_PATH);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 1;
	if (fd < 0 || fstat(fd, ret) < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "stat %s in the root file system",
				 path);
	return 0;
}

bool rootfs_exists(int root, const char *path)
{
	_cleanup_close_ int fd = open_in_root(root, path, O_PATH);

	return fd >= 0;
}

int rootfs_resolve(int root, const char *path, char **ret, struct err *e)
{
	_cleanup_close_ int fd = open_in_root(root, path, O_PATH);
	char self[64], target[PATH_MAX];
	ssize_t n;

	if (fd < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "path %s", path);
	fd_path(fd, self);
	n = readlink(self, target, sizeof(target) - 1);
	if (n < 0 || target[0] != '/')
		return err_errno(e, ERR_INTERNAL, n < 0 ? errno : ENAMETOOLONG, "readlink %s",
				 self);
	target[n] = '\0';
	*ret = xstrdup(target);
	return 0;
}
