/*
 * mount.c - tmpfs, bind and idmapped mounts, and their removal.  Targets are opened without
 * following a link and mounted through their descriptor, so that the checked file is the mount
 * point.
 */
#include "os/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/util.h"
#include "os/mountinfo.h"

int mount_is_mounted(const char *path, bool *ret, struct err *e)
{
	struct statx st;

	*ret = false;
	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		return err_errno(e, ERR_INTERNAL, errno, "stat %s", path);
	}
	*ret = st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return 0;
}

/* Open path as a mount point; links are refused. */
static int open_target(const char *path, int *ret_fd, struct err *e)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open mount point %s", path);
	if (S_ISLNK(st.st_mode))
		return err_set(e, ERR_INTERNAL, "mount point %s is a symbolic link", path);
	*ret_fd = take_fd(fd);
	return 0;
}

static int mount_on(int fd, const char *source, const char *type, unsigned long flags,
		    const char *options)
{
	_cleanup_free_ char *target = xasprintf("/proc/self/fd/%d", fd);

	return mount(source, target, type, flags, options);
}

int mount_tmpfs(const char *path, uint64_t size, uint64_t inodes, mode_t mode, const char *label,
		struct err *e)
{
	_cleanup_free_ char *options = NULL;
	_cleanup_close_ int fd = -1;
	bool mounted;
	int r = mount_is_mounted(path, &mounted, e);

	if (r < 0 || mounted)
		return r;
	if (label && strpbrk(label, "\",\\"))
		return err_set(e, ERR_INVALID, "SELinux label %s cannot be a mount option", label);
	r = fs_mkdir_all(path, 0755, e);
	if (!r)
		r = open_target(path, &fd, e);
	if (r < 0)
		return r;
	options = xasprintf("mode=%o,size=%llu,nr_inodes=%llu%s%s%s", mode & 07777,
			    (unsigned long long)size, (unsigned long long)inodes,
			    label && *label ? ",context=\"" : "", label ? label : "",
			    label && *label ? "\"" : "");
	if (mount_on(fd, "shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "mount tmpfs of %llu bytes at %s",
				 (unsigned long long)size, path);
	return 0;
}

int mount_sysfs(const char *path, struct err *e)
{
	_cleanup_close_ int fd = -1;
	bool mounted;
	int r = mount_is_mounted(path, &mounted, e);

	if (r < 0 || mounted)
		return r;
	r = fs_mkdir_all(path, 0700, e);
	if (!r)
		r = open_target(path, &fd, e);
	if (r < 0)
		return r;
	if (mount_on(fd, "sysfs", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "mount sysfs at %s", path);
	return 0;
}

/* Make target as an empty file or a directory, like source. */
static int make_target(const char *source, const char *target, struct err *e)
{
	_cleanup_free_ char *parent = xstrdup(target);
	_cleanup_close_ int fd = -1;
	struct stat st;
	char *slash;
	int r;

	if (stat(source, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "bind mount of %s", source);
	if (S_ISDIR(st.st_mode))
		return fs_mkdir_all(target, 0755, e);
	slash = strrchr(parent, '/');
	if (slash && slash > parent) {
		*slash = '\0';
		r = fs_mkdir_all(parent, 0755, e);
		if (r < 0)
			return r;
	}
	fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EEXIST)
		return err_errno(e, ERR_INTERNAL, errno, "create mount point %s", target);
	return 0;
}

static int set_flags(const char *target, unsigned flags, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = (flags & MOUNT_READ_ONLY ? MOUNT_ATTR_RDONLY : 0) |
			    (flags & MOUNT_NO_SUID ? MOUNT_ATTR_NOSUID : 0) |
			    (flags & MOUNT_NO_DEV ? MOUNT_ATTR_NODEV : 0) |
			    (flags & MOUNT_NO_EXEC ? MOUNT_ATTR_NOEXEC : 0),
	};

	/* No remount, which would also drop flags of the source. */
	if (attr.attr_set &&
	    mount_setattr(AT_FDCWD, target, AT_SYMLINK_NOFOLLOW, &attr, sizeof(attr)) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set the flags of the bind mount at %s",
				 target);
	return 0;
}

int mount_bind(const char *source, const char *target, unsigned flags, struct err *e)
{
	unsigned long ms = MS_BIND | (flags & MOUNT_RECURSIVE ? MS_REC : 0);
	_cleanup_close_ int fd = -1;
	bool mounted;
	int r = mount_is_mounted(target, &mounted, e);

	if (r < 0 || mounted)
		return r;
	r = make_target(source, target, e);
	if (!r)
		r = open_target(target, &fd, e);
	if (r < 0)
		return r;
	if (mount_on(fd, source, NULL, ms, NULL) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "bind mount of %s at %s", source, target);
	r = set_flags(target, flags, e);
	if (r < 0)
		umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
	return r;
}

/* A private, detached copy of the mount of source with mapped ids. */
static int clone_mapped(const char *source, int userns_fd, int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY,
		.propagation = MS_PRIVATE,
		.userns_fd = (uint64_t)userns_fd,
	};

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "clone the mount of %s", source);
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_errno(e, ERR_PRECONDITION, errno,
				 "map the ids of %s: its file system needs idmapped mounts",
				 source);
	*ret_fd = take_fd(fd);
	return 0;
}

int mount_idmapped(const char *source, const char *target, const char *userns, struct err *e)
{
	_cleanup_close_ int ns = -1, fd = -1, at = -1;
	bool mounted;
	int r = mount_is_mounted(target, &mounted, e);

	if (r < 0 || mounted)
		return r;
	ns = open(userns, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open user namespace %s", userns);
	r = clone_mapped(source, ns, &fd, e);
	if (r == 0)
		r = fs_mkdir_all(target, 0700, e);
	if (r == 0)
		r = open_target(target, &at, e);
	if (r == 0 &&
	    move_mount(fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "mount %s at %s", source, target);
	return r;
}

int mount_remove(const char *path, struct err *e)
{
	for (;;) {
		/* Without MNT_DETACH if possible; a busy mount leaves the tree at once and ends
		 * with its last user. */
		if (umount2(path, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno == EBUSY && umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
			continue;
		if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR)
			return 0;
		return err_errno(e, ERR_INTERNAL, errno, "unmount %s", path);
	}
}

/* Mount points below a directory. */
struct below {
	const char *dir;
	size_t dir_len;
	char **paths;
	size_t n, cap;
};

static void below_done(struct below *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->paths[i]);
	free(b->paths);
}

static int below_add(void *arg, const struct mountinfo *m)
{
	struct below *b = arg;

	if (strncmp(m->target, b->dir, b->dir_len) != 0 ||
	    (m->target[b->dir_len] && m->target[b->dir_len] != '/'))
		return 0;
	if (b->n == b->cap) {
		b->cap = b->cap * 2 + 16;
		b->paths = xrealloc(b->paths, b->cap * sizeof(*b->paths));
	}
	b->paths[b->n++] = xstrdup(m->target);
	return 0;
}

/* Descending: entries below a path sort after it, so they come first here. */
static int compare_deepest_first(const void *a, const void *b)
{
	return strcmp(*(char *const *)b, *(char *const *)a);
}

int mount_remove_below(const char *dir, struct err *e)
{
	_cleanup_free_ char *real = realpath(dir, NULL);
	_cleanup_(below_done) struct below b = { .dir = real };
	int r;

	if (!real && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!real)
		return err_errno(e, ERR_INTERNAL, errno, "resolve %s", dir);
	/* All mounts of the host are below /, which crisp must not unmount. */
	if (strcmp(real, "/") == 0)
		return err_set(e, ERR_INTERNAL, "refusing to unmount everything below %s", dir);
	b.dir_len = strlen(real);
	r = mountinfo_read(NULL, below_add, &b, e);
	if (r < 0)
		return r;
	if (b.n)
		qsort(b.paths, b.n, sizeof(*b.paths), compare_deepest_first);
	for (size_t i = 0; i < b.n; i++) {
		r = mount_remove(b.paths[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}
