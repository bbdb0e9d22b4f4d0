/*
 * inherit.c - record and serialize, then apply in this order: hard links, opaque root, moves below
 * lower symlinks, useless whiteouts, attributes of directories.
 */
#include "pull/unpack/inherit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/str.h"
#include "pull/unpack/attr.h"

#define LINKS_MAX 40 /* symlinks per path */
#define MOVES_MAX 1000 /* directories per layer that are lower symlinks */
#define MOVED_DEPTH_MAX 100
#define COPY_BYTES (256 * 1024)

struct borrowed {
	dev_t device;
	ino_t inode;
	char *path, *name;
};

/* A set of paths. list: sorted copy during inherit_apply; NULL: removed. */
struct paths {
	struct map *known;
	char **list;
	size_t n;
};

struct inherit {
	/* The layer's own root; the lower roots while applying. */
	int root;
	const int *lower;
	size_t n_lower;
	struct paths dirs; /* directories without an entry */
	struct paths whites; /* directories with whiteouts */
	struct borrowed *files;
	size_t n_files;
	bool opaque_root, moved;
};

static bool paths_add(struct paths *p, const char *path)
{
	char *key;

	if (map_get(p->known, path))
		return false;
	key = xstrdup(path);
	map_put(p->known, key, key);
	return true;
}

static void paths_append(struct paths *p, char *path)
{
	p->list = xrealloc(p->list, (p->n + 1) * sizeof(*p->list));
	p->list[p->n++] = path;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts parents before their content. */
static void paths_sort(struct paths *p)
{
	char *path;

	for (size_t pos = 0; (path = map_next(p->known, &pos));)
		paths_append(p, path);
	if (p->n)
		qsort(p->list, p->n, sizeof(*p->list), by_name);
}

/* Replace prefix `old` by `new`. itself: rename the path `old` too; else remove it. */
static void paths_rename(struct paths *p, const char *old, const char *new, bool itself)
{
	size_t n = strlen(old);

	for (size_t i = 0; i < p->n; i++) {
		_cleanup_free_ char *path = NULL, *moved = NULL;
		char *at = p->list[i];

		if (!at || !str_starts(at, old) || (at[n] && at[n] != '/'))
			continue;
		path = map_del(p->known, at);
		p->list[i] = NULL;
		if (!path[n] && !itself)
			continue;
		moved = xasprintf("%s%s%s", new, *new &&path[n] ? "/" : "",
				  path[n] ? path + n + 1 : "");
		if (!map_get(p->known, moved)) {
			p->list[i] = take_ptr(moved);
			map_put(p->known, p->list[i], p->list[i]);
		}
	}
}

static void paths_done(struct paths *p)
{
	char *path;

	for (size_t pos = 0; (path = map_next(p->known, &pos));)
		free(path);
	map_free(p->known);
	free(p->list);
}

struct inherit *inherit_new(int root)
{
	struct inherit *h = xcalloc(1, sizeof(*h));

	h->root = root;
	h->dirs.known = map_new();
	h->whites.known = map_new();
	inherit_directory(h, "");
	return h;
}

void inherit_free(struct inherit *h)
{
	if (!h)
		return;
	paths_done(&h->dirs);
	paths_done(&h->whites);
	for (size_t i = 0; i < h->n_files; i++) {
		free(h->files[i].path);
		free(h->files[i].name);
	}
	free(h->files);
	free(h);
}

void inherit_directory(struct inherit *h, const char *path)
{
	paths_add(&h->dirs, path);
}

void inherit_directory_told(struct inherit *h, const char *path)
{
	free(map_del(h->dirs.known, path));
}

bool inherit_whiteout(struct inherit *h, const char *path)
{
	return paths_add(&h->whites, path);
}

void inherit_file(struct inherit *h, const char *path, const char *name, const struct stat *st)
{
	if ((h->n_files & (h->n_files - 1)) == 0)
		h->files =
			xrealloc(h->files, (h->n_files ? h->n_files * 2 : 1) * sizeof(*h->files));
	h->files[h->n_files++] = (struct borrowed){
		.device = st->st_dev,
		.inode = st->st_ino,
		.path = xstrdup(path),
		.name = xstrdup(name),
	};
}

void inherit_opaque_root(struct inherit *h)
{
	h->opaque_root = true;
}

void inherit_save(const struct inherit *h, struct buf *ret)
{
	const char *path;

	for (size_t pos = 0; (path = map_next(h->dirs.known, &pos));)
		buf_printf(ret, "d%s%c", path, '\0');
	for (size_t pos = 0; (path = map_next(h->whites.known, &pos));)
		buf_printf(ret, "w%s%c", path, '\0');
	for (size_t i = 0; i < h->n_files; i++) {
		const struct borrowed *b = &h->files[i];

		buf_printf(ret, "f%ju %ju%c%s%c%s%c", (uintmax_t)b->device, (uintmax_t)b->inode,
			   '\0', b->path, '\0', b->name, '\0');
	}
	if (h->opaque_root)
		buf_add(ret, "o", 2);
}

/* Return the text at *data and advance *data; NULL: end. */
static const char *next_text(const char **data, const char *end)
{
	const char *text = *data;
	size_t n = strnlen(text, (size_t)(end - text));

	if (text + n >= end)
		return NULL;
	*data = text + n + 1;
	return text;
}

static int load_one(struct inherit *h, const char *text, const char **data, const char *end)
{
	uintmax_t device, inode;
	const char *path, *name;

	switch (*text) {
	case 'd':
		inherit_directory(h, text + 1);
		return 0;
	case 'w':
		inherit_whiteout(h, text + 1);
		return 0;
	case 'o':
		inherit_opaque_root(h);
		return 0;
	case 'f':
		path = next_text(data, end);
		name = path ? next_text(data, end) : NULL;
		if (!name || sscanf(text + 1, "%ju %ju", &device, &inode) != 2)
			return -1;
		inherit_file(h, path, name,
			     &(struct stat){ .st_dev = (dev_t)device, .st_ino = (ino_t)inode });
		return 0;
	}
	return -1;
}

int inherit_load(int root, const char *data, size_t size, struct inherit **ret, struct err *e)
{
	_cleanup_inherit_ struct inherit *h = inherit_new(root);
	const char *end = data + size, *text;

	inherit_directory_told(h, "");
	while (data < end) {
		text = next_text(&data, end);
		if (!text || load_one(h, text, &data, end) < 0)
			return err_set(e, ERR_INTERNAL, "the list of directories is damaged");
	}
	*ret = take_ptr(h);
	return 0;
}

bool inherit_is_wanted(const struct inherit *h)
{
	return map_count(h->dirs.known) || map_count(h->whites.known) || h->n_files ||
	       h->opaque_root;
}

/* --- view of the image --- */

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* -1: errno is set. */
static int open_in(int layer, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	return (int)syscall(SYS_openat2, layer, *path ? path : ".", &how, sizeof(how));
}

enum look {
	LOOK_FOUND,
	LOOK_ABSENT, /* a lower layer may have it */
	LOOK_HIDDEN, /* hides lower layers */
};

/* Look up path in one layer; *ret_opaque: it hides lower layers there. */
static enum look look(int layer, const char *path, struct stat *ret, bool *ret_opaque)
{
	_cleanup_close_ int dir = open_in(layer, "", O_RDONLY | O_DIRECTORY);

	*ret_opaque = false;
	if (dir < 0 || !*path)
		return dir >= 0 && fstat(dir, ret) == 0 ? LOOK_FOUND : LOOK_HIDDEN;
	for (;;) {
		char name[NAME_MAX + 1];
		size_t n = strcspn(path, "/");
		int next;

		if (n > NAME_MAX)
			return LOOK_HIDDEN;
		memcpy(name, path, n);
		name[n] = '\0';
		if (fstatat(dir, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
			return *ret_opaque ? LOOK_HIDDEN : LOOK_ABSENT;
		if (is_whiteout(ret))
			return LOOK_HIDDEN;
		if (!path[n])
			return LOOK_FOUND;
		next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return LOOK_HIDDEN;
		close(dir);
		dir = next;
		*ret_opaque = *ret_opaque || attr_is_opaque(dir);
		path += n + 1;
	}
}

/* Look up path in the lower layers. 0: *ret_layer is the layer's root; 1: not found. */
static int find_below(const struct inherit *h, const char *path, int *ret_layer, struct stat *ret)
{
	enum look l = LOOK_ABSENT;
	bool opaque;

	if (h->opaque_root && *path)
		return 1;
	for (size_t i = 0; i < h->n_lower && l == LOOK_ABSENT; i++) {
		*ret_layer = h->lower[i];
		l = look(h->lower[i], path, ret, &opaque);
	}
	return l == LOOK_FOUND ? 0 : 1;
}

/* Look up path in all layers. In this layer directories without an entry do not count. */
static int find(const struct inherit *h, const char *path, int *ret_layer, struct stat *ret)
{
	bool opaque;
	enum look l = look(h->root, path, ret, &opaque);

	*ret_layer = h->root;
	if (l == LOOK_FOUND && S_ISDIR(ret->st_mode) && map_get(h->dirs.known, path))
		l = opaque ? LOOK_HIDDEN : LOOK_ABSENT;
	if (l == LOOK_ABSENT)
		return find_below(h, path, ret_layer, ret);
	return l == LOOK_FOUND ? 0 : 1;
}

/* Append one component to path. */
static int append(char path[PATH_MAX], const char *name, size_t n, struct err *e)
{
	size_t len = strlen(path);

	if (len + n + 2 > PATH_MAX)
		return err_set(e, ERR_INVALID, "a link makes the path too long");
	if (len)
		path[len++] = '/';
	memcpy(path + len, name, n);
	path[len + n] = '\0';
	return 0;
}

static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	*(slash ? slash : path) = '\0';
}

/* Prepend the target of the symlink at path to *todo. */
static int follow(int layer, const char *path, char **todo, struct err *e)
{
	_cleanup_close_ int fd = open_in(layer, path, O_PATH);
	char target[PATH_MAX];
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);
	char *rest = *todo;

	if (n < 0)
		return err_errno(e, ERR_INTERNAL, errno, "read link %.255s", path);
	target[n] = '\0';
	if ((size_t)n + strlen(rest) + 2 > PATH_MAX)
		return err_set(e, ERR_INVALID, "a link makes the path too long");
	*todo = xasprintf("%s/%s", target, rest);
	return 0;
}

/* Resolve path in the image, following symlinks; missing components are kept as they are. */
static int resolve(const struct inherit *h, const char *path, char ret[PATH_MAX], struct err *e)
{
	_cleanup_free_ char *todo = xstrdup(path);
	char *p = todo;
	int links = 0;

	for (*ret = '\0'; *p;) {
		size_t n = strcspn(p, "/");
		const char *name = p;
		struct stat st;
		int layer, r = 0;
		char *next;

		p += n + (p[n] == '/');
		if (n == 2 && name[0] == '.' && name[1] == '.')
			cut_last(ret);
		else if (n && !(n == 1 && *name == '.'))
			r = append(ret, name, n, e);
		else
			continue;
		if (r < 0)
			return r;
		if (find(h, ret, &layer, &st) != 0 || !S_ISLNK(st.st_mode))
			continue;
		if (++links > LINKS_MAX)
			return err_set(e, ERR_INVALID, "too many links");
		next = p;
		if (follow(layer, ret, &next, e) < 0)
			return -(int)e->code;
		cut_last(ret);
		if (*next == '/')
			*ret = '\0';
		free(todo);
		p = todo = next;
	}
	return 0;
}

/* --- hard links to files of lower layers --- */

/* Copy the content, without holes. */
static int copy_content(int from, int to, off_t size, struct err *e)
{
	_cleanup_free_ char *data = xmalloc(COPY_BYTES);
	off_t at = 0;

	while (at < size && (at = lseek(from, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(from, at, SEEK_HOLE);

		while (at < end) {
			size_t want = (size_t)MIN((off_t)COPY_BYTES, end - at);
			ssize_t n = pread(from, data, want, at);

			if (n <= 0 || pwrite(to, data, (size_t)n, at) != n)
				return err_errno(e, ERR_INTERNAL, errno, "copy");
			at += n;
		}
	}
	return ftruncate(to, size) < 0 ? err_errno(e, ERR_INTERNAL, errno, "set size") : 0;
}

static int open_if_same(const struct inherit *h, const struct borrowed *b, const char *path)
{
	_cleanup_close_ int fd = open_in(h->root, path, O_WRONLY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != b->inode || st.st_dev != b->device)
		return -1;
	return take_fd(fd);
}

static int fill(struct inherit *h, const struct borrowed *b, struct err *e)
{
	_cleanup_close_ int from = -1, to = open_if_same(h, b, b->path);
	const char *slash = strrchr(b->path, '/');
	const char *base = slash ? slash + 1 : b->path;
	_cleanup_free_ char *parent = xstrndup(b->path, slash ? (size_t)(slash - b->path) : 0);
	char path[PATH_MAX];
	struct stat st;
	int layer, r = resolve(h, parent, path, e);

	r = r < 0 ? r : append(path, base, strlen(base), e);
	if (r < 0)
		return r;
	if (to < 0)
		to = open_if_same(h, b, b->name);
	if (to < 0)
		return 0; /* later entries replaced both names */
	if (find_below(h, path, &layer, &st) == 0 && S_ISREG(st.st_mode))
		from = open_in(layer, path, O_RDONLY | O_NONBLOCK);
	if (from < 0)
		return err_set(e, ERR_INVALID,
			       "hard link to %.255s, which is no file of this layer or below",
			       b->path);
	r = copy_content(from, to, st.st_size, e);
	return r < 0 ? r : attr_copy(from, to, e);
}

/* Restores a directory's times after changes of its content. */
struct kept_time {
	int dir;
	struct stat st;
};

static void keep_time(struct kept_time *k, int dir)
{
	k->dir = fstat(dir, &k->st) == 0 ? dir : -1;
}

static void keep_time_done(struct kept_time *k)
{
	if (k->dir >= 0)
		futimens(k->dir, (struct timespec[2]){ k->st.st_atim, k->st.st_mtim });
}

/* --- opaque root --- */

static int hide_name(const struct inherit *h, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(h->root, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode) ? attr_set_opaque(h->root, name, e) : 0;
	if (mknodat(h->root, name, S_IFCHR | 0600, makedev(0, 0)) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "create a whiteout");
	return 0;
}

/* Call fn for each name in the directory, until fn returns <0. */
static int each_name(int dir, int (*fn)(void *arg, const char *name, struct err *e), void *arg,
		     struct err *e)
{
	int fd = open_in(dir, "", O_RDONLY | O_DIRECTORY);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!d)
		return err_errno(e, ERR_INTERNAL, errno, "open a directory");
	while (r == 0 && (errno = 0, entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = fn(arg, entry->d_name, e);
	if (r == 0 && errno)
		r = err_errno(e, ERR_INTERNAL, errno, "read a directory");
	return r;
}

static int on_lower_name(void *arg, const char *name, struct err *e)
{
	return hide_name(arg, name, e);
}

/* Overlay ignores the opaque attribute at the root, so hide each lower name. */
static int hide_all(struct inherit *h, struct err *e)
{
	_cleanup_(keep_time_done) struct kept_time k = { .dir = -1 };
	int r = 0;

	keep_time(&k, h->root);
	for (size_t i = 0; i < h->n_lower && r == 0; i++)
		r = each_name(h->lower[i], on_lower_name, h, e);
	return r;
}

/* --- attributes of directories --- */

/* Open this layer's directory `path`, unless a later entry replaced it. */
static int open_own(const struct inherit *h, const char *path)
{
	return open_in(h->root, path, O_RDONLY | O_DIRECTORY);
}

/* Copy the attributes and update sum; sum may be NULL. */
static int copy_attr(int from, int to, const char *path, struct treesum_value *sum, struct err *e)
{
	struct treesum_value before, after;

	if (!sum)
		return attr_copy(from, to, e);
	if (treesum_directory(to, path, &before, e) < 0 || attr_copy(from, to, e) < 0 ||
	    treesum_directory(to, path, &after, e) < 0)
		return -(int)e->code;
	treesum_value_take(sum, &before);
	treesum_value_add(sum, &after);
	return 0;
}

static int dress(const struct inherit *h, const char *path, struct treesum_value *sum,
		 struct err *e)
{
	_cleanup_close_ int to = open_own(h, path), from = -1;
	struct stat st;
	bool opaque;
	int layer;

	if (to < 0 || look(h->root, path, &st, &opaque) != LOOK_FOUND || opaque ||
	    find_below(h, path, &layer, &st) != 0 || !S_ISDIR(st.st_mode))
		return 0;
	from = open_in(layer, path, O_RDONLY | O_DIRECTORY);
	if (from < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %.400s in a layer below", path);
	if (copy_attr(from, to, path, sum, e) < 0)
		return err_wrap(e, "%.400s", path);
	return 0;
}

/* --- directories that are symlinks in lower layers --- */

static int merge(int from, int to, struct err *e);

struct merging {
	int from, to;
};

static int merge_directory(const struct merging *m, const char *name, struct err *e)
{
	_cleanup_close_ int from = open_in(m->from, name, O_RDONLY | O_DIRECTORY);
	_cleanup_close_ int to = open_in(m->to, name, O_RDONLY | O_DIRECTORY);
	int r;

	if (from < 0 || to < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %.255s", name);
	r = merge(from, to, e);
	r = r < 0 ? r : attr_copy(from, to, e);
	if (r == 0 && attr_is_opaque(from))
		r = attr_set_opaque(m->to, name, e);
	if (r == 0 && unlinkat(m->from, name, AT_REMOVEDIR) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "remove %.255s", name);
	return r;
}

static int merge_one(void *arg, const char *name, struct err *e)
{
	const struct merging *m = arg;
	struct stat a, b;
	bool there = fstatat(m->to, name, &b, AT_SYMLINK_NOFOLLOW) == 0;
	int r = 0;

	if (fstatat(m->from, name, &a, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat %.255s", name);
	if (there && S_ISDIR(a.st_mode) && S_ISDIR(b.st_mode))
		return merge_directory(m, name, e);
	if (there && is_whiteout(&a)) {
		/* A whiteout affects lower layers only: keep this layer's file. */
		r = S_ISDIR(b.st_mode) ? attr_set_opaque(m->to, name, e) : 0;
		if (r == 0 && unlinkat(m->from, name, 0) < 0)
			r = err_errno(e, ERR_INTERNAL, errno, "remove %.255s", name);
		return r;
	}
	if (there) {
		_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/%s", m->to, name);

		r = fs_remove_tree(path, e);
	}
	if (r == 0 && renameat(m->from, name, m->to, name) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "move %.255s", name);
	if (r == 0 && there && is_whiteout(&b) && S_ISDIR(a.st_mode))
		r = attr_set_opaque(m->to, name, e);
	return r;
}

/* Move the content of one directory into another. */
static int merge(int from, int to, struct err *e)
{
	struct merging m = { .from = from, .to = to };

	return each_name(from, merge_one, &m, e);
}

/* Open the directory `name` in dir; create it if missing. */
static int enter(struct inherit *h, int dir, const char *name, const char *path, int *ret,
		 struct err *e)
{
	_cleanup_(keep_time_done) struct kept_time k = { .dir = -1 };
	struct stat st;
	bool there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;

	keep_time(&k, dir);
	if (there && is_whiteout(&st) && unlinkat(dir, name, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "remove the whiteout %.255s", name);
	if (!there || is_whiteout(&st)) {
		if (mkdirat(dir, name, 0755) < 0 || fchmodat(dir, name, 0755, 0) < 0)
			return err_errno(e, ERR_INTERNAL, errno, "make directory %.255s", name);
		if (there && attr_set_opaque(dir, name, e) < 0)
			return -(int)e->code;
		if (!there && dress(h, path, NULL, e) < 0)
			return -(int)e->code;
	}
	*ret = open_in(dir, name, O_RDONLY | O_DIRECTORY);
	return *ret < 0 ? err_errno(e, ERR_INVALID, errno, "%.255s on the way to it", name) : 0;
}

/* Open path in this layer; create missing directories. */
static int make_path(struct inherit *h, const char *path, int *ret, struct err *e)
{
	_cleanup_close_ int dir = open_in(h->root, "", O_RDONLY | O_DIRECTORY);
	unsigned depth = 0;

	if (dir < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open the layer's root");
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		_cleanup_free_ char *name = xstrndup(p, n);
		_cleanup_free_ char *sofar = xstrndup(path, (size_t)(p + n - path));
		int next = -1;

		if (++depth > MOVED_DEPTH_MAX)
			return err_set(e, ERR_INVALID, "links lead deeper than %d directories",
				       MOVED_DEPTH_MAX);
		if (enter(h, dir, name, sofar, &next, e) < 0)
			return -(int)e->code;
		close(dir);
		dir = next;
		p += n + (p[n] == '/');
	}
	*ret = take_fd(dir);
	return 0;
}

/* A directory of this layer covers a lower symlink: move its content to the symlink's target. */
static int move(struct inherit *h, const char *path, struct err *e)
{
	_cleanup_free_ char *parent_path = xstrdup(path);
	_cleanup_close_ int from = open_in(h->root, path, O_RDONLY | O_DIRECTORY);
	_cleanup_close_ int parent = -1, to = -1;
	_cleanup_(keep_time_done) struct kept_time t1 = { .dir = -1 }, t2 = { .dir = -1 };
	char target[PATH_MAX];
	int r = resolve(h, path, target, e);

	r = r < 0 ? r : make_path(h, target, &to, e);
	if (r < 0)
		return r;
	cut_last(parent_path);
	parent = open_in(h->root, parent_path, O_RDONLY | O_DIRECTORY);
	if (from < 0 || parent < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %.255s", path);
	keep_time(&t1, parent);
	keep_time(&t2, to);
	r = merge(from, to, e);
	if (r == 0 && attr_is_opaque(from))
		r = *target ? attr_set_opaque(to, ".", e) : hide_all(h, e);
	if (r < 0)
		return r;
	if (unlinkat(parent, path + strlen(parent_path) + (*parent_path != '\0'), AT_REMOVEDIR) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "remove %.255s", path);
	paths_rename(&h->dirs, path, target, false);
	paths_rename(&h->whites, path, target, true);
	return 0;
}

static bool is_link_below(const struct inherit *h, const char *path)
{
	_cleanup_close_ int own = open_own(h, path);
	struct stat st;
	int layer;

	return own >= 0 && find(h, path, &layer, &st) == 0 && S_ISLNK(st.st_mode);
}

static int move_all(struct inherit *h, struct err *e)
{
	unsigned moves = 0;

	for (size_t i = 0; i < h->dirs.n; i++) {
		const char *path = h->dirs.list[i];
		_cleanup_free_ char *link = NULL;

		if (!path || !is_link_below(h, path))
			continue;
		if (++moves > MOVES_MAX)
			return err_set(e, ERR_EXHAUSTED,
				       "more than %d directories are links in layers below",
				       MOVES_MAX);
		h->moved = true;
		link = xstrdup(path);
		if (move(h, link, e) < 0)
			return err_wrap(e, "%.400s", link);
	}
	return 0;
}

/* --- useless whiteouts --- */

/* true: overlay merges the directory with a lower one. */
static bool is_merged(const struct inherit *h, const char *path, int own)
{
	struct stat st;
	bool opaque;
	int layer;

	return look(h->root, path, &st, &opaque) == LOOK_FOUND && !opaque && !attr_is_opaque(own) &&
	       find_below(h, path, &layer, &st) == 0 && S_ISDIR(st.st_mode);
}

static int remove_whiteout(void *arg, const char *name, struct err *e)
{
	const int *dir = arg;
	struct stat st;

	if (fstatat(*dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_whiteout(&st) &&
	    unlinkat(*dir, name, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "remove the whiteout %.255s", name);
	return 0;
}

/* Remove a directory that existed only for whiteouts, and its parents that existed only for it. */
static void remove_empty(struct inherit *h, const char *path)
{
	_cleanup_free_ char *at = xstrdup(path);

	while (*at && map_get(h->dirs.known, at)) {
		_cleanup_free_ char *parent = xstrdup(at);
		_cleanup_close_ int dir = -1;
		_cleanup_(keep_time_done) struct kept_time k = { .dir = -1 };

		cut_last(parent);
		dir = open_own(h, parent);
		keep_time(&k, dir);
		if (dir < 0 ||
		    unlinkat(dir, at + strlen(parent) + (*parent != '\0'), AT_REMOVEDIR) < 0)
			return;
		cut_last(at);
	}
}

/* In an unmerged directory overlay shows whiteouts as character devices: remove them. */
static int prune(struct inherit *h, const char *path, struct err *e)
{
	_cleanup_close_ int own = open_own(h, path);
	_cleanup_(keep_time_done) struct kept_time k = { .dir = -1 };

	if (own < 0 || is_merged(h, path, own))
		return 0;
	h->moved = true;
	keep_time(&k, own);
	if (each_name(own, remove_whiteout, &own, e) < 0)
		return err_wrap(e, "%.400s", path);
	remove_empty(h, path);
	return 0;
}

int inherit_apply(struct inherit *h, const int *lower, size_t n, struct treesum_value *sum,
		  bool *ret_moved, struct err *e)
{
	int r = 0;

	h->lower = lower;
	h->n_lower = n;
	h->moved = h->n_files || h->opaque_root;
	for (size_t i = 0; i < h->n_files && r == 0; i++)
		if (fill(h, &h->files[i], e) < 0)
			r = err_wrap(e, "%.400s", h->files[i].name);
	if (r == 0 && h->opaque_root)
		r = hide_all(h, e);
	paths_sort(&h->dirs);
	paths_sort(&h->whites);
	r = r < 0 ? r : move_all(h, e);
	for (size_t i = h->whites.n; i-- > 0 && r == 0;)
		if (h->whites.list[i])
			r = prune(h, h->whites.list[i], e);
	for (size_t i = 0; i < h->dirs.n && r == 0; i++)
		if (h->dirs.list[i])
			r = dress(h, h->dirs.list[i], sum, e);
	*ret_moved = h->moved;
	return r;
}
