/*
 * rootdiff.c - walks the upper directory of an overlay.
 *
 * A whiteout (character device 0:0) is a deleted file.  An opaque directory, and each directory
 * below one, hides the lower directories of its path: their other entries are deleted, too.
 * Invariants: no link is followed; memory is bounded by ROOTDIFF_NAMES_MAX.
 */
#include "pod/rootdiff.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "oci/json.h"

#define OPAQUE "trusted.overlay.opaque"
#define REDIRECT "trusted.overlay.redirect"
#define METACOPY "trusted.overlay.metacopy"

/* A directory of upper to be walked. */
struct dir {
	struct dir *next;
	bool hides; /* what lower layers have there */
	char path[]; /* relative; "": upper itself */
};

struct upper_walk {
	struct rootdiff *d;
	int upper;
	struct dir *first, **last;
	json_t *deleted; /* object whose keys are the paths */
	size_t bytes; /* of all names */
};

static char *join(const char *dir, const char *name)
{
	return *dir ? xasprintf("%s/%s", dir, name) : xstrdup(name);
}

static int count(struct upper_walk *w, const char *path, struct err *e)
{
	w->bytes += strlen(path) + 1;
	if (w->bytes > ROOTDIFF_NAMES_MAX)
		return err_set(e, ERR_EXHAUSTED,
			       "the names of changed files have more than %d bytes",
			       ROOTDIFF_NAMES_MAX);
	if (clock_monotonic_ns() > w->d->until_ns)
		return err_set(e, ERR_DEADLINE, "the walk over changed files did not end in time");
	return 0;
}

static void push(struct upper_walk *w, const char *path, bool hides)
{
	struct dir *dir = xmalloc(sizeof(*dir) + strlen(path) + 1);

	dir->next = NULL;
	dir->hides = hides;
	memcpy(dir->path, path, strlen(path) + 1);
	*w->last = dir;
	w->last = &dir->next;
}

static int open_below(int dir, const char *path)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof(how));
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static bool is_mounted(const struct upper_walk *w, const char *path)
{
	const json_t *m;
	size_t i;

	json_array_foreach(w->d->mounts, i, m)
	{
		const char *at = json_string_value(json_object_get(m, "destination"));

		if (at && strcmp(at + strspn(at, "/"), path) == 0)
			return true;
	}
	return false;
}

static int add_deleted(struct upper_walk *w, const char *path, struct err *e)
{
	_cleanup_free_ char *full = xasprintf("/%s", path);

	if (!str_is_utf8(full, strlen(full)))
		return err_set(e, ERR_PRECONDITION, "the name of a deleted file is not UTF-8");
	oci_json_put(w->deleted, full, json_true());
	return count(w, path, e);
}

/* --- lower layers --- */

struct hidden {
	struct upper_walk *w;
	const char *path; /* of the directory */
	int upper; /* the same in upper */
};

static int add_hidden(const char *at, const char *name, void *arg, struct err *e)
{
	const struct hidden *h = arg;
	_cleanup_free_ char *path = join(h->path, name);
	struct stat st;

	(void)at;
	return fstatat(h->upper, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0
								      : add_deleted(h->w, path, e);
}

static int find_hidden(struct upper_walk *w, const struct dir *dir, int upper, struct err *e)
{
	struct hidden h = { .w = w, .path = dir->path, .upper = upper };
	int r = 0;

	for (size_t i = 0; w->d->lowers[i] && r == 0; i++) {
		_cleanup_close_ int layer = open(w->d->lowers[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		_cleanup_close_ int fd = layer < 0 ? -1 : open_below(layer, dir->path);
		_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", fd);

		if (layer < 0)
			return err_errno(e, ERR_DATA_LOSS, errno, "open layer %s", w->d->lowers[i]);
		if (fd >= 0)
			r = fs_each(path, add_hidden, &h, e);
	}
	return r;
}

/* --- upper --- */

static bool has_xattr(const char *path, const char *name, char want)
{
	char value[8];
	ssize_t n = lgetxattr(path, name, value, sizeof(value));

	return want ? n == 1 && value[0] == want : n >= 0 || errno == ERANGE;
}

/* A renamed directory, or a file without its data: the upper layer alone does not have it. */
static int check_whole(const char *at, const char *path, const struct stat *st, struct err *e)
{
	if ((S_ISDIR(st->st_mode) && has_xattr(at, REDIRECT, 0)) ||
	    (S_ISREG(st->st_mode) && has_xattr(at, METACOPY, 0)))
		return err_set(e, ERR_PRECONDITION,
			       "overlay keeps a part of /%s in a lower layer (redirect_dir, "
			       "metacopy)",
			       path);
	return 0;
}

struct entries {
	struct upper_walk *w;
	const struct dir *dir;
	int fd; /* of dir */
};

static int add_entry(const char *at, const char *name, void *arg, struct err *e)
{
	const struct entries *all = arg;
	struct upper_walk *w = all->w;
	_cleanup_free_ char *path = join(all->dir->path, name);
	struct stat st;
	int r;

	if (fstatat(all->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat /%s", path);
	if (is_whiteout(&st))
		return add_deleted(w, path, e);
	if (is_mounted(w, path))
		return 0;
	r = count(w, path, e);
	if (r == 0)
		r = check_whole(at, path, &st, e);
	if (r < 0)
		return r;
	if (strlen(path) >= PATH_MAX)
		return err_set(e, ERR_PRECONDITION, "the path of a changed file has %zu bytes",
			       strlen(path));
	buf_add(&w->d->names, path, strlen(path) + 1);
	if (S_ISDIR(st.st_mode))
		push(w, path, all->dir->hides || has_xattr(at, OPAQUE, 'y'));
	return 0;
}

static int walk_dir(struct upper_walk *w, const struct dir *dir, struct err *e)
{
	_cleanup_close_ int fd = open_below(w->upper, dir->path);
	_cleanup_free_ char *at = xasprintf("/proc/self/fd/%d", fd);
	struct entries all = { .w = w, .dir = dir, .fd = fd };
	int r;

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open /%s", dir->path);
	r = fs_each(at, add_entry, &all, e);
	return r == 0 && dir->hides ? find_hidden(w, dir, fd, e) : r;
}

static int walk_all(struct upper_walk *w, struct err *e)
{
	int r = 0;

	push(w, "", false);
	while (w->first) {
		struct dir *dir = w->first;

		if (r == 0)
			r = walk_dir(w, dir, e);
		w->first = dir->next;
		if (!w->first)
			w->last = &w->first;
		free(dir);
	}
	return r;
}

int rootdiff_find(struct rootdiff *d, struct err *e)
{
	_cleanup_close_ int upper = open(d->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct upper_walk w = { .d = d, .upper = upper, .deleted = oci_json_object() };
	const char *path;
	json_t *value;
	int r;

	w.last = &w.first;
	d->deleted = oci_json_array();
	r = upper < 0 ? err_errno(e, ERR_INTERNAL, errno, "open %s", d->upper) : walk_all(&w, e);
	json_object_foreach(w.deleted, path, value)
	{
		oci_json_push_text(d->deleted, path);
	}
	json_decref(w.deleted);
	return r;
}

void rootdiff_done(struct rootdiff *d)
{
	json_decref(d->deleted);
	buf_done(&d->names);
	*d = ROOTDIFF_NULL;
}
