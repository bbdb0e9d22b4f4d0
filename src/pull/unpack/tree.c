/*
 * tree.c - create files, directories, links, nodes and whiteouts; set times and sums at the end.
 */
#include "pull/unpack/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "pull/unpack/attr.h"
#include "pull/unpack/inherit.h"

#define DIR_TIMES_MAX (64 * 1024 * 1024) /* bytes of directory names, kept for their times */
#define DISK_BLOCK 4096
#define WRITEBACK_SIZE (4 * 1024 * 1024) /* per file, before writeback starts */
#define OPAQUE_NAME ".wh..wh..opq"
#define RESOLVE_TRIES 1000

/* Each new entry changes the directory's time, so times are set at the end. */
struct dir_time {
	struct timespec mtime;
	char path[];
};

struct tree {
	int root;
	char root_path[PATH_MAX];
	/* Cached parent: most entries are in the same directory as their predecessor. */
	char parent_path[TAR_PATH_MAX + 1];
	int parent;
	/* The file being written; fd -1: content is ignored. */
	const struct tar_entry *file_entry;
	int file;
	uint64_t file_end; /* end of the written part */
	uint64_t file_sent; /* end of the part whose writeback has started */
	struct treesum_files *files;
	uint64_t entries;
	struct dir_time **dirs;
	size_t n_dirs, dir_bytes;
	struct inherit *inherit;
	struct tree_stats stats;
};

int tree_open(const char *dir, struct tree **ret, struct err *e)
{
	_cleanup_tree_ struct tree *t = xcalloc(1, sizeof(*t));

	t->file = t->parent = -1;
	t->files = treesum_files_new();
	t->root = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t->root < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", dir);
	if (!realpath(dir, t->root_path))
		return err_errno(e, ERR_INTERNAL, errno, "resolve %s", dir);
	t->inherit = inherit_new(t->root);
	*ret = take_ptr(t);
	return 0;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_dirs; i++)
		free(t->dirs[i]);
	free(t->dirs);
	inherit_free(t->inherit);
	treesum_files_free(t->files);
	close_fdp(&t->file);
	close_fdp(&t->parent);
	close_fdp(&t->root);
	free(t);
}

/* Removal may affect the cached directory or its parents. */
static void forget_parent(struct tree *t)
{
	close_fdp(&t->parent);
}

/* Remove ".", ".." and empty components; "": the root. */
static int clean_path(const char *path, char ret[TAR_PATH_MAX + 1], struct err *e)
{
	size_t len = 0;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			if (!len)
				return err_set(e, ERR_INVALID, "the name leads out of the layer");
			while (len && ret[--len] != '/')
				;
		} else if (n && !(n == 1 && path[0] == '.')) {
			if (n > NAME_MAX)
				return err_set(e, ERR_INVALID,
					       "a component is longer than %d bytes", NAME_MAX);
			if (len)
				ret[len++] = '/';
			memcpy(ret + len, path, n);
			len += n;
		}
		path += n;
		path += *path == '/';
	}
	ret[len] = '\0';
	return 0;
}

/* Open a directory below the root; symlinks stay below it. flags: O_NOFOLLOW for the last
 * component, or 0. -1: errno is set. */
static int open_below(const struct tree *t, const char *path, unsigned flags)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	/* EAGAIN: a rename happened while openat2 walked ".." of a symlink. */
	for (int i = 0; i < RESOLVE_TRIES; i++) {
		long fd = syscall(SYS_openat2, t->root, *path ? path : ".", &how, sizeof(how));

		if (fd >= 0 || errno != EAGAIN)
			return (int)fd;
	}
	return -1;
}

/* Path of an open directory below the root; "": the root. Limits the depth: with symlinks a layer
 * could nest directories without limit. */
static int real_path(const struct tree *t, int dir, char ret[PATH_MAX], struct err *e)
{
	char proc[64], path[PATH_MAX];
	size_t depth = 0, skip = strlen(t->root_path);
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", dir);
	n = readlink(proc, path, sizeof(path));
	if (n < 0 && errno != ENAMETOOLONG)
		return err_errno(e, ERR_INTERNAL, errno, "read %s", proc);
	for (size_t i = skip; n >= 0 && i < (size_t)n; i++)
		depth += path[i] == '/';
	if (n < 0 || n == sizeof(path) || depth >= TREE_DEPTH_MAX)
		return err_set(e, ERR_INVALID, "directories are nested deeper than %d",
			       TREE_DEPTH_MAX);
	if ((size_t)n < skip || strncmp(path, t->root_path, skip) != 0)
		return err_set(e, ERR_INTERNAL, "a directory of the layer is not below %s",
			       t->root_path);
	path[n] = '\0';
	skip += path[skip] == '/';
	memcpy(ret, path + skip, (size_t)n - skip + 1);
	return 0;
}

/* Limit the total memory for directory names. */
static int count_dir_bytes(struct tree *t, size_t size, struct err *e)
{
	t->dir_bytes += size;
	if (t->dir_bytes > DIR_TIMES_MAX)
		return err_set(e, ERR_EXHAUSTED,
			       "the names of its directories take more than %d bytes",
			       DIR_TIMES_MAX);
	return 0;
}

static int remember_implicit(struct tree *t, int dir, struct err *e)
{
	char path[PATH_MAX];
	int r = real_path(t, dir, path, e);

	r = r < 0 ? r : count_dir_bytes(t, strlen(path) + 64, e);
	if (r == 0)
		inherit_directory(t->inherit, path);
	return r;
}

/* The directory now has its own entry. */
static int forget_implicit(struct tree *t, int dir, struct err *e)
{
	char path[PATH_MAX];
	int r = inherit_is_wanted(t->inherit) ? real_path(t, dir, path, e) : 1;

	if (r == 0)
		inherit_directory_told(t->inherit, path);
	return r < 0 ? r : 0;
}

static void count_inode(struct tree *t)
{
	t->stats.inodes++;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int remove_existing(struct tree *t, int dir, const char *name, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/%s", dir, name);

	forget_parent(t);
	return fs_remove_tree(path, e);
}

/* Make the directory `name` in dir. An existing directory stays; other types are removed.
 * keep_links: fail on a symlink. 1: it replaces a whiteout, and is opaque in its place. */
static int make_dir(struct tree *t, int dir, const char *name, bool keep_links, struct err *e)
{
	char path[PATH_MAX];
	bool was_whiteout;
	struct stat st;
	int r = real_path(t, dir, path, e);

	if (r < 0)
		return r;
	if (mkdirat(dir, name, 0755) == 0) {
		count_inode(t);
		t->stats.disk += DISK_BLOCK;
		return 0;
	}
	if (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make directory %.255s", name);
	if (S_ISDIR(st.st_mode))
		return 0;
	was_whiteout = is_whiteout(&st);
	if (keep_links && !was_whiteout)
		return err_set(e, ERR_INVALID, "%.255s on the way to it is not a directory", name);
	r = remove_existing(t, dir, name, e);
	if (r < 0)
		return r;
	if (mkdirat(dir, name, 0755) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make directory %.255s", name);
	if (!was_whiteout)
		return 0;
	return attr_set_opaque(dir, name, e) < 0 ? -(int)e->code : 1;
}

/* Parents without an entry belong to root, mode 0755. */
static int make_parents(struct tree *t, const char *path, struct err *e)
{
	char prefix[TAR_PATH_MAX + 1];
	_cleanup_close_ int dir = open_below(t, "", 0);

	if (dir < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open the layer's root");
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		_cleanup_close_ int next = -1;
		char name[NAME_MAX + 1];

		memcpy(name, p, n);
		name[n] = '\0';
		p += n;
		memcpy(prefix, path, (size_t)(p - path));
		prefix[p - path] = '\0';
		p += *p == '/';
		next = open_below(t, prefix, 0);
		if (next < 0 && (errno == ENOENT || errno == ENOTDIR)) {
			int r = make_dir(t, dir, name, true, e);

			if (r < 0)
				return r;
			if (fchmodat(dir, name, 0755, 0) < 0)
				return err_errno(e, ERR_INTERNAL, errno, "set mode of %s", prefix);
			next = open_below(t, prefix, 0);
			if (next >= 0 && r == 0 && remember_implicit(t, next, e) < 0)
				return -(int)e->code;
		}
		if (next < 0)
			return err_errno(e, ERR_INVALID, errno, "the way to it, %.255s", prefix);
		close(dir);
		dir = take_fd(next);
	}
	return 0;
}

/* Open the parent directory of path; valid until the next call or removal. *ret_name: last
 * component; "": the root. */
static int open_parent(struct tree *t, const char *path, int *ret_dir, const char **ret_name,
		       struct err *e)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	int r;

	*ret_name = slash ? slash + 1 : path;
	if (t->parent < 0 || strncmp(t->parent_path, path, n) != 0 || t->parent_path[n]) {
		forget_parent(t);
		memcpy(t->parent_path, path, n);
		t->parent_path[n] = '\0';
		t->parent = open_below(t, t->parent_path, 0);
		if (t->parent < 0 && (errno == ENOENT || errno == ENOTDIR)) {
			r = make_parents(t, t->parent_path, e);
			if (r < 0)
				return r;
			t->parent = open_below(t, t->parent_path, 0);
		}
		if (t->parent < 0)
			return err_errno(e, ERR_INVALID, errno, "the way to it, %.255s",
					 t->parent_path);
	}
	*ret_dir = t->parent;
	return 0;
}

/* Create an entry other than a directory. 0, or -1 with errno, such as EEXIST. */
static int try_make(struct tree *t, int dir, const char *name, const struct tar_entry *entry)
{
	dev_t dev = makedev(entry->dev_major, entry->dev_minor);

	switch (entry->type) {
	case TAR_TYPE_FILE:
		t->file = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				 entry->mode);
		return t->file < 0 ? -1 : 0;
	case TAR_TYPE_SYMLINK:
		return symlinkat(entry->link, dir, name);
	case TAR_TYPE_CHAR:
		return mknodat(dir, name, S_IFCHR | 0600, dev);
	case TAR_TYPE_BLOCK:
		return mknodat(dir, name, S_IFBLK | 0600, dev);
	case TAR_TYPE_FIFO:
		return mkfifoat(dir, name, 0600);
	case TAR_TYPE_HARDLINK:
	case TAR_TYPE_DIRECTORY:
		break;
	}
	errno = EINVAL;
	return -1;
}

/* Remove the earlier entry of the same name. Removal closes the cached parent, so duplicate it
 * first. */
static int make_room(struct tree *t, int dir, const char *name, int *ret_dir, struct err *e)
{
	*ret_dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	if (*ret_dir < 0)
		return err_errno(e, ERR_INTERNAL, errno, "duplicate a descriptor");
	return remove_existing(t, *ret_dir, name, e);
}

static int add_node(struct tree *t, int dir, const char *name, const struct tar_entry *entry,
		    struct err *e)
{
	_cleanup_close_ int own = -1;
	int made = try_make(t, dir, name, entry);

	if (made < 0 && errno == EEXIST) {
		int r = make_room(t, dir, name, &own, e);

		if (r < 0)
			return r;
		dir = own;
		made = try_make(t, dir, name, entry);
	}
	if (made < 0 && errno == EPERM &&
	    (entry->type == TAR_TYPE_CHAR || entry->type == TAR_TYPE_BLOCK)) {
		t->stats.skipped_devices++;
		return 0;
	}
	if (made < 0)
		return err_errno(e, ERR_INTERNAL, errno, "create");
	count_inode(t);
	return entry->type == TAR_TYPE_FILE ? 0 : attr_apply_at(dir, name, entry, e);
}

/* Open the directory of a hard link's target; create it if no entry has. */
static int open_target(struct tree *t, const char *path, const char *name, int *ret, struct err *e)
{
	_cleanup_free_ char *dir = xstrndup(path, name > path ? (size_t)(name - path - 1) : 0);

	*ret = open_below(t, dir, 0);
	if (*ret < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		if (make_parents(t, dir, e) < 0)
			return -(int)e->code;
		*ret = open_below(t, dir, 0);
	}
	return *ret < 0 ? err_errno(e, ERR_INVALID, errno, "the way to it") : 0;
}

/* The target is in a lower layer or missing: create an empty placeholder. */
static int add_stand_in(struct tree *t, int dir, const char *name, const char *alias,
			struct stat *ret, struct err *e)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char path[PATH_MAX];
	int r;

	if (fd < 0 || fstat(fd, ret) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "create");
	count_inode(t);
	r = real_path(t, dir, path, e);
	r = r < 0 ? r : count_dir_bytes(t, strlen(path) + strlen(name) + strlen(alias) + 64, e);
	if (r == 0) {
		_cleanup_free_ char *full = xasprintf("%s%s%s", path, *path ? "/" : "", name);

		inherit_file(t->inherit, full, alias, ret);
	}
	return r;
}

static int link_to(struct tree *t, int from, const char *target, const struct stat *a, int dir,
		   const char *name, struct err *e)
{
	_cleanup_close_ int own = -1;
	struct stat b;
	int made = linkat(from, target, dir, name, 0);

	if (made < 0 && errno == EEXIST && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0) {
		if (a->st_ino == b.st_ino)
			return 0;
		if (make_room(t, dir, name, &own, e) < 0)
			return -(int)e->code;
		made = linkat(from, target, own, name, 0);
	}
	return made < 0 ? err_errno(e, ERR_INVALID, errno, "link") : 0;
}

/* path: the entry's cleaned name. */
static int add_hardlink(struct tree *t, int dir, const char *name, const char *path,
			const struct tar_entry *entry, struct err *e)
{
	char to[TAR_PATH_MAX + 1];
	_cleanup_close_ int from = -1;
	const char *slash, *target;
	struct stat st;
	int r = clean_path(entry->link, to, e);

	slash = strrchr(to, '/');
	target = slash ? slash + 1 : to;
	r = r < 0 ? r : open_target(t, to, target, &from, e);
	if (r == 0 && fstatat(from, *target ? target : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = add_stand_in(t, from, target, path, &st, e);
	if (r == 0 && (S_ISDIR(st.st_mode) || is_whiteout(&st)))
		r = err_set(e, ERR_INVALID, "it is no file");
	r = r < 0 ? r : link_to(t, from, target, &st, dir, name, e);
	return r < 0 ? err_wrap(e, "hard link to %.255s", entry->link) : 0;
}

static int remember_time(struct tree *t, const char *path, const struct tar_entry *entry,
			 struct err *e)
{
	size_t size = strlen(path) + 1;
	struct dir_time *d;

	if (count_dir_bytes(t, sizeof(*d) + size, e) < 0)
		return -(int)e->code;
	if ((t->n_dirs & (t->n_dirs - 1)) == 0)
		t->dirs = xrealloc(t->dirs, (t->n_dirs ? t->n_dirs * 2 : 1) * sizeof(*t->dirs));
	d = xmalloc(sizeof(*d) + size);
	d->mtime = attr_time(entry);
	memcpy(d->path, path, size);
	t->dirs[t->n_dirs++] = d;
	return 0;
}

static int add_directory(struct tree *t, int parent, const char *name, const char *path,
			 const struct tar_entry *entry, struct err *e)
{
	_cleanup_close_ int dir = fcntl(parent, F_DUPFD_CLOEXEC, 3), fd = -1;
	int r;

	if (dir < 0)
		return err_errno(e, ERR_INTERNAL, errno, "duplicate a descriptor");
	if (*name) {
		r = make_dir(t, dir, name, false, e);
		if (r < 0)
			return r;
	}
	fd = openat(dir, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open");
	/* The directory may have replaced the cached parent. */
	forget_parent(t);
	r = attr_apply_fd(fd, entry, e);
	r = r < 0 ? r : forget_implicit(t, fd, e);
	return r < 0 ? r : remember_time(t, path, entry, e);
}

/* Hide the lower directory of the same name. */
static int hide_below(struct tree *t, int dir, const char *name, struct err *e)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %.255s", name);
	if (forget_implicit(t, fd, e) < 0)
		return -(int)e->code;
	return attr_set_opaque(dir, name, e);
}

/* Hide the directory's lower content. */
static int add_opaque(struct tree *t, int dir, const char *path, struct err *e)
{
	if (strcmp(path, OPAQUE_NAME) == 0) {
		inherit_opaque_root(t->inherit);
		return 0;
	}
	return attr_set_opaque(dir, ".", e);
}

/* Hide the lower file. This layer's own file of that name stays (OCI image spec, layer.md: a
 * whiteout affects lower layers only). */
static int add_whiteout(struct tree *t, int dir, const char *name, struct err *e)
{
	struct stat st;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(e, ERR_INVALID, "a whiteout without a name");
	if (mknodat(dir, name, S_IFCHR | 0600, makedev(0, 0)) == 0) {
		char path[PATH_MAX];
		int r = real_path(t, dir, path, e);

		count_inode(t);
		if (r == 0 && inherit_whiteout(t->inherit, path))
			r = count_dir_bytes(t, strlen(path) + 64, e);
		return r;
	}
	if (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "create a whiteout");
	return S_ISDIR(st.st_mode) ? hide_below(t, dir, name, e) : 0;
}

/* aufs metadata, except the opaque marker, which is standard. */
static bool is_aufs_note(const char *path)
{
	const char *p = str_starts(path, ".wh..wh.") ? path : strstr(path, "/.wh..wh.");

	return p && strcmp(p + (*p == '/'), OPAQUE_NAME) != 0;
}

/* true: a parent in this layer is no directory (a whiteout perhaps), so it already hides the lower
 * path. */
static bool way_is_closed(struct tree *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = xstrndup(path, slash ? (size_t)(slash - path) : 0);
	_cleanup_close_ int fd = open_below(t, parent, 0);

	return fd < 0 && errno == ENOTDIR;
}

static bool is_whiteout_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return str_starts(slash ? slash + 1 : path, ".wh.");
}

static int add_entry(struct tree *t, const struct tar_entry *entry, struct err *e)
{
	char path[TAR_PATH_MAX + 1];
	const char *name = "";
	int dir = -1, r = clean_path(entry->path, path, e);

	if (r < 0 || is_aufs_note(path))
		return r;
	if (is_whiteout_name(path) && way_is_closed(t, path))
		return 0;
	r = open_parent(t, path, &dir, &name, e);
	if (r < 0)
		return r;
	if (strcmp(name, OPAQUE_NAME) == 0)
		return add_opaque(t, dir, path, e);
	if (str_starts(name, ".wh."))
		return add_whiteout(t, dir, name + strlen(".wh."), e);
	if (entry->type == TAR_TYPE_DIRECTORY)
		return add_directory(t, dir, name, path, entry, e);
	if (!*name)
		return err_set(e, ERR_INVALID, "the root of the layer is not a directory");
	if (entry->type == TAR_TYPE_HARDLINK)
		return add_hardlink(t, dir, name, path, entry, e);
	return add_node(t, dir, name, entry, e);
}

static int tree_entry(void *arg, const struct tar_entry *entry, struct err *e)
{
	struct tree *t = arg;
	int r;

	t->file_entry = entry;
	t->file_end = t->file_sent = 0;
	if (++t->entries > LIMIT_LAYER_FILES)
		return err_set(e, ERR_EXHAUSTED, "more than %d entries in a layer",
			       LIMIT_LAYER_FILES);
	r = add_entry(t, entry, e);
	if (r == 0 && t->file >= 0) {
		t->stats.bytes += entry->size;
		if (t->stats.bytes > (uint64_t)LIMIT_LAYER_BYTES)
			r = err_set(e, ERR_EXHAUSTED, "more than %jd bytes of files in a layer",
				    (intmax_t)LIMIT_LAYER_BYTES);
	}
	return r < 0 ? err_wrap(e, "%.400s", entry->path) : 0;
}

/* Start writeback early, so that little remains for the final syncfs. */
static void start_writeback(struct tree *t)
{
	if (t->file_end - t->file_sent < WRITEBACK_SIZE)
		return;
	sync_file_range(t->file, (off_t)t->file_sent, (off_t)(t->file_end - t->file_sent),
			SYNC_FILE_RANGE_WRITE);
	t->file_sent = t->file_end;
}

static int tree_data(void *arg, uint64_t offset, const void *data, size_t size, struct err *e)
{
	struct tree *t = arg;
	const char *p = data;

	if (t->file >= 0)
		treesum_files_add(t->files, offset, data, size);
	while (t->file >= 0 && size) {
		ssize_t n = pwrite(t->file, p, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_INTERNAL, errno, "%.400s: write",
					 t->file_entry->path);
		p += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
		t->file_end = offset;
		t->stats.disk += (uint64_t)n;
	}
	if (t->file >= 0)
		start_writeback(t);
	return 0;
}

static int tree_end(void *arg, struct err *e)
{
	struct tree *t = arg;
	_cleanup_close_ int fd = take_fd(t->file);
	int r = 0;

	if (fd < 0)
		return 0;
	t->stats.disk = (t->stats.disk + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK;
	if (t->file_end < t->file_entry->size && ftruncate(fd, (off_t)t->file_entry->size) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "set size");
	r = r < 0 ? r : attr_apply_fd(fd, t->file_entry, e);
	r = r < 0 ? r : treesum_files_end(t->files, fd, e);
	return r < 0 ? err_wrap(e, "%.400s", t->file_entry->path) : 0;
}

const struct tar_ops tree_tar_ops = {
	.entry = tree_entry,
	.data = tree_data,
	.end = tree_end,
};

/* Sum the tree: files by the hashes of their written content, the rest by reading. */
static int sum_of(const char *dir, const struct treesum_files *files, struct treesum_value *ret,
		  struct err *e)
{
	_cleanup_treesum_ struct treesum_walk *w = NULL;
	int r = treesum_open(dir, files, &w, e);

	r = r < 0 ? r : treesum_step(w, UINT64_MAX, e);
	if (r == 0)
		*ret = treesum_result(w);
	return r;
}

int tree_finish(struct tree *t, struct tree_stats *ret, struct err *e)
{
	/* Setting one time changes no other, so any order works; the last entry of a directory
	 * applies. */
	for (size_t i = 0; i < t->n_dirs; i++) {
		const struct dir_time *d = t->dirs[i];
		struct timespec times[2] = { d->mtime, d->mtime };
		_cleanup_free_ char *proc = NULL;
		_cleanup_close_ int fd = open_below(t, d->path, O_NOFOLLOW);

		/* A later entry may have replaced the directory. */
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
			continue;
		proc = xasprintf("/proc/self/fd/%d", fd);
		if (fd < 0 || utimensat(AT_FDCWD, proc, times, 0) < 0)
			return err_errno(e, ERR_INTERNAL, errno, "%.400s: set time", d->path);
	}
	if (sum_of(t->root_path, t->files, &t->stats.sum, e) < 0)
		return -(int)e->code;
	*ret = t->stats;
	return 0;
}

int tree_save_implicit(struct tree *t, int dir, const char *name, struct err *e)
{
	_cleanup_buf_ struct buf list = BUF_NULL;
	_cleanup_close_ int fd = -1;

	inherit_save(t->inherit, &list);
	if (!list.len)
		return 0;
	if (list.len > LIMIT_LAYER_NAMES)
		return err_set(e, ERR_EXHAUSTED,
			       "more than %d bytes of names of directories "
			       "without an entry",
			       LIMIT_LAYER_NAMES);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fs_write_all(fd, list.data, list.len) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "write the list of implicit directories");
	return 0;
}

int tree_inherit(int root, const char *list, size_t size, const int *lower, size_t n,
		 struct treesum_value *sum, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/.", root);
	_cleanup_inherit_ struct inherit *h = NULL;
	bool moved;
	int r = inherit_load(root, list, size, &h, e);

	r = r < 0 ? r : inherit_apply(h, lower, n, sum, &moved, e);
	/* Rare: moved entries are read again. */
	return r < 0 || !moved ? r : sum_of(path, NULL, sum, e);
}
