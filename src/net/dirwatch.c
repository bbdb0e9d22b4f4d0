/*
 * dirwatch.c - inotify on directories, so that a cached result needs no disk access.
 * A missing directory is watched through its nearest existing ancestor.  A symbolic link in the
 * first directory disables watching: inotify does not report changes of its target.
 */
#include "net/dirwatch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

#define CHANGES \
	(IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF)

static bool is_link(int at, const char *path)
{
	struct stat st;

	return fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* The parent directory of path. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash > path ? xstrndup(path, (size_t)(slash - path)) : xstrdup("/");
}

/* Watch path, or its nearest existing ancestor.  -1: failed, or path was created meanwhile. */
static int watch_one(int fd, const char *path)
{
	_cleanup_free_ char *p = xstrdup(path);
	bool missing = false;

	while (inotify_add_watch(fd, p, CHANGES | IN_ONLYDIR) < 0) {
		char *above = parent_of(p);

		if (errno != ENOENT || strcmp(p, "/") == 0) {
			free(above);
			return -1;
		}
		free(p);
		p = above;
		missing = true;
	}
	return missing && fs_exists(path) ? -1 : 0;
}

/* A change of a symbolic link to a directory shows only in the link's parent, so watch that too. */
static int watch_dir(int fd, const char *path)
{
	_cleanup_free_ char *above = parent_of(path);

	return is_link(AT_FDCWD, path) && watch_one(fd, above) < 0 ? -1 : watch_one(fd, path);
}

static int has_links(const char *dir)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (entry->d_type != DT_REG && is_link(dirfd(d), entry->d_name))
			return 1;
	return 0;
}

int dirwatch_open(const char *dir, const char *const *more)
{
	_cleanup_close_ int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0 || watch_dir(fd, dir) < 0)
		return -1;
	for (; more && *more; more++)
		if (watch_dir(fd, *more) < 0)
			return -1;
	return has_links(dir) ? -1 : take_fd(fd);
}

bool dirwatch_is_quiet(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&p, 1, 0) == 0;
}
