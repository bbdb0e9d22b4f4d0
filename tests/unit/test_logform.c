/*
 * test_logform.c - log lines as JSON objects and as entries for journald, whatever stands in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/logform.h"
#include "base/logsink.h"
#include "base/str.h"
#include "base/util.h"

static json_t *object_of(const char *msg, const char *fields)
{
	const struct log_parts l = { LOG_LEVEL_WARN, "2026-01-02T03:04:05Z", msg, fields };
	char out[LOGFORM_MAX];
	size_t n = logform_json(&l, out);
	json_error_t error;
	json_t *o;

	assert_true(n > 2);
	assert_int_equal(out[n - 1], '\n');
	assert_null(memchr(out, '\n', n - 1));
	o = json_loadb(out, n, JSON_REJECT_DUPLICATES, &error);
	if (!o)
		fail_msg("%s: %.*s", error.text, (int)n, out);
	return o;
}

static void assert_field(const json_t *o, const char *key, const char *value)
{
	const char *got = json_string_value(json_object_get(o, key));

	assert_non_null(got);
	assert_string_equal(got, value);
}

static void test_json(void **state)
{
	static const char fields[] = "sbx=0123 ms=5 error=\"a \\\"b\\\" \\\\ c\" empty= level=high";
	json_t *o = object_of("pod up", fields);

	(void)state;
	assert_field(o, "time", "2026-01-02T03:04:05Z");
	assert_field(o, "level", "warn");
	assert_field(o, "msg", "pod up");
	assert_field(o, "sbx", "0123");
	assert_field(o, "ms", "5");
	assert_field(o, "error", "a \"b\" \\ c");
	assert_field(o, "empty", "");
	assert_field(o, "fields.level", "high");
	assert_int_equal(json_object_size(o), 8);
	json_decref(o);
}

static void test_what_is_no_logfmt(void **state)
{
	static const char *const texts[] = { "no equals", "=x",	   "Key=x",    "a=\"open",
					     "a=\"b\"c",  "\"q\"", "\xff\xfe", "a b=c" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *o = object_of("m", texts[i]);

		assert_non_null(json_object_get(o, "text"));
		json_decref(o);
	}
	{
		json_t *o = object_of("m", "a=1 rest of it");

		assert_field(o, "a", "1");
		assert_field(o, "text", "rest of it");
		json_decref(o);
	}
}

static void test_bytes_and_lengths(void **state)
{
	char *fields = xmalloc(LOGFORM_LINE);
	json_t *o = object_of("m\"\\\n", "v=\xc3\xa4\xff\xed\xa0\x80");

	(void)state;
	assert_field(o, "msg", "m\"\\ ");
	assert_true(str_starts(json_string_value(json_object_get(o, "v")), "\xc3\xa4\xef\xbf\xbd"));
	json_decref(o);
	/* The longest line with the worst of bytes stays an object. */
	memset(fields, '\xff', LOGFORM_LINE - 1);
	memcpy(fields, "a=1 b=", 6);
	fields[LOGFORM_LINE - 1] = '\0';
	o = object_of("m", fields);
	assert_field(o, "a", "1");
	json_decref(o);
	memset(fields + 6, '"', LOGFORM_LINE - 7);
	o = object_of("m", fields);
	json_decref(o);
	free(fields);
}

static void test_journal(void **state)
{
	const struct log_parts l = { LOG_LEVEL_ERROR, "t", "refused",
				     "sbx=01 error=\"a \\\"b\\\"\" 2nd=x" };
	char out[LOGFORM_MAX];
	size_t n = logform_journal(&l, out);
	static const char wanted[] = "MESSAGE=refused sbx=01 error=\"a \\\"b\\\"\" 2nd=x\n"
				     "PRIORITY=3\nSYSLOG_IDENTIFIER=crispd\n"
				     "CRISP_SBX=01\nCRISP_ERROR=a \"b\"\nCRISP_2ND=x\n";

	(void)state;
	assert_int_equal(n, sizeof(wanted) - 1);
	assert_memory_equal(out, wanted, n);
}

static void test_filter(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(logsink_set_filter("pod (up|down)", &e), 0);
	assert_true(logsink_set_filter("(", &e) < 0);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(logsink_set_filter("", &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_what_is_no_logfmt),
		cmocka_unit_test(test_bytes_and_lengths),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
