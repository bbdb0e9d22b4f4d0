/*
 * test_manifest.c - manifests, indexes, the choice of a platform, and authentication challenges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/util.h"
#include "pull/fetch/challenge.h"
#include "pull/fetch/manifest.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
#define D(n) "\"sha256:" HEX n "\""
#define OCI_CONFIG "\"application/vnd.oci.image.config.v1+json\""
#define OCI_LAYER "\"application/vnd.oci.image.layer.v1.tar+gzip\""
#define CONFIG "\"config\":{\"mediaType\":" OCI_CONFIG ",\"digest\":" D("00") ",\"size\":7}"
#define LAYER(n) "{\"mediaType\":" OCI_LAYER ",\"digest\":" D(n) ",\"size\":5}"
#define FOREIGN(urls) \
	"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":" FOREIGN_LAYER \
	",\"digest\":" D("01") ",\"size\":5,\"urls\":[" urls "]}]}"
#define FOREIGN_LAYER "\"application/vnd.oci.image.layer.nondistributable.v1.tar\""
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

static int parse(const char *json, const char *type, struct manifest *m, struct err *e)
{
	return manifest_parse(json, strlen(json), type, m, e);
}

/* umoci writes no mediaType; the shape says it. */
static void test_image(void **state)
{
	static const char json[] =
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER("01") "," LAYER("02") "]}";
	struct err e = ERR_NULL;
	struct manifest m;

	(void)state;
	assert_int_equal(parse(json, NULL, &m, &e), 0);
	assert_int_equal(m.kind, MANIFEST_KIND_IMAGE);
	assert_int_equal(m.n, 2);
	assert_string_equal(m.config.digest, "sha256:" HEX "00");
	assert_int_equal(m.config.size, 7);
	assert_string_equal(m.entries[1].digest, "sha256:" HEX "02");
	manifest_done(&m);
	/* A registry's content type that is not an image's does not matter then. */
	assert_int_equal(parse(json, "application/json", &m, &e), 0);
	manifest_done(&m);
	assert_int_equal(parse(json, DOCKER_MANIFEST, &m, &e), 0);
	manifest_done(&m);
}

static void test_refused(void **state)
{
	static const struct {
		const char *json, *why;
		enum err_code code;
	} bad[] = {
		{ "", "line", ERR_INVALID },
		{ "[]", "object", ERR_INVALID },
		{ "{}", "schemaVersion", ERR_INVALID },
		{ "{\"schemaVersion\":\"2\"}", "schemaVersion", ERR_INVALID },
		{ "{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1", ERR_UNIMPLEMENTED },
		{ "{\"schemaVersion\":2,\"schemaVersion\":2}", "duplicate", ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"manifests\":[]}", "both",
		  ERR_INVALID },
		{ "{\"schemaVersion\":2,\"mediaType\":\"text/plain\"," CONFIG ",\"layers\":[]}",
		  "text/plain", ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG "}", "layers is not a list", ERR_INVALID },
		{ "{\"schemaVersion\":2,\"layers\":[]}", "config", ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[{}]}", "layers[0]", ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[7]}", "layers[0]", ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG
		  ",\"layers\":[{\"digest\":\"sha256:../../x\",\"size\":1}]}",
		  "digest", ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":" D("01") "}]}", "size",
		  ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG
		  ",\"layers\":[{\"digest\":" D("01") ",\"size\":-1}]}",
		  "size", ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG
		  ",\"layers\":[{\"digest\":" D("01") ",\"size\":1e3}]}",
		  "size", ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG
		  ",\"layers\":[{\"digest\":" D("01") ",\"size\":99999999999999999999}]}",
		  "line", ERR_INVALID },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":"
		  "\"application/vnd.oci.image.layer.v1.tar+encrypted\",\"digest\":" D(
			  "01") ",\"size\":1}]}",
		  "encrypted", ERR_UNIMPLEMENTED },
		{ "{\"schemaVersion\":2,\"manifests\":{}}", "manifests", ERR_INVALID },
		{ FOREIGN("\"ftp://a.test/b\""), "urls[0]", ERR_INVALID },
		{ FOREIGN("\"https://a.test/b\",\"http://a b\""), "urls[1]", ERR_INVALID },
		{ FOREIGN("7"), "urls[0]", ERR_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_NULL;
		struct manifest m;

		if (parse(bad[i].json, NULL, &m, &e) == 0)
			fail_msg("taken: %s", bad[i].json);
		manifest_done(&m);
		assert_int_equal(e.code, bad[i].code);
		if (!strstr(e.text, bad[i].why))
			fail_msg("%s: %s", bad[i].json, e.text);
	}
}

/* Only layers that may not be distributed are fetched from elsewhere. */
static void test_urls(void **state)
{
	static const char plain[] =
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":" OCI_LAYER
		",\"digest\":" D("01") ",\"size\":5,\"urls\":[\"https://a.test\"]}]}";
	struct err e = ERR_NULL;
	struct manifest m;

	(void)state;
	assert_int_equal(parse(FOREIGN("\"https://a.test/b\",\"http://c.test\""), NULL, &m, &e), 0);
	assert_int_equal(m.entries[0].n_urls, 2);
	assert_string_equal(m.entries[0].urls[1], "http://c.test");
	manifest_done(&m);
	assert_int_equal(parse(plain, NULL, &m, &e), 0);
	assert_int_equal(m.entries[0].n_urls, 0);
	manifest_done(&m);
}

/* As deep as the parser goes, and no deeper. */
static void test_nesting(void **state)
{
	char json[20001];
	struct err e = ERR_NULL;
	struct manifest m;

	(void)state;
	memset(json, '[', 10000);
	memset(json + 10000, ']', 10000);
	json[20000] = '\0';
	assert_int_equal(parse(json, "text/html", &m, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "depth"));
	assert_non_null(strstr(e.text, "text/html"));
	manifest_done(&m);
}

#define EMPTY_CONFIG \
	"\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":" D( \
		"00") ",\"size\":2}"
#define TITLED(n, title) \
	"{\"mediaType\":\"text/plain\",\"digest\":" D( \
		n) ",\"size\":5,\"annotations\":{\"org.opencontainers.image.title\":" title "}}"
#define ARTIFACT(layers) "{\"schemaVersion\":2," EMPTY_CONFIG ",\"layers\":[" layers "]}"

/* A type of its own or the config's, whichever says that there is nothing to run. */
static void test_artifact(void **state)
{
	static const struct {
		const char *json, *type;
	} kinds[] = {
		{ ARTIFACT(LAYER("01")), "application/vnd.oci.empty.v1+json" },
		{ "{\"schemaVersion\":2,\"artifactType\":\"application/x\"," CONFIG
		  ",\"layers\":[" LAYER("01") "]}",
		  "application/x" },
		{ "{\"schemaVersion\":2,\"artifactType\":\"\"," CONFIG ",\"layers\":[]}", NULL },
		{ "{\"schemaVersion\":2,\"artifactType\":null," CONFIG ",\"layers\":[]}", NULL },
	};
	struct err e = ERR_NULL;
	struct manifest m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		assert_int_equal(parse(kinds[i].json, NULL, &m, &e), 0);
		assert_int_equal(m.kind,
				 kinds[i].type ? MANIFEST_KIND_ARTIFACT : MANIFEST_KIND_IMAGE);
		if (kinds[i].type)
			assert_string_equal(m.artifact_type, kinds[i].type);
		else
			assert_null(m.artifact_type);
		manifest_done(&m);
	}
	assert_int_equal(parse(ARTIFACT(TITLED("01", "\"a\"") "," TITLED(
				       "02", "\"a.b/c\"") "," TITLED("03", "\"\"") "," LAYER("04")),
			       NULL, &m, &e),
			 0);
	assert_string_equal(m.entries[0].file, "a");
	assert_string_equal(m.entries[1].file, "a.b/c");
	assert_string_equal(m.entries[2].file, HEX "03");
	assert_string_equal(m.entries[3].file, HEX "04");
	manifest_done(&m);
}

static void test_artifact_refused(void **state)
{
	static const char *const titles[] = {
		"\"/etc/passwd\"",    "\"../x\"",    "\"a/../../x\"",
		"\"a/..\"",	      "\".\"",	     "\"./a\"",
		"\"a//b\"",	      "\"a/\"",	     "\"/\"",
		"\"a\\nb\"",	      "\"\\u007f\"", "\".wh.a\"",
		"\"a/.wh..wh..opq\"", "\".wh.a/b\"", "7",
	};
	static const char *const pairs[][2] = {
		{ "\"a\"", "\"a\"" },
		{ "\"a\"", "\"a/b\"" },
		{ "\"a/b/c\"", "\"a/b\"" },
	};
	static const size_t long_ones[] = { 256, 513 };
	struct err e = ERR_NULL;
	struct manifest m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(titles) + ARRAY_LEN(long_ones); i++) {
		_cleanup_free_ char *name = NULL, *json = NULL;

		if (i >= ARRAY_LEN(titles)) {
			size_t n = long_ones[i - ARRAY_LEN(titles)];

			name = xasprintf("\"%0*d\"", (int)n, 0);
			for (size_t k = 100; n > 256 && k < n; k += 100)
				name[k] = '/';
		}
		json = xasprintf(ARTIFACT("%s" TITLED("02", "%s")), "", name ? name : titles[i]);
		e = ERR_NULL;
		if (parse(json, NULL, &m, &e) == 0)
			fail_msg("taken: %s", json);
		manifest_done(&m);
		assert_int_equal(e.code, ERR_INVALID);
		if (!strstr(e.text, "layers[0]") || !strstr(e.text, "title"))
			fail_msg("%s: %s", json, e.text);
	}
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		_cleanup_free_ char *json =
			xasprintf(ARTIFACT(TITLED("01", "%s") "," TITLED("02", "%s")), pairs[i][0],
				  pairs[i][1]);

		assert_true(parse(json, NULL, &m, &e) < 0);
		assert_non_null(strstr(e.text, "exclude each other"));
		manifest_done(&m);
	}
	assert_true(parse("{\"schemaVersion\":2,\"artifactType\":\"a b\"," CONFIG ",\"layers\":[]}",
			  NULL, &m, &e) < 0);
	assert_non_null(strstr(e.text, "no media type"));
	manifest_done(&m);
}

static void test_too_many_layers(void **state)
{
	char *json = xmalloc((LIMIT_LAYERS + 4) * 300);
	struct err e = ERR_NULL;
	struct manifest m;
	size_t n;

	(void)state;
	n = (size_t)snprintf(json, 1000, "{\"schemaVersion\":2," CONFIG ",\"layers\":[");
	for (int i = 0; i <= LIMIT_LAYERS; i++)
		n += (size_t)snprintf(json + n, 300, "%s" LAYER("01"), i ? "," : "");
	snprintf(json + n, 10, "]}");
	assert_true(parse(json, NULL, &m, &e) < 0);
	assert_non_null(strstr(e.text, "501 entries, more than 500"));
	manifest_done(&m);
	free(json);
}

#define ENTRY(n, platform) "{\"digest\":" D(n) ",\"size\":1,\"platform\":{" platform "}}"
#define OS "\"os\":\"linux\",\"architecture\":"

static const char *choose(const char *entries, struct platform p)
{
	static char chosen[3];
	_cleanup_free_ char *json = xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX
					      "\",\"manifests\":[%s]}",
					      entries);
	const struct descriptor *d;
	struct err e = ERR_NULL;
	struct manifest m;

	assert_int_equal(parse(json, NULL, &m, &e), 0);
	assert_int_equal(m.kind, MANIFEST_KIND_INDEX);
	d = manifest_choose(&m, &p);
	memcpy(chosen, d ? d->digest + 7 + 62 : "--", 2);
	manifest_done(&m);
	return chosen;
}

static void test_platform(void **state)
{
	const struct platform amd64 = { "linux", "amd64", "" };
	const struct platform arm64 = { "linux", "arm64", "v8" };
	const struct platform armv7 = { "linux", "arm", "v7" };
	/* clang-format off */
	static const char many[] =
		ENTRY("01", "\"os\":\"windows\",\"architecture\":\"amd64\"") ","
		ENTRY("02", OS "\"arm64\",\"variant\":\"v8\"") ","
		ENTRY("03", OS "\"amd64\",\"variant\":\"v3\"") ","
		ENTRY("04", OS "\"amd64\"") ","
		ENTRY("05", OS "\"arm\",\"variant\":\"v5\"") ","
		ENTRY("06", OS "\"arm\",\"variant\":\"v6\"") ","
		ENTRY("07", "\"os\":\"unknown\",\"architecture\":\"unknown\"");
	/* clang-format on */

	(void)state;
	assert_string_equal(choose(many, amd64), "04");
	assert_string_equal(choose(many, arm64), "02");
	assert_string_equal(choose(many, armv7), "06");
	/* What needs a newer processor than we know of is not taken. */
	assert_string_equal(choose(ENTRY("03", OS "\"amd64\",\"variant\":\"v3\""), amd64), "--");
	assert_string_equal(choose(ENTRY("02", OS "\"arm64\""), arm64), "02");
	assert_string_equal(choose(ENTRY("05", OS "\"s390x\""), amd64), "--");
	assert_string_equal(choose("{\"digest\":" D("09") ",\"size\":1}", amd64), "09");
	assert_string_equal(choose("", amd64), "--");
	/* The first of two that fit alike. */
	assert_string_equal(
		choose(ENTRY("0a", OS "\"amd64\"") "," ENTRY("0b", OS "\"amd64\""), amd64), "0a");
}

static void test_challenge(void **state)
{
	static const struct {
		const char *text;
		enum challenge_scheme scheme;
		const char *realm, *service, *scope;
	} cases[] = {
		{ "Basic realm=\"x\"", CHALLENGE_SCHEME_BASIC, "x", NULL, NULL },
		{ "bearer realm=\"https://t/token\",service=\"s\",scope=\"repository:a:pull\"",
		  CHALLENGE_SCHEME_BEARER, "https://t/token", "s", "repository:a:pull" },
		{ "Bearer realm = \"https://t\" , service=s , error=\"invalid_token\"",
		  CHALLENGE_SCHEME_BEARER, "https://t", "s", NULL },
		/* The stronger one of several in one header. */
		{ "Basic realm=\"b\", Bearer realm=\"https://t\"", CHALLENGE_SCHEME_BEARER,
		  "https://t", NULL, NULL },
		{ "Bearer realm=\"https://t\", Basic realm=\"b\"", CHALLENGE_SCHEME_BEARER,
		  "https://t", NULL, NULL },
		{ "Negotiate, Basic realm=\"b\"", CHALLENGE_SCHEME_BASIC, "b", NULL, NULL },
		{ "Bearer realm=\"a\\\"b,c\"", CHALLENGE_SCHEME_BEARER, "a\"b,c", NULL, NULL },
		{ "Bearer", CHALLENGE_SCHEME_NONE, NULL, NULL, NULL },
		{ "Bearer realm=\"open", CHALLENGE_SCHEME_NONE, NULL, NULL, NULL },
		{ "Bearer realm=", CHALLENGE_SCHEME_NONE, NULL, NULL, NULL },
		{ "Digest realm=\"x\"", CHALLENGE_SCHEME_NONE, NULL, NULL, NULL },
		{ "", CHALLENGE_SCHEME_NONE, NULL, NULL, NULL },
		{ ",,,=\"", CHALLENGE_SCHEME_NONE, NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *want[3] = { cases[i].realm, cases[i].service, cases[i].scope };
		struct challenge c = CHALLENGE_NULL;
		const char *got[3];

		challenge_parse(cases[i].text, &c);
		if (c.scheme != cases[i].scheme)
			fail_msg("%s: scheme %d", cases[i].text, c.scheme);
		got[0] = c.realm;
		got[1] = c.service;
		got[2] = c.scope;
		for (int k = 0; k < 3 && c.scheme != CHALLENGE_SCHEME_NONE; k++) {
			if (!want[k])
				assert_null(got[k]);
			else
				assert_string_equal(got[k], want[k]);
		}
		challenge_done(&c);
	}
}

/* Notes never make a manifest unusable: those that do not fit are left out. */
static void test_annotations(void **state)
{
	struct buf json = BUF_NULL;
	struct err e = ERR_NULL;
	struct manifest m;

	(void)state;
	buf_printf(&json, "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER("01") "],");
	buf_printf(&json, "\"annotations\":{\"a\":\"1\",\"n\":7,\"\":\"x\",\"long\":\"%09000d\",",
		   0);
	buf_printf(&json, "\"b\":\"\"}}");
	assert_int_equal(parse(json.data, NULL, &m, &e), 0);
	assert_int_equal(m.annotations.n, 2);
	assert_string_equal(m.annotations.list[0]->key, "a");
	assert_string_equal(m.annotations.list[0]->value, "1");
	assert_string_equal(m.annotations.list[1]->key, "b");
	assert_string_equal(m.annotations.list[1]->value, "");
	manifest_done(&m);
	buf_done(&json);
	buf_printf(&json, "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER("01") "],");
	buf_printf(&json, "\"annotations\":{");
	for (int i = 0; i < 1000; i++)
		buf_printf(&json, "%s\"k%d\":\"v\"", i ? "," : "", i);
	buf_printf(&json, "}}");
	assert_int_equal(parse(json.data, NULL, &m, &e), 0);
	assert_int_equal(m.annotations.n, 128);
	manifest_done(&m);
	buf_done(&json);
	buf_printf(&json, "{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"annotations\":[1]}");
	assert_int_equal(parse(json.data, NULL, &m, &e), 0);
	assert_int_equal(m.annotations.n, 0);
	manifest_done(&m);
	buf_done(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_artifact),	cmocka_unit_test(test_artifact_refused),
		cmocka_unit_test(test_too_many_layers), cmocka_unit_test(test_urls),
		cmocka_unit_test(test_nesting),		cmocka_unit_test(test_platform),
		cmocka_unit_test(test_challenge),	cmocka_unit_test(test_annotations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
