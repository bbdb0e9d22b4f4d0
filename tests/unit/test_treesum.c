/*
 * test_treesum.c - the checksum of an unpacked layer is the same however the layer was made, and
 * differs after each change that a container could see. As root.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/str.h"
#include "image/treesum.h"

#define BIG (3 * 64 * 1024 + 1000)

static char top[64];
static char big[BIG];

#define OK(call) \
	do { \
		if ((call) != 0) \
			fail_msg("%s: %s", #call, strerror(errno)); \
	} while (0)

static const char *in_top(const char *name)
{
	static char path[2][4096];
	static unsigned i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "%s/%s", top, name);
	return path[i];
}

static void put(const char *name, off_t at, const void *data, size_t size)
{
	int fd = open(in_top(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, size, at), (ssize_t)size);
	close(fd);
}

/* What the clock says must not tell two trees apart. */
static void set_time(const char *name)
{
	const struct timespec t[2] = { { .tv_sec = 7 }, { .tv_sec = 1000, .tv_nsec = 5 } };

	OK(utimensat(AT_FDCWD, in_top(name), t, AT_SYMLINK_NOFOLLOW));
}

static const char *const names[] = { "file", "empty", "big", "holes",	    "link",
				     "hard", "pipe",  "dev", "dir/sub/deep" };

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/crisp-treesum-XXXXXX");
	assert_non_null(mkdtemp(top));
	OK(chmod(top, 0755));
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	put("file", 0, "text", 4);
	put("empty", 0, "", 0);
	put("big", 0, big, sizeof(big));
	put("holes", 300000, "end", 3);
	OK(truncate(in_top("holes"), 1 << 20));
	OK(symlink("file", in_top("link")));
	OK(link(in_top("file"), in_top("hard")));
	OK(mkfifo(in_top("pipe"), 0600));
	OK(mknod(in_top("dev"), S_IFCHR | 0600, makedev(1, 3)));
	OK(mkdir(in_top("dir"), 0755));
	OK(mkdir(in_top("dir/sub"), 0700));
	put("dir/sub/deep", 0, "x", 1);
	OK(setxattr(in_top("file"), "trusted.a", "1", 1, 0));
	OK(setxattr(in_top("file"), "trusted.b", "2", 1, 0));
	OK(lsetxattr(in_top("link"), "trusted.l", "3", 1, 0));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		set_time(names[i]);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(fs_remove_tree(top, &e), 0);
	return 0;
}

static struct treesum_value sum_by(const struct treesum_files *f, uint64_t budget)
{
	_cleanup_treesum_ struct treesum_walk *w = NULL;
	struct err e = ERR_NULL;
	int r = treesum_open(top, f, &w, &e);

	while (r == 0 && (r = treesum_step(w, budget, &e)) == 1)
		r = 0;
	if (r < 0)
		fail_msg("%s", e.text);
	return treesum_result(w);
}

static bool same(struct treesum_value a, struct treesum_value b)
{
	return a.low == b.low && a.high == b.high;
}

/* Step by step as in one go; another place on disk changes nothing. */
static void test_steps(void **state)
{
	struct treesum_value all = sum_by(NULL, UINT64_MAX);
	char moved[80];

	(void)state;
	assert_true(same(all, sum_by(NULL, 1)));
	assert_true(same(all, sum_by(NULL, 100000)));
	snprintf(moved, sizeof(moved), "%s-moved", top);
	OK(rename(top, moved));
	memcpy(top, moved, sizeof(top) - 1);
	assert_true(same(all, sum_by(NULL, UINT64_MAX)));
}

static void change(const char *name, void (*fn)(const char *path), bool counts)
{
	struct treesum_value before = sum_by(NULL, UINT64_MAX), after;

	fn(in_top(name));
	after = sum_by(NULL, UINT64_MAX);
	if (same(before, after) == counts)
		fail_msg("a change of %s %s", name, counts ? "is not seen" : "counts");
}

static void flip_last(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	char c;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pread(fd, &c, 1, st.st_size - 1), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, st.st_size - 1), 1);
	OK(futimens(fd, (struct timespec[2]){ st.st_atim, st.st_mtim }));
	close(fd);
}

/* Two blocks change places. */
static void swap_blocks(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, big, 65536, 65536), 65536);
	assert_int_equal(pwrite(fd, big + 65536, 65536, 0), 65536);
	OK(futimens(fd, (struct timespec[2]){ st.st_atim, st.st_mtim }));
	close(fd);
}

static void shorten(const char *path)
{
	struct stat st;

	OK(stat(path, &st));
	OK(truncate(path, st.st_size - 1));
	OK(utimensat(AT_FDCWD, path, (struct timespec[2]){ st.st_atim, st.st_mtim }, 0));
}

static void change_mode(const char *path)
{
	OK(chmod(path, 04711));
}

static void change_owner(const char *path)
{
	OK(lchown(path, 12, 13));
}

static void change_group(const char *path)
{
	OK(lchown(path, 0, 13));
}

static void change_time(const char *path)
{
	OK(utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW));
}

static void change_xattr(const char *path)
{
	OK(lsetxattr(path, "trusted.a", "9", 1, 0));
}

static void drop_xattr(const char *path)
{
	OK(lremovexattr(path, "trusted.l"));
}

static void change_target(const char *path)
{
	OK(unlink(path));
	OK(symlink("filf", path));
	set_time("link");
	OK(lsetxattr(path, "trusted.l", "3", 1, 0));
}

static void change_device(const char *path)
{
	OK(unlink(path));
	OK(mknod(path, S_IFCHR | 0600, makedev(1, 5)));
	set_time("dev");
}

static void change_type(const char *path)
{
	OK(unlink(path));
	OK(mknod(path, S_IFBLK | 0600, makedev(1, 5)));
	set_time("dev");
}

static void drop(const char *path)
{
	OK(unlink(path));
}

static void rename_it(const char *path)
{
	char to[4096];

	snprintf(to, sizeof(to), "%s2", path);
	OK(rename(path, to));
}

/* The same bytes with another layout on disk. */
static void fill_holes(const char *path)
{
	static const char zeros[300000];
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), (ssize_t)sizeof(zeros));
	close(fd);
	set_time("holes");
}

static void relabel(const char *path)
{
	/* Where a security module owns the attribute it may refuse. */
	lsetxattr(path, "security.selinux", "x", 1, 0);
}

static void test_changes(void **state)
{
	(void)state;
	change("holes", fill_holes, false);
	change("file", relabel, false);
	change("dir", change_time, false);
	change("file", flip_last, true);
	change("big", flip_last, true);
	change("big", swap_blocks, true);
	change("big", shorten, true);
	change("holes", flip_last, true);
	change("holes", shorten, true);
	change("file", change_mode, true);
	change("dir", change_mode, true);
	change(".", change_mode, true);
	change("dir", change_owner, true);
	change("link", change_owner, true);
	change("pipe", change_group, true);
	change("file", change_time, true);
	change("link", change_time, true);
	change("file", change_xattr, true);
	change("dir", change_xattr, true);
	change(".", change_xattr, true);
	change("link", drop_xattr, true);
	change("link", change_target, true);
	change("dev", change_device, true);
	change("dev", change_type, true);
	change("dir/sub/deep", rename_it, true);
	change("hard", drop, true);
	change("empty", drop, true);
}

static void end_file(struct treesum_files *f, const char *name)
{
	int fd = open(in_top(name), O_RDONLY | O_CLOEXEC);
	struct err e = ERR_NULL;

	assert_true(fd >= 0);
	assert_int_equal(treesum_files_end(f, fd, &e), 0);
	close(fd);
}

/* Files come in any pieces; those that nothing is known of are read. */
static void test_files(void **state)
{
	struct treesum_value all = sum_by(NULL, UINT64_MAX);
	const size_t pieces[] = { 1, 7, 4096, 65536, 65537, sizeof(big) };

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct treesum_files *f = treesum_files_new();

		for (size_t at = 0; at < sizeof(big); at += pieces[i])
			treesum_files_add(f, at, big + at, MIN(pieces[i], sizeof(big) - at));
		end_file(f, "big");
		treesum_files_add(f, 300000, "end", 3);
		end_file(f, "holes");
		end_file(f, "empty");
		assert_true(same(all, sum_by(f, UINT64_MAX)));
		treesum_files_add(f, 0, "lies", 4);
		end_file(f, "big");
		assert_false(same(all, sum_by(f, UINT64_MAX)));
		treesum_files_free(f);
	}
}

/* The sum of a tree follows the change of one directory. */
static void test_one_directory(void **state)
{
	struct treesum_value all = sum_by(NULL, UINT64_MAX), v;
	int fd = open(in_top("dir/sub"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(treesum_directory(fd, "dir/sub", &v, &e), 0);
	treesum_value_take(&all, &v);
	OK(fchmod(fd, 01777));
	assert_int_equal(treesum_directory(fd, "dir/sub", &v, &e), 0);
	treesum_value_add(&all, &v);
	close(fd);
	assert_true(same(all, sum_by(NULL, UINT64_MAX)));
}

/* More files than the table begins with. */
static void test_many(void **state)
{
	struct treesum_files *f = treesum_files_new();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char name[16], text[16];

		snprintf(name, sizeof(name), "dir/%d", i);
		snprintf(text, sizeof(text), "text %d", i);
		put(name, 0, text, strlen(text));
		treesum_files_add(f, 0, text, strlen(text));
		end_file(f, name);
	}
	assert_true(same(sum_by(NULL, UINT64_MAX), sum_by(f, UINT64_MAX)));
	treesum_files_free(f);
}

/* A file that is known is not opened, wherever in its list a directory has its own entry. */
static void test_known_are_not_read(void **state)
{
	struct treesum_files *f = treesum_files_new();
	struct treesum_value before, after;
	char name[32];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "some-%d", i / 10);
		(void)mkdir(in_top(name), 0755);
		snprintf(name, sizeof(name), "some-%d/file %d", i / 10, i * 7919);
		put(name, 0, "text", 4);
		treesum_files_add(f, 0, "text", 4);
		end_file(f, name);
	}
	before = sum_by(f, UINT64_MAX);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "some-%d/file %d", i / 10, i * 7919);
		put(name, 0, "TEXT", 4);
	}
	after = sum_by(f, UINT64_MAX);
	assert_true(same(before, after));
	assert_false(same(before, sum_by(NULL, UINT64_MAX)));
	treesum_files_free(f);
}

static void test_text(void **state)
{
	struct treesum_value v = { .low = 1, .high = UINT64_MAX }, r;
	static const char *const bad[] = {
		"",
		"xxh3:",
		"xxh3:ffffffffffffffff000000000000001",
		"xxh3:ffffffffffffffff00000000000000011",
		"xxh4:ffffffffffffffff0000000000000001",
		"xxh3:fffffffffffffffg0000000000000001",
		"xxh3:-fffffffffffffff0000000000000001",
	};
	char text[TREESUM_TEXT];

	(void)state;
	treesum_value_text(&v, text);
	assert_string_equal(text, "xxh3:ffffffffffffffff0000000000000001");
	assert_int_equal(treesum_value_parse(text, &r), 0);
	assert_true(same(v, r));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(treesum_value_parse(bad[i], &r), -1);
}

static void test_missing(void **state)
{
	_cleanup_treesum_ struct treesum_walk *w = NULL;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(treesum_open(in_top("none"), NULL, &w, &e), -(int)ERR_DATA_LOSS);
	assert_int_equal(treesum_open(in_top("link"), NULL, &w, &e), -(int)ERR_DATA_LOSS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_known_are_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
