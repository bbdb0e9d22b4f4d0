/*
 * layers.c - mount layers, and move them into trash/ or quarantine/.
 *
 * Two rules make removal safe without a lock between processes. A layer directory appears and goes
 * only by rename. After flock of the directory, image_layer_lock checks that the path still leads
 * to it.
 */
#include "image/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/rmtree.h"
#include "base/str.h"
#include "base/treewalk.h"
#include "base/util.h"
#include "image/layermeta.h"
#include "image/ref.h"
#include "os/mount.h"

#define NAMED_LAYERS 100 /* their names leave room for the other options */
#define DIGEST_HEX 7 /* offset of the digits after "sha256:" */

int image_layer_name(const char *diff_id, char ret[IMAGE_LAYER_NAME + 1])
{
	if (!image_digest_is_valid(diff_id))
		return -1;
	memcpy(ret, diff_id + DIGEST_HEX, IMAGE_LAYER_NAME);
	ret[IMAGE_LAYER_NAME] = '\0';
	return 0;
}

char *image_layer_dir(const char *images_root, const char *diff_id)
{
	char name[IMAGE_LAYER_NAME + 1];

	if (image_layer_name(diff_id, name) < 0)
		return NULL;
	return xasprintf("%s/layers/%s", images_root, name);
}

/* Overlay parses its options from one string; escape its four special characters. */
static void add_escaped(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (strchr("\\,:", *s))
			buf_puts(b, "\\");
		buf_add(b, s, 1);
	}
}

/* Drop duplicate layers (mostly empty ones), which overlay refuses. Keep the highest: it hides the
 * lower copies. */
static size_t without_repeated(const char *const *diff_ids, size_t n, const char **ret)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		size_t above = i + 1;

		while (above < n && strcmp(diff_ids[above], diff_ids[i]) != 0)
			above++;
		if (above == n)
			ret[kept++] = diff_ids[i];
	}
	return kept;
}

/* The lower directories of an overlay mount, as its options name them. */
struct lower {
	const char *layers; /* directory of the layers, or its copy with mapped ids */
	const struct image_idmap *idmap; /* NULL: none */
	const char *const *diff_ids;
	size_t n;
	char *dir; /* working directory for the mount */
	struct buf options;
	int *fds; /* n of them; NULL: dir is the layers' */
};

static void lower_done(struct lower *l)
{
	for (size_t i = 0; l->fds && i < l->n; i++)
		close_fdp(&l->fds[i]);
	free(l->fds);
	free(l->dir);
	buf_done(&l->options);
}

static int lower_name(struct lower *l, size_t i, struct err *e)
{
	_cleanup_free_ char *fs = NULL;
	char name[IMAGE_LAYER_NAME + 1];
	struct stat st;
	int r;

	if (image_layer_name(l->diff_ids[i], name) < 0)
		return err_set(e, ERR_INTERNAL, "layer %s is not a sha256 digest", l->diff_ids[i]);
	fs = xasprintf("%s/%s/fs", l->layers, name);
	if (l->fds)
		r = l->fds[i] = open(fs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	else
		r = stat(fs, &st);
	if (r < 0)
		return err_errno(e, errno == EMFILE ? ERR_EXHAUSTED : ERR_DATA_LOSS, errno,
				 "layer %s is missing: pull the image again", l->diff_ids[i]);
	if (l->fds)
		buf_printf(&l->options, "%d", l->fds[i]);
	else
		buf_printf(&l->options, "%s/fs", name);
	return 0;
}

/* lowerdir lists the lowest layer last. Names of many layers do not fit into the one page that the
 * options have; numbers of descriptors do. */
static int lower_open(struct lower *l, struct err *e)
{
	int r = 0;

	if (l->n > NAMED_LAYERS) {
		l->fds = xcalloc(l->n, sizeof(*l->fds));
		memset(l->fds, -1, l->n * sizeof(*l->fds));
		l->dir = xstrdup("/proc/thread-self/fd");
	} else {
		l->dir = xstrdup(l->layers);
	}
	for (size_t i = l->n; r == 0 && i-- > 0;) {
		buf_puts(&l->options, i == l->n - 1 ? "lowerdir=" : ":");
		r = lower_name(l, i, e);
	}
	return r;
}

/* Relative lower directories need a private working directory. The thread unshares its own for
 * good, and resets it to / after each mount. */
static int mount_overlay(const struct lower *l, unsigned long flags, const char *target,
			 struct err *e)
{
	int r = 0;

	if (unshare(CLONE_FS) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "unshare the working directory");
	if (chdir(l->dir) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "enter %s", l->dir);
	if (mount("overlay", target, "overlay", flags, l->options.data) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "mount overlay at %s", target);
	if (chdir("/") < 0 && r == 0)
		r = err_errno(e, ERR_INTERNAL, errno, "enter /");
	return r;
}

/* The container's root gets mode and owner of the highest layer's root. */
static int make_upper(const struct lower *l, const char *upper, const char *work, struct err *e)
{
	struct stat st = {
		.st_mode = 0755,
		.st_uid = l->idmap ? l->idmap->map->uid.host : 0,
		.st_gid = l->idmap ? l->idmap->map->gid.host : 0,
	};
	char name[IMAGE_LAYER_NAME + 1];
	int r;

	if (l->n && image_layer_name(l->diff_ids[l->n - 1], name) == 0) {
		_cleanup_free_ char *fs = xasprintf("%s/%s/fs", l->layers, name);

		if (stat(fs, &st) < 0)
			return err_errno(e, ERR_DATA_LOSS, errno, "stat %s", fs);
	}
	/* work belongs to a mount that is gone. */
	r = fs_remove_tree(work, e);
	if (r < 0 || (r = fs_mkdir_all(work, 0755, e)) < 0)
		return r;
	r = fs_mkdir_all(upper, 0755, e);
	if (r < 0)
		return r;
	if (chown(upper, st.st_uid, st.st_gid) < 0 || chmod(upper, st.st_mode & 07777) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set owner and mode of %s", upper);
	if (l->n &&
	    utimensat(AT_FDCWD, upper, (struct timespec[2]){ st.st_atim, st.st_mtim }, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set the time of %s", upper);
	return 0;
}

/* Add an empty directory in the place of a lower layer. */
static void add_empty(struct lower *l, const char *name)
{
	buf_printf(&l->options, "%s%s", l->options.len ? ":" : "lowerdir=", name);
}

/* Without an upper directory overlay requires two lower directories. */
static int mount_read_only(struct lower *l, const char *target, struct err *e)
{
	if (l->n < 2)
		add_empty(l, IMAGE_LAYER_EMPTY);
	if (l->n == 0)
		add_empty(l, IMAGE_LAYER_EMPTY "2");
	return mount_overlay(l, MS_RDONLY, target, e);
}

static int mount_writable(struct lower *l, const char *upper, const char *work, const char *target,
			  struct err *e)
{
	size_t plain;
	int r = make_upper(l, upper, work, e);

	if (r < 0)
		return r;
	if (l->n == 0)
		add_empty(l, IMAGE_LAYER_EMPTY);
	buf_puts(&l->options, ",upperdir=");
	add_escaped(&l->options, upper);
	buf_puts(&l->options, ",workdir=");
	add_escaped(&l->options, work);
	/* Container data need not survive a power cut, so unmounting must not sync. Kernels before
	 * 5.10 lack the option. */
	plain = l->options.len;
	buf_puts(&l->options, ",volatile");
	r = mount_overlay(l, 0, target, e);
	if (r == 0 || e->errnum != EINVAL)
		return r;
	l->options.data[l->options.len = plain] = '\0';
	return mount_overlay(l, 0, target, e);
}

/* The directory of the layers, and in it the empty ones that an overlay of few layers needs. */
static int make_layers(const char *layers, size_t n, bool read_only, struct err *e)
{
	_cleanup_free_ char *one = xasprintf("%s/" IMAGE_LAYER_EMPTY, layers);
	_cleanup_free_ char *two = xasprintf("%s/" IMAGE_LAYER_EMPTY "2", layers);
	int r = fs_mkdir_all(layers, 0700, e);

	if (r == 0 && n < (read_only ? 2 : 1))
		r = fs_mkdir_all(one, 0755, e);
	return r == 0 && n == 0 && read_only ? fs_mkdir_all(two, 0755, e) : r;
}

/* Refuse layers with an owner that the map lacks: overlay would show the file as nobody's. */
static int check_owners(const struct lower *l, struct err *e)
{
	const struct userns_map *map = l->idmap->map;

	for (size_t i = 0; i < l->n; i++) {
		_cleanup_free_ char *dir = NULL;
		char name[IMAGE_LAYER_NAME + 1];
		uint32_t uid, gid;

		if (image_layer_name(l->diff_ids[i], name) < 0)
			continue; /* lower_name reports it */
		dir = xasprintf("%s/%s", l->layers, name);
		if (image_layer_ids(dir, &uid, &gid, e) < 0)
			return -(int)e->code;
		if (uid >= map->uid.count || gid >= map->gid.count)
			return err_set(e, ERR_PRECONDITION,
				       "layer %.19s has files of user %u and group %u at most, but "
				       "the pod's user namespace has %u users and %u groups",
				       l->diff_ids[i], uid, gid, map->uid.count, map->gid.count);
	}
	return 0;
}

static int mount_lower(struct lower *l, const char *upper, const char *work, const char *target,
		       struct err *e)
{
	int r = l->idmap ? check_owners(l, e) : 0;

	if (r == 0 && l->idmap) {
		r = mount_idmapped(l->layers, l->idmap->dir, l->idmap->userns, e);
		l->layers = l->idmap->dir;
	}
	if (r == 0)
		r = lower_open(l, e);
	if (r == 0)
		r = upper && work ? mount_writable(l, upper, work, target, e)
				  : mount_read_only(l, target, e);
	return r;
}

/* The overlay has copies of its own of the layers' mounts. */
static int drop_mapped(const struct image_idmap *idmap, struct err *e)
{
	int r = mount_remove(idmap->dir, e);

	if (r == 0 && rmdir(idmap->dir) < 0 && errno != ENOENT)
		r = err_errno(e, ERR_INTERNAL, errno, "remove %s", idmap->dir);
	return r;
}

int image_mount(const char *images_root, const char *const *diff_ids, size_t n, const char *upper,
		const char *work, const char *target, const struct image_idmap *idmap,
		struct err *e)
{
	const char *once[LIMIT_LAYERS];
	_cleanup_free_ char *layers = xasprintf("%s/layers", images_root);
	struct lower l = {
		.layers = layers, .idmap = idmap, .diff_ids = once, .options = BUF_NULL
	};
	bool mounted;
	int r = mount_is_mounted(target, &mounted, e);

	if (r == 0 && mounted && idmap)
		r = drop_mapped(idmap, e); /* the last try ended before this */
	if (r < 0 || mounted)
		return r;
	if (n > LIMIT_LAYERS)
		return err_set(e, ERR_INVALID, "%zu layers, more than %d", n, LIMIT_LAYERS);
	l.n = without_repeated(diff_ids, n, once);
	r = fs_mkdir_all(target, 0755, e);
	if (r == 0)
		r = make_layers(layers, l.n, !upper || !work, e);
	if (r == 0)
		r = mount_lower(&l, upper, work, target, e);
	lower_done(&l);
	return r == 0 && idmap ? drop_mapped(idmap, e) : r;
}

int image_layer_lock(const char *dir, int operation, int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat here, there;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 1;
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", dir);
	while (flock(fd, operation) < 0) {
		if (errno == EWOULDBLOCK)
			return 2;
		if (errno != EINTR)
			return err_errno(e, ERR_INTERNAL, errno, "lock %s", dir);
	}
	if (fstat(fd, &here) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat %s", dir);
	if (stat(dir, &there) < 0 || here.st_ino != there.st_ino || here.st_dev != there.st_dev)
		return 1;
	*ret_fd = take_fd(fd);
	return 0;
}

/* Rename dir into trash/ or quarantine/, so a partial layer never has the layer's name. 1:
 * retry. */
static int move_away(const char *images_root, const char *where, const char *dir, struct err *e)
{
	_cleanup_free_ char *to = xasprintf("%s/%s", images_root, where);

	return rmtree_defer(dir, to, e);
}

/* 1: a puller locks it, or there is no room to move it. */
static int move_unlocked(const char *images_root, const char *where, const char *dir, struct err *e)
{
	_cleanup_close_ int fd = -1;
	int r = image_layer_lock(dir, LOCK_EX | LOCK_NB, &fd, e);

	if (r != 0)
		return r < 0 ? r : r == 2;
	return move_away(images_root, where, dir, e);
}

static int move_layer(const char *images_root, const char *where, const char *diff_id,
		      struct err *e)
{
	_cleanup_free_ char *dir = image_layer_dir(images_root, diff_id);

	if (!dir)
		return err_set(e, ERR_INTERNAL, "layer %s is not a sha256 digest", diff_id);
	return move_unlocked(images_root, where, dir, e);
}

int image_layer_discard(const char *images_root, const char *diff_id, struct err *e)
{
	int r = move_layer(images_root, "trash", diff_id, e);

	return r < 0 ? err_wrap(e, "remove layer %s", diff_id) : r;
}

int image_layer_quarantine(const char *images_root, const char *diff_id, struct err *e)
{
	int r = move_layer(images_root, "quarantine", diff_id, e);

	return r < 0 ? err_wrap(e, "quarantine layer %s", diff_id) : r;
}

bool image_layer_exists(const char *images_root, const char *diff_id)
{
	_cleanup_free_ char *dir = image_layer_dir(images_root, diff_id);
	_cleanup_free_ char *fs = xasprintf("%s/fs", dir ? dir : "");

	return dir && fs_exists(fs);
}

struct layer_sweep {
	const char *images_root;
	const struct layer_set *known;
};

static int sweep_unowned(const char *path, const char *name, void *arg, struct err *e)
{
	const struct layer_sweep *s = arg;

	if (str_starts(name, IMAGE_LAYER_EMPTY) || layer_set_has(s->known, name))
		return 0;
	return MIN(move_unlocked(s->images_root, "trash", path, e), 0);
}

/* known: layers in use. */
static int sweep_unused(const char *path, const char *name, void *arg, struct err *e)
{
	const struct layer_sweep *s = arg;

	return layer_set_has(s->known, name) ? 0
					     : MIN(move_away(s->images_root, "trash", path, e), 0);
}

int image_quarantine_empty(const char *images_root, const struct layer_set *in_use, struct err *e)
{
	_cleanup_free_ char *dir = xasprintf("%s/quarantine", images_root);
	struct layer_sweep s = { .images_root = images_root, .known = in_use };

	return fs_each(dir, sweep_unused, &s, e);
}

static char *hold_file(const char *images_root)
{
	return xasprintf("%s/layers-are-kept", images_root);
}

int image_sweep_hold(const char *images_root, struct err *e)
{
	_cleanup_free_ char *path = hold_file(images_root);

	return fs_replace_file(path, "", 0, 0600, true, e);
}

int image_sweep_release(const char *images_root, struct err *e)
{
	_cleanup_free_ char *path = hold_file(images_root);

	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(e, ERR_INTERNAL, errno, "remove %s", path);
	return 0;
}

bool image_sweep_is_held(const char *images_root)
{
	_cleanup_free_ char *path = hold_file(images_root);

	return fs_exists(path);
}

int image_sweep(const char *images_root, const struct layer_set *known, struct err *e)
{
	_cleanup_free_ char *trash = xasprintf("%s/trash", images_root);
	_cleanup_free_ char *layers = xasprintf("%s/layers", images_root);
	struct layer_sweep owned = { .images_root = images_root, .known = known };
	int r = fs_mkdir_all(trash, 0700, e);

	r = r < 0 ? r : fs_mkdir_all(layers, 0700, e);
	if (r == 0 && !image_sweep_is_held(images_root))
		r = fs_each(layers, sweep_unowned, &owned, e);
	return r < 0 ? err_wrap(e, "sweep %s", images_root) : 0;
}

struct uncounted {
	const struct layer_set *known;
	char **paths;
	size_t n;
	uint64_t bytes, inodes;
};

static int uncounted_tree(const char *path, const char *name, void *arg, struct err *e)
{
	struct uncounted *u = arg;

	(void)name;
	(void)e;
	u->paths = xrealloc(u->paths, (u->n + 1) * sizeof(*u->paths));
	u->paths[u->n++] = xstrdup(path);
	return 0;
}

/* A layer never changes, so its meta file has its disk use. */
static int uncounted_layer(const char *path, const char *name, void *arg, struct err *e)
{
	struct uncounted *u = arg;
	struct image_layer_meta meta = IMAGE_LAYER_META_NULL;
	struct err ignored = ERR_NULL;

	if (layer_set_has(u->known, name))
		return 0;
	if (image_layer_meta_read(path, &meta, &ignored) != 0)
		return uncounted_tree(path, name, arg, e);
	u->bytes += meta.disk;
	u->inodes += meta.inodes;
	return 0;
}

int image_uncounted(const char *images_root, const struct layer_set *known, char ***ret_paths,
		    size_t *ret_n, uint64_t *ret_bytes, uint64_t *ret_inodes, struct err *e)
{
	static const char *const dirs[] = { "staging", "trash", "quarantine" };
	_cleanup_free_ char *layers = xasprintf("%s/layers", images_root);
	struct uncounted u = { .known = known };
	int r = fs_each(layers, uncounted_layer, &u, e);

	for (size_t i = 0; i < ARRAY_LEN(dirs) && r == 0; i++) {
		_cleanup_free_ char *dir = xasprintf("%s/%s", images_root, dirs[i]);

		r = fs_each(dir, uncounted_tree, &u, e);
	}
	*ret_paths = u.paths;
	*ret_n = u.n;
	*ret_bytes = u.bytes;
	*ret_inodes = u.inodes;
	return r;
}

struct leftovers {
	const char *images_root;
	const struct layer_set *owned;
	enum image_leftover_kind kind;
	int (*fn)(void *arg, const struct image_leftover *l);
	void *arg;
};

static int leftover(const char *path, const char *name, void *arg, struct err *e)
{
	const struct leftovers *s = arg;
	struct image_leftover l = { .kind = s->kind, .name = name, .diff_id = "" };
	struct image_layer_meta meta = IMAGE_LAYER_META_NULL;
	_cleanup_close_ int fd = -1;
	struct treewalk_sum sum;
	int r;

	if (str_starts(name, IMAGE_LAYER_EMPTY) || layer_set_has(s->owned, name))
		return 0;
	r = treewalk_all(path, s->images_root, &sum, e);
	l.bytes = sum.bytes;
	if (r == 0 && s->kind == IMAGE_LEFTOVER_LAYER)
		r = image_layer_lock(path, LOCK_EX | LOCK_NB, &fd, e);
	if (r < 0 || r == 1) /* gone meanwhile */
		return MIN(r, 0);
	l.held = r == 2;
	if (s->kind == IMAGE_LEFTOVER_LAYER && image_layer_meta_read(path, &meta, e) == 0)
		l.diff_id = meta.diff_id;
	return s->fn(s->arg, &l);
}

/* dir is reported as one entry. */
static int leftover_staging(const char *dir, const struct leftovers *s, struct err *e)
{
	struct image_leftover l = {
		.kind = IMAGE_LEFTOVER_STAGING, .name = "staging", .diff_id = "", .held = true
	};
	struct treewalk_sum sum;
	int r = treewalk_all(dir, s->images_root, &sum, e);

	l.bytes = sum.bytes;
	/* 2 inodes: dir itself and staging/layers, no content. */
	return r < 0 || sum.inodes <= 2 ? r : s->fn(s->arg, &l);
}

int image_leftovers(const char *images_root, const struct layer_set *owned,
		    int (*fn)(void *arg, const struct image_leftover *l), void *arg, struct err *e)
{
	_cleanup_free_ char *layers = xasprintf("%s/layers", images_root);
	_cleanup_free_ char *quarantine = xasprintf("%s/quarantine", images_root);
	_cleanup_free_ char *trash = xasprintf("%s/trash", images_root);
	_cleanup_free_ char *staging = xasprintf("%s/staging", images_root);
	struct leftovers unowned = { images_root, owned, IMAGE_LEFTOVER_LAYER, fn, arg };
	struct leftovers damaged = { images_root, NULL, IMAGE_LEFTOVER_QUARANTINE, fn, arg };
	struct leftovers removed = { images_root, NULL, IMAGE_LEFTOVER_TRASH, fn, arg };
	int r = fs_each(layers, leftover, &unowned, e);

	r = r ? r : fs_each(quarantine, leftover, &damaged, e);
	r = r ? r : fs_each(trash, leftover, &removed, e);
	return r ? r : leftover_staging(staging, &removed, e);
}
