/*
 * dirs.c - creates and checks root and runroot by descriptor: first remove the write permission
 * of others from a directory, then check its entries.
 */
#include "core/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "conf/apply.h"

#define MODE_PASS 0711 /* parents of object directories */
#define MODE_OWN 0700
#define MODE_GROUP 0710 /* of a container in a user namespace: for the group of its root */
#define MODE_BITS 07777
#define SPARE_DIR "spare"
#define SPARE_FILES 16
#define SPARE_BYTES 4096

/* Parents of object directories below root and runroot.  All other directories are MODE_OWN. */
static const struct {
	const char *name;
	bool in_root, in_runroot;
} holders[] = {
	{ "pods", true, true },
	{ "containers", true, true },
	{ "ns", false, true },
};

static int check_owner(const struct stat *st, const char *path, struct err *e)
{
	if (st->st_uid == geteuid())
		return 0;
	return err_set(e, ERR_PRECONDITION,
		       "%s belongs to user %u, who may have changed its content: remove it, or "
		       "check the content and make it root's with chown -R",
		       path, (unsigned)st->st_uid);
}

static int set_mode(int fd, const struct stat *st, mode_t mode, const char *path, struct err *e)
{
	if ((st->st_mode & MODE_BITS) == mode)
		return 0;
	if (fchmod(fd, mode) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set the mode of %s", path);
	log_info("mode corrected", "path=%s from=%o to=%o", path, st->st_mode & MODE_BITS, mode);
	return 0;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int each_entry(int dir_fd, const char *path,
		      int (*fn)(int dir_fd, const char *path, const char *name, struct err *e),
		      struct err *e)
{
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_cleanup_closedir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!d)
		return err_errno(e, ERR_INTERNAL, errno, "list %s", path);
	while (r == 0 && (entry = readdir(d)))
		if (!is_dots(entry->d_name))
			r = fn(dir_fd, path, entry->d_name, e);
	return r;
}

static bool has_object_mode(const struct stat *st)
{
	mode_t mode = st->st_mode & MODE_BITS;

	return mode == MODE_OWN || (mode == MODE_GROUP && st->st_gid != 0);
}

/* Check one object's directory, or an entry of a directory that others could write to. */
static int check_object(int parent, const char *parent_path, const char *name, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	if (st.st_uid == geteuid() && (!S_ISDIR(st.st_mode) || has_object_mode(&st)))
		return 0; /* the common case needs no descriptor */
	path = xasprintf("%s/%s", parent_path, name);
	if (check_owner(&st, path, e) < 0)
		return -(int)e->code;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	return set_mode(fd, &st, MODE_OWN, path, e);
}

static bool is_holder(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(holders); i++)
		if (strcmp(holders[i].name, name) == 0)
			return true;
	return false;
}

/* Check an entry of root or runroot.  Follow a symlink that root owns: the administrator may move
 * a directory elsewhere. */
static int check_entry(int parent, const char *parent_path, const char *name, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", parent_path, name);
	_cleanup_close_ int fd = -1;
	struct stat st;
	bool open_to_all;
	int r;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(e, ERR_INTERNAL, errno, "stat %s", path);
	r = check_owner(&st, path, e);
	if (r == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0022) &&
	    fchmodat(parent, name, st.st_mode & 0755, 0) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "set the mode of %s", path);
	if (r < 0 || (!S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)))
		return r;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	open_to_all = st.st_mode & 0022;
	r = check_owner(&st, path, e);
	if (r == 0)
		r = set_mode(fd, &st, is_holder(name) ? MODE_PASS : MODE_OWN, path, e);
	if (r == 0 && (is_holder(name) || open_to_all))
		r = each_entry(fd, path, check_object, e);
	return r;
}

/* Limit the mode of root or runroot to MODE_PASS; keep a stricter mode of the administrator. */
static int check_top(const char *path, int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r = fs_mkdir_all(path, MODE_PASS, e);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	r = check_owner(&st, path, e);
	if (r == 0)
		r = set_mode(fd, &st, (st.st_mode & MODE_PASS) | MODE_OWN, path, e);
	*ret_fd = take_fd(fd);
	return r;
}

/* --- spare files --- */

static bool spare_complete;

static void spare_name(unsigned i, char out[16])
{
	snprintf(out, 16, "%u", i);
}

static void drop_spare(int top_fd)
{
	_cleanup_close_ int fd =
		openat(top_fd, SPARE_DIR, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (unsigned i = 0; fd >= 0 && i < SPARE_FILES; i++) {
		char name[16];

		spare_name(i, name);
		unlinkat(fd, name, 0);
	}
}

static bool make_spare(int dir_fd, unsigned i)
{
	_cleanup_close_ int fd = -1;
	char name[16];

	spare_name(i, name);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd >= 0 && posix_fallocate(fd, 0, SPARE_BYTES) == 0;
}

static bool keep_spare(const char *top)
{
	_cleanup_free_ char *path = xasprintf("%s/" SPARE_DIR, top);
	_cleanup_close_ int fd = -1;
	unsigned i = 0;

	if (mkdir(path, MODE_OWN) < 0 && errno != EEXIST)
		return false;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	while (fd >= 0 && i < SPARE_FILES && make_spare(fd, i))
		i++;
	return i == SPARE_FILES;
}

void dirs_keep_spare(const struct conf *c)
{
	if (!spare_complete)
		spare_complete = keep_spare(c->root) && keep_spare(c->runroot);
}

/* --- all --- */

static int prepare(const char *path, bool runroot, struct err *e)
{
	_cleanup_close_ int fd = -1;
	int r = check_top(path, &fd, e);

	if (r == 0) {
		drop_spare(fd);
		spare_complete = false;
		r = each_entry(fd, path, check_entry, e);
	}
	for (size_t i = 0; i < ARRAY_LEN(holders) && r == 0; i++) {
		if (!(runroot ? holders[i].in_runroot : holders[i].in_root))
			continue;
		if (mkdirat(fd, holders[i].name, MODE_PASS) < 0 && errno != EEXIST)
			r = err_errno(e, ERR_INTERNAL, errno, "mkdir %s/%s", path, holders[i].name);
	}
	return r;
}

/* The programs that write credentials expect the directory; the default one they make. */
static int prepare_auth(const struct conf *c, struct err *e)
{
	static const char key[] = "crio.image.namespaced_auth_dir";

	if (!*c->namespaced_auth_dir || !conf_is_set(c, key) ||
	    fs_mkdir_all(c->namespaced_auth_dir, MODE_OWN, e) == 0)
		return 0;
	return err_wrap(e, "%s", key);
}

int dirs_prepare(const struct conf *c, struct err *e)
{
	int r = prepare(c->root, false, e);

	r = r < 0 ? r : prepare(c->runroot, true, e);
	return r < 0 ? r : prepare_auth(c, e);
}
