/*
 * test_base_fs.c - base/: whole-file reads and atomic writes, trees of any shape, clean paths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "scratch.h"

static struct scratch dir;

static int setup(void **state)
{
	(void)state;
	scratch_make(&dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_drop(&dir);
	return 0;
}

static unsigned count_entries(const char *path)
{
	_cleanup_closedir_ DIR *d = opendir(path);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	return n - 2;
}

static void reads_whole_files(void **state)
{
	_cleanup_free_ char *path = scratch_file(&dir, "f"), *none = scratch_file(&dir, "none");
	_cleanup_buf_ struct buf b = BUF_NULL, large = BUF_NULL;
	struct err e = ERR_NULL;

	(void)state;
	for (int i = 0; i < 200000; i++)
		buf_add(&large, &i, 1);
	assert_int_equal(fs_read_file(none, 10, &b, &e), 1);
	assert_int_equal(e.code, ERR_OK);
	assert_int_equal(fs_replace_file(path, large.data, large.len, 0600, false, &e), 0);
	buf_puts(&b, "before:");
	assert_int_equal(fs_read_file(path, large.len, &b, &e), 0);
	assert_int_equal(b.len, large.len + 7);
	assert_memory_equal(b.data + 7, large.data, large.len);
	assert_int_equal(fs_read_file(path, large.len - 1, &b, &e), -ERR_RANGE);
	assert_non_null(strstr(e.text, path));
	assert_true(fs_read_file(dir.path, 10, &b, &e) < 0);
}

static void replaces_whole_files(void **state)
{
	_cleanup_free_ char *path = scratch_file(&dir, "f"), *missing = scratch_file(&dir, "no/f");
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct err e = ERR_NULL;
	struct stat st;

	(void)state;
	assert_int_equal(fs_replace_file(path, "one", 3, 0640, true, &e), 0);
	assert_int_equal(fs_replace_file(path, "second", 6, 0400, true, &e), 0);
	assert_int_equal(fs_read_file(path, 100, &b, &e), 0);
	assert_string_equal(b.data, "second");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(count_entries(dir.path), 1);
	assert_true(fs_replace_file(missing, "x", 1, 0600, true, &e) < 0);
	/* What cannot be replaced leaves no temporary file behind. */
	assert_true(fs_replace_file(dir.path, "x", 1, 0600, false, &e) < 0);
	assert_int_equal(count_entries(dir.path), 1);
}

static void writes_what_exists(void **state)
{
	_cleanup_free_ char *path = scratch_file(&dir, "f"), *none = scratch_file(&dir, "none");
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(fs_write_existing(none, "1", &e), -ERR_INTERNAL);
	assert_int_equal(e.errnum, ENOENT);
	assert_false(fs_exists(none));
	assert_int_equal(fs_replace_file(path, "0", 1, 0600, false, &e), 0);
	assert_int_equal(fs_write_existing(path, "1", &e), 0);
	assert_true(fs_exists(path));
}

static void makes_directories(void **state)
{
	_cleanup_free_ char *path = scratch_file(&dir, "a/b/c"), *file = scratch_file(&dir, "a/f");
	_cleanup_free_ char *below = scratch_file(&dir, "a/f/g");
	struct err e = ERR_NULL;
	struct stat st;

	(void)state;
	assert_int_equal(fs_mkdir_all(path, 0750, &e), 0);
	assert_int_equal(fs_mkdir_all(path, 0700, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fs_replace_file(file, "", 0, 0600, false, &e), 0);
	assert_true(fs_mkdir_all(below, 0700, &e) < 0);
	assert_true(fs_mkdir_all("", 0700, &e) < 0);
}

static void removes_trees_and_nothing_else(void **state)
{
	_cleanup_free_ char *tree = scratch_file(&dir, "tree"),
			    *deep = scratch_file(&dir, "tree/a/b");
	_cleanup_free_ char *kept = scratch_file(&dir, "kept"),
			    *file = scratch_file(&dir, "kept/f");
	_cleanup_free_ char *out = scratch_file(&dir, "tree/a/out"),
			    *link = scratch_file(&dir, "l");
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(fs_mkdir_all(deep, 0700, &e), 0);
	assert_int_equal(fs_mkdir_all(kept, 0700, &e), 0);
	assert_int_equal(fs_replace_file(file, "x", 1, 0600, false, &e), 0);
	assert_int_equal(symlink(kept, out), 0);
	assert_int_equal(symlink(kept, link), 0);
	assert_int_equal(fs_remove_tree(tree, &e), 0);
	assert_false(fs_exists(tree));
	assert_int_equal(fs_remove_tree(link, &e), 0);
	assert_false(fs_exists(link));
	assert_true(fs_exists(file));
	assert_int_equal(fs_remove_tree(tree, &e), 0); /* already gone */
	assert_int_equal(fs_remove_tree(file, &e), 0);
	assert_false(fs_exists(file));
}

static void removal_stops_at_mounts(void **state)
{
	_cleanup_free_ char *tree = scratch_file(&dir, "tree"),
			    *at = scratch_file(&dir, "tree/a/m");
	_cleanup_free_ char *file = scratch_file(&dir, "tree/a/m/f");
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(fs_mkdir_all(at, 0700, &e), 0);
	if (mount("none", at, "tmpfs", 0, "size=64k") < 0)
		skip();
	assert_int_equal(fs_replace_file(file, "x", 1, 0600, false, &e), 0);
	assert_int_equal(fs_remove_tree(tree, &e), -ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "unmount"));
	assert_true(fs_exists(file));
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	assert_int_equal(fs_remove_tree(tree, &e), 0);
}

static void clean_paths(void **state)
{
	static const char *const good[] = { "/", "/a", "/a/b.c/..d/...", "/a b" };
	static const char *const bad[] = {
		"",    "a",	 "./a",	    "/a/",   "//",   "/a//b",	"/.",
		"/..", "/a/./b", "/a/../b", "/a/..", "/a\n", "/a/\x7f",
	};
	char long_path[PATH_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(fs_path_is_clean(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(fs_path_is_clean(bad[i]));
	memset(long_path, 'a', sizeof(long_path));
	long_path[0] = '/';
	long_path[PATH_MAX] = '\0';
	assert_false(fs_path_is_clean(long_path));
	long_path[PATH_MAX - 1] = '\0';
	assert_true(fs_path_is_clean(long_path));
	assert_true(fs_path_is_within("/a", "/a"));
	assert_true(fs_path_is_within("/a/b", "/a"));
	assert_true(fs_path_is_within("/a", ""));
	assert_false(fs_path_is_within("/ab", "/a"));
	assert_false(fs_path_is_within("/", "/a"));
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(reads_whole_files),
		test(replaces_whole_files),
		test(writes_what_exists),
		test(makes_directories),
		test(removes_trees_and_nothing_else),
		test(removal_stops_at_mounts),
		cmocka_unit_test(clean_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
