/*
 * unpack.c - two threads. The feeding thread hashes the blob; the layer's own thread (pipeline.h)
 * decompresses, hashes, parses tar and writes the tree.
 */
#include "pull/unpack/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "pull/base/digest.h"
#include "pull/unpack/decompress.h"
#include "pull/unpack/pipeline.h"
#include "pull/unpack/tar.h"
#include "pull/unpack/tree.h"

struct unpack {
	int dir;
	char *blob_digest, *diff_id;
	uint64_t blob_size, fed;
	bool plain; /* the blob is the tar, so one digest is enough */
	char *file; /* NULL: an archive; else the blob is this file */
	struct digest blob, diff;
	struct pipeline *stage; /* the members below belong to its thread until that ends */
	struct decompress *decompress;
	struct tar *tar;
	struct tree *tree;
	struct tar_entry entry; /* of file */
	uint64_t written;
	/* Content error, reported once the blob digest is verified. */
	struct err content;
};

static int wrap(const struct unpack *u, struct err *e)
{
	return err_wrap(e, "layer %s", u->blob_digest);
}

/* Sink of decompress: the plain tar. */
static int take_plain(void *arg, const void *data, size_t size, struct err *e)
{
	struct unpack *u = arg;

	if (!u->plain)
		digest_add(&u->diff, data, size);
	return tar_feed(u->tar, data, size, e);
}

/* Defer content errors: a wrong blob is the better diagnosis, known only at its end. Report all
 * other errors at once. */
static int content_failed(struct unpack *u, struct err *e)
{
	if (e->code != ERR_INVALID && e->code != ERR_DATA_LOSS && e->code != ERR_UNIMPLEMENTED)
		return wrap(u, e);
	u->content = *e;
	*e = ERR_NULL;
	return 0;
}

/* On the pipeline's thread: process the next bytes of the blob. */
static int work(void *arg, const void *data, size_t size, struct err *e)
{
	struct unpack *u = arg;

	if (u->content.code || decompress_feed(u->decompress, data, size, e) == 0)
		return 0;
	return content_failed(u, e);
}

/* On the pipeline's thread: write the next bytes of a plain file. */
static int write_on(void *arg, const void *data, size_t size, struct err *e)
{
	struct unpack *u = arg;
	uint64_t offset = u->written;

	u->written += size;
	if (u->content.code || tree_tar_ops.data(u->tree, offset, data, size, e) == 0)
		return 0;
	return content_failed(u, e);
}

/* Finish the decoders after the last byte. */
static void content_finish(struct unpack *u)
{
	if (u->content.code)
		return;
	if (u->file)
		tree_tar_ops.end(u->tree, &u->content);
	else if (decompress_finish(u->decompress, &u->content) == 0)
		tar_finish(u->tar, &u->content);
}

static int begin_archive(struct unpack *u, struct err *e)
{
	u->plain = strcmp(u->blob_digest, u->diff_id) == 0;
	u->tar = tar_new(&tree_tar_ops, u->tree);
	u->decompress = decompress_new(take_plain, u);
	return pipeline_new(work, u, &u->stage, e);
}

static int begin_file(struct unpack *u, struct err *e)
{
	int r;

	u->entry = (struct tar_entry){
		.type = TAR_TYPE_FILE, .path = u->file, .mode = 0644, .size = u->blob_size
	};
	r = tree_tar_ops.entry(u->tree, &u->entry, e);
	return r < 0 ? r : pipeline_new(write_on, u, &u->stage, e);
}

int unpack_open(const struct unpack_spec *spec, struct unpack **ret, struct err *e)
{
	_cleanup_free_ char *fs = xasprintf("%s/fs", spec->dir);
	struct unpack *u = xcalloc(1, sizeof(*u));
	int r = 0;

	u->blob_digest = xstrdup(spec->blob_digest);
	u->diff_id = xstrdup(spec->diff_id);
	u->blob_size = spec->blob_size;
	u->file = spec->file ? xstrdup(spec->file) : NULL;
	digest_init(&u->blob);
	digest_init(&u->diff);
	u->dir = open(spec->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (u->dir < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "open %s", spec->dir);
	r = r < 0 ? r : tree_open(fs, &u->tree, e);
	if (r == 0)
		r = u->file ? begin_file(u, e) : begin_archive(u, e);
	if (r < 0) {
		unpack_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

int unpack_feed(struct unpack *u, const void *data, size_t size, struct err *e)
{
	if (size > u->blob_size - u->fed) {
		err_set(e, ERR_DATA_LOSS, "more than the %ju bytes that the manifest says",
			(uintmax_t)u->blob_size);
		return wrap(u, e);
	}
	u->fed += size;
	digest_add(&u->blob, data, size);
	return pipeline_feed(u->stage, data, size, e);
}

static int verify(struct unpack *u, struct err *e)
{
	char sum[DIGEST_TEXT];

	if (u->fed != u->blob_size)
		return err_set(e, ERR_DATA_LOSS, "truncated: %ju of %ju bytes arrived",
			       (uintmax_t)u->fed, (uintmax_t)u->blob_size);
	digest_text(&u->blob, sum);
	if (strcmp(sum, u->blob_digest) != 0)
		return err_set(e, ERR_DATA_LOSS, "digest mismatch: the blob that came is %s", sum);
	content_finish(u);
	if (u->content.code) {
		*e = u->content;
		return -(int)e->code;
	}
	if (u->plain || u->file)
		return 0;
	digest_text(&u->diff, sum);
	if (strcmp(sum, u->diff_id) != 0)
		return err_set(e, ERR_DATA_LOSS,
			       "diffID mismatch: the config says %s, the unpacked layer is %s",
			       u->diff_id, sum);
	return 0;
}

int unpack_finish(struct unpack *u, struct unpack_result *ret, struct err *e)
{
	struct tree_stats stats;
	int r = pipeline_finish(u->stage, e);

	r = r < 0 ? r : verify(u, e);
	r = r < 0 ? r : tree_finish(u->tree, &stats, e);
	r = r < 0 ? r : tree_save_implicit(u->tree, u->dir, UNPACK_IMPLICIT, e);
	if (r < 0)
		return wrap(u, e);
	*ret = (struct unpack_result){
		.bytes = stats.bytes,
		.disk = stats.disk,
		.inodes = stats.inodes,
	};
	treesum_value_text(&stats.sum, ret->sum);
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	pipeline_free(u->stage);
	decompress_free(u->decompress);
	tar_free(u->tar);
	tree_free(u->tree);
	digest_done(&u->blob);
	digest_done(&u->diff);
	close_fdp(&u->dir);
	free(u->blob_digest);
	free(u->diff_id);
	free(u->file);
	free(u);
}

static int read_list(int fd, struct buf *ret, struct err *e)
{
	for (;;) {
		ssize_t n = pread(fd, buf_reserve(ret, 65536), 65536, (off_t)ret->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_INTERNAL, errno, "read the list of directories");
		if (n == 0)
			return 0;
		buf_commit(ret, (size_t)n);
		if (ret->len > LIMIT_LAYER_NAMES)
			return err_set(e, ERR_RANGE, "the list of directories is too long");
	}
}

int unpack_inherit(const char *dir, int list_fd, const int *lower, size_t n, char sum[TREESUM_TEXT],
		   struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/fs", dir);
	_cleanup_close_ int fs = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_buf_ struct buf list = BUF_NULL;
	struct treesum_value value = TREESUM_VALUE_NULL;
	bool known = treesum_value_parse(sum, &value) == 0;
	int r;

	if (fs < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	r = read_list(list_fd, &list, e);
	r = r < 0 ? r : tree_inherit(fs, list.data, list.len, lower, n, &value, e);
	*sum = '\0';
	if (r == 0 && known)
		treesum_value_text(&value, sum);
	return r;
}
