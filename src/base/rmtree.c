/*
 * rmtree.c - walk and remove a tree with bounded depth.
 *
 * DEPTH levels of the walk have a descriptor and a stack frame each.  It first renames deeper
 * directories up to level DEPTH, one level at a time.  It clears immutable and append-only flags
 * that refuse a removal: a container with CAP_LINUX_IMMUTABLE can set them.
 */
#include "base/rmtree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/fs.h"

#define DEPTH 24

struct rmtree_walk {
	const char *path; /* for error texts */
	struct rmtree_watch *watch;
	struct err *e;
	bool failed; /* e is set */
	uint64_t raised; /* directories moved by raise_entry */
	uint64_t names; /* names tried by raise_entry */
};

enum outcome {
	GONE,
	LEFT, /* w->e is set; the walk goes on */
	STOPPED, /* watch->stop returned true */
};

static enum outcome remove_children(struct rmtree_walk *w, int fd, unsigned depth);

/* Store the first failure only. */
static enum outcome left(struct rmtree_walk *w, const char *what, const char *name)
{
	int errnum = errno;

	if (w->failed)
		return LEFT;
	w->failed = true;
	if (errnum == EXDEV || errnum == EBUSY)
		err_set(w->e, ERR_PRECONDITION, "%.80s below %s is a mount: unmount it first", name,
			w->path);
	else
		err_errno(w->e, ERR_INTERNAL, errnum, "%s %.80s below %s", what, name, w->path);
	return LEFT;
}

static enum outcome gone(struct rmtree_walk *w)
{
	if (w->watch)
		__atomic_add_fetch(&w->watch->removed, 1, __ATOMIC_RELAXED);
	return GONE;
}

static bool stopped(const struct rmtree_walk *w)
{
	return w->watch && w->watch->stop && w->watch->stop(w->watch->arg);
}

/* --- flags --- */

/* Did this clear a flag?  Keeps errno. */
static bool clear_flags(int fd)
{
	int saved = errno, flags = 0;
	bool cleared = false;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) {
		flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
		cleared = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
	}
	errno = saved;
	return cleared;
}

/* Clear the flags of an entry and of its directory.  Does not open devices and pipes. */
static bool clear_flags_at(int parent, const char *name)
{
	int saved = errno;
	bool cleared = parent >= 0 && clear_flags(parent);
	struct stat st;
	int fd;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
		fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0) {
			cleared = clear_flags(fd) || cleared;
			close(fd);
		}
	}
	errno = saved;
	return cleared;
}

/* --- one entry --- */

/* unlinkat; 0 also if the entry does not exist. */
static int unlink_at(int parent, const char *name, int flags)
{
	int r = unlinkat(parent, name, flags);

	if (r < 0 && errno == EPERM && clear_flags_at(parent, name))
		r = unlinkat(parent, name, flags);
	return r < 0 && errno == ENOENT ? 0 : r;
}

static bool is_dir(int parent, const char *name)
{
	int saved = errno;
	struct stat st;
	bool yes = fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);

	errno = saved;
	return yes;
}

/* The top may be a mount; entries below it may not. */
static int open_entry(int parent, const char *name, unsigned depth)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};

	if (depth == 0)
		return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return (int)syscall(SYS_openat2, parent, name, &how, sizeof(how));
}

/* NULL: errno is set.  Duplicates fd, so that closedir leaves fd open. */
static DIR *list(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir && copy >= 0)
		close(copy);
	return dir;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Move a directory into `to` under an unused name. */
static int raise_entry(struct rmtree_walk *w, int from, const char *name, int to)
{
	bool cleared = false;

	for (;;) {
		char raised[48];

		snprintf(raised, sizeof(raised), ".crisp-removed-%llu",
			 (unsigned long long)w->names++);
		if (renameat2(from, name, to, raised, RENAME_NOREPLACE) == 0) {
			w->raised++;
			return 0;
		}
		if (errno == EPERM && !cleared && clear_flags_at(from, name))
			cleared = true;
		else if (errno != EEXIST)
			return -1;
	}
}

/* Empty the directory fd: move its directories into `parent`, remove the rest. */
static enum outcome flatten(struct rmtree_walk *w, int fd, int parent)
{
	_cleanup_closedir_ DIR *dir = list(fd);
	enum outcome all = GONE;
	struct dirent *d;

	if (!dir)
		return left(w, "list", "a directory");
	while ((d = readdir(dir))) {
		if (is_dots(d->d_name))
			continue;
		if (stopped(w))
			return STOPPED;
		if (unlink_at(fd, d->d_name, 0) == 0)
			(void)gone(w);
		else if (!is_dir(fd, d->d_name))
			all = left(w, "remove", d->d_name);
		else if (raise_entry(w, fd, d->d_name, parent) < 0)
			all = left(w, "move", d->d_name);
	}
	return all;
}

static enum outcome remove_entry(struct rmtree_walk *w, int parent, const char *name,
				 unsigned depth)
{
	_cleanup_close_ int fd = -1;
	enum outcome o;

	if (stopped(w))
		return STOPPED;
	if (unlink_at(parent, name, 0) == 0)
		return gone(w);
	if (!is_dir(parent, name))
		return left(w, "remove", name);
	/* An empty directory needs no walk. */
	if (unlink_at(parent, name, AT_REMOVEDIR) == 0)
		return gone(w);
	fd = open_entry(parent, name, depth);
	if (fd < 0)
		return errno == ENOENT ? GONE : left(w, "open", name);
	o = depth == DEPTH ? flatten(w, fd, parent) : remove_children(w, fd, depth + 1);
	if (o != GONE)
		return o;
	return unlink_at(parent, name, AT_REMOVEDIR) == 0 ? gone(w) : left(w, "remove", name);
}

/* Repeat while directories were moved into this one. */
static enum outcome remove_children(struct rmtree_walk *w, int fd, unsigned depth)
{
	_cleanup_closedir_ DIR *dir = list(fd);
	enum outcome all, o;
	uint64_t before;

	if (!dir)
		return left(w, "list", "a directory");
	do {
		struct dirent *d;

		all = GONE;
		before = w->raised;
		rewinddir(dir);
		while ((d = readdir(dir))) {
			if (is_dots(d->d_name))
				continue;
			o = remove_entry(w, fd, d->d_name, depth);
			if (o == STOPPED)
				return STOPPED;
			all = MAX(all, o);
		}
	} while (depth == DEPTH && w->raised != before);
	return all;
}

int rmtree(const char *path, struct rmtree_watch *watch, struct err *e)
{
	struct rmtree_walk w = { .path = path, .watch = watch, .e = e };
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		return err_errno(e, ERR_INTERNAL, errno, "stat %s", path);
	}
	switch (remove_entry(&w, AT_FDCWD, path, 0)) {
	case GONE:
		return 0;
	case STOPPED:
		return 1;
	case LEFT:
		break;
	}
	return -(int)e->code;
}

int rmtree_defer(const char *path, const char *trash, struct err *e)
{
	_cleanup_free_ char *to = xasprintf("%s/%s.%d.%lld", trash, strrchr(path, '/') + 1,
					    (int)gettid(), (long long)clock_monotonic_ns());
	int r;

	if (!fs_exists(path))
		return 0;
	r = rename(path, to);
	if (r < 0 && errno == ENOENT && mkdir(trash, 0700) == 0)
		r = rename(path, to);
	if (r == 0 || (errno == ENOENT && !fs_exists(path)))
		return 0;
	if (errno == ENOSPC || errno == EDQUOT || errno == EXDEV || errno == EMLINK)
		return 1;
	return err_errno(e, errno == EBUSY ? ERR_PRECONDITION : ERR_INTERNAL, errno,
			 "move %s to %s", path, trash);
}
