/*
 * test_treewalk.c - walks of trees as containers make them: deep, wide, linked, mounted over, moved
 * meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/treewalk.h"
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

static char *make_dir(const char *name)
{
	char *path = scratch_file(&dir, name);
	struct err e = ERR_NULL;

	assert_int_equal(fs_mkdir_all(path, 0755, &e), 0);
	return path;
}

static void write_file(const char *path, size_t size)
{
	_cleanup_free_ char *data = xcalloc(1, size + 1);
	struct err e = ERR_NULL;

	memset(data, 'x', size);
	assert_int_equal(fs_replace_file(path, data, size, 0600, false, &e), 0);
}

static uint64_t blocks_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static struct treewalk_sum all(const char *path)
{
	struct treewalk_sum sum;
	struct err e = ERR_NULL;

	if (treewalk_all(path, dir.path, &sum, &e) < 0)
		fail_msg("%s", e.text);
	return sum;
}

static unsigned open_descriptors(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	return n;
}

static void counts_blocks_and_inodes(void **state)
{
	_cleanup_free_ char *top = make_dir("tree"), *sub = make_dir("tree/a/b");
	_cleanup_free_ char *f = scratch_file(&dir, "tree/a/b/f"),
			    *a = scratch_file(&dir, "tree/a");
	_cleanup_free_ char *none = scratch_file(&dir, "none");
	struct treewalk_sum sum;

	(void)state;
	write_file(f, 100000);
	sum = all(top);
	assert_int_equal(sum.inodes, 4);
	assert_int_equal(sum.bytes, blocks_of(top) + blocks_of(a) + blocks_of(sub) + blocks_of(f));
	assert_false(sum.partial);
	sum = all(f);
	assert_int_equal(sum.inodes, 1);
	assert_int_equal(sum.bytes, blocks_of(f));
	sum = all(none);
	assert_int_equal(sum.inodes, 0);
	assert_int_equal(sum.bytes, 0);
}

static void finds_the_largest_owners(void **state)
{
	_cleanup_free_ char *top = make_dir("owned"), *sub = make_dir("owned/sub");
	_cleanup_free_ char *f = scratch_file(&dir, "owned/sub/f");
	struct treewalk_sum sum;

	(void)state;
	write_file(f, 1);
	if (chown(f, 7, 4000000000) < 0 || chown(sub, 9, 3) < 0) {
		print_message("[  SKIPPED ] owners need root\n");
		return;
	}
	sum = all(top);
	assert_int_equal(sum.uid_max, 9);
	assert_int_equal(sum.gid_max, 4000000000);
}

static void counts_hard_links_once(void **state)
{
	_cleanup_free_ char *top = make_dir("tree"), *f = scratch_file(&dir, "tree/f");
	uint64_t bytes;

	(void)state;
	write_file(f, 1000000);
	bytes = all(top).bytes;
	for (int i = 0; i < 1234; i++) {
		_cleanup_free_ char *name = xasprintf("%s/%d", top, i);

		assert_int_equal(link(f, name), 0);
	}
	assert_int_equal(all(top).inodes, 2);
	assert_true(all(top).bytes - bytes <= blocks_of(top)); /* the directory has grown */
}

static void counts_what_sparse_files_take(void **state)
{
	_cleanup_free_ char *top = make_dir("tree"), *f = scratch_file(&dir, "tree/f");
	_cleanup_close_ int fd = open(f, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(ftruncate(fd, INT64_C(1) << 40), 0);
	assert_true(all(top).bytes < 1024 * 1024);
}

/* Neither a link to the whole system nor a FIFO that nobody writes to holds the walk up. */
static void opens_nothing_but_directories(void **state)
{
	_cleanup_free_ char *top = make_dir("tree"), *l = scratch_file(&dir, "tree/link");
	_cleanup_free_ char *fifo = scratch_file(&dir, "tree/fifo");

	(void)state;
	assert_int_equal(symlink("/", l), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(all(top).inodes, 3);
	assert_int_equal(all(l).inodes, 1);
}

static void enters_no_mounts(void **state)
{
	_cleanup_free_ char *top = make_dir("tree"), *at = make_dir("tree/at");
	_cleanup_free_ char *other = make_dir("other/x/y"), *from = scratch_file(&dir, "other");
	_cleanup_free_ char *file = scratch_file(&dir, "tree/file");
	_cleanup_free_ char *big = scratch_file(&dir, "big");

	(void)state;
	(void)other;
	if (geteuid() != 0)
		skip();
	write_file(file, 0);
	write_file(big, 1000000);
	assert_int_equal(mount(from, at, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(big, file, NULL, MS_BIND, NULL), 0);
	assert_int_equal(all(top).inodes, 1);
	assert_true(all(top).bytes < 1000000);
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	assert_int_equal(umount2(file, MNT_DETACH), 0);
	assert_int_equal(all(top).inodes, 3);
}

/* fd of the lowest of n nested directories, each with a file beside the next. */
static int make_deep(const char *top, unsigned n, bool files)
{
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; i < n; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		if (files) {
			next = openat(fd, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
			assert_true(next >= 0);
			close(next);
		}
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	return fd;
}

static void *walk_in_small_stack(void *path)
{
	static struct treewalk_sum sum;

	sum = all(path);
	return &sum;
}

/* Deeper than what is held and what is kept in memory; in a stack smaller than a worker's. */
static void walks_any_depth(void **state)
{
	const unsigned depth = TREEWALK_LEVELS + TREEWALK_LEVELS / 2;
	_cleanup_free_ char *top = make_dir("tree");
	_cleanup_close_ int fd = make_deep(top, depth, true);
	const struct treewalk_sum *sum;
	struct mallinfo2 before = mallinfo2();
	pthread_attr_t attr;
	pthread_t thread;
	void *r;

	(void)state;
	(void)fd;
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, 128 * 1024), 0);
	assert_int_equal(pthread_create(&thread, &attr, walk_in_small_stack, top), 0);
	assert_int_equal(pthread_join(thread, &r), 0);
	pthread_attr_destroy(&attr);
	sum = r;
	assert_false(sum->partial);
	assert_int_equal(sum->inodes, 2 * depth + 1);
	assert_true(mallinfo2().arena - before.arena < 1024 * 1024);
}

static void reads_wide_directories_again_after_each_way_up(void **state)
{
	_cleanup_free_ char *top = make_dir("tree");
	_cleanup_close_ int fd = make_deep(top, TREEWALK_HELD + 4, false);

	(void)state;
	for (int i = 0; i < 2000; i++) {
		_cleanup_free_ char *name = xasprintf("a-rather-long-name-of-a-directory-%d", i);
		_cleanup_free_ char *below = xasprintf("%s/below", name);

		assert_int_equal(mkdirat(fd, name, 0700), 0);
		assert_int_equal(mkdirat(fd, below, 0700), 0);
	}
	assert_int_equal(all(top).inodes, 1 + TREEWALK_HELD + 4 + 2 * 2000);
}

static void holds_few_descriptors_and_little_memory(void **state)
{
	_cleanup_free_ char *top = make_dir("tree");
	_cleanup_close_ int fd = make_deep(top, 500, false);
	_cleanup_(treewalk_freep) struct treewalk *w = treewalk_new(top, dir.path);
	unsigned before = open_descriptors();
	size_t memory = mallinfo2().uordblks;
	struct err e = ERR_NULL;
	int r;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		_cleanup_free_ char *name = xasprintf("%d", i);
		int file = openat(fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		assert_true(file >= 0);
		close(file);
	}
	while ((r = treewalk_step(w, 100, INT64_MAX, &e)) > 0) {
		assert_true(open_descriptors() - before <= TREEWALK_HELD + 2);
		assert_true(mallinfo2().uordblks - memory < 400 * 1024);
	}
	assert_int_equal(r, 0);
	assert_int_equal(treewalk_sum(w).inodes, 20501);
}

static void stops_at_the_time_given(void **state)
{
	_cleanup_free_ char *top = make_dir("tree");
	_cleanup_close_ int fd = make_deep(top, 500, false);
	_cleanup_(treewalk_freep) struct treewalk *w = treewalk_new(top, dir.path);
	struct err e = ERR_NULL;
	unsigned steps = 1;

	(void)state;
	(void)fd;
	while (treewalk_step(w, UINT64_MAX, clock_monotonic_ns(), &e) > 0)
		steps++;
	assert_true(steps > 3);
	assert_int_equal(treewalk_sum(w).inodes, 501);
}

/* The directory that the walk is in moves away, with the files that a walk through ".." would
 * count: nothing outside of the tree is seen. */
static void stays_inside_when_directories_move(void **state)
{
	_cleanup_free_ char *top = make_dir("tree"), *outside = make_dir("outside");
	_cleanup_close_ int fd = make_deep(top, 40, false);
	_cleanup_(treewalk_freep) struct treewalk *w = treewalk_new(top, dir.path);
	_cleanup_free_ char *to = xasprintf("%s/moved", outside), *from = xstrdup(top);
	struct treewalk_sum sum;
	struct err e = ERR_NULL;

	(void)state;
	(void)fd;
	for (int i = 0; i < 1000; i++) {
		_cleanup_free_ char *name = xasprintf("%s/%d", outside, i);

		write_file(name, 0);
	}
	assert_int_equal(treewalk_step(w, 38, INT64_MAX, &e), 1);
	for (int i = 0; i < 30; i++) {
		_cleanup_free_ char *above = from;

		from = xasprintf("%s/d", above);
	}
	assert_int_equal(rename(from, to), 0);
	while (treewalk_step(w, 1, INT64_MAX, &e) > 0)
		;
	sum = treewalk_sum(w);
	assert_true(sum.partial);
	assert_true(sum.inodes <= 41);
}

struct game {
	const char *top;
	_Atomic bool stop;
};

static void *play(void *arg)
{
	struct game *g = arg;
	_cleanup_free_ char *a = xasprintf("%s/d/d/d/a", g->top);
	_cleanup_free_ char *b = xasprintf("%s/d/d/b", g->top);
	_cleanup_free_ char *l = xasprintf("%s/d/d/d/l", g->top);

	while (!atomic_load(&g->stop)) {
		rename(a, b);
		/* Each may meet what the turn before has left. */
		(void)!symlink("/", a);
		(void)!symlink("/", l);
		unlink(a);
		rename(b, a);
		unlink(l);
	}
	return NULL;
}

static void survives_games(void **state)
{
	_cleanup_free_ char *top = make_dir("tree"), *a = make_dir("tree/d/d/d/a");
	_cleanup_close_ int fd = make_deep(a, 60, true);
	struct game g = { .top = top };
	pthread_t thread;

	(void)state;
	(void)fd;
	assert_int_equal(pthread_create(&thread, NULL, play, &g), 0);
	/* A directory that moves may be seen at both places. */
	for (int i = 0; i < 100; i++)
		assert_true(all(top).inodes <= 4 + 2 * 2 * 61 + 10);
	atomic_store(&g.stop, true);
	pthread_join(thread, NULL);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(counts_blocks_and_inodes),
		test(finds_the_largest_owners),
		test(counts_hard_links_once),
		test(counts_what_sparse_files_take),
		test(opens_nothing_but_directories),
		test(enters_no_mounts),
		test(walks_any_depth),
		test(reads_wide_directories_again_after_each_way_up),
		test(holds_few_descriptors_and_little_memory),
		test(stops_at_the_time_given),
		test(stays_inside_when_directories_move),
		test(survives_games),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
