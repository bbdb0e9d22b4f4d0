/*
 * trusted.c - fs_check_trusted and fs_read_trusted of fs.h: files that root reads and must be able
 * to trust.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"

/* what: the file to trust; path is that file, or a directory above it. */
static int check_one(const char *path, const char *what, struct err *e)
{
	struct stat st;
	mode_t mode;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 1 : err_errno(e, ERR_INTERNAL, errno, "stat %s", path);
	mode = st.st_mode;
	if (!S_ISREG(mode) && !S_ISDIR(mode))
		return 0;
	what = strcmp(path, what) == 0 ? "it" : what;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(e, ERR_DENIED,
			       "%s belongs to user %u, who may change %s: chown root %s", path,
			       st.st_uid, what, path);
	if ((mode & 022) && !(S_ISDIR(mode) && (mode & S_ISVTX)))
		return err_set(e, ERR_DENIED,
			       "%s has mode %04o, so that %s may change %s: chmod go-w %s", path,
			       mode & 07777, mode & 002 ? "anybody" : "its group", what, path);
	return 0;
}

/* Check path and each directory above it. */
static int check_way(const char *path, const char *what, struct err *e)
{
	_cleanup_free_ char *up = xstrdup(path);
	int r = check_one(path, what, e);

	while (r == 0 && strcmp(up, "/") != 0) {
		char *slash = strrchr(up, '/');

		if (!slash)
			break;
		slash[slash == up ? 1 : 0] = '\0';
		r = check_one(up, what, e);
	}
	return r;
}

int fs_check_trusted(const char *path, struct err *e)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	int r;

	if (!real)
		return errno == ENOENT || errno == ENOTDIR
			       ? 1
			       : err_errno(e, ERR_INTERNAL, errno, "resolve %s", path);
	r = check_way(real, real, e);
	/* Symbolic links on the path are entries of directories, which need the check too. */
	return r == 0 && path[0] == '/' && strcmp(path, real) != 0 ? check_way(path, path, e) : r;
}

int fs_read_trusted(const char *path, size_t max, struct buf *ret, struct err *e)
{
	int r = fs_check_trusted(path, e);

	return r < 0 ? r : fs_read_file(path, max, ret, e);
}
