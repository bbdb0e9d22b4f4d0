/*
 * test_untar_layers.c - layers on top of others: whiteouts, opaque directories and hard links to
 * lower layers; endless layers are refused.
 */
#include <string.h>

#include "base/limits.h"
#include "tests/unit/untarkit.h"

static int lower_dir(const char *name)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	mkdir(path, 0755);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void make_lower(int lower, const char *name, mode_t mode, uid_t uid)
{
	_cleanup_close_ int fd = -1;

	assert_int_equal(mkdirat(lower, name, 0755), 0);
	fd = openat(lower, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "user.from", name, strlen(name), 0), 0);
	assert_int_equal(fsetxattr(fd, "trusted.overlay.redirect", "x", 1, 0), 0);
	assert_int_equal(fchown(fd, uid, uid), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(futimens(fd, (struct timespec[2]){ { 1, 1 }, { 99, 5 } }), 0);
}

/* By the list that another process would have read. */
static void inherit(struct tree *t, const int *lower, size_t n, struct treesum_value *sum)
{
	_cleanup_free_ char *path = xasprintf("%s/list", top);
	_cleanup_close_ int dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_buf_ struct buf list = BUF_NULL;
	struct err e = ERR_NULL;

	assert_int_equal(tree_save_implicit(t, dir, "list", &e), 0);
	assert_int_equal(fs_read_file(path, 65536, &list, &e), 0);
	if (tree_inherit(fd, list.data, list.len, lower, n, sum, &e) < 0)
		fail_msg("%s", e.text);
}

/* Directories that are only on the way look as they do below. */
static void test_inherit(void **state)
{
	int lower[2] = { lower_dir("near"), lower_dir("far") };
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_(tar_freep) struct tar *tar = NULL;
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct tree_stats stats;
	struct err e = ERR_NULL;
	char value[8];

	(void)state;
	make_lower(lower[1], "far", 01777, 8);
	make_lower(lower[1], "both", 0700, 8);
	make_lower(lower[0], "both", 0711, 9);
	make_lower(lower[1], "own", 0700, 8);
	make_lower(lower[1], "hidden", 0700, 8);
	make_lower(lower[1], "anew", 0700, 8);
	assert_int_equal(mknodat(lower[0], "hidden", S_IFCHR, 0), 0);
	assert_int_equal(symlinkat("both", lower[0], "way"), 0);
	assert_int_equal(fchmod(lower[0], 0555), 0);
	TM(&b, .name = "far/x", .type = '0');
	TM(&b, .name = "both/x", .type = '0');
	TM(&b, .name = "own/x", .type = '0');
	TM(&b, .name = "own/", .type = '5', .mode = 0750);
	TM(&b, .name = "hidden/x", .type = '0');
	TM(&b, .name = ".wh.anew", .type = '0');
	TM(&b, .name = "anew/x", .type = '0');
	TM(&b, .name = "way/y", .type = '0');
	assert_int_equal(tree_open(root, &tree, &e), 0);
	tar = tar_new(&tree_tar_ops, tree);
	assert_int_equal(tar_feed(tar, b.data, b.len, &e), 0);
	assert_int_equal(tree_finish(tree, &stats, &e), 0);
	sum_is(stats.sum);
	inherit(tree, lower, 2, &stats.sum);
	sum_is(stats.sum);
	assert_int_equal(get("far").st_mode, S_IFDIR | 01777);
	assert_int_equal(get("far").st_uid, 8);
	assert_int_equal(get("far").st_mtim.tv_sec, 99);
	assert_int_equal(get("far").st_mtim.tv_nsec, 5);
	assert_int_equal(lgetxattr(in_root("far"), "user.from", value, sizeof(value)), 3);
	assert_int_equal(lgetxattr(in_root("far"), "trusted.overlay.redirect", value, 1), -1);
	assert_int_equal(get("both").st_mode, S_IFDIR | 0711);
	assert_int_equal(get("own").st_mode, S_IFDIR | 0750);
	assert_int_equal(get("own").st_uid, 0);
	assert_int_equal(get("hidden").st_mode, S_IFDIR | 0755);
	assert_int_equal(get("anew").st_mode, S_IFDIR | 0755);
	assert_false(exists("way"));
	assert_true(exists("both/y"));
	assert_int_equal(get(".").st_mode, S_IFDIR | 0555);
	close(lower[0]);
	close(lower[1]);
}

/* What a file system could not keep is refused before it is made. */
static void test_attributes_without_end(void **state)
{
	static char value[70000];
	struct buf b = BUF_NULL, pax = BUF_NULL;
	char name[400];

	(void)state;
	memset(value, 'v', sizeof(value));
	snprintf(name, sizeof(name), "SCHILY.xattr.user.%.300s", value);
	tm_pax(&b, name, "x");
	TM(&b, .name = "f", .type = '0');
	refused(&b, ERR_INVALID, "a name of more than 255");
	tm_record(&pax, "SCHILY.xattr.user.v", value, sizeof(value));
	TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
	TM(&b, .name = "f", .type = '0');
	refused(&b, ERR_INVALID, "a value of more than 65536");
	buf_done(&pax);
	for (int i = 0; i <= LIMIT_XATTRS; i++) {
		snprintf(name, sizeof(name), "SCHILY.xattr.user.%d", i);
		tm_record(&pax, name, "", 0);
	}
	TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
	TM(&b, .name = "f", .type = '0');
	refused(&b, ERR_INVALID, "more than 1000 extended attributes");
	buf_done(&pax);
}

/* Sizes are added up as they are told, before anything is written. */
static void test_bytes_without_end(void **state)
{
	struct buf b = BUF_NULL, pax = BUF_NULL;
	char size[32];

	(void)state;
	snprintf(size, sizeof(size), "%jd", (intmax_t)LIMIT_LAYER_BYTES);
	for (int i = 0; i < 2; i++) {
		tm_record(&pax, "GNU.sparse.size", size, strlen(size));
		tm_record(&pax, "GNU.sparse.map", "0,1", 3);
		TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
		TM(&b, .name = i ? "second" : "first", .type = '0', .data = "x", .size = 1);
		buf_done(&pax);
	}
	refused(&b, ERR_EXHAUSTED, "bytes of files in a layer");
}

/* The archive again and again, until it is refused: how often it was taken. */
static int feed_until_refused(const struct buf *b, int times, struct err *e)
{
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_(tar_freep) struct tar *tar = NULL;
	int n = 0;

	assert_int_equal(tree_open(root, &tree, e), 0);
	tar = tar_new(&tree_tar_ops, tree);
	while (n < times && tar_feed(tar, b->data, b->len, e) == 0)
		n++;
	return n;
}

/* Entries count, also those of which nothing is made. */
static void test_entries_without_end(void **state)
{
	enum {
		AT_ONCE = 1000,
		TIMES = LIMIT_LAYER_FILES / AT_ONCE
	};
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct err e = ERR_NULL;

	(void)state;
	for (int i = 0; i < AT_ONCE; i++)
		TM(&b, .name = ".wh..wh.aufs", .type = '0');
	assert_int_equal(feed_until_refused(&b, TIMES + 1, &e), TIMES);
	assert_int_equal(e.code, ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "more than 4000000 entries in a layer"));
}

/* More names for one file than its file system has room for: an error that says which. */
static void test_links_without_end(void **state)
{
	enum {
		LINKS = 66000
	}; /* ext4: 65000 */
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct err e = ERR_NULL;
	char name[32];

	(void)state;
	TM(&b, .name = "file", .type = '0');
	for (int i = 0; i < LINKS; i++) {
		snprintf(name, sizeof(name), "link %d", i);
		TM(&b, .name = name, .type = '1', .link = "file");
	}
	if (feed_until_refused(&b, 1, &e) == 1) {
		assert_int_equal(get("file").st_nlink, LINKS + 1);
		return;
	}
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "hard link to file: link: Too many links"));
	assert_non_null(strstr(e.text, "link 6"));
}

/* Links to what lower layers have, ways through their links, whiteouts of what they have not. */
static void test_layers_below(void **state)
{
	int lower[1] = { lower_dir("below") };
	_cleanup_close_ int file = -1;
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_(tar_freep) struct tar *tar = NULL;
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct tree_stats stats;
	struct err e = ERR_NULL;

	(void)state;
	make_lower(lower[0], "usr", 0711, 8);
	file = openat(lower[0], "usr/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	assert_int_equal(write(file, "lower", 5), 5);
	assert_int_equal(symlinkat("usr", lower[0], "way"), 0);
	make_lower(lower[0], "told", 0711, 8);
	assert_int_equal(symlinkat("told", lower[0], "other"), 0);
	TM(&b, .name = "told/", .type = '5', .mode = 0750, .mtime = 77);
	TM(&b, .name = "other/x", .type = '0', .data = "x", .size = 1);
	TM(&b, .name = "etc/link", .type = '1', .link = "way/f");
	TM(&b, .name = "again", .type = '1', .link = "etc/link");
	TM(&b, .name = "way/new", .type = '0', .data = "n", .size = 1);
	TM(&b, .name = "way/.wh.old", .type = '0');
	TM(&b, .name = "only/here/.wh.nothing", .type = '0');
	TM(&b, .name = "kept/.wh.nothing", .type = '0');
	TM(&b, .name = "kept/file", .type = '0');
	assert_int_equal(tree_open(root, &tree, &e), 0);
	tar = tar_new(&tree_tar_ops, tree);
	assert_int_equal(tar_feed(tar, b.data, b.len, &e), 0);
	assert_int_equal(tree_finish(tree, &stats, &e), 0);
	inherit(tree, lower, 1, &stats.sum);
	sum_is(stats.sum);
	has_text("told/x", "x");
	assert_int_equal(get("told").st_mode, S_IFDIR | 0750);
	assert_int_equal(get("told").st_mtim.tv_sec, 77);
	has_text("etc/link", "lower");
	assert_int_equal(get("etc/link").st_mode, S_IFREG | 0640);
	assert_int_equal(get("etc/link").st_nlink, 3);
	assert_int_equal(get("again").st_ino, get("usr/f").st_ino);
	has_text("usr/new", "n");
	assert_true(is_whiteout("usr/old"));
	assert_int_equal(get("usr").st_mode, S_IFDIR | 0711);
	assert_false(exists("way"));
	assert_false(exists("only"));
	assert_false(exists("kept/nothing"));
	assert_true(exists("kept/file"));
	close(lower[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_inherit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_layers_below, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attributes_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_without_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
