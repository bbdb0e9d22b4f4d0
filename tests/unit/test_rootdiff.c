/*
 * test_rootdiff.c - changes of a container's files from an overlay's upper directory: added,
 * deleted, replaced directories, mount points, and what no archive can hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "pod/rootdiff.h"
#include "scratch.h"

static struct scratch dir;
static char *upper, *low, *high;

static void make(const char *root, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", root, name);
	size_t n = strlen(path);
	struct err e = ERR_NULL;

	if (path[n - 1] == '/') {
		path[n - 1] = '\0';
		assert_int_equal(fs_mkdir_all(path, 0755, &e), 0);
	} else {
		assert_int_equal(fs_replace_file(path, "x", 1, 0644, false, &e), 0);
	}
}

static void mark(const char *name, const char *xattr, const char *value)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", upper, name);

	assert_int_equal(lsetxattr(path, xattr, value, strlen(value), 0), 0);
}

static void whiteout(const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", upper, name);

	assert_int_equal(mknod(path, S_IFCHR, makedev(0, 0)), 0);
}

static int setup(void **state)
{
	(void)state;
	scratch_make(&dir);
	upper = scratch_file(&dir, "upper");
	low = scratch_file(&dir, "low");
	high = scratch_file(&dir, "high");
	make(upper, "");
	make(low, "");
	make(high, "");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(upper);
	free(low);
	free(high);
	scratch_drop(&dir);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The sorted words, with a blank behind each. */
static char *sorted(const char **words, size_t n)
{
	struct buf b = BUF_NULL;

	qsort(words, n, sizeof(*words), by_text);
	buf_puts(&b, "");
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s ", words[i]);
	return buf_take(&b);
}

static void expect(struct rootdiff *d, const char *changed, const char *deleted)
{
	const char *words[64];
	char *text;
	size_t n = 0;

	for (size_t at = 0; at < d->names.len; at += strlen(d->names.data + at) + 1)
		words[n++] = d->names.data + at;
	text = sorted(words, n);
	assert_string_equal(text, changed);
	free(text);
	for (n = 0; n < json_array_size(d->deleted); n++)
		words[n] = json_string_value(json_array_get(d->deleted, n));
	text = sorted(words, n);
	assert_string_equal(text, deleted);
	free(text);
}

static int find(struct rootdiff *d, const char *mounts, struct err *e)
{
	static const char *lowers[3];
	json_t *list = json_loads(mounts, 0, NULL);
	int r;

	lowers[0] = low;
	lowers[1] = high;
	*d = (struct rootdiff){ .upper = upper,
				.lowers = lowers,
				.mounts = list,
				.until_ns = clock_monotonic_ns() + 60 * NSEC_PER_SEC };
	r = rootdiff_find(d, e);
	json_decref(list);
	return r;
}

static void check(const char *mounts, const char *changed, const char *deleted)
{
	struct rootdiff d;
	struct err e = ERR_NULL;

	assert_int_equal(find(&d, mounts, &e), 0);
	expect(&d, changed, deleted);
	rootdiff_done(&d);
}

static void test_nothing(void **state)
{
	(void)state;
	check("[]", "", "");
}

static void test_added_and_deleted(void **state)
{
	(void)state;
	make(low, "bin/");
	make(low, "bin/sh");
	make(upper, "bin/");
	whiteout("bin/sh");
	make(upper, "new/");
	make(upper, "new/-file");
	check("[]", "bin new new/-file ", "/bin/sh ");
}

/* A directory that was removed and made again hides all layers, also in the directories below. */
static void test_opaque(void **state)
{
	(void)state;
	make(low, "etc/");
	make(low, "etc/a");
	make(low, "etc/sub/");
	make(low, "etc/sub/deep");
	make(low, "etc/gone/");
	make(high, "etc/");
	make(high, "etc/b");
	make(upper, "etc/");
	make(upper, "etc/b");
	make(upper, "etc/sub/");
	make(upper, "etc/sub/own");
	mark("etc", "trusted.overlay.opaque", "y");
	check("[]", "etc etc/b etc/sub etc/sub/own ", "/etc/a /etc/gone /etc/sub/deep ");
}

/* A layer's link in the place of a directory is not followed. */
static void test_layer_link(void **state)
{
	_cleanup_free_ char *link = xasprintf("%s/etc", low);

	(void)state;
	assert_int_equal(symlink("/proc", link), 0);
	make(upper, "etc/");
	mark("etc", "trusted.overlay.opaque", "y");
	check("[]", "etc ", "");
}

static void test_mount_points(void **state)
{
	(void)state;
	make(upper, "data/");
	make(upper, "data/below");
	make(upper, "etc/");
	make(upper, "etc/hosts");
	make(upper, "etc/own");
	check("[{\"destination\":\"/data\"},{\"destination\":\"/etc/hosts\"}]", "etc etc/own ", "");
}

static void refuse(enum err_code code, const char *text)
{
	struct rootdiff d;
	struct err e = ERR_NULL;

	assert_int_equal(find(&d, "[]", &e), -(int)code);
	assert_non_null(strstr(e.text, text));
	rootdiff_done(&d);
}

static void test_redirect(void **state)
{
	(void)state;
	make(upper, "moved/");
	mark("moved", "trusted.overlay.redirect", "/from/where/it/was/before");
	refuse(ERR_PRECONDITION, "/moved");
}

static void test_metacopy(void **state)
{
	(void)state;
	make(upper, "file");
	mark("file", "trusted.overlay.metacopy", "");
	refuse(ERR_PRECONDITION, "/file");
}

static void test_deleted_bytes(void **state)
{
	(void)state;
	whiteout("caf\xe9");
	refuse(ERR_PRECONDITION, "not UTF-8");
}

static void test_missing_layer(void **state)
{
	(void)state;
	make(upper, "etc/");
	mark("etc", "trusted.overlay.opaque", "y");
	assert_int_equal(rmdir(low), 0);
	refuse(ERR_DATA_LOSS, "low");
}

static void test_deadline(void **state)
{
	struct rootdiff d = { .upper = upper, .until_ns = clock_monotonic_ns() - 1 };
	static const char *const none[] = { NULL };
	struct err e = ERR_NULL;

	(void)state;
	d.lowers = none;
	make(upper, "file");
	assert_int_equal(rootdiff_find(&d, &e), -(int)ERR_DEADLINE);
	rootdiff_done(&d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing),	     TEST(added_and_deleted), TEST(opaque),   TEST(layer_link),
		TEST(mount_points),  TEST(redirect),	      TEST(metacopy), TEST(deleted_bytes),
		TEST(missing_layer), TEST(deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
