/*
 * tree.c - see tree.h.
 */
#include "pull/tree.h"

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
#include "base/map.h"
#include "base/str.h"
#include "pull/attr.h"

#define DIR_TIMES_MAX (64 * 1024 * 1024) /* bytes of directory names kept for their times */
#define DISK_BLOCK 4096
#define WRITEBACK_SIZE (4 * 1024 * 1024) /* of one file, before it goes to the disk */
#define OPAQUE_NAME ".wh..wh..opq"
#define RESOLVE_TRIES 1000

/* A directory changes its time with each entry, so times are set when all is there. */
struct dir_time {
	struct timespec mtime;
	char path[];
};

struct tree {
	int root;
	char root_path[PATH_MAX];
	/* The directory that most entries have in common with the one before. */
	char parent_path[TAR_PATH_MAX + 1];
	int parent;
	/* The file whose content arrives; fd -1: nobody wants it. */
	const struct tar_entry *file_entry;
	int file;
	uint64_t file_end; /* of what is written */
	uint64_t file_sent; /* up to here the kernel has been told to write it to the disk */
	struct treesum_files *files;
	uint64_t entries;
	struct dir_time **dirs;
	size_t n_dirs, dir_bytes;
	/* Directories without an entry of their own, by their real path below the root. */
	struct map *implicit;
	bool root_has_entry;
	struct tree_stats stats;
};

int tree_open(const char *dir, struct tree **ret, struct err *e)
{
	_cleanup_tree_ struct tree *t = xcalloc(1, sizeof(*t));

	t->file = t->parent = -1;
	t->implicit = map_new();
	t->files = treesum_files_new();
	t->root = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t->root < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", dir);
	if (!realpath(dir, t->root_path))
		return err_errno(e, ERR_INTERNAL, errno, "resolve %s", dir);
	*ret = take_ptr(t);
	return 0;
}

void tree_free(struct tree *t)
{
	char *path;

	if (!t)
		return;
	for (size_t i = 0; i < t->n_dirs; i++)
		free(t->dirs[i]);
	free(t->dirs);
	for (size_t pos = 0; (path = map_next(t->implicit, &pos));)
		free(path);
	map_free(t->implicit);
	treesum_files_free(t->files);
	close_fdp(&t->file);
	close_fdp(&t->parent);
	close_fdp(&t->root);
	free(t);
}

/* Whatever is removed may be what the remembered descriptor stands for, or on the way to it. */
static void forget_parent(struct tree *t)
{
	close_fdp(&t->parent);
}

/* The name without ".", ".." and empty components; "" is the root. */
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

/* A directory below the root, through links that stay below it.  flags: O_NOFOLLOW for the last
 * component, or 0.  -1 with errno. */
static int open_below(const struct tree *t, const char *path, unsigned flags)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	/* EAGAIN: something somewhere was renamed while ".." in a link was walked. */
	for (int i = 0; i < RESOLVE_TRIES; i++) {
		long fd = syscall(SYS_openat2, t->root, *path ? path : ".", &how, sizeof(how));

		if (fd >= 0 || errno != EAGAIN)
			return (int)fd;
	}
	return -1;
}

/* Where an open directory really is below the root, "" for the root, when that is not too deep: by
 * way of links a layer could nest directories without end. */
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

/* What is kept for each directory is bounded as a whole. */
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
	if (r == 0 && !map_get(t->implicit, path)) {
		char *key = xstrdup(path);

		map_put(t->implicit, key, key);
	}
	return r;
}

/* It has an entry of its own now. */
static int forget_implicit(struct tree *t, int dir, struct err *e)
{
	char path[PATH_MAX];
	int r = map_count(t->implicit) ? real_path(t, dir, path, e) : 1;

	if (r == 0)
		free(map_del(t->implicit, path));
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

/* The directory `name` in dir: one that is there stays as it is, anything else makes room.  A
 * directory in place of a whiteout hides the lower ones just as the whiteout did.
 * keep_links: a link is an error. */
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
	return was_whiteout ? attr_set_opaque(dir, name, e) : 0;
}

/* What an archive leaves out on the way to its entries belongs to root. */
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
			if (next >= 0 && remember_implicit(t, next, e) < 0)
				return -(int)e->code;
		}
		if (next < 0)
			return err_errno(e, ERR_INVALID, errno, "the way to it, %.255s", prefix);
		close(dir);
		dir = take_fd(next);
	}
	return 0;
}

/* The directory that holds path, open until the next call or removal; *ret_name is the last
 * component, "" of the root. */
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

/* Make what entry says, but no directory: 0, or -1 with errno, EEXIST among them. */
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

/* The later of two entries with one name wins.  Removal closes the directory that is remembered,
 * hence the copy. */
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

static int open_target(struct tree *t, const struct tar_entry *entry, char path[TAR_PATH_MAX + 1],
		       int *ret_fd, const char **ret_name, struct err *e)
{
	const char *slash;
	int r = clean_path(entry->link, path, e);

	if (r < 0)
		return err_wrap(e, "hard link to %.255s", entry->link);
	slash = strrchr(path, '/');
	*ret_name = slash ? slash + 1 : path;
	if (slash) {
		char dir[TAR_PATH_MAX + 1];

		memcpy(dir, path, (size_t)(slash - path));
		dir[slash - path] = '\0';
		*ret_fd = open_below(t, dir, 0);
	} else {
		*ret_fd = open_below(t, "", 0);
	}
	if (*ret_fd < 0)
		return err_errno(e, ERR_INVALID, errno, "hard link to %.255s", entry->link);
	return 0;
}

static int add_hardlink(struct tree *t, int dir, const char *name, const struct tar_entry *entry,
			struct err *e)
{
	char path[TAR_PATH_MAX + 1];
	_cleanup_close_ int from = -1, own = -1;
	struct stat a, b;
	const char *target = "";
	int made, r = open_target(t, entry, path, &from, &target, e);

	if (r < 0)
		return r;
	if (fstatat(from, target, &a, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INVALID, errno, "hard link to %.255s", entry->link);
	if (S_ISDIR(a.st_mode) || is_whiteout(&a))
		return err_set(e, ERR_INVALID, "hard link to %.255s, which is no file",
			       entry->link);
	made = linkat(from, target, dir, name, 0);
	if (made < 0 && errno == EEXIST && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0) {
		if (a.st_ino == b.st_ino)
			return 0;
		r = make_room(t, dir, name, &own, e);
		if (r < 0)
			return r;
		made = linkat(from, target, own, name, 0);
	}
	if (made < 0)
		return err_errno(e, ERR_INVALID, errno, "hard link to %.255s", entry->link);
	return 0;
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
	t->root_has_entry = t->root_has_entry || !*name;
	r = attr_apply_fd(fd, entry, e);
	r = r < 0 ? r : forget_implicit(t, fd, e);
	return r < 0 ? r : remember_time(t, path, entry, e);
}

/* The file is gone from lower layers.  What this layer itself has under the name stays (OCI image
 * spec, layer.md: a whiteout is about lower layers only). */
static int add_whiteout(struct tree *t, int dir, const char *name, struct err *e)
{
	struct stat st;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(e, ERR_INVALID, "a whiteout without a name");
	if (mknodat(dir, name, S_IFCHR | 0600, makedev(0, 0)) == 0) {
		count_inode(t);
		return 0;
	}
	if (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "create a whiteout");
	return S_ISDIR(st.st_mode) ? attr_set_opaque(dir, name, e) : 0;
}

/* Notes that aufs has left for itself; the one about opaque directories is everybody's. */
static bool is_aufs_note(const char *path)
{
	const char *p = str_starts(path, ".wh..wh.") ? path : strstr(path, "/.wh..wh.");

	return p && strcmp(p + (*p == '/'), OPAQUE_NAME) != 0;
}

/* Something on the way to path is no directory in this layer, a whiteout perhaps: what lower layers
 * have there is hidden already. */
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
		return attr_set_opaque(dir, ".", e);
	if (str_starts(name, ".wh."))
		return add_whiteout(t, dir, name + strlen(".wh."), e);
	if (entry->type == TAR_TYPE_DIRECTORY)
		return add_directory(t, dir, name, path, entry, e);
	if (!*name)
		return err_set(e, ERR_INVALID, "the root of the layer is not a directory");
	if (entry->type == TAR_TYPE_HARDLINK)
		return add_hardlink(t, dir, name, entry, e);
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

/* Begins to write what has come: the disk works from the first megabytes on, and the one syncfs at
 * the end has little left to wait for. */
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

/* Files are known from their way here, the rest is looked up as the kernel now has it. */
static int sum_up(struct tree *t, struct err *e)
{
	_cleanup_treesum_ struct treesum_walk *w = NULL;
	int r = treesum_open(t->root_path, t->files, &w, e);

	r = r < 0 ? r : treesum_step(w, UINT64_MAX, e);
	if (r == 0)
		t->stats.sum = treesum_result(w);
	return r;
}

int tree_finish(struct tree *t, struct tree_stats *ret, struct err *e)
{
	/* Setting a time changes no other, so the order is of no matter; the last of two entries
	 * for one directory wins. */
	for (size_t i = 0; i < t->n_dirs; i++) {
		const struct dir_time *d = t->dirs[i];
		struct timespec times[2] = { d->mtime, d->mtime };
		_cleanup_free_ char *proc = NULL;
		_cleanup_close_ int fd = open_below(t, d->path, O_NOFOLLOW);

		/* A later entry may have put something else in its place. */
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
			continue;
		proc = xasprintf("/proc/self/fd/%d", fd);
		if (fd < 0 || utimensat(AT_FDCWD, proc, times, 0) < 0)
			return err_errno(e, ERR_INTERNAL, errno, "%.400s: set time", d->path);
	}
	if (sum_up(t, e) < 0)
		return -(int)e->code;
	*ret = t->stats;
	return 0;
}

/* The value of the directory's entry changes with it. */
static int copy_attr(int from, int to, const char *path, struct treesum_value *sum, struct err *e)
{
	struct treesum_value before, after;

	if (treesum_directory(to, path, &before, e) < 0 || attr_copy(from, to, e) < 0 ||
	    treesum_directory(to, path, &after, e) < 0)
		return -(int)e->code;
	treesum_value_take(sum, &before);
	treesum_value_add(sum, &after);
	return 0;
}

/* A layer that has something else there ends the search: what is below that does not show. */
static int inherit_one(int root, const char *path, const int *lower, size_t n,
		       struct treesum_value *sum, struct err *e)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	_cleanup_close_ int to = (int)syscall(SYS_openat2, root, *path ? path : ".", &how,
					      sizeof(how));

	/* A later entry may have replaced it; opaque, it is not the lower one. */
	if (to < 0 || attr_is_opaque(to))
		return 0;
	for (size_t i = 0; i < n; i++) {
		_cleanup_close_ int from = (int)syscall(SYS_openat2, lower[i], *path ? path : ".",
							&how, sizeof(how));

		if (from >= 0)
			return copy_attr(from, to, path, sum, e);
		if (errno != ENOENT)
			return 0;
	}
	return 0;
}

int tree_save_implicit(struct tree *t, int dir, const char *name, struct err *e)
{
	_cleanup_buf_ struct buf list = BUF_NULL;
	_cleanup_close_ int fd = -1;
	const char *path;

	if (!t->root_has_entry)
		buf_add(&list, "", 1);
	for (size_t pos = 0; (path = map_next(t->implicit, &pos));)
		buf_add(&list, path, strlen(path) + 1);
	if (!list.len)
		return 0;
	if (list.len > LIMIT_LAYER_NAMES)
		return err_set(e, ERR_EXHAUSTED, "more than %d bytes of names of directories "
			       "without an entry", LIMIT_LAYER_NAMES);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fs_write_all(fd, list.data, list.len) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "write the list of implicit directories");
	return 0;
}

int tree_inherit(int root, const char *list, size_t size, const int *lower, size_t n,
		 struct treesum_value *sum, struct err *e)
{
	for (const char *path = list; path < list + size; path += strlen(path) + 1)
		if (inherit_one(root, path, lower, n, sum, e) < 0)
			return err_wrap(e, "%.400s", *path ? path : "/");
	return 0;
}
