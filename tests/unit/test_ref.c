/*
 * test_ref.c - image references: accepted forms, their parts, and the reason of each refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "image/ref.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA "sha256:" HEX64

static void test_parts(void **state)
{
	static const struct {
		const char *text, *domain, *path, *tag, *digest, *name, *tagged;
	} good[] = {
		{ "busybox", "", "busybox", "", "", "busybox", "busybox:latest" },
		{ "busybox:1.29-2", "", "busybox", "1.29-2", "", "busybox", "busybox:1.29-2" },
		{ "library/busybox", "", "library/busybox", "", "", "library/busybox",
		  "library/busybox:latest" },
		{ "localhost/a", "localhost", "a", "", "", "localhost/a", "localhost/a:latest" },
		{ "localhosts/a", "", "localhosts/a", "", "", "localhosts/a",
		  "localhosts/a:latest" },
		{ "example.com/a/b/c:x", "example.com", "a/b/c", "x", "", "example.com/a/b/c",
		  "example.com/a/b/c:x" },
		{ "host:5000/a", "host:5000", "a", "", "", "host:5000/a", "host:5000/a:latest" },
		{ "127.0.0.1:5000/a:5000", "127.0.0.1:5000", "a", "5000", "", "127.0.0.1:5000/a",
		  "127.0.0.1:5000/a:5000" },
		{ "[::1]:5000/a", "[::1]:5000", "a", "", "", "[::1]:5000/a",
		  "[::1]:5000/a:latest" },
		{ "HOST/a", "HOST", "a", "", "", "HOST/a", "HOST/a:latest" },
		{ "a@" SHA, "", "a", "", SHA, "a", NULL },
		{ "example.com/a:t@" SHA, "example.com", "a", "t", SHA, "example.com/a",
		  "example.com/a:t" },
		{ "a__b/c.d/e-f--g", "", "a__b/c.d/e-f--g", "", "", "a__b/c.d/e-f--g",
		  "a__b/c.d/e-f--g:latest" },
		{ "a:_x", "", "a", "_x", "", "a", "a:_x" },
		{ "docker.io/a:1", "docker.io", "library/a", "1", "", "docker.io/library/a",
		  "docker.io/library/a:1" },
		{ "index.docker.io/a/b", "docker.io", "a/b", "", "", "docker.io/a/b",
		  "docker.io/a/b:latest" },
		{ "docker.io.test/a", "docker.io.test", "a", "", "", "docker.io.test/a",
		  "docker.io.test/a:latest" },
		/* An id with a registry in front of it is a name again. */
		{ "example.com/" HEX64, "example.com", HEX64, "", "", "example.com/" HEX64,
		  "example.com/" HEX64 ":latest" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct err e = ERR_NULL;
		struct image_ref r;
		_cleanup_free_ char *name = NULL, *tagged = NULL;

		if (image_ref_parse(good[i].text, &r, &e) < 0)
			fail_msg("%s: %s", good[i].text, e.text);
		assert_string_equal(r.domain, good[i].domain);
		assert_string_equal(r.path, good[i].path);
		assert_string_equal(r.tag, good[i].tag);
		assert_string_equal(r.digest, good[i].digest);
		name = image_ref_name(&r);
		assert_string_equal(name, good[i].name);
		tagged = image_ref_tagged(&r);
		if (good[i].tagged)
			assert_string_equal(tagged, good[i].tagged);
		else
			assert_null(tagged);
		image_ref_done(&r);
		assert_null(r.domain);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "empty" },
		{ ":tag", "lower-case" },
		{ "/a", "lower-case" },
		{ "a/", "lower-case" },
		{ "a//b", "lower-case" },
		{ "Busybox", "lower-case" },
		{ "example.com/Busybox", "lower-case" },
		{ "a_-b", "lower-case" },
		{ "a___b", "lower-case" },
		{ "a..b", "lower-case" },
		{ "-a", "lower-case" },
		{ "a-", "lower-case" },
		{ "../etc/passwd", "host name" },
		{ "a/../b", "lower-case" },
		{ "a b", "lower-case" },
		{ "a\nb", "lower-case" },
		{ "a\xff", "lower-case" },
		{ "http://example.com/a", "host name" },
		{ "example..com/a", "host name" },
		{ "-example.com/a", "host name" },
		{ "example.com-/a", "host name" },
		{ "example.com:/a", "host name" },
		{ "example.com:123456/a", "host name" },
		{ "example.com:80x/a", "host name" },
		{ "[::1/a", "host name" },
		{ "[]:1/a", "host name" },
		{ "user@example.com/a", "digest" },
		{ "a:", "tag" },
		{ "a:-x", "tag" },
		{ "a:.x", "tag" },
		{ "a:x y", "tag" },
		{ "a:b:c", "tag" },
		{ "a@", "digest" },
		{ "a@sha256:abc", "digest" },
		{ "a@sha256:" HEX64 "0", "digest" },
		{ "a@sha512:" HEX64, "digest" },
		{ "a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		  "digest" },
		{ "a@" SHA "@" SHA, "digest" },
		{ HEX64, "id" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_NULL;
		struct image_ref r = IMAGE_REF_NULL;

		if (image_ref_parse(bad[i].text, &r, &e) == 0)
			fail_msg("\"%s\" is taken", bad[i].text);
		assert_int_equal(e.code, ERR_INVALID);
		if (!strstr(e.text, bad[i].why))
			fail_msg("\"%s\": %s", bad[i].text, e.text);
		assert_null(r.domain);
	}
}

static void test_lengths(void **state)
{
	struct err e = ERR_NULL;
	struct image_ref r;
	char text[600];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[255] = '\0';
	assert_int_equal(image_ref_parse(text, &r, &e), 0);
	image_ref_done(&r);
	text[255] = 'a';
	text[256] = '\0';
	assert_true(image_ref_parse(text, &r, &e) < 0);
	assert_non_null(strstr(e.text, "255"));
	memset(text, 'a', sizeof(text));
	text[1] = ':';
	text[2 + 128] = '\0';
	assert_int_equal(image_ref_parse(text, &r, &e), 0);
	image_ref_done(&r);
	text[2 + 128] = 'a';
	text[2 + 129] = '\0';
	assert_true(image_ref_parse(text, &r, &e) < 0);
	assert_non_null(strstr(e.text, "128"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
