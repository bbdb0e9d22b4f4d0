/*
 * test_layers.c - layers on disk: mounted as overlays, removed unless in use, swept and counted. As
 * root in a mount namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/treewalk.h"
#include "image/layermeta.h"
#include "image/layers.h"
#include "image/staging.h"
#include "os/mount.h"
#include "os/ns.h"

#define DIFF_ID_LEN 72

static char top[64], images[80], target[80], upper[80], work[80];

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/crisp-layers-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(images, sizeof(images), "%s/images", top);
	snprintf(target, sizeof(target), "%s/ctr/rootfs", top);
	snprintf(upper, sizeof(upper), "%s/ctr/upper", top);
	snprintf(work, sizeof(work), "%s/ctr/work", top);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(mount_remove_below(top, &e), 0);
	if (fs_remove_tree(top, &e) < 0)
		fail_msg("%s", e.text);
	return 0;
}

#define OK(call) \
	do { \
		if ((call) != 0) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

/* The diffID of layer number i. */
static const char *id_of(unsigned i)
{
	static char ids[LIMIT_LAYERS + 1][DIFF_ID_LEN];

	snprintf(ids[i], DIFF_ID_LEN, "sha256:%08x%056x", i + 0xabc00000u, i);
	return ids[i];
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* Path of name in layer i. */
static char *in_layer(unsigned i, const char *name)
{
	_cleanup_free_ char *dir = image_layer_dir(images, id_of(i));

	return xasprintf("%s/%s", dir, name);
}

/* Layer i with one file in it. */
static void make_layer(unsigned i, const char *name, const char *text)
{
	_cleanup_free_ char *dir = image_layer_dir(images, id_of(i));
	_cleanup_free_ char *fs = in_layer(i, "fs"), *file = xasprintf("%s/%s", fs, name);
	struct image_layer_meta meta = { .size = 10, .unpacked = 20, .disk = 4096, .inodes = 2 };
	struct err e = ERR_NULL;

	OK(fs_mkdir_all(fs, 0755, &e));
	write_file(file, text);
	snprintf(meta.diff_id, sizeof(meta.diff_id), "%s", id_of(i));
	snprintf(meta.blob, sizeof(meta.blob), "%s", id_of(i));
	OK(image_layer_meta_write(dir, &meta, &e));
}

static void has_text(const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", target, name);
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct err e = ERR_NULL;

	if (fs_read_file(path, 4096, &b, &e) != 0)
		fail_msg("%s is not there", name);
	assert_string_equal(b.data, text);
}

static bool has(const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	return fs_exists(path);
}

static void add(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	write_file(path, text);
}

static unsigned entries(const char *dir)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	return n ? n - 2 : 0;
}

static void test_mount(void **state)
{
	const char *ids[] = { id_of(0), id_of(1), id_of(2) };
	_cleanup_free_ char *gone = NULL, *fs = NULL;
	struct err e = ERR_NULL;
	struct stat st;

	(void)state;
	make_layer(0, "low", "0");
	make_layer(1, "file", "1");
	make_layer(2, "file", "2");
	gone = in_layer(2, "fs/low");
	assert_int_equal(mknod(gone, S_IFCHR, makedev(0, 0)), 0);
	fs = in_layer(2, "fs");
	assert_int_equal(chmod(fs, 0711), 0);
	OK(image_mount(images, ids, 3, upper, work, target, NULL, &e));
	OK(image_mount(images, ids, 3, upper, work, target, NULL, &e)); /* nothing to do */
	has_text("file", "2");
	assert_false(has(target, "low"));
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	add(target, "new", "new");
	assert_true(has(upper, "new"));
	OK(mount_remove(target, &e));
	assert_false(has(target, "file"));
	/* What was written is there again. */
	OK(image_mount(images, ids, 3, upper, work, target, NULL, &e));
	has_text("new", "new");
	has_text("file", "2");
}

/* Owner of a file below the target. */
static void has_owner(const char *name, uid_t uid, gid_t gid)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", target, name);
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

static void test_mapped(void **state)
{
	static const struct userns_map map = { { 100000, 1000 }, { 200000, 1000 } };
	const char *ids[] = { id_of(0), id_of(1) };
	_cleanup_free_ char *ns = xasprintf("%s/ns", images), *user = xasprintf("%s/user", ns);
	_cleanup_free_ char *dir = xasprintf("%s/mapped", images), *file = NULL, *ids_file = NULL;
	const struct image_idmap idmap = { .userns = user, .map = &map, .dir = dir };
	struct err e = ERR_NULL;
	int r;

	(void)state;
	make_layer(0, "low", "0");
	make_layer(1, "file", "1");
	file = in_layer(1, "fs/file");
	assert_int_equal(chown(file, 5, 999), 0);
	r = ns_pin(ns, NS_KIND_IPC, NULL, &map, &e);
	r = r < 0 ? r : image_mount(images, ids, 2, upper, work, target, &idmap, &e);
	if (r == -ERR_PRECONDITION) {
		print_message("[  SKIPPED ] %s\n", e.text);
		OK(ns_unpin(ns, &e));
		return;
	}
	OK(r);
	has_owner("", 100000, 200000);
	has_owner("low", 100000, 200000);
	has_owner("file", 100005, 200999);
	assert_false(fs_exists(dir));
	/* A crash left the layers mounted: the next call unmounts them. */
	OK(mount_idmapped(images, dir, user, &e));
	OK(image_mount(images, ids, 2, upper, work, target, &idmap, &e));
	assert_false(fs_exists(dir));
	OK(mount_remove(target, &e));
	OK(image_mount(images, ids, 1, NULL, NULL, target, &idmap, &e));
	has_owner("low", 100000, 200000);
	OK(mount_remove(target, &e));
	OK(image_mount(images, NULL, 0, upper, work, target, &idmap, &e));
	has_owner("", 100000, 200000);
	OK(mount_remove(target, &e));
	/* Owners beyond the map; the layer's ids were noted at its first use. */
	assert_int_equal(chown(file, 5, 1000), 0);
	ids_file = in_layer(1, "ids");
	OK(unlink(ids_file));
	assert_int_equal(image_mount(images, ids, 2, upper, work, target, &idmap, &e),
			 -ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "user 5 and group 1000 at most"));
	OK(ns_unpin(ns, &e));
}

static void test_read_only(void **state)
{
	const char *ids[] = { id_of(0), id_of(1) };
	struct err e = ERR_NULL;
	_cleanup_free_ char *path = xasprintf("%s/new", target);

	(void)state;
	make_layer(0, "low", "0");
	make_layer(1, "high", "1");
	for (size_t n = 0; n <= 2; n++) {
		OK(image_mount(images, ids, n, NULL, NULL, target, NULL, &e));
		assert_int_equal(has(target, "low"), n > 0);
		assert_int_equal(has(target, "high"), n > 1);
		assert_int_equal(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
		assert_int_equal(errno, EROFS);
		OK(mount_remove(target, &e));
	}
}

static void test_no_layers(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	OK(image_mount(images, NULL, 0, upper, work, target, NULL, &e));
	add(target, "new", "x");
	assert_true(has(upper, "new"));
}

/* The highest of two equal layers decides, and both count as one for overlay. */
static void test_repeated(void **state)
{
	const char *ids[] = { id_of(0), id_of(1), id_of(0), id_of(2), id_of(2) };
	struct err e = ERR_NULL;

	(void)state;
	make_layer(0, "file", "0");
	make_layer(1, "file", "1");
	make_layer(2, "other", "2");
	OK(image_mount(images, ids, 5, upper, work, target, NULL, &e));
	has_text("file", "0");
	has_text("other", "2");
	OK(mount_remove(target, &e));
	OK(image_mount(images, ids + 3, 2, NULL, NULL, target, NULL, &e));
	has_text("other", "2");
}

/* The names of so many do not fit into mount's one page of options. */
static void test_many(void **state)
{
	const char *ids[LIMIT_LAYERS + 1];
	struct err e = ERR_NULL;

	(void)state;
	for (unsigned i = 0; i <= LIMIT_LAYERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		make_layer(i, name, name);
		ids[i] = id_of(i);
	}
	OK(image_mount(images, ids, LIMIT_LAYERS, upper, work, target, NULL, &e));
	has_text("f0", "f0");
	has_text("f499", "f499");
	OK(mount_remove(target, &e));
	assert_int_equal(image_mount(images, ids, LIMIT_LAYERS + 1, upper, work, target, NULL, &e),
			 -ERR_INVALID);
}

static void test_mount_fails(void **state)
{
	const char *ids[] = { id_of(0), id_of(1) }, *bad[] = { "sha256:../../etc" };
	struct err e = ERR_NULL;
	bool mounted;

	(void)state;
	make_layer(0, "f", "0");
	assert_int_equal(image_mount(images, ids, 2, upper, work, target, NULL, &e),
			 -ERR_DATA_LOSS);
	assert_non_null(strstr(e.text, id_of(1)));
	assert_non_null(strstr(e.text, "pull the image again"));
	assert_int_equal(image_mount(images, bad, 1, upper, work, target, NULL, &e), -ERR_INTERNAL);
	OK(mount_is_mounted(target, &mounted, &e));
	assert_false(mounted);
	assert_null(image_layer_dir(images, bad[0]));
	assert_null(image_layer_dir(images, "sha256:00"));
}

/* Characters that mean something in overlay's options are only characters in paths. */
static void test_odd_paths(void **state)
{
	const char *ids[] = { id_of(0) };
	_cleanup_free_ char *u = xasprintf("%s/a,b:c\\d/up", top);
	_cleanup_free_ char *w = xasprintf("%s/a,b:c\\d/w", top);
	struct err e = ERR_NULL;

	(void)state;
	make_layer(0, "f", "0");
	OK(image_mount(images, ids, 1, u, w, target, NULL, &e));
	add(target, "new", "x");
	assert_true(has(u, "new"));
}

static int lock(unsigned i, int operation)
{
	_cleanup_free_ char *dir = image_layer_dir(images, id_of(i));
	struct err e = ERR_NULL;
	int fd = -1;

	assert_int_equal(image_layer_lock(dir, operation, &fd, &e), 0);
	return fd;
}

static bool layer_exists(unsigned i)
{
	_cleanup_free_ char *dir = image_layer_dir(images, id_of(i));

	return fs_exists(dir);
}

static bool is_empty(const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", images, name);

	return !fs_exists(path) || rmdir(path) == 0;
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

static void test_remove(void **state)
{
	const char *ids[] = { id_of(0), id_of(1), id_of(2) };
	struct err e = ERR_NULL;
	int fd;

	(void)state;
	make_layer(0, "f", "0");
	make_layer(1, "f", "1");
	fd = lock(1, LOCK_SH);
	OK(layers_remove(images, ids, 3, &e)); /* the third is not there */
	assert_false(layer_exists(0));
	assert_true(layer_exists(1));
	close(fd);
	OK(layers_remove(images, ids, 3, &e));
	assert_false(layer_exists(1));
	assert_true(is_empty("trash"));
}

static void test_locks(void **state)
{
	_cleanup_free_ char *dir = image_layer_dir(images, id_of(0));
	struct err e = ERR_NULL;
	int fd, other = -1;

	(void)state;
	assert_int_equal(image_layer_lock(dir, LOCK_SH, &other, &e), 1);
	make_layer(0, "f", "0");
	fd = lock(0, LOCK_SH);
	other = lock(0, LOCK_SH | LOCK_NB);
	close(other);
	assert_int_equal(image_layer_lock(dir, LOCK_EX | LOCK_NB, &other, &e), 2);
	close(fd);
	close(lock(0, LOCK_EX | LOCK_NB));
}

static void make_staging(const char *pull)
{
	_cleanup_free_ char *dir = xasprintf("%s/staging/%s/0/fs", images, pull);
	struct err e = ERR_NULL;

	OK(fs_mkdir_all(dir, 0755, &e));
	add(dir, "f", "x");
}

static void test_staging(void **state)
{
	char a[65], b[65], left[96];
	struct err e = ERR_NULL;

	(void)state;
	id_of_text("a", a);
	id_of_text("b", b);
	make_staging(a);
	make_staging(b);
	make_staging("layers");
	OK(image_staging_remove(images, a, &e));
	OK(image_staging_remove(images, a, &e));
	assert_int_equal(image_staging_remove(images, "..", &e), -ERR_INTERNAL);
	assert_int_equal(image_staging_remove(images, "layers", &e), -ERR_INTERNAL);
	assert_int_equal(image_staging_remove(images, "", &e), -ERR_INTERNAL);
	OK(image_staging_sweep(images, (const char *[]){ b }, 1, &e));
	assert_true(has(images, "staging/layers/0")); /* the other one claims it */
	snprintf(left, sizeof(left), "staging/%s/0/fs/f", b);
	assert_true(has(images, left));
	snprintf(left, sizeof(left), "staging/%s", a);
	assert_false(has(images, left));
	OK(image_staging_sweep(images, NULL, 0, &e));
	assert_true(is_empty("staging/layers"));
}

static void test_sweep(void **state)
{
	_cleanup_layer_set_ struct layer_set *known = layer_set_new();
	_cleanup_free_ char *trash = xasprintf("%s/trash/old", images);
	struct err e = ERR_NULL;
	int fd;

	(void)state;
	layer_set_add(known, id_of(1));
	layer_set_add(known, id_of(9));
	OK(image_sweep(images, known, &e)); /* nothing is there */
	make_layer(0, "f", "0");
	make_layer(1, "f", "1");
	make_layer(2, "f", "2");
	OK(fs_mkdir_all(trash, 0755, &e));
	add(trash, "f", "x");
	fd = lock(2, LOCK_SH); /* of a puller that has outlived its daemon by a moment */
	OK(image_sweep(images, known, &e));
	assert_false(layer_exists(0));
	assert_true(layer_exists(1));
	assert_true(layer_exists(2));
	close(fd);
	OK(image_sweep(images, known, &e));
	assert_false(layer_exists(2));
	assert_true(fs_exists(trash)); /* of a daemon before */
	OK(trash_empty(images, &e));
}

/* All of the store but known. */
static int usage(const struct layer_set *known, uint64_t *ret_bytes, uint64_t *ret_inodes,
		 struct err *e)
{
	struct treewalk_sum sum;
	char **paths;
	size_t n;
	int r = image_uncounted(images, known, &paths, &n, ret_bytes, ret_inodes, e);

	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = treewalk_all(paths[i], images, &sum, e);
		*ret_bytes += sum.bytes;
		*ret_inodes += sum.inodes;
		free(paths[i]);
	}
	free(paths);
	return r;
}

static void test_usage(void **state)
{
	struct err e = ERR_NULL;
	_cleanup_layer_set_ struct layer_set *known = layer_set_new();
	uint64_t bytes = 1, inodes = 1, before;

	(void)state;
	OK(usage(NULL, &bytes, &inodes, &e));
	assert_int_equal(bytes, 0);
	assert_int_equal(inodes, 0);
	make_layer(0, "f", "0");
	make_layer(1, "f", "1");
	OK(usage(NULL, &bytes, &inodes, &e));
	assert_int_equal(bytes, 2 * 4096);
	assert_int_equal(inodes, 2 * 2);
	layer_set_add(known, id_of(1));
	OK(usage(known, &bytes, &inodes, &e));
	assert_int_equal(bytes, 4096);
	assert_int_equal(inodes, 2);
	OK(usage(NULL, &bytes, &inodes, &e));
	before = inodes;
	make_staging("aa");
	OK(usage(NULL, &bytes, &inodes, &e));
	assert_int_equal(inodes, before + 4); /* aa, 0, fs, f */
	assert_true(bytes > 2 * 4096);
}

static void test_quarantine(void **state)
{
	_cleanup_free_ char *dir = image_layer_dir(images, id_of(1)), *held = in_layer(2, "");
	_cleanup_free_ char *where = xasprintf("%s/quarantine", images);
	_cleanup_layer_set_ struct layer_set *in_use = layer_set_new();
	struct err e = ERR_NULL;
	uint64_t bytes, inodes;
	int fd = -1;

	(void)state;
	assert_true(layer_set_add(in_use, id_of(1)));
	assert_false(layer_set_add(in_use, id_of(1)));
	assert_false(layer_set_add(in_use, "nonsense"));
	make_layer(1, "a", "1");
	make_layer(2, "b", "2");
	assert_true(image_layer_exists(images, id_of(1)));
	OK(image_layer_quarantine(images, id_of(1), &e));
	assert_false(image_layer_exists(images, id_of(1)));
	assert_false(image_layer_exists(images, "nonsense"));
	assert_int_equal(entries(where), 1);
	OK(image_layer_quarantine(images, id_of(1), &e)); /* it is not there */
	OK(image_layer_lock(held, LOCK_SH, &fd, &e));
	assert_int_equal(image_layer_quarantine(images, id_of(2), &e), 1);
	close(fd);
	OK(image_layer_quarantine(images, id_of(2), &e));
	assert_int_equal(entries(where), 2);
	OK(usage(NULL, &bytes, &inodes, &e));
	assert_true(inodes >= 8);
	OK(image_quarantine_empty(images, in_use, &e));
	assert_int_equal(entries(where), 1);
	/* A second copy of the same layer. */
	make_layer(1, "a", "1");
	OK(image_layer_quarantine(images, id_of(1), &e));
	assert_int_equal(entries(where), 2);
	OK(image_quarantine_empty(images, NULL, &e));
	assert_int_equal(entries(where), 0);
	assert_false(fs_exists(dir));
}

static int note_leftover(void *arg, const struct image_leftover *l)
{
	static const char *const kinds[] = {
		[IMAGE_LEFTOVER_LAYER] = "layer",
		[IMAGE_LEFTOVER_QUARANTINE] = "quarantine",
		[IMAGE_LEFTOVER_TRASH] = "trash",
		[IMAGE_LEFTOVER_STAGING] = "staging",
	};

	assert_true(l->bytes > 0);
	buf_printf(arg, "%s %s%s ", kinds[l->kind],
		   l->kind == IMAGE_LEFTOVER_LAYER ? l->diff_id : "", l->held ? " held" : "");
	return 0;
}

static void leftovers_are(const struct layer_set *owned, const char *want)
{
	_cleanup_buf_ struct buf got = BUF_NULL;
	struct err e = ERR_NULL;

	buf_puts(&got, "");
	OK(image_leftovers(images, owned, note_leftover, &got, &e));
	assert_string_equal(got.data, want);
}

static void test_leftovers(void **state)
{
	_cleanup_free_ char *want = NULL, *held = NULL;
	_cleanup_layer_set_ struct layer_set *owned = layer_set_new();
	struct err e = ERR_NULL;
	int fd;

	(void)state;
	leftovers_are(owned, "");
	OK(image_staging_sweep(images, NULL, 0, &e)); /* makes its directories */
	make_layer(1, "f", "1");
	make_layer(2, "f", "2");
	layer_set_add(owned, id_of(1));
	want = xasprintf("layer %s ", id_of(2));
	held = xasprintf("layer %s held ", id_of(2));
	leftovers_are(owned, want);
	fd = lock(2, LOCK_SH);
	leftovers_are(owned, held);
	close(fd);
	OK(image_layer_quarantine(images, id_of(2), &e));
	leftovers_are(owned, "quarantine  ");
	OK(image_quarantine_empty(images, NULL, &e));
	leftovers_are(owned, "trash  ");
	OK(trash_empty(images, &e));
	OK(image_layer_discard(images, id_of(1), &e));
	leftovers_are(owned, "trash  ");
	OK(trash_empty(images, &e));
	make_staging("aa");
	leftovers_are(owned, "staging  held ");
}

static void test_meta(void **state)
{
	struct image_layer_meta m = { .size = 1, .unpacked = 2, .disk = 3, .inodes = UINT64_MAX },
				r;
	_cleanup_free_ char *path = xasprintf("%s/meta", top);
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(image_layer_meta_read(top, &r, &e), 1);
	snprintf(m.diff_id, sizeof(m.diff_id), "%s", id_of(1));
	snprintf(m.blob, sizeof(m.blob), "%s", id_of(2));
	snprintf(m.boot_id, sizeof(m.boot_id), "boot");
	snprintf(m.sum, sizeof(m.sum), "xxh3:0");
	OK(image_layer_meta_write(top, &m, &e));
	assert_int_equal(image_layer_meta_read(top, &r, &e), 0);
	assert_string_equal(r.diff_id, m.diff_id);
	assert_string_equal(r.blob, m.blob);
	assert_string_equal(r.boot_id, "boot");
	assert_string_equal(r.sum, "xxh3:0");
	assert_int_equal(r.size, 1);
	assert_int_equal(r.unpacked, 2);
	assert_int_equal(r.disk, 3);
	assert_int_equal(r.inodes, UINT64_MAX);
	*m.sum = '\0';
	OK(image_layer_meta_write(top, &m, &e));
	assert_int_equal(image_layer_meta_read(top, &r, &e), 0);
	assert_string_equal(r.sum, "");
	write_file(path, "diff_id sha256:12\nblob x\n");
	assert_int_equal(image_layer_meta_read(top, &r, &e), 1);
	write_file(path, "");
	assert_int_equal(image_layer_meta_read(top, &r, &e), 1);
}

static int group_setup(void **state)
{
	(void)state;
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mount, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mapped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_repeated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mount_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_staging, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quarantine, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_meta, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
