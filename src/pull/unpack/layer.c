/*
 * layer.c - staging, locks and publication of layers. Their content is made by the unpacker
 * (unpack.h).
 *
 * A layer is unpacked in the pull's work folder, and moved into staging once verified. The unpacker
 * sees no other part of the images.
 */
#include "pull/unpack/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "image/layermeta.h"
#include "image/layers.h"
#include "image/ref.h"
#include "image/staging.h"

#define TRIES 100 /* for races with other processes */
#define IMPLICIT_WAIT_MS 20

struct layer {
	char *images_root;
	char *dir; /* in staging */
	int lock_fd; /* on dir: exclusive while incomplete, then shared */
	bool whole;
	char *broken; /* path next to dir: takes a damaged layer of the same name */
	char *target; /* in layers/ */
	char *work; /* in the pull's work folder; contains fs while the unpacker changes it */
	int work_fd; /* opened before the unpacker can replace work; -1: none */
	char *media_type, *blob_digest, *diff_id;
	uint64_t blob_size;
	char *file; /* NULL: an archive; else the blob is this file */
	bool published;
};

static const char *const media_types[] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
	"application/vnd.docker.image.rootfs.foreign.diff.tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
};

static bool media_type_is_layer(const char *media_type)
{
	for (size_t i = 0; i < ARRAY_LEN(media_types); i++)
		if (strcmp(media_types[i], media_type) == 0)
			return true;
	return false;
}

static int wrap(const struct layer *l, struct err *e)
{
	return err_wrap(e, "layer %s", l->blob_digest);
}

static bool is_whole(const char *dir, const char *diff_id, struct image_layer_meta *ret)
{
	_cleanup_free_ char *fs = xasprintf("%s/fs", dir);
	struct err ignored = ERR_NULL;

	/* A layer of an earlier boot may never have been synced. */
	return image_layer_meta_read(dir, ret, &ignored) == 0 && fs_exists(fs) &&
	       strcmp(ret->diff_id, diff_id) == 0 && strcmp(ret->boot_id, clock_boot_id()) == 0;
}

static int remove_entry(const char *path, const char *name, void *arg, struct err *e)
{
	(void)name;
	(void)arg;
	return fs_remove_tree(path, e);
}

/* 1: another pull makes it, or has made it. */
static int hold_dir(struct layer *l, struct err *e)
{
	struct image_layer_meta meta;

	for (int i = 0; i < TRIES; i++) {
		int r = fs_mkdir_all(l->dir, 0700, e);

		r = r < 0 ? r : image_layer_lock(l->dir, LOCK_EX | LOCK_NB, &l->lock_fd, e);
		if (r == 1) /* removed between mkdir and lock */
			continue;
		if (r == 0 && is_whole(l->dir, l->diff_id, &meta)) {
			close_fdp(&l->lock_fd);
			return 1;
		}
		return r == 2 ? 1 : r;
	}
	return err_set(e, ERR_ABORTED, "%s is removed again and again by other pulls: pull again",
		       l->dir);
}

/* Create an empty directory for the layer in the work folder. */
static int make_work(struct layer *l, struct err *e)
{
	int r = fs_remove_tree(l->work, e);

	r = r < 0 ? r : fs_mkdir_all(l->work, 0700, e);
	if (r < 0)
		return r;
	l->work_fd = open(l->work, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return l->work_fd < 0 ? err_errno(e, ERR_INTERNAL, errno, "open %s", l->work) : 0;
}

static int prepare_dir(struct layer *l, struct err *e)
{
	int r = hold_dir(l, e);

	/* Leftovers of a killed puller. */
	r = r != 0 ? r : fs_each(l->dir, remove_entry, NULL, e);
	r = r != 0 ? r : make_work(l, e);
	if (r != 0)
		return r;
	if (mkdirat(l->work_fd, "fs", 0755) < 0 || fchmodat(l->work_fd, "fs", 0755, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "mkdir %s/fs", l->work);
	return 0;
}

static struct layer *layer_new(const char *images_root, const char *pull_id, const char *diff_id)
{
	struct layer *l = xcalloc(1, sizeof(*l));

	l->images_root = xstrdup(images_root);
	l->diff_id = xstrdup(diff_id);
	l->dir = image_staging_layer(images_root, diff_id);
	l->broken = xasprintf("%s.broken", l->dir);
	l->target = image_layer_dir(images_root, diff_id);
	l->work = image_staging_work(images_root, pull_id, diff_id);
	l->lock_fd = l->work_fd = -1;
	return l;
}

int layer_begin(const char *images_root, const char *pull_id, const struct layer_blob *blob,
		struct layer **ret, struct err *e)
{
	struct layer *l;
	int r;

	if (!blob->file && !media_type_is_layer(blob->media_type))
		return err_set(e, ERR_UNIMPLEMENTED,
			       "layer %s: media type \"%.100s\" is no layer's", blob->digest,
			       blob->media_type);
	if (!image_digest_is_valid(blob->digest) || !image_digest_is_valid(blob->diff_id))
		return err_set(e, ERR_UNIMPLEMENTED,
			       "layer: only sha256 digests are supported, not %.80s and %.80s",
			       blob->digest, blob->diff_id);
	l = layer_new(images_root, pull_id, blob->diff_id);
	l->media_type = xstrdup(blob->media_type);
	l->blob_digest = xstrdup(blob->digest);
	l->blob_size = blob->size;
	l->file = blob->file ? xstrdup(blob->file) : NULL;
	r = prepare_dir(l, e);
	if (r != 0) {
		layer_abort(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct unpack_spec layer_spec(const struct layer *l)
{
	return (struct unpack_spec){
		.dir = l->work,
		.blob_digest = l->blob_digest,
		.diff_id = l->diff_id,
		.blob_size = l->blob_size,
		.file = l->file,
	};
}

const char *layer_work_name(const struct layer *l)
{
	return strrchr(l->work, '/') + 1;
}

static Crisp__State__Layer *state_layer(const struct image_layer_meta *meta, const char *media_type)
{
	Crisp__State__Layer *s = xmalloc(sizeof(*s));

	crisp__state__layer__init(s);
	s->diff_id = xstrdup(meta->diff_id);
	s->blob_digest = xstrdup(meta->blob);
	s->media_type = xstrdup(media_type);
	s->boot_id = xstrdup(meta->boot_id);
	s->compressed_size = meta->size;
	s->unpacked_size = meta->unpacked;
	s->inodes = meta->inodes;
	s->disk = meta->disk;
	return s;
}

/* Move fs out of the unpacker's reach. Check its type, because the unpacker may have replaced
 * it. */
static int take_fs(struct layer *l, struct err *e)
{
	struct stat st;

	if (renameat(l->work_fd, "fs", l->lock_fd, "fs") < 0)
		return err_errno(e, ERR_INTERNAL, errno, "move %s/fs to %s", l->work, l->dir);
	if (fstatat(l->lock_fd, "fs", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat %s/fs", l->dir);
	return S_ISDIR(st.st_mode) ? 0
				   : err_set(e, ERR_INTERNAL, "%s/fs is not a directory", l->dir);
}

static int take_list(struct layer *l, struct err *e)
{
	struct stat st;

	if (renameat(l->work_fd, UNPACK_IMPLICIT, l->lock_fd, UNPACK_IMPLICIT) < 0)
		return errno == ENOENT
			       ? 0
			       : err_errno(e, ERR_INTERNAL, errno, "move the list of directories");
	if (fstatat(l->lock_fd, UNPACK_IMPLICIT, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat the list of directories");
	return S_ISREG(st.st_mode)
		       ? 0
		       : err_set(e, ERR_INTERNAL, "%s/" UNPACK_IMPLICIT " is not a file", l->dir);
}

/* Check the unpacker's result for plausible values. */
static int check_result(const struct unpack_result *u, struct err *e)
{
	struct treesum_value sum;

	if (u->bytes > (uint64_t)LIMIT_LAYER_BYTES || u->disk > 2 * (uint64_t)LIMIT_LAYER_BYTES ||
	    treesum_value_parse(u->sum, &sum) < 0)
		return err_set(e, ERR_INTERNAL,
			       "the unpacker reported a size or checksum that no layer can have");
	return 0;
}

int layer_finish(struct layer *l, const struct unpack_result *u, Crisp__State__Layer **ret,
		 struct err *e)
{
	struct image_layer_meta meta = {
		.size = l->blob_size,
		.unpacked = u->bytes,
		.disk = u->disk,
		.inodes = u->inodes,
	};
	int r = check_result(u, e);

	snprintf(meta.diff_id, sizeof(meta.diff_id), "%s", l->diff_id);
	snprintf(meta.blob, sizeof(meta.blob), "%s", l->blob_digest);
	snprintf(meta.boot_id, sizeof(meta.boot_id), "%s", clock_boot_id());
	snprintf(meta.sum, sizeof(meta.sum), "%s", u->sum);
	r = r < 0 ? r : take_fs(l, e);
	r = r < 0 ? r : take_list(l, e);
	r = r < 0 ? r : image_layer_meta_write(l->dir, &meta, e);
	if (r < 0)
		return wrap(l, e);
	/* Share the lock: other pulls may use the layer, but not remove it (complete and
	 * claimed). */
	if (flock(l->lock_fd, LOCK_SH) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "lock %s", l->dir);
	l->whole = true;
	*ret = state_layer(&meta, l->media_type);
	return 0;
}

void layer_abort(struct layer *l)
{
	struct err e = ERR_NULL;

	if (!l)
		return;
	/* Leftovers go when the pull leaves staging. */
	if (l->work_fd >= 0)
		fs_remove_tree(l->work, &e);
	close_fdp(&l->work_fd);
	if (l->lock_fd >= 0 && !l->whole)
		fs_remove_tree(l->dir, &e);
	close_fdp(&l->lock_fd);
	if (l->whole && !l->published)
		image_staging_drop(l->images_root, l->diff_id, &e);
	free(l->images_root);
	free(l->dir);
	free(l->broken);
	free(l->target);
	free(l->work);
	free(l->media_type);
	free(l->blob_digest);
	free(l->diff_id);
	free(l->file);
	free(l);
}

/* Lock an existing layer. 1: missing; 2: damaged. */
static int lock_existing(const char *dir, const char *diff_id, int *ret_fd,
			 struct image_layer_meta *ret, struct err *e)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *fs = xasprintf("%s/fs", dir);
	int r = image_layer_lock(dir, LOCK_SH, &fd, e);

	if (r != 0)
		return r < 0 ? r : 1;
	if (image_layer_meta_read(dir, ret, e) != 0 || !fs_exists(fs))
		return 2;
	if (strcmp(ret->diff_id, diff_id) != 0)
		return err_set(e, ERR_INTERNAL, "%s is of layer %s, not of %s", dir, ret->diff_id,
			       diff_id);
	*ret_fd = take_fd(fd);
	return 0;
}

int layer_reuse(const char *images_root, const char *diff_id, int *ret_fd,
		Crisp__State__Layer **ret, struct err *e)
{
	_cleanup_free_ char *dir = image_layer_dir(images_root, diff_id);
	struct image_layer_meta meta = IMAGE_LAYER_META_NULL;
	int r;

	if (!dir)
		return err_set(e, ERR_UNIMPLEMENTED,
			       "layer %.80s: only sha256 digests are supported", diff_id);
	r = lock_existing(dir, diff_id, ret_fd, &meta, e);
	if (r != 0)
		return r < 0 ? r : 1;
	*ret = state_layer(&meta, "");
	return 0;
}

int layer_take(const char *images_root, const char *pull_id, const char *diff_id,
	       struct layer **ret, Crisp__State__Layer **ret_row, struct err *e)
{
	_cleanup_free_ char *dir = image_staging_layer(images_root, diff_id);
	_cleanup_close_ int fd = -1;
	struct image_layer_meta meta = IMAGE_LAYER_META_NULL;
	int r = dir ? image_layer_lock(dir, LOCK_SH | LOCK_NB, &fd, e) : 1;

	if (r != 0)
		return r;
	if (!is_whole(dir, diff_id, &meta))
		return 1;
	*ret = layer_new(images_root, pull_id, diff_id);
	(*ret)->blob_digest = xstrdup(meta.blob);
	(*ret)->whole = true;
	(*ret)->lock_fd = take_fd(fd);
	*ret_row = state_layer(&meta, "");
	return 0;
}

bool layer_is_whole(const struct layer *l)
{
	return l->whole;
}

static int open_dir(int dir, const char *path)
{
	return openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool is_same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Open the fs directory of a layer below read_root. Another pull may publish, thus move it
 * meanwhile. l NULL: already published. */
static int open_fs(const char *read_root, const char *diff_id, const struct layer *l, int *ret,
		   struct err *e)
{
	_cleanup_free_ char *published = image_layer_dir(read_root, diff_id);
	_cleanup_free_ char *staged = image_staging_layer(read_root, diff_id);
	_cleanup_close_ int own = l ? open_dir(l->lock_fd, "fs") : -1;

	for (int i = 0; i < 2 * TRIES; i++) {
		const char *dir = l && i % 2 == 0 ? staged : published;
		_cleanup_free_ char *fs = xasprintf("%s/fs", dir);
		_cleanup_close_ int fd = open_dir(AT_FDCWD, fs);

		if (fd < 0 && !l)
			return err_errno(e, ERR_INTERNAL, errno, "open layer %s at %s", diff_id,
					 fs);
		if (fd >= 0 && (!l || is_same(fd, own))) {
			*ret = take_fd(fd);
			return 0;
		}
	}
	return err_set(e, ERR_ABORTED, "%s is removed again and again by other pulls: pull again",
		       staged);
}

/* Move fs into the work folder, inherit, and move it back. */
static int inherit_in_work(struct layer *l, int list_fd, const struct layer_hands *h,
			   const int *lower, size_t n, char sum[TREESUM_TEXT], struct err *e)
{
	struct err back = ERR_NULL;
	int r = l->work_fd < 0 ? make_work(l, e) : 0;

	if (r < 0)
		return r;
	if (renameat(l->lock_fd, "fs", l->work_fd, "fs") < 0)
		return err_errno(e, ERR_UNAVAILABLE, errno,
				 "another pull of the same layer has ended in its middle, pull "
				 "again: %s/fs",
				 l->dir);
	r = h->inherit(h->arg, l, list_fd, lower, n, sum, e);
	if (take_fs(l, &back) < 0 && r == 0) {
		*e = back;
		r = -(int)e->code;
	}
	return r;
}

/* Clear the sum in meta during changes: after a crash it stays unknown. */
static int inherit_by(struct layer *l, int list_fd, const struct layer_hands *h, const int *lower,
		      size_t n, struct err *e)
{
	char sum[TREESUM_TEXT];
	struct treesum_value value;
	struct image_layer_meta meta;
	int r;

	if (image_layer_meta_read(l->dir, &meta, e) != 0)
		return err_set(e, ERR_INTERNAL, "%s/meta is damaged", l->dir);
	memcpy(sum, meta.sum, sizeof(sum));
	*meta.sum = '\0';
	r = image_layer_meta_write(l->dir, &meta, e);
	r = r < 0 ? r : inherit_in_work(l, list_fd, h, lower, n, sum, e);
	if (r == 0 && treesum_value_parse(sum, &value) == 0) {
		memcpy(meta.sum, sum, sizeof(sum));
		r = image_layer_meta_write(l->dir, &meta, e);
	}
	if (r == 0 && unlinkat(l->lock_fd, UNPACK_IMPLICIT, 0) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "remove the list of directories");
	return r;
}

/* The first pull that shares the layer locks the records file, inherits once, and removes the
 * file. */
static int inherit_once(struct layer *l, const struct layer_hands *h, const int *lower, size_t n,
			struct stop *stop, struct err *e)
{
	for (;;) {
		_cleanup_close_ int fd = openat(l->lock_fd, UNPACK_IMPLICIT,
						O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		struct stat st;

		if (fd < 0 && errno == ENOENT)
			return 0;
		if (fd < 0)
			return err_errno(e, ERR_INTERNAL, errno, "open the list of directories");
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink)
			return inherit_by(l, fd, h, lower, n, e);
		if (stop_wait(stop, IMPLICIT_WAIT_MS))
			return err_set(e, ERR_CANCELLED, "cancelled");
	}
}

int layer_inherit(const struct layer_hands *h, const char *const *diff_ids, struct layer *const *l,
		  size_t n, struct stop *stop, struct err *e)
{
	int *fds = xcalloc(n + 1, sizeof(*fds)); /* highest first, as for unpack_inherit */
	int r = 0;

	for (size_t i = 0; i < n; i++)
		fds[i] = -1;
	for (size_t i = 0; i < n && r == 0; i++) {
		int *lower = fds + n - i;

		r = l[i] ? inherit_once(l[i], h, lower, i, stop, e) : 0;
		if (r < 0)
			r = wrap(l[i], e);
		r = r < 0 ? r : open_fs(h->read_root, diff_ids[i], l[i], lower - 1, e);
	}
	for (size_t i = 0; i < n; i++)
		close_fdp(&fds[i]);
	free(fds);
	return r;
}

/* Move a damaged layer away, unless it was replaced meanwhile. */
static int move_broken(const struct layer *l, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct image_layer_meta meta;
	int r = image_layer_lock(l->target, LOCK_EX, &fd, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (image_layer_meta_read(l->target, &meta, e) == 0 && !strcmp(meta.diff_id, l->diff_id))
		return 0;
	if (rename(l->target, l->broken) < 0 && errno != ENOENT)
		return err_errno(e, ERR_INTERNAL, errno, "move damaged %s away", l->target);
	return fs_remove_tree(l->broken, e);
}

/* The lock moves with the directory, so no process removes it meanwhile. Another pull that uses the
 * layer may have moved it already. */
static int publish_one(struct layer *l, int *ret_fd, struct err *e)
{
	struct image_layer_meta meta;

	for (int i = 0; i < TRIES; i++) {
		int r;

		if (rename(l->dir, l->target) == 0) {
			l->published = true;
			*ret_fd = take_fd(l->lock_fd);
			return 0;
		}
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOENT)
			return err_errno(e, ERR_INTERNAL, errno, "move %s to %s", l->dir,
					 l->target);
		r = lock_existing(l->target, l->diff_id, ret_fd, &meta, e);
		if (r <= 0)
			return r;
		if (r == 2 && move_broken(l, e) < 0)
			return -(int)e->code;
	}
	return err_set(e, ERR_ABORTED, "%s is removed again and again by other pulls: pull again",
		       l->target);
}

/* Move the layer back into staging, unless another pull uses it. */
static void unpublish(struct layer *l, int *fd)
{
	if (!l->published || flock(*fd, LOCK_EX | LOCK_NB) < 0)
		return;
	l->published = rename(l->target, l->dir) < 0;
	if (!l->published)
		l->lock_fd = take_fd(*fd);
}

static int publish_all(const char *layers, struct layer *const *l, size_t n, int *ret_fds,
		       struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (publish_one(l[i], &ret_fds[i], e) < 0)
			return wrap(l[i], e);
	return fs_sync_dir(layers, e);
}

int layer_publish(const char *images_root, struct layer *const *l, size_t n, int *ret_fds,
		  struct err *e)
{
	_cleanup_free_ char *layers = xasprintf("%s/layers", images_root);
	_cleanup_close_ int fs = -1;
	int r;

	for (size_t i = 0; i < n; i++)
		ret_fds[i] = -1;
	r = fs_mkdir_all(layers, 0700, e);
	if (r < 0)
		return r;
	fs = open(images_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs < 0 || syncfs(fs) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "sync the file system of %s", images_root);
	r = publish_all(layers, l, n, ret_fds, e);
	for (size_t i = n; r < 0 && i-- > 0;) {
		if (ret_fds[i] >= 0)
			unpublish(l[i], &ret_fds[i]);
		close_fdp(&ret_fds[i]);
	}
	return r;
}
