/*
 * test_registries.c - registries.conf: meaning of short names, order of hosts, and the name of each
 * mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "pull/fetch/registries.h"

#define DIGEST "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_registries.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	return fs_remove_tree(dir, &e);
}

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	struct err e = ERR_NULL;

	assert_int_equal(fs_replace_file(path, text, strlen(text), 0600, false, &e), 0);
}

static struct registries *load(const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	struct registries *r = NULL;
	struct err e = ERR_NULL;

	if (registries_load(path, &r, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

static void parse(const char *text, struct image_ref *ret)
{
	struct err e = ERR_NULL;

	assert_int_equal(image_ref_parse(text, ret, &e), 0);
}

/* "host/repository[!][~] ..." with ! for insecure and ~ for a mirror; or the error. */
static char *sources_of(const struct registries *r, const char *text)
{
	static char *const insecure[] = { "plain.test", "10.0.0.0/8", NULL };
	struct image_sources s;
	struct image_ref ref;
	struct err e = ERR_NULL;
	struct buf b = BUF_NULL;

	parse(text, &ref);
	if (registries_sources(r, &ref, insecure, &s, &e) < 0)
		buf_puts(&b, e.text);
	for (size_t i = 0; i < s.n; i++)
		buf_printf(&b, "%s%s/%s%s%s", i ? " " : "", s.list[i].host, s.list[i].repository,
			   s.list[i].insecure ? "!" : "", s.list[i].mirror ? "~" : "");
	image_sources_done(&s);
	image_ref_done(&ref);
	return buf_take(&b);
}

static char *names_in(const struct registries *r, const char *text, const char *mode)
{
	struct image_refs refs;
	struct image_ref ref;
	struct err e = ERR_NULL;
	struct buf b = BUF_NULL;

	parse(text, &ref);
	if (registries_expand(r, &ref, mode, &refs, &e) < 0)
		buf_puts(&b, e.text);
	for (size_t i = 0; i < refs.n; i++) {
		_cleanup_free_ char *name = image_ref_name(&refs.list[i]);

		buf_printf(&b, "%s%s%s%s%s", i ? " " : "", name, *refs.list[i].tag ? ":" : "",
			   refs.list[i].tag, *refs.list[i].digest ? "@" : "");
	}
	image_refs_done(&refs);
	image_ref_done(&ref);
	return buf_take(&b);
}

static char *names_of(const struct registries *r, const char *text)
{
	return names_in(r, text, "");
}

#define expect(call, want) \
	do { \
		_cleanup_free_ char *got_ = (call); \
		assert_string_equal(got_, (want)); \
	} while (0)

static void test_nothing(void **state)
{
	_cleanup_(registries_freep) struct registries *r = load("missing.conf");
	_cleanup_free_ char *text = names_of(r, "busybox");

	(void)state;
	assert_non_null(strstr(text, "unqualified-search-registries"));
	expect(names_of(r, "example.test/a:1"), "example.test/a:1");
	expect(sources_of(r, "example.test/a/b:1"), "example.test/a/b");
	expect(sources_of(r, "localhost:5000/a"), "localhost:5000/a!");
	expect(sources_of(r, "127.0.0.2/a"), "127.0.0.2/a!");
	expect(sources_of(r, "[::1]:5000/a"), "[::1]:5000/a!");
	expect(sources_of(r, "127.0.0.1.example.test/a"), "127.0.0.1.example.test/a");
	expect(sources_of(r, "plain.test:80/a"), "plain.test:80/a!");
	expect(sources_of(r, "10.9.8.7:5000/a"), "10.9.8.7:5000/a!");
	expect(sources_of(r, "11.9.8.7:5000/a"), "11.9.8.7:5000/a");
}

static void test_locations(void **state)
{
	_cleanup_(registries_freep) struct registries *r = NULL;

	(void)state;
	put("r.conf",
	    "[[registry]]\nlocation = \"one.test\"\ninsecure = true\n"
	    "[[registry]]\nprefix = \"one.test/deep\"\nlocation = \"two.test:5/x\"\n"
	    "[[registry]]\nprefix = \"bad.test\"\nblocked = true\n"
	    "[[registry]]\nprefix = \"*.wild.test\"\nlocation = \"w.test\"\n"
	    "[[registry]]\nprefix = \"*.same.test\"\ninsecure = true\n"
	    "[[registry]]\nprefix = \"mirrored.test\"\n"
	    "[[registry.mirror]]\nlocation = \"m1.test/cache\"\n"
	    "[[registry.mirror]]\nlocation = \"m2.test\"\ninsecure = true\n"
	    "pull-from-mirror = \"digest-only\"\n"
	    "[[registry.mirror]]\nlocation = \"m3.test\"\npull-from-mirror = \"tag-only\"\n"
	    "[[registry]]\nprefix = \"digests.test\"\nmirror-by-digest-only = true\n"
	    "[[registry.mirror]]\nlocation = \"m1.test\"\n");
	r = load("r.conf");
	expect(sources_of(r, "one.test/a"), "one.test/a!");
	expect(sources_of(r, "one.test/deeper/a"), "one.test/deeper/a!");
	expect(sources_of(r, "one.test/deep/a:t"), "two.test:5/x/a");
	expect(sources_of(r, "one.test/deep"), "two.test:5/x");
	expect(sources_of(r, "one.test:5000/a"), "one.test:5000/a");
	expect(sources_of(r, "bad.test/a"), "registry bad.test is blocked in registries.conf");
	expect(sources_of(r, "a.b.wild.test/x/y"), "w.test/x/y");
	expect(sources_of(r, "wild.test/x"), "wild.test/x");
	expect(sources_of(r, "a.same.test:5/x"), "a.same.test:5/x!");
	expect(sources_of(r, "mirrored.test/a:t"), "m1.test/cache/a~ m3.test/a~ mirrored.test/a");
	expect(sources_of(r, "mirrored.test/a" DIGEST),
	       "m1.test/cache/a~ m2.test/a!~ mirrored.test/a");
	expect(sources_of(r, "digests.test/a"), "digests.test/a");
	expect(sources_of(r, "digests.test/a" DIGEST), "m1.test/a~ digests.test/a");
}

static void test_short_names(void **state)
{
	_cleanup_(registries_freep) struct registries *r = NULL;

	(void)state;
	put("s.conf", "unqualified-search-registries = [\"a.test\", \"b.test/ns\"]\n"
		      "[aliases]\n\"box\" = \"c.test/real/box\"\n");
	r = load("s.conf");
	expect(names_of(r, "x/y:1"), "a.test/x/y:1 b.test/ns/x/y:1");
	expect(names_of(r, "box"), "c.test/real/box");
	expect(names_of(r, "box:2" DIGEST), "c.test/real/box:2@");
	expect(names_of(r, "example.test/box"), "example.test/box");
	expect(names_in(r, "x/y:1", "permissive"), "a.test/x/y:1 b.test/ns/x/y:1");
	expect(names_in(r, "x/y:1", "disabled"), "a.test/x/y:1 b.test/ns/x/y:1");
	expect(names_in(r, "x/y:1", "enforcing"),
	       "short name x/y may be a.test/x/y, b.test/ns/x/y (short_name_mode enforcing): use "
	       "a full name, or an alias in registries.conf");
	expect(names_in(r, "box", "enforcing"), "c.test/real/box");
	expect(names_in(r, "example.test/box", "enforcing"), "example.test/box");
}

static void test_drop_ins(void **state)
{
	_cleanup_(registries_freep) struct registries *r = NULL;
	_cleanup_free_ char *sub = xasprintf("%s/d.conf.d", dir);

	(void)state;
	assert_int_equal(mkdir(sub, 0700), 0);
	put("d.conf", "unqualified-search-registries = [\"a.test\"]\n"
		      "[[registry]]\nlocation = \"x.test\"\n[aliases]\n\"n\" = \"a.test/n\"\n"
		      "\"gone\" = \"a.test/gone\"\n");
	put("d.conf.d/20.conf", "[[registry]]\nprefix = \"x.test\"\nlocation = \"y.test\"\n");
	put("d.conf.d/10.conf", "unqualified-search-registries = [\"b.test\"]\n"
				"[[registry]]\nprefix = \"x.test\"\nlocation = \"z.test\"\n"
				"[aliases]\n\"n\" = \"b.test/n\"\n\"gone\" = \"\"\n");
	put("d.conf.d/30.txt", "this is not read");
	r = load("d.conf");
	expect(names_of(r, "n"), "b.test/n");
	expect(names_of(r, "m"), "b.test/m");
	expect(sources_of(r, "x.test/a"), "y.test/a");
	expect(names_of(r, "gone"), "b.test/gone");
	/* Where the mode is not said, the last file decides. */
	put("d.conf.d/40.conf", "unqualified-search-registries = [\"docker.io\", \"q.test\"]\n"
				"short-name-mode = \"enforcing\"\n");
	registries_free(r);
	r = load("d.conf");
	expect(names_of(r, "m"),
	       "short name m may be docker.io/library/m, q.test/m (short_name_mode enforcing): use "
	       "a full name, or an alias in registries.conf");
	expect(names_in(r, "m", "permissive"), "docker.io/library/m q.test/m");
}

static void test_prefixes(void **state)
{
	_cleanup_(registries_freep) struct registries *r = NULL;

	(void)state;
	put("p.conf", "[[registry]]\nprefix = \"one.test/a:bad\"\nblocked = true\n"
		      "[[registry]]\nprefix = \"one.test/a" DIGEST "\"\nblocked = true\n"
		      "[[registry]]\nprefix = \"one.test/a\"\nlocation = \"two.test/b/\"\n"
		      "[[registry]]\nprefix = \"*.wild.test/team\"\nlocation = \"w.test/t\"\n"
		      "[[registry]]\nprefix = \"*.port.test:5000\"\nlocation = \"p.test\"\n"
		      "[[registry]]\nprefix = \"docker.io\"\nlocation = \"hub.test/hub\"\n");
	r = load("p.conf");
	expect(sources_of(r, "one.test/a:good"), "two.test/b");
	expect(sources_of(r, "one.test/a/c:bad"), "two.test/b/c");
	expect(sources_of(r, "one.test/ab"), "one.test/ab");
	expect(sources_of(r, "one.test/a:bad"),
	       "registry one.test/a:bad is blocked in registries.conf");
	expect(sources_of(r, "one.test/a:badly"), "two.test/b");
	expect(sources_of(r, "one.test/a" DIGEST),
	       "registry one.test/a" DIGEST " is blocked in registries.conf");
	expect(sources_of(r, "x.wild.test/team/a"), "w.test/t/a");
	expect(sources_of(r, "x.wild.test/teams/a"), "x.wild.test/teams/a");
	expect(sources_of(r, "x.port.test:5000/a"), "p.test/a");
	expect(sources_of(r, "x.port.test/a"), "x.port.test/a");
	expect(sources_of(r, "docker.io/busybox"), "hub.test/hub/library/busybox");
	expect(sources_of(r, "index.docker.io/some/one"), "hub.test/hub/some/one");
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "unqualified-search-registries = \"a\"\n", ":1: unqualified-search-registries" },
		{ "unqualified-search-registries = [1]\n", ":1: " },
		{ "registry = 7\n", ":1: registry" },
		{ "[[registry]]\ninsecure = true\n", "prefix or a location" },
		{ "[[registry]]\nlocation = 7\n", ":2: location" },
		{ "[[registry]]\nlocation = \"a.test\"\ninsecure = \"yes\"\n", ":3: insecure" },
		{ "[[registry]]\nlocation = \"a.test\"\n[[registry.mirror]]\ninsecure = true\n",
		  ":3: mirror: location" },
		{ "[[registry]]\nlocation = \"a.test\"\n[[registry.mirror]]\n"
		  "location = \"b.test\"\npull-from-mirror = \"never\"\n",
		  "never" },
		{ "[aliases]\nx = 1\n", ":2: x" },
		{ "[aliases]\nlost = \"nowhere\"\n", ":2: alias lost" },
		{ "[aliases]\n\"a.test/x\" = \"b.test/x\"\n", ":2: alias \"a.test/x\"" },
		{ "[aliases]\nx = \"b.test/x:1\"\n", ":2: alias x" },
		{ "short-name-mode = \"on\"\n", ":1: short-name-mode" },
		{ "[registries.search]\nregistries = []\n", "version 1" },
		{ "[[registry]]\nlocation = \"https://a.test\"\n", ":2: location" },
		{ "[[registry]]\nprefix = \"a.*.test\"\n", "wildcard" },
		{ "[[registry]]\nprefix = \"*.*.test\"\n", "wildcard" },
		{ "[[registry]]\nprefix = \"/\"\n", ":2: prefix" },
		{ "[[registry]]\nlocation = \"a.test\"\npull-from-mirror = \"all\"\n",
		  ":3: pull-from-mirror" },
		{ "[[registry]]\nlocation = \"a.test\"\nmirror-by-digest-only = true\n"
		  "[[registry.mirror]]\nlocation = \"b.test\"\npull-from-mirror = \"tag-only\"\n",
		  ":4: pull-from-mirror beside" },
		{ "[[registry\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_free_ char *path = xasprintf("%s/bad.conf", dir);
		struct registries *r = NULL;
		struct err e = ERR_NULL;

		put("bad.conf", bad[i].text);
		if (registries_load(path, &r, &e) == 0)
			fail_msg("taken: %s", bad[i].text);
		assert_null(r);
		assert_non_null(strstr(e.text, "bad.conf"));
		if (!strstr(e.text, bad[i].why))
			fail_msg("%s: %s", bad[i].text, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),	    cmocka_unit_test(test_locations),
		cmocka_unit_test(test_short_names), cmocka_unit_test(test_drop_ins),
		cmocka_unit_test(test_mistakes),    cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
