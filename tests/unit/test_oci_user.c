/*
 * test_oci_user.c - passwd and group files, and the ids of a process that they give.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "oci/rootfs.h"
#include "oci/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "# comment:x:7:7::/:\n"
			     "\n"
			     "nocolons\n"
			     "bad:x:notanumber:5::/:\n"
			     "huge:x:4294967295:5::/:\n"
			     "minus:x:-1:5::/:\n"
			     ":x:66:66::/:\n"
			     "1000:x:0:0:a name of digits:/:\n"
			     "web:x:33:34:web:/var/www:/bin/sh\n"
			     "web:x:99:99:second:/:\n"
			     "short:x:55:56\n"
			     "last:x:77:78::/:/bin/false";

static const char group[] = "root:x:0:\n"
			    "www:x:34:\n"
			    "one:x:101:web\n"
			    "two:x:102:other,web,more\n"
			    "not:x:103:webmaster,xweb\n"
			    "bad:x:zz:web\n"
			    "tail:x:104:other,web";

static void finds_entries(void **state)
{
	static const struct {
		const char *name;
		uint32_t by_uid;
		bool found;
		uint32_t uid, gid;
	} cases[] = {
		{ "root", 0, true, 0, 0 },	{ "web", 0, true, 33, 34 },
		{ "last", 0, true, 77, 78 },	{ "short", 0, true, 55, 56 },
		{ "bad", 0, false, 0, 0 },	{ "huge", 0, false, 0, 0 },
		{ "minus", 0, false, 0, 0 },	{ "", 0, false, 0, 0 },
		{ "nocolons", 0, false, 0, 0 }, { "# comment", 0, false, 0, 0 },
		{ NULL, 33, true, 33, 34 },	{ NULL, 7, false, 0, 0 },
		{ NULL, 66, false, 0, 0 },	{ NULL, 0, true, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct user_entry entry = { .uid = 12345 };
		bool found = user_find_passwd(passwd, strlen(passwd), cases[i].name,
					      cases[i].by_uid, &entry);

		assert_int_equal(found, cases[i].found);
		if (found) {
			assert_int_equal(entry.uid, cases[i].uid);
			assert_int_equal(entry.gid, cases[i].gid);
		}
	}
}

static void finds_groups(void **state)
{
	uint32_t gids[8], gid = 0;

	(void)state;
	assert_true(user_find_group(group, strlen(group), "www", &gid));
	assert_int_equal(gid, 34);
	assert_false(user_find_group(group, strlen(group), "bad", &gid));
	assert_int_equal(user_member_groups(group, strlen(group), "web", gids, 8), 3);
	assert_int_equal(gids[0], 101);
	assert_int_equal(gids[1], 102);
	assert_int_equal(gids[2], 104);
	assert_int_equal(user_member_groups(group, strlen(group), "web", gids, 2), 2);
	assert_int_equal(user_member_groups(group, strlen(group), "nobody", gids, 8), 0);
}

/* A scratch root file system. */
struct fixture {
	char dir[64];
	int root;
};

static void put_file(const struct fixture *f, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", f->dir, name);
	struct err e = ERR_NULL;

	assert_int_equal(fs_replace_file(path, text, strlen(text), 0644, false, &e), 0);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *etc = NULL;
	struct err e = ERR_NULL;

	snprintf(f->dir, sizeof(f->dir), "/tmp/crisp-user-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	etc = xasprintf("%s/etc", f->dir);
	assert_int_equal(mkdir(etc, 0755), 0);
	put_file(f, "etc/passwd", passwd);
	put_file(f, "etc/group", group);
	assert_int_equal(rootfs_open(f->dir, &f->root, &e), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NULL;

	close(f->root);
	assert_int_equal(fs_remove_tree(f->dir, &e), 0);
	free(f);
	return 0;
}

static const int64_t zero = 0, n33 = 33, n4000 = 4000, n1000 = 1000, below = -1, above = 4294967295;
static const int64_t extra[] = { 500, 34, 500 };
static const struct {
	struct user_request req;
	const char *error; /* part of the text, NULL: success */
	uint32_t uid, gid;
	size_t n_groups;
	uint32_t last_group;
	bool in_passwd;
} resolve_cases[] = {
	{ { .image_user = NULL }, NULL, 0, 0, 1, 0, true },
	{ { .image_user = "" }, NULL, 0, 0, 1, 0, true },
	{ { .image_user = "web" }, NULL, 33, 34, 4, 104, true },
	{ { .image_user = "33" }, NULL, 33, 34, 4, 104, true },
	{ { .image_user = "web", .strict = true }, NULL, 33, 34, 1, 34, true },
	{ { .image_user = "web:one" }, NULL, 33, 101, 1, 101, true },
	{ { .image_user = "web:7" }, NULL, 33, 7, 1, 7, true },
	{ { .image_user = "4000:4001" }, NULL, 4000, 4001, 1, 4001, false },
	{ { .image_user = "web:" }, NULL, 33, 34, 4, 104, true },
	{ { .image_user = ":7" }, NULL, 0, 7, 1, 7, true },
	{ { .image_user = "ghost" }, "no user \"ghost\"", 0, 0, 0, 0, false },
	{ { .image_user = "web:ghost" }, "no group \"ghost\"", 0, 0, 0, 0, false },
	{ { .image_user = "web", .uid = &zero }, NULL, 0, 0, 1, 0, true },
	{ { .uid = &n33 }, NULL, 33, 34, 4, 104, true },
	{ { .uid = &n33, .groups = extra, .n_groups = 3 }, NULL, 33, 34, 5, 500, true },
	{ { .uid = &n33, .gid = &n4000 }, NULL, 33, 4000, 4, 104, true },
	{ { .uid = &n4000 }, NULL, 4000, 0, 1, 0, false },
	/* digits are an id, whatever an entry is called */
	{ { .uid = &n1000 }, NULL, 1000, 0, 1, 0, false },
	{ { .name = "1000" }, NULL, 1000, 0, 1, 0, false },
	{ { .name = "web", .gid = &zero }, NULL, 33, 0, 4, 104, true },
	{ { .name = "ghost" }, "run_as_username: there is no user", 0, 0, 0, 0, false },
	{ { .name = "web", .uid = &zero }, "exclude each other", 0, 0, 0, 0, false },
	{ { .gid = &zero }, "without run_as_user", 0, 0, 0, 0, false },
	{ { .uid = &below }, "run_as_user: -1", 0, 0, 0, 0, false },
	{ { .uid = &above }, "run_as_user: 4294967295", 0, 0, 0, 0, false },
	{ { .uid = &zero, .gid = &below }, "run_as_group: -1", 0, 0, 0, 0, false },
	{ { .groups = &below, .n_groups = 1 }, "supplemental_groups: -1", 0, 0, 0, 0, false },
};

static void resolves(void **state)
{
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(resolve_cases); i++) {
		struct err e = ERR_NULL;
		struct user u = USER_NULL;
		int r = user_resolve(f->root, &resolve_cases[i].req, &u, &e);

		if (resolve_cases[i].error) {
			assert_true(r < 0);
			if (!strstr(e.text, resolve_cases[i].error))
				fail_msg("case %zu: \"%s\"", i, e.text);
		} else {
			if (r < 0)
				fail_msg("case %zu: %s", i, e.text);
			assert_int_equal(u.uid, resolve_cases[i].uid);
			assert_int_equal(u.gid, resolve_cases[i].gid);
			assert_int_equal(u.n_groups, resolve_cases[i].n_groups);
			assert_int_equal(u.groups[0], resolve_cases[i].gid);
			assert_int_equal(u.groups[u.n_groups - 1], resolve_cases[i].last_group);
			assert_int_equal(u.in_passwd, resolve_cases[i].in_passwd);
		}
		user_done(&u);
	}
}

static void knows_groups(void **state)
{
	static const struct {
		const char *image_user;
		bool in_group;
	} cases[] = {
		{ "", true },	    { "web", true },	    { "web:one", true },
		{ "web:7", false }, { "4000:4001", false }, { "4000", true },
	};
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct user_request req = { .image_user = cases[i].image_user };
		struct err e = ERR_NULL;
		struct user u = USER_NULL;

		assert_int_equal(user_resolve(f->root, &req, &u, &e), 0);
		if (u.in_group != cases[i].in_group)
			fail_msg("\"%s\"", cases[i].image_user);
		user_done(&u);
	}
	assert_false(user_has_group(NULL, 0, 0));
	assert_false(user_has_group("a:x\n:x:7:\nb:x:07x:\n", 20, 7));
	assert_true(user_has_group("a:x:7:\n", 7, 7));
}

static void replace_passwd(const struct fixture *f, const char *link_target)
{
	_cleanup_free_ char *path = xasprintf("%s/etc/passwd", f->dir);

	assert_int_equal(unlink(path), 0);
	if (link_target)
		assert_int_equal(symlink(link_target, path), 0);
}

static int resolve_name(const struct fixture *f, const char *name, struct err *e)
{
	struct user_request req = { .name = name };
	struct user u = USER_NULL;
	int r = user_resolve(f->root, &req, &u, e);

	user_done(&u);
	return r;
}

static void survives_hostile_files(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *path = xasprintf("%s/etc/passwd", f->dir);
	_cleanup_free_ char *large = NULL;
	struct err e = ERR_NULL;

	/* A link that climbs out ends inside, at the group file, whose lines are no passwd entries.
	 */
	replace_passwd(f, "../../../../../../etc/group");
	assert_true(resolve_name(f, "www", &e) < 0);
	/* A link to a file that the host has and the root has not. */
	replace_passwd(f, "/proc/self/status");
	assert_true(resolve_name(f, "web", &e) < 0);
	assert_non_null(strstr(e.text, "no user"));
	replace_passwd(f, NULL);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_true(resolve_name(f, "web", &e) < 0);
	assert_non_null(strstr(e.text, "not a regular file"));
	replace_passwd(f, NULL);
	large = xmalloc(USER_DB_MAX + 2);
	memset(large, 'a', USER_DB_MAX + 1);
	large[USER_DB_MAX + 1] = '\0';
	put_file(f, "etc/passwd", large);
	assert_true(resolve_name(f, "web", &e) < 0);
	assert_non_null(strstr(e.text, "larger than"));
	replace_passwd(f, NULL);
	assert_int_equal(resolve_name(f, "0", &e), 0);
}

static void resolves_inside(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *link = xasprintf("%s/out", f->dir), *real = NULL;
	struct err e = ERR_NULL;

	assert_int_equal(symlink("/", link), 0);
	assert_int_equal(rootfs_resolve(f->root, "/out/../../etc", &real, &e), 0);
	assert_true(strncmp(real, f->dir, strlen(f->dir)) == 0);
	assert_true(rootfs_exists(f->root, "/out/etc/group"));
	assert_false(rootfs_exists(f->root, "/out/etc/shadow"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_entries),
		cmocka_unit_test(finds_groups),
		cmocka_unit_test_setup_teardown(resolves, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_hostile_files, setup, teardown),
		cmocka_unit_test_setup_teardown(resolves_inside, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
