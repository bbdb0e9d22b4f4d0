/*
 * test_layer.c - one layer from the bytes of its blob into layers/: verification, visibility after
 * the rename, sharing between pulls.
 */
#include <fcntl.h>
#include <isa-l.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <zstd.h>

#include "base/fs.h"
#include "image/layermeta.h"
#include "image/layers.h"
#include "image/staging.h"
#include "pull/base/digest.h"
#include "pull/unpack/layer.h"
#include "tests/unit/tarmake.h"

#define TAR "application/vnd.oci.image.layer.v1.tar"
#define GZIP TAR "+gzip"
#define ZSTD TAR "+zstd"
#define PULL "abc1230000000000000000000000000000000000000000000000000000000000"

static char top[64];

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/crisp-layer-XXXXXX");
	assert_non_null(mkdtemp(top));
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(fs_remove_tree(top, &e), 0);
	return 0;
}

/* A blob and what a manifest and a config say of it. */
struct blob {
	struct buf data;
	const char *media_type;
	char digest[DIGEST_TEXT], diff_id[DIGEST_TEXT];
};

static void blob_done(struct blob *b)
{
	buf_done(&b->data);
}
#define _cleanup_blob_ _cleanup_(blob_done)

static void gzip(struct buf *b, const struct buf *plain)
{
	size_t room = plain->len + 4096;
	struct isal_zstream s;

	isal_deflate_init(&s);
	s.gzip_flag = IGZIP_GZIP;
	s.end_of_stream = 1;
	s.flush = NO_FLUSH;
	s.next_in = (unsigned char *)plain->data;
	s.avail_in = (uint32_t)plain->len;
	s.next_out = buf_reserve(b, room);
	s.avail_out = (uint32_t)room;
	assert_int_equal(isal_deflate(&s), COMP_OK);
	buf_commit(b, s.total_out);
}

static void zstd(struct buf *b, const struct buf *plain)
{
	size_t bound = ZSTD_compressBound(plain->len);

	buf_commit(b, ZSTD_compress(buf_reserve(b, bound), bound, plain->data, plain->len, 1));
}

/* Takes the archive. */
static struct blob make_blob(struct buf *tar, const char *media_type)
{
	struct blob b = { .media_type = media_type };

	digest_of(tar->data, tar->len, b.diff_id);
	if (strcmp(media_type, GZIP) == 0)
		gzip(&b.data, tar);
	else if (strcmp(media_type, ZSTD) == 0)
		zstd(&b.data, tar);
	else
		buf_add(&b.data, tar->data, tar->len);
	digest_of(b.data.data, b.data.len, b.digest);
	buf_done(tar);
	return b;
}

/* One file `name` that has its name in it. */
static struct blob simple_blob(const char *name, const char *media_type)
{
	struct buf tar = BUF_NULL;

	TM(&tar, .name = "etc/", .type = '5', .mode = 0700);
	TM(&tar, .name = name, .type = '0', .data = name, .size = strlen(name));
	tm_end(&tar);
	return make_blob(&tar, media_type);
}

/* What the unpacker's process does, in this one: one layer at a time. */
static struct unpack *at_work;

static struct layer *begin_as(const struct blob *b, const char *file, const char *media_type)
{
	const struct layer_blob blob = { media_type, b->digest, b->data.len, b->diff_id, file };
	struct unpack_spec spec;
	struct err e = ERR_NULL;
	struct layer *l;

	if (layer_begin(top, PULL, &blob, &l, &e) != 0)
		fail_msg("%s", e.text);
	spec = layer_spec(l);
	assert_null(at_work);
	if (unpack_open(&spec, &at_work, &e) < 0)
		fail_msg("%s", e.text);
	return l;
}

static struct layer *begin(const struct blob *b)
{
	return begin_as(b, NULL, b->media_type);
}

static int feed_all(const struct buf *data, struct err *e)
{
	for (size_t at = 0; at < data->len; at += 1000) {
		int r = unpack_feed(at_work, data->data + at, MIN((size_t)1000, data->len - at), e);

		if (r < 0)
			return r;
	}
	return 0;
}

static void end_work(void)
{
	unpack_free(at_work);
	at_work = NULL;
}

static int finish(struct layer *l, Crisp__State__Layer **ret, struct err *e)
{
	struct unpack_result result;
	int r = unpack_finish(at_work, &result, e);

	end_work();
	return r < 0 ? r : layer_finish(l, &result, ret, e);
}

static int inherit(void *arg, const struct layer *l, int list_fd, const int *lower, size_t n,
		   char sum[TREESUM_TEXT], struct err *e)
{
	(void)arg;
	return unpack_inherit(layer_spec(l).dir, list_fd, lower, n, sum, e);
}

static struct layer *whole(const struct blob *b)
{
	struct layer *l = begin(b);
	Crisp__State__Layer *s = NULL;
	struct err e = ERR_NULL;

	if (feed_all(&b->data, &e) < 0 || finish(l, &s, &e) < 0)
		fail_msg("%s", e.text);
	crisp__state__layer__free_unpacked(s, NULL);
	return l;
}

static bool in_top(const char *fmt, ...)
{
	char name[128], path[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s/%s", top, name);
	return fs_exists(path);
}

static bool in_staging(const char *diff_id, const char *name)
{
	return in_top("staging/layers/%.24s%s", diff_id + 7, name);
}

static bool published(const struct blob *b, const char *name)
{
	return in_top("layers/%.24s/%s", b->diff_id + 7, name);
}

static int trash_empty(const char *root, struct err *e)
{
	_cleanup_free_ char *trash = xasprintf("%s/trash", root);

	return fs_remove_tree(trash, e);
}

/* As the daemon does it: what nobody holds goes to the trash, the trash goes. */
static int layers_remove(const char *root, const char *const *diff_ids, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (image_layer_discard(root, diff_ids[i], e) < 0)
			return -(int)e->code;
	return trash_empty(root, e);
}

static void test_media_types(void **state)
{
	static const char *const types[] = { GZIP, ZSTD, TAR };
	_cleanup_free_ char *layers = xasprintf("%s/layers", top);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		_cleanup_blob_ struct blob b = simple_blob(types[i], types[i]);
		struct layer *l = begin(&b);
		Crisp__State__Layer *s = NULL;
		struct err e = ERR_NULL;
		int fd;

		assert_int_equal(feed_all(&b.data, &e), 0);
		assert_int_equal(finish(l, &s, &e), 0);
		assert_string_equal(s->diff_id, b.diff_id);
		assert_string_equal(s->blob_digest, b.digest);
		assert_string_equal(s->media_type, types[i]);
		assert_int_equal(s->compressed_size, b.data.len);
		assert_int_equal(s->unpacked_size, strlen(types[i]));
		assert_int_equal(s->inodes, 3); /* etc, application, the file */
		crisp__state__layer__free_unpacked(s, NULL);
		assert_false(in_top("layers"));
		assert_true(in_staging(b.diff_id, "/meta"));
		assert_int_equal(layer_publish(top, &l, 1, &fd, &e), 0);
		assert_true(published(&b, "fs/etc"));
		assert_true(published(&b, "meta"));
		assert_false(in_staging(b.diff_id, ""));
		layer_abort(l);
		assert_true(published(&b, "fs/etc"));
		close(fd);
		assert_int_equal(layers_remove(top, (const char *[]){ b.diff_id }, 1, &e), 0);
		assert_false(in_top("layers/%.24s", b.diff_id + 7));
		assert_int_equal(fs_remove_tree(layers, &e), 0);
	}
}

static void refused(const struct blob *b, const char *media_type, const char *digest,
		    const char *diff_id, const char *text)
{
	const struct layer_blob blob = { media_type, digest, b->data.len, diff_id, NULL };
	struct err e = ERR_NULL;
	struct layer *l = NULL;

	assert_int_equal(layer_begin(top, PULL, &blob, &l, &e), -ERR_UNIMPLEMENTED);
	assert_non_null(strstr(e.text, text));
	assert_false(in_top("staging"));
}

static void test_not_ours(void **state)
{
	_cleanup_blob_ struct blob b = simple_blob("f", GZIP);

	(void)state;
	refused(&b, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", b.digest, b.diff_id,
		"helm");
	refused(&b, "", b.digest, b.diff_id, "no layer");
	refused(&b, GZIP, "sha512:00", b.diff_id, "sha512:00");
	refused(&b, GZIP, b.digest, "../../etc", "sha256");
}

/* The pull fails with text, and leaves nothing. */
static void fails(const struct blob *b, const struct buf *data, enum err_code code,
		  const char *text)
{
	struct layer *l = begin(b);
	Crisp__State__Layer *s = NULL;
	struct err e = ERR_NULL;
	int r = feed_all(data, &e);

	r = r < 0 ? r : finish(l, &s, &e);
	end_work();
	assert_true(r < 0);
	if (e.code != code || !strstr(e.text, text) || !strstr(e.text, b->digest))
		fail_msg("%s %s, expected %s", err_code_name(e.code), e.text, text);
	assert_null(s);
	layer_abort(l);
	assert_false(in_staging(b->diff_id, ""));
	assert_false(in_top("layers"));
}

static void test_lies(void **state)
{
	_cleanup_blob_ struct blob b = simple_blob("f", GZIP), other = simple_blob("g", GZIP);
	struct buf cut = { .data = b.data.data, .len = b.data.len - 1 };
	struct blob liar = b;

	(void)state;
	fails(&b, &cut, ERR_DATA_LOSS, "truncated");
	cut.len = 0;
	fails(&b, &cut, ERR_DATA_LOSS, "truncated: 0 of");
	liar.data.len--;
	fails(&liar, &b.data, ERR_DATA_LOSS, "more than the");
	/* Another blob of the same size, readable or not: the digest is what is said. */
	liar = other;
	memcpy(liar.digest, b.digest, sizeof(b.digest));
	fails(&liar, &other.data, ERR_DATA_LOSS, "digest mismatch");
	assert_int_equal(b.data.len, other.data.len);
	other.data.data[12] ^= 0x7f;
	fails(&liar, &other.data, ERR_DATA_LOSS, "digest mismatch");
	/* The right blob, another config. */
	liar = b;
	memcpy(liar.diff_id, other.diff_id, sizeof(b.diff_id));
	fails(&liar, &b.data, ERR_DATA_LOSS, "diffID mismatch");
}

static struct layer *begin_file(const char *file, const struct blob *b)
{
	return begin_as(b, file, "text/plain");
}

/* Not an archive but a file: what is verified is the blob, its place is told by the caller. */
static void test_file(void **state)
{
	static const struct timespec epoch = { 0 };
	_cleanup_blob_ struct blob b = simple_blob("f", GZIP);
	_cleanup_free_ char *layers = xasprintf("%s/layers", top), *path = NULL;
	_cleanup_buf_ struct buf got = BUF_NULL;
	struct buf cut = { .data = b.data.data, .len = b.data.len - 1 };
	struct layer *l = begin_file("a/b/file", &b);
	Crisp__State__Layer *s = NULL;
	struct err e = ERR_NULL;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(feed_all(&b.data, &e), 0);
	assert_int_equal(finish(l, &s, &e), 0);
	assert_int_equal(s->unpacked_size, b.data.len);
	assert_string_equal(s->diff_id, b.diff_id);
	assert_string_equal(s->blob_digest, b.digest);
	crisp__state__layer__free_unpacked(s, NULL);
	assert_int_equal(layer_publish(top, &l, 1, &fd, &e), 0);
	layer_abort(l);
	close(fd);
	path = xasprintf("%s/%.24s/fs/a/b/file", layers, b.diff_id + 7);
	assert_int_equal(fs_read_file(path, 1024 * 1024, &got, &e), 0);
	assert_int_equal(got.len, b.data.len);
	assert_memory_equal(got.data, b.data.data, got.len);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_memory_equal(&st.st_mtim, &epoch, sizeof(epoch));
	assert_int_equal(fs_remove_tree(layers, &e), 0);
	/* The same lies as an archive's. */
	l = begin_file("file", &b);
	assert_int_equal(feed_all(&cut, &e), 0);
	assert_int_equal(finish(l, &s, &e), -ERR_DATA_LOSS);
	assert_non_null(strstr(e.text, "truncated"));
	layer_abort(l);
	l = begin_file("file", &b);
	b.data.data[12] ^= 0x7f;
	assert_int_equal(feed_all(&b.data, &e), 0);
	assert_int_equal(finish(l, &s, &e), -ERR_DATA_LOSS);
	assert_non_null(strstr(e.text, "digest mismatch"));
	layer_abort(l);
	assert_false(in_staging(b.diff_id, ""));
	assert_false(in_top("layers"));
}

static struct blob raw_blob(const void *data, size_t size)
{
	struct buf b = BUF_NULL;

	buf_add(&b, data, size);
	return make_blob(&b, TAR);
}

/* The right blob, but its content is no good. */
static void test_bad_content(void **state)
{
	struct buf tar = BUF_NULL;
	char noise[1024];

	(void)state;
	memset(noise, 'n', sizeof(noise));
	for (int i = 0; i < 4; i++) {
		_cleanup_blob_ struct blob b = { .media_type = TAR };

		if (i == 0) {
			b = raw_blob(noise, sizeof(noise));
			fails(&b, &b.data, ERR_INVALID, "no tar header");
		} else if (i == 1) {
			TM(&tar, .name = "../escape", .type = '0');
			b = make_blob(&tar, GZIP);
			fails(&b, &b.data, ERR_INVALID, "leads out of the layer");
		} else if (i == 2) {
			TM(&tar, .name = "f", .type = '0', .data = noise, .size = sizeof(noise));
			tar.len -= 10;
			b = make_blob(&tar, ZSTD);
			fails(&b, &b.data, ERR_INVALID, "middle of an entry");
		} else {
			b = raw_blob("\x1f\x8b\x08\0 not gzip at all", 20);
			fails(&b, &b.data, ERR_DATA_LOSS, "gzip");
		}
	}
}

static void test_empty(void **state)
{
	struct buf tar = BUF_NULL;
	_cleanup_blob_ struct blob none = raw_blob("", 0), b = { .media_type = TAR };
	struct err e = ERR_NULL;
	struct layer *l[2];
	int fds[2];

	(void)state;
	tm_end(&tar);
	b = make_blob(&tar, GZIP);
	l[0] = whole(&none);
	l[1] = whole(&b);
	assert_int_equal(layer_publish(top, l, 2, fds, &e), 0);
	for (int i = 0; i < 2; i++) {
		layer_abort(l[i]);
		close(fds[i]);
	}
	assert_true(published(&none, "fs"));
	assert_true(published(&b, "fs"));
}

static void test_reuse_and_locks(void **state)
{
	_cleanup_blob_ struct blob b = simple_blob("f", GZIP);
	const char *ids[] = { b.diff_id };
	Crisp__State__Layer *s = NULL;
	struct err e = ERR_NULL;
	struct layer *l;
	int fd, again;

	(void)state;
	assert_int_equal(layer_reuse(top, b.diff_id, &again, &s, &e), 1);
	assert_int_equal(layer_reuse(top, "sha256:..", &again, &s, &e), -ERR_UNIMPLEMENTED);
	l = whole(&b);
	assert_int_equal(layer_reuse(top, b.diff_id, &again, &s, &e), 1);
	assert_int_equal(layer_publish(top, &l, 1, &fd, &e), 0);
	layer_abort(l);
	assert_int_equal(layer_reuse(top, b.diff_id, &again, &s, &e), 0);
	assert_string_equal(s->diff_id, b.diff_id);
	assert_string_equal(s->blob_digest, b.digest);
	assert_int_equal(s->compressed_size, b.data.len);
	assert_int_equal(s->unpacked_size, 1);
	crisp__state__layer__free_unpacked(s, NULL);
	/* It stays for as long as one of the two counts on it. */
	assert_int_equal(layers_remove(top, ids, 1, &e), 0);
	assert_true(published(&b, "fs/f"));
	close(fd);
	assert_int_equal(layers_remove(top, ids, 1, &e), 0);
	assert_true(published(&b, "fs/f"));
	close(again);
	assert_int_equal(layers_remove(top, ids, 1, &e), 0);
	assert_false(published(&b, ""));
}

static struct layer *take(const struct blob *b, int expected)
{
	Crisp__State__Layer *s = NULL;
	struct layer *l = NULL;
	struct err e = ERR_NULL;

	assert_int_equal(layer_take(top, PULL, b->diff_id, &l, &s, &e), expected);
	if (expected == 0) {
		assert_string_equal(s->diff_id, b->diff_id);
		assert_string_equal(s->blob_digest, b->digest);
		assert_int_equal(s->compressed_size, b->data.len);
		crisp__state__layer__free_unpacked(s, NULL);
	}
	return l;
}

static void refuse_to_begin(const struct blob *b)
{
	const struct layer_blob blob = { b->media_type, b->digest, b->data.len, b->diff_id, NULL };
	struct err e = ERR_NULL;
	struct layer *l;

	assert_int_equal(layer_begin(top, PULL, &blob, &l, &e), 1);
}

/* Two pulls of one layer: one makes it, the other takes it; whoever is first publishes. */
static void test_shared(void **state)
{
	_cleanup_blob_ struct blob b = simple_blob("f", GZIP);
	Crisp__State__Layer *s = NULL;
	struct layer *l[2] = { NULL };
	struct err e = ERR_NULL;
	struct stat first, second;
	int fds[2];

	(void)state;
	take(&b, 1);
	l[0] = begin(&b);
	take(&b, 2);
	refuse_to_begin(&b);
	assert_false(layer_is_whole(l[0]));
	assert_int_equal(feed_all(&b.data, &e), 0);
	assert_int_equal(finish(l[0], &s, &e), 0);
	crisp__state__layer__free_unpacked(s, NULL);
	refuse_to_begin(&b);
	l[1] = take(&b, 0);
	assert_true(layer_is_whole(l[0]) && layer_is_whole(l[1]));
	for (int i = 0; i < 2; i++)
		assert_int_equal(layer_publish(top, &l[1 - i], 1, &fds[1 - i], &e), 0);
	assert_int_equal(fstat(fds[0], &first), 0);
	assert_int_equal(fstat(fds[1], &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	for (int i = 0; i < 2; i++) {
		layer_abort(l[i]);
		assert_int_equal(flock(fds[i], LOCK_SH | LOCK_NB), 0);
		close(fds[i]);
	}
	assert_false(in_staging(b.diff_id, ""));
	assert_true(published(&b, "fs/f"));
}

/* A pull that gives up takes nothing from another. */
static void test_given_up(void **state)
{
	_cleanup_blob_ struct blob b = simple_blob("f", GZIP);
	struct err e = ERR_NULL;
	struct layer *l, *other;
	int fd;

	(void)state;
	l = begin(&b);
	end_work();
	layer_abort(l);
	assert_false(in_staging(b.diff_id, ""));
	assert_false(in_top("staging/" PULL "/work/%.24s", b.diff_id + 7));
	l = whole(&b);
	other = take(&b, 0);
	layer_abort(l);
	assert_true(in_staging(b.diff_id, "/fs/f"));
	assert_int_equal(layer_publish(top, &other, 1, &fd, &e), 0);
	layer_abort(other);
	close(fd);
	assert_true(published(&b, "fs/f"));
}

/* What a pull claims stays for its next try, and no longer. */
static void test_claimed(void **state)
{
	_cleanup_blob_ struct blob b = simple_blob("f", GZIP);
	struct err e = ERR_NULL;
	int fd;

	(void)state;
	assert_int_equal(image_staging_enter(top, PULL, &fd, &e), 0);
	assert_int_equal(image_staging_claim(top, PULL, b.diff_id, &e), 0);
	layer_abort(whole(&b));
	assert_int_equal(image_staging_drop(top, b.diff_id, &e), 0);
	layer_abort(take(&b, 0));
	assert_int_equal(image_staging_sweep(top, NULL, 0, &e), 0); /* its puller lives */
	assert_true(in_staging(b.diff_id, "/meta"));
	close(fd);
	assert_int_equal(image_staging_sweep(top, (const char *[]){ PULL }, 1, &e), 0);
	assert_true(in_staging(b.diff_id, "/meta"));
	assert_int_equal(image_staging_sweep(top, NULL, 0, &e), 0);
	assert_false(in_staging(b.diff_id, ""));
	assert_false(in_top("staging/" PULL));
}

/* What a killed puller has left under the name is made anew. */
static void test_half_made(void **state)
{
	_cleanup_blob_ struct blob b = simple_blob("f", GZIP);
	_cleanup_free_ char *junk =
		xasprintf("%s/staging/layers/%.24s/fs/junk", top, b.diff_id + 7);
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(fs_mkdir_all(junk, 0755, &e), 0);
	take(&b, 1);
	layer_abort(whole(&b));
	assert_int_equal(fs_mkdir_all(junk, 0755, &e), 0);
	{
		struct layer *l = whole(&b);

		assert_false(in_staging(b.diff_id, "/fs/junk"));
		layer_abort(l);
	}
}

static char *layer_path(const struct blob *b, const char *name)
{
	return xasprintf("%s/layers/%.24s/%s", top, b->diff_id + 7, name);
}

/* What a power cut may leave under the name is not used and not in the way. */
static void test_damaged_is_replaced(void **state)
{
	_cleanup_blob_ struct blob b = simple_blob("f", GZIP);
	_cleanup_free_ char *meta = layer_path(&b, "meta"), *fs = layer_path(&b, "fs");
	Crisp__State__Layer *s = NULL;
	struct err e = ERR_NULL;
	struct layer *l;
	int fd;

	(void)state;
	assert_int_equal(fs_mkdir_all(fs, 0755, &e), 0);
	assert_int_equal(layer_reuse(top, b.diff_id, &fd, &s, &e), 1);
	l = whole(&b);
	if (layer_publish(top, &l, 1, &fd, &e) < 0)
		fail_msg("%s", e.text);
	layer_abort(l);
	close(fd);
	assert_true(published(&b, "fs/f"));
	assert_int_equal(truncate(meta, 10), 0);
	assert_int_equal(layer_reuse(top, b.diff_id, &fd, &s, &e), 1);
}

/* One of three cannot be published: the others go back. */
static void test_all_or_nothing(void **state)
{
	_cleanup_blob_ struct blob a = simple_blob("a", GZIP), b = simple_blob("b", GZIP),
				   c = simple_blob("c", GZIP);
	struct layer *l[3] = { whole(&a), whole(&b), whole(&c) };
	_cleanup_free_ char *in_the_way = layer_path(&c, "");
	_cleanup_free_ char *layers = xasprintf("%s/layers", top);
	struct err e = ERR_NULL;
	int fds[3], fd;

	(void)state;
	in_the_way[strlen(in_the_way) - 1] = '\0';
	assert_int_equal(mkdir(layers, 0700), 0);
	fd = open(in_the_way, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	assert_true(layer_publish(top, l, 3, fds, &e) < 0);
	assert_false(published(&a, ""));
	assert_false(published(&b, ""));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fds[i], -1);
		layer_abort(l[i]);
		assert_false(in_staging(i == 0 ? a.diff_id : i == 1 ? b.diff_id : c.diff_id, ""));
	}
}

/* A directory on the way to a file of the upper layer looks as it does in the lower ones, one of
 * them there before, one of the same pull. */
static void test_inherit(void **state)
{
	struct buf tar = BUF_NULL;
	_cleanup_blob_ struct blob low = { .media_type = TAR }, mid = low, high = low;
	struct layer *l[3] = { NULL };
	struct err e = ERR_NULL;
	_cleanup_free_ char *etc = NULL, *var = NULL;
	struct stat st;
	const struct layer_hands hands = { top, inherit, NULL };
	struct stop stop;
	int fd, fds[2], staging;

	(void)state;
	TM(&tar, .name = "var/", .type = '5', .mode = 01777, .mtime = 42);
	low = make_blob(&tar, GZIP);
	TM(&tar, .name = "etc/", .type = '5', .mode = 0711, .uid = 5);
	mid = make_blob(&tar, GZIP);
	TM(&tar, .name = "etc/f", .type = '0');
	TM(&tar, .name = "var/f", .type = '0');
	high = make_blob(&tar, GZIP);
	assert_int_equal(image_staging_enter(top, PULL, &staging, &e), 0);
	l[0] = whole(&low);
	assert_int_equal(layer_publish(top, l, 1, &fd, &e), 0);
	layer_abort(l[0]);
	l[0] = NULL;
	l[1] = whole(&mid);
	/* The highest by an earlier try, whose memory is gone. */
	assert_int_equal(image_staging_claim(top, PULL, high.diff_id, &e), 0);
	layer_abort(whole(&high));
	l[2] = take(&high, 0);
	assert_int_equal(stop_init(&stop, -1, &e), 0);
	if (layer_inherit(&hands, (const char *[]){ low.diff_id, mid.diff_id, high.diff_id }, l, 3,
			  &stop, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(layer_publish(top, l + 1, 2, fds, &e), 0);
	assert_false(published(&high, "implicit"));
	etc = layer_path(&high, "fs/etc");
	var = layer_path(&high, "fs/var");
	assert_int_equal(stat(etc, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(stat(var, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 01777);
	assert_int_equal(st.st_mtime, 42);
	layer_abort(l[1]);
	layer_abort(l[2]);
	close(fd);
	close(fds[0]);
	close(fds[1]);
	close(staging);
	stop_done(&stop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_media_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_content, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reuse_and_locks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_claimed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inherit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
