/*
 * fs.c - read, replace, lock, sync and remove files and directories.
 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/rmtree.h"

#define LOCK_STEP_MS 20

int fs_read_file(const char *path, size_t max, struct buf *ret, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t total = 0;

	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	for (;;) {
		size_t room = MIN(max + 1 - total, (size_t)64 * 1024);
		ssize_t n = read(fd, buf_reserve(ret, room), room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_INTERNAL, errno, "read %s", path);
		if (n == 0)
			return 0;
		buf_commit(ret, (size_t)n);
		total += (size_t)n;
		if (total > max)
			return err_set(e, ERR_RANGE, "%s is larger than %zu bytes", path, max);
	}
}

int fs_write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int fs_sync_dir(const char *path, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "sync directory %s", path);
	return 0;
}

static int replace_in(const char *dir, const char *tmp, const char *path, const void *data,
		      size_t size, mode_t mode, bool durable, struct err *e)
{
	_cleanup_close_ int fd =
		open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "create %s", tmp);
	if (fchmod(fd, mode) < 0 || fs_write_all(fd, data, size) < 0 ||
	    (durable && fsync(fd) < 0) || rename(tmp, path) < 0) {
		int r = err_errno(e, ERR_INTERNAL, errno, "write %s", path);

		unlink(tmp);
		return r;
	}
	return durable ? fs_sync_dir(dir, e) : 0;
}

int fs_replace_file(const char *path, const void *data, size_t size, mode_t mode, bool durable,
		    struct err *e)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir =
		slash > path ? xstrndup(path, (size_t)(slash - path)) : xstrdup(slash ? "/" : ".");
	_cleanup_free_ char *tmp = xasprintf("%s.%d.new", path, (int)gettid());

	return replace_in(dir, tmp, path, data, size, mode, durable, e);
}

int fs_write_existing(const char *path, const char *text, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t size = strlen(text);

	if (fd < 0 || write(fd, text, size) != (ssize_t)size)
		return err_errno(e, ERR_INTERNAL, errno, "write \"%s\" to %s", text, path);
	return 0;
}

int fs_mkdir_all(const char *path, mode_t mode, struct err *e)
{
	_cleanup_free_ char *p = xstrdup(path);

	for (char *s = p; *s; s++) {
		if (*s != '/' || s == p)
			continue;
		*s = '\0';
		if (mkdir(p, mode) < 0 && errno != EEXIST)
			return err_errno(e, ERR_INTERNAL, errno, "mkdir %s", p);
		*s = '/';
	}
	if (mkdir(p, mode) < 0 && errno != EEXIST)
		return err_errno(e, ERR_INTERNAL, errno, "mkdir %s", p);
	return 0;
}

int fs_remove_tree(const char *path, struct err *e)
{
	return rmtree(path, NULL, e);
}

int fs_each(const char *dir,
	    int (*fn)(const char *path, const char *name, void *arg, struct err *e), void *arg,
	    struct err *e)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	struct dirent *entry;
	int r = 0;

	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return err_errno(e, ERR_INTERNAL, errno, "list %s", dir);
	while (r == 0 && (entry = readdir(d))) {
		_cleanup_free_ char *path = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		path = xasprintf("%s/%s", dir, entry->d_name);
		r = fn(path, entry->d_name, arg, e);
	}
	return r;
}

bool fs_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

bool fs_path_is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool fs_path_is_clean(const char *path)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return false;
	for (const char *p = path; *p;) {
		size_t n;

		if (*p++ != '/')
			return false;
		n = strcspn(p, "/");
		if ((n == 0 && path[1]) || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
				return false;
		p += n;
	}
	return true;
}

bool fs_lock_until(int fd, int64_t ms)
{
	int64_t deadline = clock_monotonic_ns() + ms * NSEC_PER_MSEC;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (clock_monotonic_ns() >= deadline)
			return false;
		poll(NULL, 0, LOCK_STEP_MS);
	}
	return true;
}
