/*
 * test_mount.c - mounts can be repeated and undone. As root in a mount namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <cmocka.h>

#include "base/fs.h"
#include "os/mount.h"
#include "os/mountinfo.h"

static char top[64];

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/crisp-mount-XXXXXX");
	assert_non_null(mkdtemp(top));
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(mount_remove_below(top, &e), 0);
	assert_int_equal(fs_remove_tree(top, &e), 0);
	return 0;
}

#define OK(call) \
	do { \
		if ((call) != 0) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

#define P(name) (xasprintf("%s/%s", top, (name)))

static bool is_mounted(const char *path)
{
	struct err e = ERR_NULL;
	bool yes;

	OK(mount_is_mounted(path, &yes, &e));
	return yes;
}

static int count(void *arg, const struct mountinfo *m)
{
	if (strncmp(m->target, top, strlen(top)) == 0)
		++*(int *)arg;
	return 0;
}

static int mounts_below(void)
{
	struct err e = ERR_NULL;
	int n = 0;

	OK(mountinfo_read(NULL, count, &n, &e));
	return n;
}

static void test_tmpfs(void **state)
{
	_cleanup_free_ char *path = P("a/shm"), *file = P("a/shm/file"), *link = P("link");
	struct err e = ERR_NULL;
	struct statvfs st;
	struct stat s;
	int fd;

	(void)state;
	OK(mount_tmpfs(path, 1 << 20, 64, 01777, NULL, &e));
	assert_true(is_mounted(path));
	OK(mount_tmpfs(path, 2 << 20, 64, 01777, "", &e));
	assert_int_equal(mounts_below(), 1);
	assert_int_equal(statvfs(path, &st), 0);
	assert_int_equal(st.f_blocks * st.f_frsize, 1 << 20);
	assert_int_equal(st.f_files, 64);
	assert_true(st.f_flag & ST_NOEXEC && st.f_flag & ST_NODEV && st.f_flag & ST_NOSUID);
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 07777, 01777);
	/* Busy: still gone from the tree. */
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	OK(mount_remove(path, &e));
	assert_false(is_mounted(path));
	assert_true(fs_exists(path));
	close(fd);
	OK(mount_remove(path, &e));
	assert_true(mount_tmpfs(path, 4096, 64, 0755, "a\",size=1g", &e) < 0);
	assert_int_equal(symlink("/tmp", link), 0);
	assert_true(mount_tmpfs(link, 4096, 64, 0755, NULL, &e) < 0);
	assert_false(is_mounted("/tmp"));
}

static void test_bind(void **state)
{
	_cleanup_free_ char *dir = P("src"), *inner = P("src/inner"), *target = P("t/dir"),
			    *file = P("src/file"), *ftarget = P("t/sub/file"),
			    *in_target = P("t/dir/inner"), *missing = P("missing");
	struct err e = ERR_NULL;
	struct statvfs st;
	int fd;

	(void)state;
	OK(fs_mkdir_all(inner, 0755, &e));
	OK(fs_replace_file(file, "text", 4, 0644, false, &e));
	OK(mount_tmpfs(inner, 4096, 64, 0755, NULL, &e));
	OK(mount_bind(dir, target, 0, &e));
	OK(mount_bind(dir, target, MOUNT_READ_ONLY, &e));
	assert_int_equal(mounts_below(), 2);
	assert_false(is_mounted(in_target));
	OK(mount_remove(target, &e));
	OK(mount_bind(dir, target, MOUNT_RECURSIVE | MOUNT_NO_SUID, &e));
	assert_true(is_mounted(in_target));
	OK(mount_remove_below(target, &e));
	assert_false(is_mounted(target));
	assert_true(is_mounted(inner));
	/* A file, read only. */
	OK(mount_bind(file, ftarget, MOUNT_READ_ONLY | MOUNT_NO_EXEC | MOUNT_NO_DEV, &e));
	assert_int_equal(statvfs(ftarget, &st), 0);
	assert_true(st.f_flag & ST_RDONLY && st.f_flag & ST_NOEXEC && st.f_flag & ST_NODEV);
	fd = open(ftarget, O_WRONLY | O_CLOEXEC);
	assert_int_equal(errno, EROFS);
	assert_int_equal(fd, -1);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	assert_true(mount_bind(missing, target, 0, &e) < 0);
	assert_non_null(strstr(e.text, missing));
}

static void test_remove_below(void **state)
{
	static const char *const names[] = {
		"x", "x/y", "x/y/with space", "x/y/back\\slash", "xx", "x/new\nline"
	};
	_cleanup_free_ char *x = P("x"), *xx = P("xx"), *link = P("link"), *none = P("none");
	struct err e = ERR_NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_free_ char *path = P(names[i]);

		OK(mount_tmpfs(path, 1 << 16, 64, 0755, NULL, &e));
	}
	/* Two at one place. */
	assert_int_equal(mount("again", x, "tmpfs", 0, NULL), 0);
	assert_int_equal(mounts_below(), 7);
	assert_int_equal(symlink(x, link), 0);
	/* Through a link to the directory; a neighbour with the same beginning stays. */
	OK(mount_remove_below(link, &e));
	assert_int_equal(mounts_below(), 1);
	assert_true(is_mounted(xx));
	OK(mount_remove_below(x, &e));
	OK(mount_remove_below(none, &e));
	assert_true(mount_remove_below("/", &e) < 0);
	assert_true(mount_remove_below("/tmp/..", &e) < 0);
	assert_true(is_mounted("/proc"));
	/* A link is never what is unmounted. */
	unlink(link);
	assert_int_equal(symlink(xx, link), 0);
	OK(mount_remove(link, &e));
	assert_true(is_mounted(xx));
}

static int collect(void *arg, const struct mountinfo *m)
{
	struct mountinfo *want = arg;

	assert_string_equal(m->root, want->root);
	assert_string_equal(m->target, want->target);
	assert_string_equal(m->optional, want->optional);
	assert_string_equal(m->type, want->type);
	assert_string_equal(m->super_options, want->super_options);
	return 7;
}

static void test_mountinfo(void **state)
{
	static const char text[] =
		"rubbish\n1 2 3:4 /r\n"
		"36 35 98:0 /ro\\040ot /a\\134b rw,noatime shared:1 master:2 - ext4 "
		"/dev/x rw,errors=continue\n1 1 1:1 / / rw - tmpfs tmpfs rw\n";
	struct mountinfo want = { "/ro ot", "/a\\b", "shared:1 master:2", "ext4",
				  "rw,errors=continue" };
	_cleanup_free_ char *path = P("mountinfo");
	struct err e = ERR_NULL;

	(void)state;
	OK(fs_replace_file(path, text, strlen(text), 0644, false, &e));
	assert_int_equal(mountinfo_read(path, collect, &want, &e), 7);
	assert_true(mountinfo_read("/nonexistent", collect, &want, &e) < 0);
}

static int group_setup(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tmpfs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_below, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mountinfo, setup, teardown),
	};

	if (geteuid() != 0) {
		print_message("[  SKIPPED ] test_mount: mounts need root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
