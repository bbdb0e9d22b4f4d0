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
#include "base/fs.h"
#include "base/util.h"
#include "image/layermeta.h"
#include "image/layers.h"
#include "image/ref.h"
#include "image/tar.h"
#include "pull/decompress.h"
#include "pull/digest.h"
#include "pull/stage.h"
#include "pull/tree.h"

#define PUBLISH_TRIES 100

struct layer {
	char *dir;    /* in staging */
	char *broken; /* beside it: where a damaged layer of the same name goes */
	char *target; /* in layers/ */
	char *media_type, *blob_digest, *diff_id;
	uint64_t blob_size, fed;
	bool plain; /* one digest stands for both: the blob is the tar */
	struct digest blob, diff;
	struct stage *stage; /* what follows is touched on its thread, or when that has ended */
	struct decompress *decompress;
	struct tar *tar;
	struct tree *tree;
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

static int prepare_dir(struct layer *l, struct err *e)
{
	_cleanup_free_ char *fs = xasprintf("%s/fs", l->dir);
	int r = fs_remove_tree(l->dir, e);

	r = r < 0 ? r : fs_mkdir_all(l->dir, 0700, e);
	if (r < 0)
		return r;
	if (mkdir(fs, 0755) < 0 || chmod(fs, 0755) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "mkdir %s", fs);
	return tree_open(fs, &l->tree, e);
}

int layer_begin(const char *images_root, const char *pull_id, unsigned index,
		const char *media_type, const char *blob_digest, uint64_t blob_size,
		const char *diff_id, struct layer **ret, struct err *e)
{
	struct layer *l;
	int r;

	if (!image_digest_is_valid(blob_digest) || !image_digest_is_valid(diff_id))
		return err_set(e, ERR_UNIMPLEMENTED,
			       "layer %u: only sha256 digests are supported, not %.80s and %.80s",
			       index, blob_digest, diff_id);
	if (!media_type_is_layer(media_type))
		return err_set(e, ERR_UNIMPLEMENTED,
			       "layer %s: media type \"%.100s\" is no layer's", blob_digest,
			       media_type);
	l = xcalloc(1, sizeof(*l));
	l->dir = xasprintf("%s/staging/%s/%u", images_root, pull_id, index);
	l->broken = xasprintf("%s.broken", l->dir);
	l->target = image_layer_dir(images_root, diff_id);
	l->media_type = xstrdup(media_type);
	l->blob_digest = xstrdup(blob_digest);
	l->diff_id = xstrdup(diff_id);
	l->blob_size = blob_size;
	l->plain = strcmp(blob_digest, diff_id) == 0;
	digest_init(&l->blob);
	digest_init(&l->diff);
	r = prepare_dir(l, e);
	if (r == 0) {
		l->tar = tar_new(&tree_tar_ops, l->tree);
		l->decompress = decompress_new(take_plain, l);
		r = stage_new(unpack, l, &l->stage, e);
	}
	if (r < 0) {
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
	if (!l->content.code && decompress_finish(l->decompress, &l->content) == 0)
		tar_finish(l->tar, &l->content);
	if (l->content.code) {
		*e = l->content;
		return -(int)e->code;
	}
	if (l->plain)
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
	if (image_layer_meta_write(l->dir, &meta, e) < 0)
		return wrap(l, e);
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
	/* What cannot be removed here goes with the pull's whole staging directory. */
	if (!l->published)
		fs_remove_tree(l->dir, &e);
	free(l->dir);
	free(l->broken);
	free(l->target);
	free(l->media_type);
	free(l->blob_digest);
	free(l->diff_id);
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

/* The fs directory of a layer, wherever it is now. */
static int open_fs(const char *images_root, const char *diff_id, const struct layer *l, int *ret,
		   struct err *e)
{
	_cleanup_free_ char *dir = l ? xstrdup(l->dir) : image_layer_dir(images_root, diff_id);
	_cleanup_free_ char *fs = xasprintf("%s/fs", dir ? dir : "");

	*ret = open(fs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open layer %s at %s", diff_id, fs);
	return 0;
}

/* While directories change, nothing is known of their sum. */
static int inherit_one(struct layer *l, const int *lower, size_t n, struct err *e)
{
	struct image_layer_meta meta;
	struct treesum_value sum;
	int r;

	if (!tree_has_implicit(l->tree))
		return 0;
	if (image_layer_meta_read(l->dir, &meta, e) != 0 || treesum_value_parse(meta.sum, &sum) < 0)
		return err_set(e, ERR_INTERNAL, "%s/meta is not what was written", l->dir);
	*meta.sum = '\0';
	r = image_layer_meta_write(l->dir, &meta, e);
	r = r < 0 ? r : tree_inherit(l->tree, lower, n, &sum, e);
	treesum_value_text(&sum, meta.sum);
	return r < 0 ? r : image_layer_meta_write(l->dir, &meta, e);
}

int layer_inherit(const char *images_root, const char *const *diff_ids, struct layer *const *l,
		  size_t n, struct err *e)
{
	int *fds = xcalloc(n + 1, sizeof(*fds)); /* the highest first, for tree_inherit */
	int r = 0;

	for (size_t i = 0; i < n; i++)
		fds[i] = -1;
	for (size_t i = 0; i < n && r == 0; i++) {
		int *lower = fds + n - i;

		if (l[i] && inherit_one(l[i], lower, i, e) < 0)
			r = wrap(l[i], e);
		if (r == 0)
			r = open_fs(images_root, diff_ids[i], l[i], lower - 1, e);
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

/* Locked before it can be seen, so that nobody removes it in between. */
static int publish_one(struct layer *l, int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct image_layer_meta meta;
	int r = image_layer_lock(l->dir, LOCK_SH, &fd, e);

	if (r != 0)
		return r < 0 ? r : err_set(e, ERR_INTERNAL, "%s is gone", l->dir);
	for (int i = 0; i < PUBLISH_TRIES; i++) {
		if (rename(l->dir, l->target) == 0) {
			l->published = true;
			*ret_fd = take_fd(fd);
			return 0;
		}
		if (errno != EEXIST && errno != ENOTEMPTY)
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
static void unpublish(struct layer *l, int fd)
{
	if (!l->published || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	l->published = rename(l->target, l->dir) < 0;
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
			unpublish(l[i], ret_fds[i]);
		close_fdp(&ret_fds[i]);
	}
	return r;
}
