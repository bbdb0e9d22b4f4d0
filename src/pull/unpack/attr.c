/*
 * attr.c - apply or copy attributes, in the order of attr.h.
 */
#include "pull/unpack/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/str.h"
#include "base/util.h"

#define XATTR_OPAQUE "trusted.overlay.opaque"

/* File systems clamp times to their range; beyond this limit kernel arithmetic overflows. */
#define TIME_MAX (INT64_C(1) << 40)

/* The container's mount sets the SELinux label. Overlay's own attributes would let an image
 * redirect its directories into other layers. */
static bool xattr_is_wanted(const char *name)
{
	return strcmp(name, "security.selinux") != 0 && !str_starts(name, "trusted.overlay.");
}

/* Ignore unsupported attributes, and user attributes on special files, as other unpackers do. */
static bool xattr_may_fail(const char *name, enum tar_type type, int error)
{
	if (error == EOPNOTSUPP)
		return true;
	return error == EPERM && type != TAR_TYPE_FILE && type != TAR_TYPE_DIRECTORY &&
	       str_starts(name, "user.");
}

/* path NULL: use fd. */
static int set_xattrs(int fd, const char *path, const struct tar_entry *entry, struct err *e)
{
	for (size_t i = 0; i < entry->n_xattrs; i++) {
		const struct tar_xattr *x = &entry->xattrs[i];
		int r;

		if (!xattr_is_wanted(x->name))
			continue;
		r = path ? lsetxattr(path, x->name, x->value, x->size, 0)
			 : fsetxattr(fd, x->name, x->value, x->size, 0);
		if (r < 0 && !xattr_may_fail(x->name, entry->type, errno))
			return err_errno(e, ERR_INTERNAL, errno, "set extended attribute %.100s",
					 x->name);
	}
	return 0;
}

struct timespec attr_time(const struct tar_entry *entry)
{
	if (entry->mtime_s > TIME_MAX || entry->mtime_s < -TIME_MAX)
		return (struct timespec){ .tv_sec = 0 };
	return (struct timespec){ .tv_sec = entry->mtime_s, .tv_nsec = entry->mtime_ns };
}

/* The access time equals mtime: the file was never read. */
static void entry_times(const struct tar_entry *entry, struct timespec ret[2])
{
	ret[0] = ret[1] = attr_time(entry);
}

/* File systems journal chown and chmod even without a change, so compare first. Most files already
 * have the right owner and mode. */
static int set_owner(int fd, const char *name, int flags, const struct tar_entry *entry,
		     struct err *e)
{
	if (fchownat(fd, name, entry->uid, entry->gid, flags) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set owner %u:%u", entry->uid, entry->gid);
	return 0;
}

static bool owner_is(const struct stat *st, const struct tar_entry *entry)
{
	return st->st_uid == entry->uid && st->st_gid == entry->gid;
}

int attr_apply_fd(int fd, const struct tar_entry *entry, struct err *e)
{
	struct timespec times[2];
	struct stat st;
	bool owned;
	int r;

	if (fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat");
	owned = owner_is(&st, entry);
	r = owned ? 0 : set_owner(fd, "", AT_EMPTY_PATH, entry, e);
	r = r < 0 ? r : set_xattrs(fd, NULL, entry, e);
	if (r < 0)
		return r;
	/* A POSIX ACL (extended attribute) changes the mode bits. */
	if ((!owned || entry->n_xattrs || (st.st_mode & 07777) != entry->mode) &&
	    fchmod(fd, entry->mode) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set mode %04o", entry->mode);
	entry_times(entry, times);
	if (futimens(fd, times) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set time");
	return 0;
}

int attr_apply_at(int dir, const char *name, const struct tar_entry *entry, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	struct timespec times[2];
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat");
	r = owner_is(&st, entry) ? 0 : set_owner(dir, name, AT_SYMLINK_NOFOLLOW, entry, e);
	if (r == 0 && entry->n_xattrs) {
		path = xasprintf("/proc/self/fd/%d/%s", dir, name);
		r = set_xattrs(-1, path, entry, e);
	}
	if (r < 0)
		return r;
	if (entry->type != TAR_TYPE_SYMLINK && fchmodat(dir, name, entry->mode, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set mode %04o", entry->mode);
	entry_times(entry, times);
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set time");
	return 0;
}

static int copy_xattrs(int from, int to, struct err *e)
{
	_cleanup_free_ char *names = xmalloc(XATTR_LIST_MAX);
	_cleanup_free_ char *value = xmalloc(XATTR_SIZE_MAX);
	ssize_t n = flistxattr(from, names, XATTR_LIST_MAX);

	if (n < 0 && errno != EOPNOTSUPP)
		return err_errno(e, ERR_INTERNAL, errno, "list extended attributes");
	for (const char *x = names; n > 0 && x < names + n; x += strlen(x) + 1) {
		ssize_t size;

		if (!xattr_is_wanted(x))
			continue;
		size = fgetxattr(from, x, value, XATTR_SIZE_MAX);
		if (size < 0 || fsetxattr(to, x, value, (size_t)size, 0) < 0)
			return err_errno(e, ERR_INTERNAL, errno, "copy extended attribute %s", x);
	}
	return 0;
}

int attr_copy(int from, int to, struct err *e)
{
	struct stat st;
	int r;

	if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "copy owner");
	r = copy_xattrs(from, to, e);
	if (r < 0)
		return r;
	if (fchmod(to, st.st_mode & 07777) < 0 ||
	    futimens(to, (struct timespec[2]){ st.st_mtim, st.st_mtim }) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "copy mode and time");
	return 0;
}

int attr_set_opaque(int dir, const char *name, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/%s", dir, name);

	if (lsetxattr(path, XATTR_OPAQUE, "y", 1, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make the directory opaque");
	return 0;
}

bool attr_is_opaque(int dir)
{
	char value;

	return fgetxattr(dir, XATTR_OPAQUE, &value, 1) == 1 && value == 'y';
}
