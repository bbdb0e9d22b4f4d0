/*
 * test_credentials.c - the credentials of a registry: keys of auth.json, fields of a request, token
 * answers. Errors contain no secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "pull/fetch/credentials.h"

/* "user:password", "token", "-" for none, with "?" and the hint; or the error. */
static char *look_up(const char *text, const char *host, const char *repository)
{
	struct credentials c;
	struct err e = ERR_NULL;
	int r = credentials_from_text(text, strlen(text), "f", host, repository, &c, &e);
	char *got;

	if (r < 0)
		got = xstrdup(e.text);
	else if (c.username)
		got = xasprintf("%s:%s", c.username, c.password);
	else if (c.identity_token)
		got = xstrdup(c.identity_token);
	else
		got = xasprintf("-%s%s", c.hint ? "?" : "", c.hint ? c.hint : "");
	assert_int_equal(r > 0, *got == '-');
	credentials_done(&c);
	return got;
}

#define expect(call, want) \
	do { \
		_cleanup_free_ char *got_ = (call); \
		assert_string_equal(got_, (want)); \
	} while (0)

/* base64 of a:1, b:2, c:3 */
#define A "\"auth\":\"YTox\""
#define B "\"auth\":\"Yjoy\""
#define C "\"auth\":\"Yzoz\""

static void test_keys(void **state)
{
	static const char text[] = "{\"auths\":{\"r.test\":{" A "},\"r.test/team\":{" B "},"
				   "\"r.test/team/app\":{" C "},\"https://u.test/v1/\":{" A "},"
				   "\"u.test\":{" B "},\"https://index.docker.io/v1/\":{" C "}}}";

	(void)state;
	expect(look_up(text, "r.test", "x"), "a:1");
	expect(look_up(text, "r.test", "team"), "b:2");
	expect(look_up(text, "r.test", "team/other"), "b:2");
	expect(look_up(text, "r.test", "teams/app"), "a:1");
	expect(look_up(text, "r.test", "team/app"), "c:3");
	expect(look_up(text, "r.test", "team/app/deep"), "c:3");
	expect(look_up(text, "r.test:5000", "team/app"), "-");
	expect(look_up(text, "r.testing", "team/app"), "-");
	expect(look_up(text, "u.test", "x"), "b:2");
	expect(look_up(text, "docker.io", "library/x"), "c:3");
	expect(look_up(text, "index.docker.io.evil.test", "library/x"), "-");
}

static void test_entries(void **state)
{
	(void)state;
	expect(look_up("{\"auths\":{\"h\":{\"username\":\"u\",\"password\":\"p\"}}}", "h", "x"),
	       "u:p");
	expect(look_up("{\"auths\":{\"h\":{\"identitytoken\":\"t\"}}}", "h", "x"), "t");
	expect(look_up("{\"auths\":{\"h\":{\"auth\":\"YTox\\u0000\"}}}", "h", "x"),
	       "f:1: not JSON");
	expect(look_up("{\"auths\":{\"h\":{\"auth\":\"YToxOjI=\"}}}", "h", "x"), "a:1:2");
	expect(look_up("{\"auths\":{\"h\":{}}}", "h", "x"), "-");
	expect(look_up("{}", "h", "x"), "-");
	expect(look_up("{\"auths\":{\"h\":{\"auth\":\"secret\"}}}", "h", "x"),
	       "f, entry for h: auth is not base64 of username:password");
	expect(look_up("{\"auths\":[]}", "h", "x"), "f: \"auths\" is no object");
	expect(look_up("[]", "h", "x"), "f: \"auths\" is no object");
	expect(look_up("{\n\"secret", "h", "x"), "f:2: not JSON");
	expect(look_up("{\"credsStore\":\"box\"}", "h", "x"),
	       "-?f leaves h to the credential helper box, which is not executed: put the "
	       "credentials into its \"auths\"");
	expect(look_up("{\"credsStore\":\"box\",\"credHelpers\":{\"other\":\"y\"},"
		       "\"auths\":{\"h\":{" A "}}}",
		       "h", "x"),
	       "a:1");
}

static void test_request(void **state)
{
	Crisp__Pull__Credentials m = CRISP__PULL__CREDENTIALS__INIT;
	struct credentials c;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(credentials_from_request(NULL, "h", &c, &e), 1);
	assert_int_equal(credentials_from_request(&m, "h", &c, &e), 1);
	m.auth = (char *)(uintptr_t) "YTox";
	assert_int_equal(credentials_from_request(&m, "h", &c, &e), 0);
	assert_string_equal(c.username, "a");
	credentials_done(&c);
	m.server_address = (char *)(uintptr_t) "https://h/v1/";
	assert_int_equal(credentials_from_request(&m, "h", &c, &e), 0);
	credentials_done(&c);
	assert_int_equal(credentials_from_request(&m, "h:5000", &c, &e), 1);
	m.server_address = (char *)(uintptr_t) "";
	m.auth = (char *)(uintptr_t) "secret";
	assert_int_equal(credentials_from_request(&m, "h", &c, &e), -ERR_INVALID);
	assert_null(strstr(e.text, "secret"));
	credentials_done(&c);
}

static void test_tokens(void **state)
{
	static const struct {
		const char *text, *token;
	} cases[] = {
		{ "{\"token\":\"x\"}", "x" },
		{ "{\"access_token\":\"y\"}", "y" },
		{ "{\"token\":\"\",\"access_token\":\"y\"}", "y" },
		{ "{\"token\":\"x\",\"access_token\":\"y\"}", "x" },
		{ "{\"token\":\"a b\"}", NULL },
		{ "{\"token\":\"a\\r\\nX: y\"}", NULL },
		{ "{\"token\":7}", NULL },
		{ "{}", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *token = NULL;
		struct err e = ERR_NULL;
		int r = credentials_token(cases[i].text, strlen(cases[i].text), &token, &e);

		assert_int_equal(r, cases[i].token ? 0 : -ERR_UNAUTHENTICATED);
		if (cases[i].token)
			assert_string_equal(token, cases[i].token);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
