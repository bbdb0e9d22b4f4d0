/*
 * layer.c - see layer.h.  blob -> SHA-256 on the thread that feeds; decompress -> SHA-256 -> tar ->
 * tree on a thread of the layer's own (stage.h).
 */
#include "pull/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "image/layermeta.h"
#include "image/layers.h"
#include "image/ref.h"
#include "image/staging.h"
#include "image/tar.h"
#include "pull/decompress.h"
#include "pull/digest.h"
#include "pull/stage.h"
#include "pull/tree.h"

#define TRIES 100 /* of what others may undo meanwhile */
#define IMPLICIT "implicit" /* list of directories that have nothing from layers below yet */
#define IMPLICIT_WAIT_MS 20

struct layer {
	char *images_root;
	char *dir;    /* in staging */
	int lock_fd;  /* of dir: exclusive while it is made, shared when it is whole */
	bool whole;
	char *broken; /* beside it: where a damaged layer of the same name goes */
	char *target; /* in layers/ */
	char *media_type, *blob_digest, *diff_id;
	uint64_t blob_size, fed;
	bool plain; /* one digest stands for both: the blob is the tar */
	char *file; /* NULL: an archive; else the blob is the content of this file */
	struct digest blob, diff;
	struct stage *stage; /* what follows is touched on its thread, or when that has ended */
	struct decompress *decompress;
	struct tar *tar;
	struct tree *tree;
	struct tar_entry entry; /* of the file */
	uint64_t written;
	/* What is wrong with the content, told when the blob is known to be the right one. */
	struct err content;
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

/* The plain tar, as decompress has it. */
static int take_plain(void *arg, const void *data, size_t size, struct err *e)
{
	struct layer *l = arg;

	if (!l->plain)
		digest_add(&l->diff, data, size);
	return tar_feed(l->tar, data, size, e);
}

/* Wrong content may come from a wrong blob, which is the better thing to say.  It is known at the
 * blob's end; what is bad here and now is not put off. */
static int content_failed(struct layer *l, struct err *e)
{
	if (e->code != ERR_INVALID && e->code != ERR_DATA_LOSS && e->code != ERR_UNIMPLEMENTED)
		return wrap(l, e);
	l->content = *e;
	*e = ERR_NULL;
	return 0;
}

/* The next bytes of the blob, on the stage's thread. */
static int unpack(void *arg, const void *data, size_t size, struct err *e)
{
	struct layer *l = arg;

	if (l->content.code || decompress_feed(l->decompress, data, size, e) == 0)
		return 0;
	return content_failed(l, e);
}

/* The same for a file that is taken as it is. */
static int write_on(void *arg, const void *data, size_t size, struct err *e)
{
	struct layer *l = arg;
	uint64_t offset = l->written;

	l->written += size;
	if (l->content.code || tree_tar_ops.data(l->tree, offset, data, size, e) == 0)
		return 0;
	return content_failed(l, e);
}

/* After the last byte. */
static void content_finish(struct layer *l)
{
	if (l->content.code)
		return;
	if (l->file)
		tree_tar_ops.end(l->tree, &l->content);
	else if (decompress_finish(l->decompress, &l->content) == 0)
		tar_finish(l->tar, &l->content);
}

static bool is_whole(const char *dir, const char *diff_id, struct image_layer_meta *ret)
{
	_cleanup_free_ char *fs = xasprintf("%s/fs", dir);
	struct err ignored = ERR_NULL;

	/* What an earlier boot wrote was never synced. */
	return image_layer_meta_read(dir, ret, &ignored) == 0 && fs_exists(fs) &&
	       strcmp(ret->diff_id, diff_id) == 0 && strcmp(ret->boot_id, clock_boot_id()) == 0;
}

static int remove_entry(const char *path, const char *name, void *arg, struct err *e)
{
	(void)name;
	(void)arg;
	return fs_remove_tree(path, e);
}

/* 1: another pull makes it or has made it. */
static int hold_dir(struct layer *l, struct err *e)
{
	struct image_layer_meta meta;

	for (int i = 0; i < TRIES; i++) {
		int r = fs_mkdir_all(l->dir, 0700, e);

		r = r < 0 ? r : image_layer_lock(l->dir, LOCK_EX | LOCK_NB, &l->lock_fd, e);
		if (r == 1) /* removed between the two */
			continue;
		if (r == 0 && is_whole(l->dir, l->diff_id, &meta)) {
			close_fdp(&l->lock_fd);
			return 1;
		}
		return r == 2 ? 1 : r;
	}
	return err_set(e, ERR_ABORTED, "%s comes and goes: pull again", l->dir);
}

static int prepare_dir(struct layer *l, struct err *e)
{
	_cleanup_free_ char *fs = xasprintf("%s/fs", l->dir);
	int r = hold_dir(l, e);

	/* What a puller that was killed has left. */
	r = r != 0 ? r : fs_each(l->dir, remove_entry, NULL, e);
	if (r != 0)
		return r;
	if (mkdir(fs, 0755) < 0 || chmod(fs, 0755) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "mkdir %s", fs);
	return tree_open(fs, &l->tree, e);
}

static struct layer *layer_new(const char *images_root, const char *diff_id)
{
	struct layer *l = xcalloc(1, sizeof(*l));

	l->images_root = xstrdup(images_root);
	l->diff_id = xstrdup(diff_id);
	l->dir = image_staging_layer(images_root, diff_id);
	l->broken = xasprintf("%s.broken", l->dir);
	l->target = image_layer_dir(images_root, diff_id);
	l->lock_fd = -1;
	return l;
}

/* Hold it, with an empty fs; from anything but 0, layer_abort still frees *ret. */
static int begin(const char *images_root, const char *media_type, const char *blob_digest,
		 uint64_t blob_size, const char *diff_id, struct layer **ret, struct err *e)
{
	struct layer *l;

	*ret = NULL;
	if (!image_digest_is_valid(blob_digest) || !image_digest_is_valid(diff_id))
		return err_set(e, ERR_UNIMPLEMENTED,
			       "layer: only sha256 digests are supported, not %.80s and %.80s",
			       blob_digest, diff_id);
	*ret = l = layer_new(images_root, diff_id);
	l->media_type = xstrdup(media_type);
	l->blob_digest = xstrdup(blob_digest);
	l->blob_size = blob_size;
	digest_init(&l->blob);
	digest_init(&l->diff);
	return prepare_dir(l, e);
}

int layer_begin(const char *images_root, const char *media_type, const char *blob_digest,
		uint64_t blob_size, const char *diff_id, struct layer **ret, struct err *e)
{
	struct layer *l;
	int r;

	if (!media_type_is_layer(media_type))
		return err_set(e, ERR_UNIMPLEMENTED,
			       "layer %s: media type \"%.100s\" is no layer's", blob_digest,
			       media_type);
	r = begin(images_root, media_type, blob_digest, blob_size, diff_id, &l, e);
	if (r == 0) {
		l->plain = strcmp(blob_digest, diff_id) == 0;
		l->tar = tar_new(&tree_tar_ops, l->tree);
		l->decompress = decompress_new(take_plain, l);
		r = stage_new(unpack, l, &l->stage, e);
	}
	if (r != 0) {
		layer_abort(l);
		return r;
	}
	*ret = l;
	return 0;
}

int layer_begin_file(const char *images_root, const char *file, const char *media_type,
		     const char *blob_digest, uint64_t blob_size, const char *diff_id,
		     struct layer **ret, struct err *e)
{
	struct layer *l;
	int r = begin(images_root, media_type, blob_digest, blob_size, diff_id, &l, e);

	if (r == 0) {
		l->file = xstrdup(file);
		l->entry = (struct tar_entry){ .type = TAR_TYPE_FILE, .path = l->file,
					       .mode = 0644, .size = blob_size };
		r = tree_tar_ops.entry(l->tree, &l->entry, e);
		r = r < 0 ? r : stage_new(write_on, l, &l->stage, e);
	}
	if (r != 0) {
		layer_abort(l);
		return r;
	}
	*ret = l;
	return 0;
}

int layer_feed(struct layer *l, const void *data, size_t size, struct err *e)
{
	if (size > l->blob_size - l->fed) {
		err_set(e, ERR_DATA_LOSS, "more than the %ju bytes that the manifest says",
			(uintmax_t)l->blob_size);
		return wrap(l, e);
	}
	l->fed += size;
	digest_add(&l->blob, data, size);
	return stage_feed(l->stage, data, size, e);
}

uint64_t layer_bytes_fed(const struct layer *l)
{
	return l->fed;
}

static int verify(struct layer *l, struct err *e)
{
	char sum[DIGEST_TEXT];

	if (l->fed != l->blob_size)
		return err_set(e, ERR_DATA_LOSS, "truncated: %ju of %ju bytes arrived",
			       (uintmax_t)l->fed, (uintmax_t)l->blob_size);
	digest_text(&l->blob, sum);
	if (strcmp(sum, l->blob_digest) != 0)
		return err_set(e, ERR_DATA_LOSS, "digest mismatch: the blob that came is %s", sum);
	content_finish(l);
	if (l->content.code) {
		*e = l->content;
		return -(int)e->code;
	}
	if (l->plain || l->file)
		return 0;
	digest_text(&l->diff, sum);
	if (strcmp(sum, l->diff_id) != 0)
		return err_set(e, ERR_DATA_LOSS,
			       "diffID mismatch: the config says %s, the unpacked layer is %s",
			       l->diff_id, sum);
	return 0;
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

int layer_finish(struct layer *l, Crisp__State__Layer **ret, struct err *e)
{
	struct image_layer_meta meta = { .size = l->blob_size };
	struct tree_stats stats;
	int r = stage_finish(l->stage, e);

	r = r < 0 ? r : verify(l, e);
	r = r < 0 ? r : tree_finish(l->tree, &stats, e);
	if (r < 0)
		return wrap(l, e);
	meta.unpacked = stats.bytes;
	meta.disk = stats.disk;
	meta.inodes = stats.inodes;
	snprintf(meta.diff_id, sizeof(meta.diff_id), "%s", l->diff_id);
	snprintf(meta.blob, sizeof(meta.blob), "%s", l->blob_digest);
	snprintf(meta.boot_id, sizeof(meta.boot_id), "%s", clock_boot_id());
	treesum_value_text(&stats.sum, meta.sum);
	if (tree_save_implicit(l->tree, l->lock_fd, IMPLICIT, e) < 0 ||
	    image_layer_meta_write(l->dir, &meta, e) < 0)
		return wrap(l, e);
	/* Others may count on it now.  Nobody drops it in between: it is whole and claimed. */
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
	stage_free(l->stage);
	decompress_free(l->decompress);
	tar_free(l->tar);
	tree_free(l->tree);
	digest_done(&l->blob);
	digest_done(&l->diff);
	/* What cannot be removed here goes when the pull leaves staging. */
	if (l->lock_fd >= 0 && !l->whole)
		fs_remove_tree(l->dir, &e);
	close_fdp(&l->lock_fd);
	if (l->whole && !l->published)
		image_staging_drop(l->images_root, l->diff_id, &e);
	free(l->images_root);
	free(l->dir);
	free(l->broken);
	free(l->target);
	free(l->media_type);
	free(l->blob_digest);
	free(l->diff_id);
	free(l->file);
	free(l);
}

/* Lock a layer that is there.  1: it is not there; 2: it is there and damaged. */
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

int layer_take(const char *images_root, const char *diff_id, struct layer **ret,
	       Crisp__State__Layer **ret_row, struct err *e)
{
	_cleanup_free_ char *dir = image_staging_layer(images_root, diff_id);
	_cleanup_close_ int fd = -1;
	struct image_layer_meta meta = IMAGE_LAYER_META_NULL;
	int r = dir ? image_layer_lock(dir, LOCK_SH | LOCK_NB, &fd, e) : 1;

	if (r != 0)
		return r;
	if (!is_whole(dir, diff_id, &meta))
		return 1;
	*ret = layer_new(images_root, diff_id);
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

/* The fs directory of a layer, wherever it is now: who publishes it moves it. */
static int open_fs(const char *images_root, const char *diff_id, const struct layer *l, int *ret,
		   struct err *e)
{
	_cleanup_free_ char *dir = l ? NULL : image_layer_dir(images_root, diff_id);
	_cleanup_free_ char *fs = dir ? xasprintf("%s/fs", dir) : xstrdup("fs");

	*ret = openat(l ? l->lock_fd : AT_FDCWD, fs,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open layer %s at %s", diff_id, fs);
	return 0;
}

/* While directories change, nothing is known of their sum, nor when a puller was killed then. */
static int inherit_by(struct layer *l, int list_fd, int fs, const int *lower, size_t n,
		      struct err *e)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", list_fd);
	_cleanup_buf_ struct buf list = BUF_NULL;
	struct treesum_value sum = TREESUM_VALUE_NULL;
	struct image_layer_meta meta;
	bool known;
	int r;

	if (image_layer_meta_read(l->dir, &meta, e) != 0)
		return err_set(e, ERR_INTERNAL, "%s/meta is not what was written", l->dir);
	known = treesum_value_parse(meta.sum, &sum) == 0;
	*meta.sum = '\0';
	r = fs_read_file(path, LIMIT_LAYER_NAMES, &list, e);
	r = r < 0 ? r : image_layer_meta_write(l->dir, &meta, e);
	r = r < 0 ? r : tree_inherit(fs, list.data, list.len, lower, n, &sum, e);
	if (r == 0 && known) {
		treesum_value_text(&sum, meta.sum);
		r = image_layer_meta_write(l->dir, &meta, e);
	}
	if (r == 0 && unlinkat(l->lock_fd, IMPLICIT, 0) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "remove the list of directories");
	return r;
}

/* Done once, by the first of the pulls that share the layer; the list is there until then, and who
 * works by it holds a lock on it. */
static int inherit_once(struct layer *l, int fs, const int *lower, size_t n, struct stop *stop,
			struct err *e)
{
	for (;;) {
		_cleanup_close_ int fd = openat(l->lock_fd, IMPLICIT,
						O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		if (fd < 0 && errno == ENOENT)
			return 0;
		if (fd < 0)
			return err_errno(e, ERR_INTERNAL, errno, "open the list of directories");
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink)
			return inherit_by(l, fd, fs, lower, n, e);
		if (stop_wait(stop, IMPLICIT_WAIT_MS))
			return err_set(e, ERR_CANCELLED, "cancelled");
	}
}

int layer_inherit(const char *images_root, const char *const *diff_ids, struct layer *const *l,
		  size_t n, struct stop *stop, struct err *e)
{
	int *fds = xcalloc(n + 1, sizeof(*fds)); /* the highest first, for tree_inherit */
	int r = 0;

	for (size_t i = 0; i < n; i++)
		fds[i] = -1;
	for (size_t i = 0; i < n && r == 0; i++) {
		int *lower = fds + n - i;

		r = open_fs(images_root, diff_ids[i], l[i], lower - 1, e);
		if (r == 0 && l[i] && inherit_once(l[i], lower[-1], lower, i, stop, e) < 0)
			r = wrap(l[i], e);
	}
	for (size_t i = 0; i < n; i++)
		close_fdp(&fds[i]);
	free(fds);
	return r;
}

/* Out of the way with a damaged layer, unless it has been replaced by now. */
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

/* The lock goes with it, so nobody removes it in between.  Another pull that counts on the same may
 * have moved it already. */
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
	return err_set(e, ERR_ABORTED, "%s comes and goes: pull again", l->target);
}

/* Back into staging, unless another pull has begun to count on it. */
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
