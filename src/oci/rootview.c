/*
 * rootview.c - resolve container paths with a table of mounts, before any mount is made.
 * The resolved part of a path is clean text.  The next component is opened with O_NOFOLLOW below
 * the descriptor of the covering mount.  RESOLVE_NO_SYMLINKS fails if a component was replaced by
 * a link meanwhile.
 */
#include "oci/rootview.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

#define LINKS_MAX 40 /* the kernel's limit */
#define DEPTH_MAX 1024 /* components of one walk, including those of links */

struct covering {
	char *path;
	int fd; /* O_PATH; -1: a new file system */
	bool read_only;
};

struct rootview {
	int root;
	uint32_t uid, gid; /* of what is created in the root */
	struct covering *mounts;
	size_t n;
};

struct rootview *rootview_new(int root)
{
	struct rootview *v = xcalloc(1, sizeof(*v));

	v->root = root;
	return v;
}

void rootview_own(struct rootview *v, uint32_t uid, uint32_t gid)
{
	v->uid = uid;
	v->gid = gid;
}

static void covering_done(struct covering *m)
{
	free(m->path);
	if (m->fd >= 0)
		close(m->fd);
}

void rootview_free(struct rootview *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++)
		covering_done(&v->mounts[i]);
	free(v->mounts);
	free(v);
}

/* No mount hides another, so at most one of them is the deepest. */
static const struct covering *find_covering(const struct rootview *v, const char *path)
{
	const struct covering *found = NULL;

	for (size_t i = 0; i < v->n; i++)
		if (fs_path_is_within(path, v->mounts[i].path) &&
		    (!found || strlen(v->mounts[i].path) > strlen(found->path)))
			found = &v->mounts[i];
	return found;
}

int rootview_mount(struct rootview *v, const char *path, const char *source, bool read_only,
		   struct err *e)
{
	_cleanup_close_ int fd = source ? open(source, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
	size_t kept = 0;
	struct stat st;

	if (source && (fd < 0 || fstat(fd, &st) < 0))
		return err_errno(e, ERR_PRECONDITION, errno, "open mount source %s", source);
	if (source && S_ISLNK(st.st_mode))
		return err_set(e, ERR_PRECONDITION, "mount source %s changes while it is resolved",
			       source);
	for (size_t i = 0; i < v->n; i++) {
		if (fs_path_is_within(v->mounts[i].path, path))
			covering_done(&v->mounts[i]);
		else
			v->mounts[kept++] = v->mounts[i];
	}
	v->n = kept;
	v->mounts = xrealloc(v->mounts, (v->n + 1) * sizeof(*v->mounts));
	v->mounts[v->n++] = (struct covering){ xstrdup(path), take_fd(fd), read_only };
	return 0;
}

static int open_below(int dir, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	while (*path == '/')
		path++;
	/* openat2 fails with EAGAIN when a concurrent rename disturbs the walk. */
	for (int tries = 0; tries < 16; tries++) {
		int fd = *path ? (int)syscall(SYS_openat2, dir, path, &how, sizeof(how))
			       : fcntl(dir, F_DUPFD_CLOEXEC, 0);

		if (fd >= 0 || errno != EAGAIN)
			return fd;
	}
	return -1;
}

/* ret_fd: O_PATH descriptor of path; -1: missing or unknown. */
static int open_path(const struct rootview *v, const char *path, int *ret_fd,
		     enum rootview_kind *ret, struct err *e)
{
	const struct covering *m = find_covering(v, path);
	struct stat st;

	*ret_fd = -1;
	*ret = ROOTVIEW_UNKNOWN;
	if (m && m->fd < 0)
		return 0;
	*ret = ROOTVIEW_MISSING;
	*ret_fd = open_below(m ? m->fd : v->root, m ? path + strlen(m->path) : path);
	if (*ret_fd < 0 && errno == ENOENT)
		return 0;
	if (*ret_fd < 0 && errno == ENOTDIR)
		return err_set(e, ERR_PRECONDITION, "%s: a parent of it is not a directory", path);
	if (*ret_fd < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "open %s in the container", path);
	if (fstat(*ret_fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat %s in the container", path);
	*ret = S_ISDIR(st.st_mode)   ? ROOTVIEW_DIRECTORY
	       : S_ISLNK(st.st_mode) ? ROOTVIEW_LINK
				     : ROOTVIEW_OTHER;
	return 0;
}

int rootview_look(const struct rootview *v, const char *path, enum rootview_kind *ret,
		  struct err *e)
{
	_cleanup_close_ int fd = -1;

	return open_path(v, path, &fd, ret, e);
}

/* --- resolving ------------------------------------------------------------------------------ */

/* at: resolved path, "" at the root; rest: unresolved path. */
struct path_walk {
	const struct rootview *v;
	char at[PATH_MAX];
	char *rest;
	unsigned links, depth;
};

static void walk_up(struct path_walk *w)
{
	char *slash = strrchr(w->at, '/');

	if (slash)
		*slash = '\0';
}

/* Replace the link at w->at by its target; an absolute target starts at the container's root. */
static int walk_link(struct path_walk *w, int fd, struct err *e)
{
	char target[PATH_MAX], *rest;
	ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);

	if (n <= 0)
		return err_errno(e, ERR_PRECONDITION, n < 0 ? errno : EINVAL,
				 "read link %s of the container", w->at);
	if (++w->links > LINKS_MAX)
		return err_errno(e, ERR_PRECONDITION, ELOOP, "follow link %s of the container",
				 w->at);
	target[n] = '\0';
	rest = xasprintf("%s/%s", target, w->rest);
	free(w->rest);
	w->rest = rest;
	if (target[0] == '/')
		w->at[0] = '\0';
	else
		walk_up(w);
	return 0;
}

/* Cut the next component off w->rest; NULL at the end. */
static char *walk_next(struct path_walk *w)
{
	char *start = w->rest + strspn(w->rest, "/"), *name;
	size_t len = strcspn(start, "/");

	if (len == 0)
		return NULL;
	name = xstrndup(start, len);
	memmove(w->rest, start + len, strlen(start + len) + 1);
	return name;
}

static int walk_name(struct path_walk *w, const char *name, struct err *e)
{
	_cleanup_close_ int fd = -1;
	enum rootview_kind kind;
	size_t len = strlen(w->at);
	int r;

	if (++w->depth > DEPTH_MAX || len + strlen(name) + 2 > sizeof(w->at))
		return err_errno(e, ERR_PRECONDITION, ENAMETOOLONG, "resolve \"%.128s\"", w->at);
	w->at[len] = '/';
	memcpy(w->at + len + 1, name, strlen(name) + 1);
	r = open_path(w->v, w->at, &fd, &kind, e);
	return r == 0 && kind == ROOTVIEW_LINK ? walk_link(w, fd, e) : r;
}

static int walk_all(struct path_walk *w, struct err *e)
{
	int r = 0;

	while (r == 0) {
		_cleanup_free_ char *name = walk_next(w);

		if (!name)
			return 0;
		if (strcmp(name, "..") == 0)
			walk_up(w);
		else if (strcmp(name, ".") != 0)
			r = walk_name(w, name, e);
	}
	return r;
}

int rootview_resolve(const struct rootview *v, const char *path, struct rootview_place *ret,
		     struct err *e)
{
	struct path_walk w = { .v = v, .rest = xstrdup(path) };
	const struct covering *m;
	int r = walk_all(&w, e);

	*ret = ROOTVIEW_PLACE_NULL;
	free(w.rest);
	if (r == 0)
		r = rootview_look(v, w.at, &ret->kind, e);
	if (r < 0)
		return r;
	if (ret->kind == ROOTVIEW_LINK)
		return err_set(e, ERR_PRECONDITION, "%s changes while it is resolved", w.at);
	m = find_covering(v, w.at);
	ret->path = xstrdup(w.at[0] ? w.at : "/");
	ret->mount = m ? m->path : NULL;
	return 0;
}

void rootview_place_done(struct rootview_place *place)
{
	free(place->path);
	*place = ROOTVIEW_PLACE_NULL;
}

/* --- making --------------------------------------------------------------------------------- */

/* Open the parent directory of path.  *ret_name: its last component. */
static int open_parent(const struct rootview *v, const char *path, int *ret_dir,
		       const char **ret_name, struct err *e)
{
	const char *name = strrchr(path, '/') + 1;
	_cleanup_free_ char *parent = xstrndup(path, (size_t)(name - path) - 1);
	_cleanup_close_ int dir = -1;
	enum rootview_kind kind;
	int r = open_path(v, parent, &dir, &kind, e);

	if (r < 0)
		return r;
	if (kind != ROOTVIEW_DIRECTORY)
		return err_set(e, ERR_PRECONDITION, "%s in the container is not a directory",
			       parent);
	*ret_dir = take_fd(dir);
	*ret_name = name;
	return 0;
}

/* Set the owner of a new entry of dir; one of a user namespace owns nothing in mounts. */
static int give_away(const struct rootview *v, const char *path, int dir, const char *name,
		     const struct rootview_owner *owner, struct err *e)
{
	bool mapped = v->uid || v->gid;

	if (mapped ? find_covering(v, path) != NULL : !owner)
		return 0;
	if (fchownat(dir, name, v->uid + (owner ? owner->uid : 0),
		     v->gid + (owner ? owner->gid : 0), AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "chown %s in the container", path);
	return 0;
}

/* path: missing at the last check; its parent is a directory. */
static int make_one(const struct rootview *v, const char *path, bool directory,
		    const struct rootview_owner *owner, struct err *e)
{
	_cleanup_close_ int dir = -1;
	const char *name;
	int r = open_parent(v, path, &dir, &name, e);

	if (r < 0)
		return r;
	r = directory ? mkdirat(dir, name, 0755) : mknodat(dir, name, S_IFREG | 0644, 0);
	if (r < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "make %s in the container", path);
	return give_away(v, path, dir, name, owner, e);
}

int rootview_link(const struct rootview *v, const char *path, const char *target, struct err *e)
{
	_cleanup_close_ int dir = -1;
	const char *name;
	int r = open_parent(v, path, &dir, &name, e);

	if (r < 0)
		return r;
	if (symlinkat(target, dir, name) == 0)
		return give_away(v, path, dir, name, NULL, e);
	return errno == EEXIST ? 0
			       : err_errno(e, ERR_PRECONDITION, errno,
					   "make the link %s in the container", path);
}

/* Create the missing components of path, from the top. */
static int make_path(const struct rootview *v, const char *path, bool directory,
		     const struct rootview_owner *owner, struct err *e)
{
	const char *end = path;
	int r = 0;

	while (r == 0 && *end) {
		_cleanup_free_ char *prefix = NULL;
		enum rootview_kind kind;

		end += strspn(end, "/");
		end += strcspn(end, "/");
		prefix = xstrndup(path, (size_t)(end - path));
		r = rootview_look(v, prefix, &kind, e);
		if (r == 0 && kind == ROOTVIEW_MISSING)
			r = make_one(v, prefix, directory || *end, owner, e);
	}
	return r;
}

int rootview_make(const struct rootview *v, struct rootview_place *place, bool directory,
		  const struct rootview_owner *owner, struct err *e)
{
	const struct covering *m = find_covering(v, place->path);
	int r;

	if (place->kind != ROOTVIEW_MISSING)
		return 0;
	if (m && m->read_only)
		return err_set(e, ERR_PRECONDITION,
			       "%s does not exist in the read-only mount on %s, so it cannot be "
			       "made there: make it in the volume, or mount the volume writable",
			       place->path, m->path);
	r = make_path(v, place->path, directory, owner, e);
	if (r == 0)
		place->kind = directory ? ROOTVIEW_DIRECTORY : ROOTVIEW_OTHER;
	return r;
}
