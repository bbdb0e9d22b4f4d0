/*
 * test_rmtree.c - removal of hostile trees: deep, wide, long names, links, mounts, immutable flags.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/rmtree.h"
#include "os/mount.h"
#include "scratch.h"

#define DEEP 4000
#define WIDE 5000

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

static char *below(const char *name)
{
	return scratch_file(&dir, name);
}

static void make_dir(const char *name)
{
	_cleanup_free_ char *path = below(name);
	struct err e = ERR_NULL;

	assert_int_equal(fs_mkdir_all(path, 0700, &e), 0);
}

static void make_file(const char *name)
{
	_cleanup_free_ char *path = below(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* "top/d/d/d", with so many directories below top; malloc'ed. */
static char *chain(const char *top, int depth)
{
	_cleanup_buf_ struct buf b = BUF_NULL;

	buf_puts(&b, top);
	for (int i = 0; i < depth; i++)
		buf_puts(&b, "/d");
	return buf_take(&b);
}

static bool exists(const char *name)
{
	_cleanup_free_ char *path = below(name);

	return fs_exists(path);
}

static int removed(const char *name, struct rmtree_watch *watch, struct err *e)
{
	_cleanup_free_ char *path = below(name);

	return rmtree(path, watch, e);
}

/* Directories in directories, each beside a file. */
static void make_deep(const char *top, const char *name, int depth)
{
	_cleanup_free_ char *path = below(top);
	int fd;

	make_dir(top);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < depth; i++) {
		int next, file = openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_true(file >= 0);
		close(file);
		assert_int_equal(mkdirat(fd, name, 0700), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void *remove_here(void *arg)
{
	struct err e = ERR_NULL;

	return (void *)(intptr_t)rmtree(arg, NULL, &e);
}

/* On the stack of a worker, and with few descriptors left behind. */
static int remove_on_small_stack(const char *name)
{
	_cleanup_free_ char *path = below(name);
	pthread_attr_t attr;
	pthread_t thread;
	void *r;

	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, 256 * 1024), 0);
	assert_int_equal(pthread_create(&thread, &attr, remove_here, path), 0);
	assert_int_equal(pthread_join(thread, &r), 0);
	pthread_attr_destroy(&attr);
	return (int)(intptr_t)r;
}

static void depth_costs_nothing(void **state)
{
	unsigned before = descriptors();

	(void)state;
	make_deep("deep", "d", DEEP);
	assert_int_equal(remove_on_small_stack("deep"), 0);
	assert_false(exists("deep"));
	assert_int_equal(descriptors(), before);
}

/* A path in there is longer than PATH_MAX after 16 levels. */
static void long_names_are_no_paths(void **state)
{
	char name[256];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	make_deep("long", name, 200);
	assert_int_equal(remove_on_small_stack("long"), 0);
	assert_false(exists("long"));
}

/* What is raised from the depth meets names that are there already. */
static void raised_names_do_not_collide(void **state)
{
	_cleanup_free_ char *name = chain("taken", 24);
	struct err e = ERR_NULL;

	(void)state;
	for (int i = 0; i < 40; i++) {
		_cleanup_free_ char *taken = xasprintf("%s/.crisp-removed-%d/x/y", name, i);

		make_dir(taken);
	}
	assert_int_equal(removed("taken", NULL, &e), 0);
	assert_false(exists("taken"));
}

static void width_costs_nothing(void **state)
{
	_cleanup_free_ char *path = below("wide");
	int fd;

	(void)state;
	make_dir("wide");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < WIDE; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(mknodat(fd, name, S_IFREG | 0600, 0), 0);
	}
	close(fd);
	assert_int_equal(remove_on_small_stack("wide"), 0);
	assert_false(exists("wide"));
}

static void links_are_not_followed(void **state)
{
	_cleanup_free_ char *kept = below("kept"), *link = below("tree/a/out"), *top = below("l");
	struct err e = ERR_NULL;

	(void)state;
	make_dir("tree/a");
	make_dir("kept");
	make_file("kept/f");
	assert_int_equal(symlink(kept, link), 0);
	assert_int_equal(symlink(kept, top), 0);
	assert_int_equal(removed("tree", NULL, &e), 0);
	assert_int_equal(removed("l", NULL, &e), 0);
	assert_true(exists("kept/f"));
}

/* A bind mount has the device of what is around it. */
static void mounts_are_not_entered(void **state)
{
	_cleanup_free_ char *kept = below("kept"), *at = below("tree/a/m"), *f = below("tree/a/n");
	struct err e = ERR_NULL;

	(void)state;
	make_dir("kept");
	make_file("kept/f");
	make_dir("tree/a/m");
	make_file("tree/a/n");
	make_file("tree/a/other");
	if (mount(kept, at, NULL, MS_BIND, NULL) < 0)
		skip();
	assert_int_equal(mount("/dev/null", f, NULL, MS_BIND, NULL), 0);
	assert_int_equal(removed("tree", NULL, &e), -ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "unmount"));
	assert_true(exists("kept/f"));
	assert_false(exists("tree/a/other")); /* the rest has gone */
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	assert_int_equal(umount2(f, MNT_DETACH), 0);
	assert_int_equal(removed("tree", NULL, &e), 0);
	assert_true(exists("kept/f"));
}

/* Deeper than the walk goes by itself. */
static void deep_mounts_are_not_entered(void **state)
{
	_cleanup_free_ char *name = chain("m", 60);
	_cleanup_free_ char *kept = below("kept"), *top = below("m"), *at = NULL;
	struct err e = ERR_NULL;

	(void)state;
	make_dir("kept");
	make_file("kept/f");
	make_dir(name);
	at = below(name);
	if (mount(kept, at, NULL, MS_BIND, NULL) < 0)
		skip();
	assert_int_equal(removed("m", NULL, &e), -ERR_PRECONDITION);
	assert_true(exists("kept/f"));
	/* Wherever the removal has moved the mount to. */
	assert_int_equal(mount_remove_below(top, &e), 0);
	assert_int_equal(removed("m", NULL, &e), 0);
	assert_true(exists("kept/f"));
}

static int set_flag(const char *name, int flag)
{
	_cleanup_free_ char *path = below(name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -1;
	flags |= flag;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static void flags_are_taken_away(void **state)
{
	_cleanup_free_ char *name = chain("flags", 40);
	_cleanup_free_ char *link = below("flags/fixed/link");
	struct err e = ERR_NULL;

	(void)state;
	make_dir("flags/fixed/sub");
	make_dir("flags/grows/sub");
	make_file("flags/fixed/f");
	make_file("flags/grows/f");
	make_file("flags/f");
	assert_int_equal(symlink("x", link), 0);
	if (set_flag("flags/f", FS_IMMUTABLE_FL) < 0)
		skip();
	assert_int_equal(set_flag("flags/fixed", FS_IMMUTABLE_FL), 0);
	assert_int_equal(set_flag("flags/grows", FS_APPEND_FL), 0);
	make_dir(name);
	assert_int_equal(set_flag(name, FS_IMMUTABLE_FL), 0);
	*strrchr(name, '/') = '\0';
	assert_int_equal(set_flag(name, FS_APPEND_FL), 0);
	assert_int_equal(removed("flags", NULL, &e), 0);
	assert_false(exists("flags"));
}

static bool stop_at(void *arg)
{
	int *left = arg;

	return (*left)-- == 0;
}

static void it_stops_and_goes_on(void **state)
{
	int left = 100, rounds = 0, r;
	struct rmtree_watch watch = { .stop = stop_at, .arg = &left };
	struct err e = ERR_NULL;

	(void)state;
	make_deep("stopped", "d", 200);
	while ((r = removed("stopped", &watch, &e)) == 1) {
		left = 100;
		rounds++;
	}
	assert_int_equal(r, 0);
	assert_true(rounds >= 4);
	assert_int_equal(watch.removed, 401);
	assert_false(exists("stopped"));
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(depth_costs_nothing),	   test(long_names_are_no_paths),
		test(raised_names_do_not_collide), test(width_costs_nothing),
		test(links_are_not_followed),	   test(mounts_are_not_entered),
		test(deep_mounts_are_not_entered), test(flags_are_taken_away),
		test(it_stops_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
