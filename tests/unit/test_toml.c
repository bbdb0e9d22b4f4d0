/*
 * test_toml.c - the TOML parser: accepted texts, and the line of each mistake.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"
#include "conf/toml.h"

static struct toml *parse_ok(const char *text)
{
	struct toml *t = NULL;
	struct err e = ERR_NULL;

	if (toml_parse(text, strlen(text), "t.toml", &t, &e) < 0)
		fail_msg("%s", e.text);
	return t;
}

/* The value at a path of names and array indexes ("a.b.0"). */
static const struct toml *at(const struct toml *t, const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);
	char *rest = copy;

	for (char *part; t && (part = strsep(&rest, "."));) {
		if (t->type != TOML_TYPE_ARRAY) {
			t = toml_get(t, part);
			continue;
		}
		t = t->first;
		for (int i = part[0] - '0'; t && i > 0; i--)
			t = t->next;
	}
	assert_non_null(t);
	return t;
}

static void assert_str(const struct toml *root, const char *path, const char *want)
{
	const struct toml *t = at(root, path);

	assert_int_equal(t->type, TOML_TYPE_STRING);
	assert_string_equal(t->string, want);
}

static void assert_int(const struct toml *root, const char *path, int64_t want)
{
	const struct toml *t = at(root, path);

	assert_int_equal(t->type, TOML_TYPE_INTEGER);
	assert_true(t->integer == want);
}

static void test_values(void **state)
{
	struct toml *t = parse_ok("\xef\xbb\xbf# comment\r\n"
				  "s = \"a\\tb \\u00e9 \\U0001F600 \\\\\"\r\n"
				  "l = 'C:\\x'\n"
				  "e = \"\"\n"
				  "i = +1_000\nh = 0xDEAD_beef\no = 0o755\nb = 0b101\nz = 0\n"
				  "min = -9223372036854775808\nmax = 9223372036854775807\n"
				  "f = 3.5e2 # three\ninf = -inf\n"
				  "t = true\nn = false\n");

	(void)state;
	assert_str(t, "s", "a\tb \xc3\xa9 \xf0\x9f\x98\x80 \\");
	assert_str(t, "l", "C:\\x");
	assert_str(t, "e", "");
	assert_int(t, "i", 1000);
	assert_int(t, "h", 0xdeadbeef);
	assert_int(t, "o", 0755);
	assert_int(t, "b", 5);
	assert_int(t, "z", 0);
	assert_int(t, "min", INT64_MIN);
	assert_int(t, "max", INT64_MAX);
	assert_true(at(t, "f")->number == 350.0);
	assert_true(isinf(at(t, "inf")->number));
	assert_true(at(t, "t")->boolean);
	assert_false(at(t, "n")->boolean);
	assert_int_equal(at(t, "l")->line, 3);
	assert_null(toml_get(t, "nothing"));
	assert_int_equal(t->n, 14);
	toml_free(t);
}

static void test_multi_line_strings(void **state)
{
	struct toml *t = parse_ok("a = \"\"\"\none\n  two \\\n\n   three\\n\"quoted\"\"\"\"\n"
				  "b = '''\nC:\\x\n''two'''''\nc = \"\"\"\"\"\"\nd = 1\n");

	(void)state;
	assert_str(t, "a", "one\n  two three\n\"quoted\"");
	assert_str(t, "b", "C:\\x\n''two''");
	assert_str(t, "c", "");
	assert_int_equal(at(t, "d")->line, 10);
	toml_free(t);
}

static void test_tables(void **state)
{
	struct toml *t = parse_ok("top = 1\n[a.b]\nx = 1\n[a]\ny.z.w = 2\ny.v = 3\n"
				  "[ \"q. uoted\" . 'k' ]\n\"\" = 4\n3.14 = 5\n[c]\n");

	(void)state;
	assert_int(t, "top", 1);
	assert_int(t, "a.b.x", 1);
	assert_int(t, "a.y.z.w", 2);
	assert_int(t, "a.y.v", 3);
	assert_int_equal(at(t, "a")->line, 4);
	assert_int_equal(at(t, "c")->n, 0);
	assert_int_equal(toml_get(toml_get(t, "q. uoted"), "k")->n, 2);
	assert_int(t, "a.b.x", 1);
	toml_free(t);
}

static void test_arrays(void **state)
{
	struct toml *t = parse_ok("a = [ # first\n  \"x\", # then\n\n  'y'\n  ,\n]\n"
				  "b = [[1, 2], [], [3,],]\n"
				  "c = [{ k = 1, d.e = 2 }, {}]\n"
				  "[[r]]\nprefix = \"p\"\n[[r.mirror]]\nlocation = \"m1\"\n"
				  "[[r.mirror]]\nlocation = \"m2\"\n[r.opts]\nq = true\n"
				  "[[r]]\nprefix = \"p2\"\n");

	(void)state;
	assert_int_equal(at(t, "a")->n, 2);
	assert_str(t, "a.1", "y");
	assert_int(t, "b.0.1", 2);
	assert_int(t, "b.2.0", 3);
	assert_int(t, "c.0.d.e", 2);
	assert_int_equal(at(t, "r")->n, 2);
	assert_str(t, "r.0.mirror.1.location", "m2");
	assert_true(at(t, "r.0.opts.q")->boolean);
	assert_str(t, "r.1.prefix", "p2");
	toml_free(t);
}

static const struct {
	const char *text, *want;
} bad[] = {
	{ "a = 1\na = 2", "t.toml:2: a is defined twice; the first time on line 1" },
	{ "[a]\n[a]", "t.toml:2: a is defined twice" },
	{ "[a.b]\n[a]\nb.c = 1", "t.toml:3: b is defined on line 1" },
	{ "a = 1\n[a.b]", "t.toml:2: a is an integer defined on line 1" },
	{ "a = {}\n[a.b]", "t.toml:2: a is a table defined on line 1" },
	{ "a.b = 1\n[a]", "t.toml:2: a is defined twice" },
	{ "a = [1]\n[[a]]", "t.toml:2: a is an array defined on line 1" },
	{ "[a]\n[[a]]", "t.toml:2: a is a table defined on line 1" },
	{ "a = { b = 1 }\na.c = 2", "t.toml:2: a is defined on line 1" },
	{ "\n\na", "t.toml:3: = is missing after key a" },
	{ "a =", "t.toml:1: the value is missing" },
	{ "a = # x", "t.toml:1: the value is missing" },
	{ "a = )", "t.toml:1: a value cannot start with ')'" },
	{ "a = word", "t.toml:1: word is not a value; a string needs quotes" },
	{ "a = 1 b = 2", "t.toml:1: unexpected text after the value" },
	{ "= 1", "t.toml:1: a key is expected here" },
	{ "a. = 1", "t.toml:1: a key is expected here" },
	{ "\"\"\"a\"\"\" = 1", "t.toml:1: a key cannot be a multi-line string" },
	{ "[a", "t.toml:1: ] is missing" },
	{ "[[a]", "t.toml:1: ]] is missing" },
	{ "a = \"x\ny\"", "t.toml:1: the string does not end on its line" },
	{ "a = 'x", "t.toml:1: the string does not end on its line" },
	{ "\na = \"\"\"x\n\n", "t.toml:2: the string that starts here does not end" },
	{ "a = \"\\q\"", "t.toml:1: unknown escape" },
	{ "a = \"\\u12\"", "t.toml:1: an escape needs 4 hex digits" },
	{ "a = \"\\u0000\"", "t.toml:1: escaped character U+0000" },
	{ "a = \"\\ud800\"", "t.toml:1: escaped character U+D800" },
	{ "a = \"\\U00110000\"", "t.toml:1: escaped character U+110000" },
	{ "a = \"\x01\"", "t.toml:1: control character 0x01 in a string" },
	{ "#\x7f", "t.toml:1: control character 0x7f in a comment" },
	{ "\na = \"\xff\"", "t.toml:2: the line is not UTF-8" },
	{ "\na = [1,\n2", "t.toml:2: a comma or ] is missing" },
	{ "\na = [1,\n", "t.toml:2: the array that starts here does not end" },
	{ "a = [1 2]", "t.toml:1: a comma or ] is missing" },
	{ "a = [,]", "t.toml:1: a value cannot start with ','" },
	{ "a = { b = 1", "t.toml:1: a comma or } is missing" },
	{ "a = { b = 1, }", "t.toml:1: a key is expected here" },
	{ "a = 9223372036854775808", "t.toml:1: 9223372036854775808 does not fit" },
	{ "a = -9223372036854775809", "t.toml:1: -9223372036854775809 does not fit" },
	{ "a = 012", "t.toml:1: 012 is not a value" },
	{ "a = 1__0", "t.toml:1: an underscore" },
	{ "a = _1", "t.toml:1: an underscore" },
	{ "a = 1.", "t.toml:1: 1. is not a value" },
	{ "a = .5", "t.toml:1: .5 is not a value" },
	{ "a = +", "t.toml:1: + is not a value" },
	{ "a = 0x", "t.toml:1: 0x is not a value" },
	{ "a = -0x1", "t.toml:1: -0x1 is not a value" },
	{ "a = 1979-05-27", "t.toml:1: dates and times" },
	{ "a = 07:32:00", "t.toml:1: dates and times" },
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct toml *t = NULL;
		struct err e = ERR_NULL;

		if (toml_parse(bad[i].text, strlen(bad[i].text), "t.toml", &t, &e) != -ERR_INVALID)
			fail_msg("accepted: %s", bad[i].text);
		if (strncmp(e.text, bad[i].want, strlen(bad[i].want)) != 0)
			fail_msg("for %s: %s", bad[i].text, e.text);
		assert_null(t);
	}
}

static void expect_too_much(struct buf *text, const char *want)
{
	struct toml *t = NULL;
	struct err e = ERR_NULL;

	assert_int_equal(toml_parse(text->data, text->len, "t.toml", &t, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, want));
	buf_done(text);
}

static void test_bounds(void **state)
{
	struct buf b = BUF_NULL;

	(void)state;
	buf_puts(&b, "a = ");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "[");
	expect_too_much(&b, "more than 32 levels");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "a = { ");
	expect_too_much(&b, "more than 32 levels");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "a.");
	expect_too_much(&b, "more than 32 parts");
	for (int i = 0; i < 100000; i++)
		buf_printf(&b, "k%d = 1\n", i);
	expect_too_much(&b, "more than 4096 keys");
	buf_puts(&b, "a = ");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "9");
	expect_too_much(&b, "too long");
	buf_add(&b, "a = 'x\0y'", 9);
	expect_too_much(&b, "control character 0x00");
}

static void test_load(void **state)
{
	struct toml *t = NULL;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(toml_load("/nonexistent/file.toml", &t, &e), 1);
	assert_int_equal(toml_load("/dev/null", &t, &e), 0);
	assert_int_equal(t->n, 0);
	toml_free(t);
	t = NULL;
	assert_int_equal(toml_load("/dev/zero", &t, &e), -ERR_RANGE);
	assert_null(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values), cmocka_unit_test(test_multi_line_strings),
		cmocka_unit_test(test_tables), cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
