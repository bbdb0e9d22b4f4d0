/*
 * test_image_config.c - image configs as registries have them, and the name of the member that is
 * wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/util.h"
#include "image/config.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST "\"]}"

static struct image_config parse(const char *json)
{
	struct image_config c;
	struct err e = ERR_NULL;

	if (image_config_parse(json, strlen(json), &c, &e) < 0)
		fail_msg("%s", e.text);
	return c;
}

static void is_list(char **list, const char *const *want)
{
	assert_non_null(list);
	for (; *want; want++, list++)
		assert_string_equal(*list, *want);
	assert_null(*list);
}

static void test_full(void **state)
{
	struct image_config c = parse(
		"{\"created\":\"2020-01-01T00:00:00Z\",\"architecture\":\"arm64\",\"os\":\"linux\","
		"\"variant\":\"v8\",\"config\":{\"User\":\"1000:50\",\"WorkingDir\":\"/srv\","
		"\"Env\":[\"PATH=/bin\",\"A=\"],\"Entrypoint\":[\"/init\",\"--\"],"
		"\"Cmd\":[\"sh\",\"-c\",\"a b\"],\"Volumes\":{\"/data\":{},\"/log\":{}},"
		"\"StopSignal\":\"SIGQUIT\",\"ExposedPorts\":{\"80/tcp\":{}},\"Labels\":{\"a\":"
		"\"b\"}},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST "\",\"" DIGEST
		"\"]},\"history\":[{\"created_by\":\"x\"}]}");

	(void)state;
	assert_string_equal(c.architecture, "arm64");
	assert_string_equal(c.os, "linux");
	assert_string_equal(c.variant, "v8");
	assert_string_equal(c.user, "1000:50");
	assert_string_equal(c.working_dir, "/srv");
	assert_string_equal(c.stop_signal, "SIGQUIT");
	is_list(c.env, (const char *[]){ "PATH=/bin", "A=", NULL });
	is_list(c.entrypoint, (const char *[]){ "/init", "--", NULL });
	is_list(c.cmd, (const char *[]){ "sh", "-c", "a b", NULL });
	is_list(c.volumes, (const char *[]){ "/data", "/log", NULL });
	is_list(c.diff_ids, (const char *[]){ DIGEST, DIGEST, NULL });
	assert_int_equal(c.n_diff_ids, 2);
	image_config_done(&c);
	assert_null(c.env);
	image_config_done(&c);
}

/* Builders leave out, or write null, what is not set. */
static void test_sparse(void **state)
{
	static const char *const texts[] = {
		"{" ROOTFS "}",
		"{\"config\":null," ROOTFS "}",
		"{\"config\":{\"Env\":null,\"Cmd\":null,\"Volumes\":null,\"User\":\"\","
		"\"WorkingDir\":null,\"Entrypoint\":null}," ROOTFS "}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct image_config c = parse(texts[i]);

		assert_null(c.env);
		assert_null(c.cmd);
		assert_null(c.entrypoint);
		assert_null(c.volumes);
		assert_null(c.user);
		assert_null(c.working_dir);
		assert_null(c.stop_signal);
		assert_null(c.os);
		assert_int_equal(c.n_diff_ids, 1);
		image_config_done(&c);
	}
}

static void test_no_layers(void **state)
{
	struct image_config c = parse("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}");

	(void)state;
	assert_int_equal(c.n_diff_ids, 0);
	image_config_done(&c);
}

static void refused_bytes(const char *json, size_t size, const char *text)
{
	struct image_config c;
	struct err e = ERR_NULL;

	if (image_config_parse(json, size, &c, &e) == 0)
		fail_msg("taken: %.60s", json);
	if (e.code != ERR_INVALID || !strstr(e.text, text))
		fail_msg("\"%s\" for %.60s, expected \"%s\"", e.text, json, text);
	image_config_done(&c);
}

static void test_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "", "line 1" },
		{ "null", "image config" },
		{ "[]", "not an object" },
		{ "{\"rootfs\":{}", "line 1" },
		{ "{}", "rootfs" },
		{ "{\"rootfs\":1}", "rootfs" },
		{ "{\"rootfs\":{\"diff_ids\":[]}}", "rootfs.type" },
		{ "{\"rootfs\":{\"type\":\"windows\",\"diff_ids\":[]}}", "rootfs.type" },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:00\"]}}",
		  "rootfs.diff_ids[0]" },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":{}}}", "diff_ids" },
		{ "{\"config\":[]," ROOTFS "}", "config is not an object" },
		{ "{\"config\":{\"Env\":\"A=b\"}," ROOTFS "}", "Env" },
		{ "{\"config\":{\"Env\":[\"A=b\",1]}," ROOTFS "}", "Env[1]" },
		{ "{\"config\":{\"Cmd\":[\"a\\u0000b\"]}," ROOTFS "}", "Cmd[0]" },
		{ "{\"config\":{\"User\":5}," ROOTFS "}", "User" },
		{ "{\"config\":{\"User\":\"a\\u0000\"}," ROOTFS "}", "User has a NUL" },
		{ "{\"config\":{\"WorkingDir\":[\"/\"]}," ROOTFS "}", "WorkingDir" },
		{ "{\"config\":{\"Volumes\":[\"/v\"]}," ROOTFS "}", "Volumes" },
		{ "{\"config\":{\"StopSignal\":{}}," ROOTFS "}", "StopSignal" },
		{ "{\"os\":1," ROOTFS "}", "os" },
		{ "{\"os\":\"linux\",\"os\":\"windows\"," ROOTFS "}", "line 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused_bytes(bad[i][0], strlen(bad[i][0]), bad[i][1]);
}

static void test_bounds(void **state)
{
	_cleanup_buf_ struct buf b = BUF_NULL;

	(void)state;
	buf_puts(&b, "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST "\"");
	for (int i = 0; i < LIMIT_LAYERS; i++)
		buf_puts(&b, ",\"" DIGEST "\"");
	buf_puts(&b, "]}}");
	refused_bytes(b.data, b.len, "501 layers");
	buf_done(&b);
	buf_puts(&b, "{" ROOTFS "}");
	while (b.len <= LIMIT_MANIFEST)
		buf_puts(&b, "                                                                ");
	refused_bytes(b.data, b.len, "larger than");
	buf_done(&b);
	/* Depth is bounded by the parser. */
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "[");
	refused_bytes(b.data, b.len, "line 1");
	refused_bytes("{\"os\":\"\xff\xfe\"}", 12, "line 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),	  cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_no_layers), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
