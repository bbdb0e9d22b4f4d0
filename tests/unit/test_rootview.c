/*
 * test_rootview.c - paths of a container resolved among links and mounts: none leaves the root file
 * system and its volumes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "oci/rootview.h"

static char scratch[] = "/tmp/crisp-view-XXXXXX";
static struct rootview *view;
static int root;

static char *in_scratch(const char *path)
{
	return xasprintf("%s/%s", scratch, path);
}

static void put_dir(const char *path)
{
	_cleanup_free_ char *full = in_scratch(path);
	struct err e = ERR_NULL;

	assert_int_equal(fs_mkdir_all(full, 0755, &e), 0);
}

static void put_file(const char *path)
{
	_cleanup_free_ char *full = in_scratch(path);
	struct err e = ERR_NULL;

	assert_int_equal(fs_replace_file(full, "x", 1, 0644, false, &e), 0);
}

/* target: "@" stands for the scratch directory. */
static void put_link(const char *path, const char *target)
{
	_cleanup_free_ char *full = in_scratch(path);
	_cleanup_free_ char *to = *target == '@' ? in_scratch(target + 2) : xstrdup(target);

	assert_int_equal(symlink(to, full), 0);
}

static bool exists(const char *path)
{
	_cleanup_free_ char *full = in_scratch(path);
	struct stat st;

	return lstat(full, &st) == 0;
}

static void check_path(const char *path, const char *want, enum rootview_kind kind)
{
	struct rootview_place place = ROOTVIEW_PLACE_NULL;
	struct err e = ERR_NULL;

	if (rootview_resolve(view, path, &place, &e) < 0)
		fail_msg("%s: %s", path, e.text);
	if (strcmp(place.path, want) != 0 || place.kind != kind)
		fail_msg("%s is %s, kind %d", path, place.path, (int)place.kind);
	rootview_place_done(&place);
}

static void check_refused(const char *path, const char *why)
{
	struct rootview_place place = ROOTVIEW_PLACE_NULL;
	struct err e = ERR_NULL;

	assert_true(rootview_resolve(view, path, &place, &e) < 0);
	assert_int_equal(e.code, ERR_PRECONDITION);
	if (!strstr(e.text, why))
		fail_msg("%s: %s", path, e.text);
	assert_null(place.path);
}

static void mount_at(const char *path, const char *source, bool read_only)
{
	_cleanup_free_ char *full = source ? in_scratch(source) : NULL;
	struct err e = ERR_NULL;

	assert_int_equal(rootview_mount(view, path, full, read_only, &e), 0);
}

static int make_at(const char *path, bool directory, struct err *e)
{
	struct rootview_place place = ROOTVIEW_PLACE_NULL;
	const struct rootview_owner owner = { 1000, 1001 };
	int r = rootview_resolve(view, path, &place, e);

	if (r == 0)
		r = rootview_make(view, &place, directory, geteuid() == 0 ? &owner : NULL, e);
	rootview_place_done(&place);
	return r;
}

static int setup(void **state)
{
	_cleanup_free_ char *dir = NULL;

	(void)state;
	memcpy(strrchr(scratch, '-') + 1, "XXXXXX", 6);
	assert_non_null(mkdtemp(scratch));
	put_dir("root/run");
	put_dir("root/var");
	put_dir("vol/sub");
	put_dir("host");
	put_file("root/file");
	put_link("root/var/run", "../run");
	put_link("root/abs", "/var/run");
	put_link("root/up", "../../../../run");
	put_link("root/out", "@/host");
	put_link("root/gone", "/new/./place/../deep");
	put_link("root/loop", "loop");
	put_link("vol/out", "@/host");
	put_link("vol/var", "/var/run");
	dir = in_scratch("root");
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	view = rootview_new(root);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	rootview_free(view);
	close(root);
	return fs_remove_tree(scratch, &e);
}

static void follows_links_inside(void **state)
{
	_cleanup_free_ char *host = in_scratch("host");

	(void)state;
	check_path("/", "/", ROOTVIEW_DIRECTORY);
	check_path("//run/./", "/run", ROOTVIEW_DIRECTORY);
	check_path("/../../run", "/run", ROOTVIEW_DIRECTORY);
	check_path("/var/run/secrets/x", "/run/secrets/x", ROOTVIEW_MISSING);
	check_path("/abs", "/run", ROOTVIEW_DIRECTORY);
	check_path("/up", "/run", ROOTVIEW_DIRECTORY);
	check_path("/file", "/file", ROOTVIEW_OTHER);
	/* An absolute link to a directory of the host stays inside. */
	check_path("/out", host, ROOTVIEW_MISSING);
	check_path("/gone/x", "/new/deep/x", ROOTVIEW_MISSING);
	check_refused("/loop/x", "follow link");
	check_refused("/file/x", "not a directory");
}

static void looks_at_the_link_itself(void **state)
{
	enum rootview_kind kind;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(rootview_look(view, "/abs", &kind, &e), 0);
	assert_int_equal(kind, ROOTVIEW_LINK);
	assert_int_equal(rootview_look(view, "/none", &kind, &e), 0);
	assert_int_equal(kind, ROOTVIEW_MISSING);
	/* A parent that is a link is an error: nobody has resolved it. */
	assert_true(rootview_look(view, "/out/x", &kind, &e) < 0);
}

static void sees_mounts(void **state)
{
	_cleanup_free_ char *inside = in_scratch("host/x");

	(void)state;
	mount_at("/run", "vol", false);
	check_path("/var/run/sub", "/run/sub", ROOTVIEW_DIRECTORY);
	check_path("/run/none", "/run/none", ROOTVIEW_MISSING);
	/* Links of a volume are resolved from the container's root, too. */
	check_path("/run/out/x", inside, ROOTVIEW_MISSING);
	check_path("/run/var/sub", "/run/sub", ROOTVIEW_DIRECTORY);
}

static void hides_what_a_mount_covers(void **state)
{
	(void)state;
	mount_at("/run/deep", NULL, false);
	check_path("/run/deep/x", "/run/deep/x", ROOTVIEW_UNKNOWN);
	mount_at("/run", "vol", false);
	check_path("/run/deep/x", "/run/deep/x", ROOTVIEW_MISSING);
}

static void makes_places(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(make_at("/gone/a/b", true, &e), 0);
	assert_true(exists("root/new/deep/a/b"));
	assert_int_equal(make_at("/out/hosts", false, &e), 0);
	assert_false(exists("host/hosts"));
	assert_int_equal(make_at("/var/run/x/file", false, &e), 0);
	assert_true(exists("root/run/x/file"));
	/* An existing one is kept. */
	assert_int_equal(make_at("/file", true, &e), 0);
	assert_true(make_at("/file/x", true, &e) < 0);
}

static void makes_links(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(rootview_link(view, "/var/mtab", "/proc/mounts", &e), 0);
	check_path("/var/mtab", "/proc/mounts", ROOTVIEW_MISSING);
	/* An existing one is kept. */
	assert_int_equal(rootview_link(view, "/var/mtab", "/file", &e), 0);
	check_path("/var/mtab", "/proc/mounts", ROOTVIEW_MISSING);
	/* A directory that is a link is not followed. */
	assert_true(rootview_link(view, "/out/mtab", "/proc/mounts", &e) < 0);
	assert_false(exists("host/mtab"));
	assert_true(rootview_link(view, "/file/mtab", "/proc/mounts", &e) < 0);
}

static void makes_places_in_volumes(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	mount_at("/run", "vol", false);
	assert_int_equal(make_at("/run/sub/x", true, &e), 0);
	assert_true(exists("vol/sub/x"));
	assert_int_equal(make_at("/run/out/x", true, &e), 0);
	assert_false(exists("host/x"));
	mount_at("/run", "vol", true);
	assert_int_equal(make_at("/run/sub/x", true, &e), 0);
	assert_true(make_at("/run/sub/y", true, &e) < 0);
	assert_non_null(strstr(e.text, "read-only mount on /run"));
	assert_false(exists("vol/sub/y"));
	mount_at("/run", NULL, false);
	assert_int_equal(make_at("/run/sub/z", true, &e), 0);
	assert_false(exists("root/run/sub"));
}

static void check_owner(const char *path, uid_t uid, gid_t gid)
{
	_cleanup_free_ char *full = in_scratch(path);
	struct stat st;

	assert_int_equal(lstat(full, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

static void gives_places_to_an_owner(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	if (geteuid() != 0) {
		print_message("[  SKIPPED ] owners need root\n");
		return;
	}
	rootview_own(view, 100000, 200000);
	mount_at("/run", "vol", false);
	assert_int_equal(make_at("/new/dir", true, &e), 0);
	assert_int_equal(make_at("/new/dir/file", false, &e), 0);
	assert_int_equal(rootview_link(view, "/new/link", "/run", &e), 0);
	check_owner("root/new", 101000, 201001);
	check_owner("root/new/dir", 101000, 201001);
	check_owner("root/new/dir/file", 101000, 201001);
	check_owner("root/new/link", 100000, 200000);
	check_owner("root/file", 0, 0);
	/* Others may change a volume meanwhile. */
	assert_int_equal(make_at("/run/own", true, &e), 0);
	check_owner("vol/own", 0, 0);
}

/* A component that became a link after it was resolved is not followed. */
static void does_not_follow_a_swapped_link(void **state)
{
	_cleanup_free_ char *sub = in_scratch("vol/sub");
	struct rootview_place place = ROOTVIEW_PLACE_NULL;
	struct err e = ERR_NULL;

	(void)state;
	mount_at("/run", "vol", false);
	assert_int_equal(rootview_resolve(view, "/run/sub/x/y", &place, &e), 0);
	assert_int_equal(rmdir(sub), 0);
	put_link("vol/sub", "@/host");
	assert_true(rootview_make(view, &place, true, NULL, &e) < 0);
	assert_false(exists("host/x"));
	rootview_place_done(&place);
}

static void refuses_a_source_that_is_a_link(void **state)
{
	_cleanup_free_ char *link = in_scratch("vol/out"), *none = in_scratch("none");
	struct err e = ERR_NULL;

	(void)state;
	assert_true(rootview_mount(view, "/run", link, false, &e) < 0);
	assert_true(rootview_mount(view, "/run", none, false, &e) < 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(follows_links_inside),
		TEST(looks_at_the_link_itself),
		TEST(sees_mounts),
		TEST(hides_what_a_mount_covers),
		TEST(makes_places),
		TEST(makes_links),
		TEST(makes_places_in_volumes),
		TEST(gives_places_to_an_owner),
		TEST(does_not_follow_a_swapped_link),
		TEST(refuses_a_source_that_is_a_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
