/*
 * test_base_text.c - base/: err, str, id, clock and log; parsing and printing of text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/inet.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/str.h"
#include "base/util.h"

#define BYTES(s) s, sizeof(s) - 1

static void err_says_what_and_where(void **state)
{
	struct err e = ERR_NULL;
	int line = __LINE__ + 3;

	(void)state;
	assert_int_equal(err_set(&e, ERR_NOT_FOUND, "image %s is not here", "y"), -ERR_NOT_FOUND);
	assert_int_equal(e.line, line);
	assert_non_null(strstr(e.file, "test_base_text.c"));
	assert_string_equal(e.text, "image y is not here");
	assert_int_equal(e.errnum, 0);
	assert_int_equal(err_wrap(&e, "pull %d", 3), -ERR_NOT_FOUND);
	assert_string_equal(e.text, "pull 3: image y is not here");
	assert_int_equal(e.line, line);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void err_of_a_system_call(void **state)
{
	static const int full[] = { ENOSPC, EDQUOT, EMFILE, ENFILE };
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(err_errno(&e, ERR_INTERNAL, ENOENT, "open %s", "/x"), -ERR_INTERNAL);
	assert_string_equal(e.text, "open /x: No such file or directory");
	assert_int_equal(e.errnum, ENOENT);
	for (size_t i = 0; i < ARRAY_LEN(full); i++)
		assert_int_equal(err_errno(&e, ERR_INTERNAL, full[i], "w"), -ERR_EXHAUSTED);
}

static void err_text_is_cut_between_characters(void **state)
{
	struct err e = ERR_NULL;
	char text[ERR_TEXT_MAX + 100];

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'a', sizeof(text));
		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[sizeof(text) - 1] = '\0';
		err_set(&e, ERR_INVALID, "%s", text);
		assert_true(strlen(e.text) < ERR_TEXT_MAX);
		assert_true(strlen(e.text) > ERR_TEXT_MAX - 5);
		assert_true(str_is_utf8(e.text, strlen(e.text)));
		err_wrap(&e, "%s", "prefix");
		assert_true(str_starts(e.text, "prefix: "));
		assert_true(str_is_utf8(e.text, strlen(e.text)));
		err_wrap(&e, "%s", text); /* a prefix that leaves no room */
		assert_true(strlen(e.text) < ERR_TEXT_MAX);
		assert_true(str_is_utf8(e.text, strlen(e.text)));
	}
}

/* A client of gRPC refuses a status whose text is not UTF-8. */
static void err_text_is_always_utf8(void **state)
{
	static const char *const foreign[] = {
		"\xff",
		"\xc3",
		"\xc3(",
		"\xc0\x80",
		"\xe0\x80\x80",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"ok\xe2\x82",
		"\x80\x80",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		struct err e = ERR_NULL;

		err_set(&e, ERR_INVALID, "name \"%s\" is bad", foreign[i]);
		assert_true(str_is_utf8(e.text, strlen(e.text)));
		assert_true(str_ends(e.text, "is bad"));
		assert_true(str_starts(e.text, "name \""));
	}
}

static void err_codes_have_names(void **state)
{
	(void)state;
	for (int c = ERR_OK; c <= ERR_UNAUTHENTICATED; c++) {
		assert_non_null(err_code_name((enum err_code)c));
		assert_true((c == ERR_UNKNOWN) ==
			    (strcmp(err_code_name((enum err_code)c), "UNKNOWN") == 0));
	}
	assert_string_equal(err_code_name((enum err_code)17), "UNKNOWN");
	assert_string_equal(err_code_name((enum err_code) - 1), "UNKNOWN");
	assert_string_equal(err_code_name(ERR_INVALID), "INVALID_ARGUMENT");
}

/* The kubelet compares the beginning of the text, and of a pull only with code UNKNOWN. */
static void reasons_come_first_and_are_unknown(void **state)
{
	static const struct {
		enum reason reason;
		enum err_code code;
		const char *text;
	} cases[] = {
		{ REASON_REGISTRY_UNAVAILABLE, ERR_UNAVAILABLE, "RegistryUnavailable: why" },
		{ REASON_SIGNATURE_VALIDATION_FAILED, ERR_DENIED,
		  "SignatureValidationFailed: why" },
		{ REASON_RRO_UNSUPPORTED, ERR_PRECONDITION, "RROUnsupported: why" },
		{ REASON_IMAGE_VOLUME_MOUNT_FAILED, ERR_NOT_FOUND, "ImageVolumeMountFailed: why" },
	};
	struct err e = ERR_NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		err_set(&e, cases[i].code, "why");
		assert_int_equal(reason_code(&e), cases[i].code);
		assert_int_equal(reason_set(&e, cases[i].reason), -(int)cases[i].code);
		assert_string_equal(e.text, cases[i].text);
		assert_int_equal(e.code, cases[i].code);
		assert_int_equal(reason_code(&e), ERR_UNKNOWN);
		assert_int_equal(reason_set(&e, REASON_RRO_UNSUPPORTED), -(int)cases[i].code);
		assert_string_equal(e.text, cases[i].text);
	}
	err_set(&e, ERR_UNAVAILABLE, "RegistryUnavailableX: why");
	assert_int_equal(reason_code(&e), ERR_UNAVAILABLE);
	assert_int_equal(reason_code(&ERR_NULL), ERR_OK);
}

static void numbers(void **state)
{
	static const char *const bad[] = {
		"",
		" 1",
		"1 ",
		"+1",
		"0x1",
		"1a",
		"--1",
		"-",
		"1.0",
		"9223372036854775808",
		"-9223372036854775809",
		"99999999999999999999",
	};
	int64_t i = 42;
	uint64_t u = 42;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		assert_int_equal(str_to_i64(bad[k], INT64_MIN, INT64_MAX, &i), -1);
	assert_int_equal(i, 42);
	assert_int_equal(str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(str_to_i64("007", 0, 7, &i), 0);
	assert_int_equal(i, 7);
	assert_int_equal(str_to_i64("8", 0, 7, &i), -1);
	assert_int_equal(str_to_i64("-1", 0, 7, &i), -1);
	assert_int_equal(i, 7);
	assert_int_equal(str_to_u64("18446744073709551615", UINT64_MAX, &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(str_to_u64("18446744073709551616", UINT64_MAX, &u), -1);
	assert_int_equal(str_to_u64("-1", UINT64_MAX, &u), -1);
	assert_int_equal(str_to_u64(" 1", UINT64_MAX, &u), -1);
	assert_int_equal(str_to_u64("101", 100, &u), -1);
	assert_true(u == UINT64_MAX);
}

static void names_of_addresses(void **state)
{
	static const char *const as_is[] = { "", "127.0.0.2", "::1" };
	_cleanup_free_ char *local = NULL;
	struct err e = ERR_NULL;
	char *got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(as_is); i++) {
		assert_int_equal(inet_resolve(as_is[i], &got, &e), 0);
		assert_string_equal(got, as_is[i]);
		free(got);
	}
	assert_int_equal(inet_resolve("localhost", &local, &e), 0);
	assert_true(strcmp(local, "127.0.0.1") == 0 || strcmp(local, "::1") == 0);
	assert_int_equal(inet_resolve("no such host", &got, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "\"no such host\" is no IP address"));
}

static void product(void **state)
{
	static const struct {
		const char *text;
		uint64_t num, den;
		int64_t want; /* -1: refused */
	} cases[] = {
		{ "7.5", 1 << 20, 1, 7864320 },
		{ "0.0005", 1, 1, 1 },
		{ "100", 1, 1000, 1 },
		{ "1.", 1000, 1, 1000 },
		{ ".5", 1000, 1, 500 },
		{ "0", 1024, 1, 0 },
		{ "9223372036854775807", 1, 1, INT64_MAX },
		{ "9223372036854775808", 1, 1, -1 },
		{ "8388608", UINT64_C(1) << 40, 1, -1 },
		{ "0.123456789012345678901234567890", 1000, 1, 124 },
		{ "99999999999999999999999999999999999999999", 1, 1, -1 },
		{ "", 1, 1, -1 },
		{ ".", 1, 1, -1 },
		{ "1.2.3", 1, 1, -1 },
		{ "-1", 1, 1, -1 },
		{ "1 ", 1, 1, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = -1;
		int r = str_to_product(cases[i].text, strlen(cases[i].text), cases[i].num,
				       cases[i].den, &got);

		if (got != cases[i].want || r != (got == -1 ? -1 : 0))
			fail_msg("\"%s\": %d, %" PRId64, cases[i].text, r, got);
	}
}

static void quantity(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} cases[] = {
		{ "10M", 10000000 },
		{ "1.5Gi", 1610612736 },
		{ "500e3", 500000 },
		{ "2E3", 2000 },
		{ "1E", INT64_C(1000000000000000000) },
		{ "1e+3", 1000 },
		{ "2500m", 3 },
		{ "5e-1", 1 },
		{ "100n", 1 },
		{ "+7k", 7000 },
		{ "0", 0 },
		{ ".5k", 500 },
		{ "3.", 3 },
		{ "7Ei", INT64_C(7) << 60 },
		{ "8Ei", -1 },
		{ "-1", -1 },
		{ "", -1 },
		{ "M", -1 },
		{ "10Mb", -1 },
		{ "10 M", -1 },
		{ "1e99", -1 },
		{ "1e+-3", -1 },
		{ "1K", -1 },
		{ "0x10", -1 },
		{ "none", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t got = -1;
		int r = str_to_quantity(cases[i].text, &got);

		if (got != cases[i].want || r != (got == -1 ? -1 : 0))
			fail_msg("\"%s\": %d, %" PRId64, cases[i].text, r, got);
	}
}

static void duration(void **state)
{
	static const char *const bad[] = { "",
					   "1",
					   "s",
					   "-1s",
					   "1x",
					   "1s ",
					   " 1s",
					   "1.s.",
					   "1h2",
					   "2562048h",
					   "9223372036854775808ns",
					   "2562047h47m16.9s" };
	int64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (str_to_duration(bad[i], &ns) == 0)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(ns, 7);
	assert_int_equal(str_to_duration("0", &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(str_to_duration("1h30m", &ns), 0);
	assert_int_equal(ns, INT64_C(5400000000000));
	assert_int_equal(str_to_duration("1.5s250ms1us1ns", &ns), 0);
	assert_int_equal(ns, INT64_C(1750001001));
}

static void check_base64(const char *text, const char *encoded)
{
	struct base64_reader r = { .bits = 0 };
	_cleanup_buf_ struct buf out = BUF_NULL, back = BUF_NULL;

	base64_put(&out, text, strlen(text));
	assert_string_equal(out.data ? out.data : "", encoded);
	assert_int_equal(base64_read(&r, encoded, strlen(encoded), &back), 0);
	assert_true(base64_is_whole(&r));
	assert_string_equal(back.data ? back.data : "", text);
}

static void base64(void **state)
{
	(void)state;
	check_base64("", "");
	check_base64("f", "Zg==");
	check_base64("fo", "Zm8=");
	check_base64("foo", "Zm9v");
	check_base64("foobar?>", "Zm9vYmFyPz4=");
}

static void utf8(void **state)
{
	static const struct {
		const char *s;
		size_t n;
		bool good;
	} cases[] = {
		{ BYTES(""), true },
		{ BYTES("plain"), true },
		{ BYTES("a\0b"), true },
		{ BYTES("\xc2\x80"), true },
		{ BYTES("\xdf\xbf"), true },
		{ BYTES("\xe0\xa0\x80"), true },
		{ BYTES("\xed\x9f\xbf"), true },
		{ BYTES("\xee\x80\x80"), true },
		{ BYTES("\xf0\x90\x80\x80"), true },
		{ BYTES("\xf4\x8f\xbf\xbf"), true },
		{ BYTES("\xf4\x90\x80\x80"), false },
		{ BYTES("\xf0\x8f\xbf\xbf"), false },
		{ BYTES("\xed\xa0\x80"), false },
		{ BYTES("\xed\xbf\xbf"), false },
		{ BYTES("\xe0\x9f\xbf"), false },
		{ BYTES("\xc1\xbf"), false },
		{ BYTES("\xc0\x80"), false },
		{ BYTES("\x80"), false },
		{ BYTES("\xfe"), false },
		{ BYTES("\xe2\x82"), false },
		{ BYTES("\xe2(\xac"), false },
		{ BYTES("ok\xf0\x9f\x98"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(str_is_utf8(cases[i].s, cases[i].n), cases[i].good);
}

static void small_questions(void **state)
{
	char long_name[70];

	(void)state;
	assert_true(str_starts("abc", "ab"));
	assert_true(str_starts("abc", ""));
	assert_false(str_starts("ab", "abc"));
	assert_true(str_ends("abc", "bc"));
	assert_true(str_ends("abc", ""));
	assert_false(str_ends("bc", "abc"));
	assert_true(str_is_hex("0af9", 4));
	assert_false(str_is_hex("0AF9", 4));
	assert_false(str_is_hex("0af9", 3));
	assert_false(str_is_hex("0ag9", 4));
	assert_int_equal(str_distance("", ""), 0);
	assert_int_equal(str_distance("abc", ""), 3);
	assert_int_equal(str_distance("kitten", "sitting"), 3);
	assert_int_equal(str_distance("runtime", "runtmie"), 2);
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_true(str_distance(long_name, "a") == UINT_MAX);
	long_name[63] = '\0';
	assert_int_equal(str_distance(long_name, "a"), 62);
}

static void ids(void **state)
{
	char a[ID_LEN + 1], b[ID_LEN + 1], upper[ID_LEN + 1];

	(void)state;
	id_new(a);
	id_new(b);
	assert_true(id_is_valid(a) && id_is_valid(b));
	assert_string_not_equal(a, b);
	id_of_text("example.test/library/busybox:latest", a);
	id_of_text("example.test/library/busybox:latest", b);
	assert_true(id_is_valid(a));
	assert_string_equal(a, b);
	id_of_text("example.test/library/busybox:lates", b);
	assert_string_not_equal(a, b);
	/* What is on disk depends on it: it may never change. */
	id_of_text("", a);
	assert_int_equal(strncmp(a, "99aa06d3014798d86001c324468d497f", 32), 0);
	memset(upper, 'A', ID_LEN);
	upper[ID_LEN] = '\0';
	assert_false(id_is_valid(upper));
	assert_false(id_is_valid(""));
	a[ID_LEN - 1] = '\0';
	assert_false(id_is_valid(a));
	assert_true(id_is_prefix(a));
	assert_true(id_is_prefix("0"));
	assert_false(id_is_prefix(""));
	assert_false(id_is_prefix("../etc"));
	assert_false(id_is_prefix("0/"));
}

static void times(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000000Z" },
		{ 1, "1970-01-01T00:00:00.000000001Z" },
		{ INT64_C(1700000000123456789), "2023-11-14T22:13:20.123456789Z" },
		{ -1, "1969-12-31T23:59:59.999999999Z" },
		{ INT64_MAX, "2262-04-11T23:47:16.854775807Z" },
		{ INT64_MIN, "1677-09-21T00:12:43.145224192Z" },
	};
	char out[36];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		clock_format(cases[i].ns, out);
		assert_string_equal(out, cases[i].text);
	}
	assert_true(clock_realtime_ns() > INT64_C(1600000000) * NSEC_PER_SEC);
	assert_true(clock_monotonic_ns() <= clock_monotonic_ns());
	assert_int_equal(strlen(clock_boot_id()), 36);
	assert_int_equal(clock_boot_id()[8], '-');
}

/* What log functions write to stderr while fn runs. */
static const char *logged(void (*fn)(void))
{
	static char text[8192];
	int pipes[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	ssize_t n;

	assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
	fn();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	n = read(pipes[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(pipes[0]);
	close(pipes[1]);
	close(saved);
	return text;
}

static void log_plain(void)
{
	log_info("listening", "socket=%s", "/run/x");
}

static void log_hostile(void)
{
	log_info("got", "name=%s", "a\nlevel=error msg=\"forged\"\x1b[2J");
}

static void log_hostile_error(void)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_INVALID, "a \"quoted\" \\ name\n");
	log_err(LOG_LEVEL_WARN, "refused", &e);
}

static void log_large(void)
{
	static char large[5000];

	memset(large, 'x', sizeof(large) - 1);
	log_error("large", "value=%s", large);
}

static void log_large_message(void)
{
	static char large[5000];

	memset(large, 'y', sizeof(large) - 1);
	log_error(large, "value=%d", 1);
}

static void log_debugging(void)
{
	log_debug("detail", "n=%d", 1);
}

static void assert_one_line(const char *s)
{
	assert_non_null(strchr(s, '\n'));
	assert_ptr_equal(strchr(s, '\n'), s + strlen(s) - 1);
}

static void log_is_one_line(void **state)
{
	const char *line;

	(void)state;
	line = logged(log_plain);
	assert_one_line(line);
	assert_true(str_starts(line, "time=20"));
	assert_true(str_ends(line, " level=info msg=\"listening\" socket=/run/x\n"));
	line = logged(log_hostile);
	assert_one_line(line);
	assert_null(strchr(line, '\x1b'));
	line = logged(log_large);
	assert_one_line(line);
	assert_true(strlen(line) <= 2048);
	line = logged(log_large_message);
	assert_one_line(line);
	assert_true(strlen(line) <= 2048);
}

static void log_of_an_error_is_quoted(void **state)
{
	const char *line = logged(log_hostile_error);

	(void)state;
	assert_one_line(line);
	assert_non_null(strstr(line, "level=warn msg=\"refused\" code=INVALID_ARGUMENT origin="));
	assert_non_null(strstr(line, "error=\"a \\\"quoted\\\" \\\\ name"));
}

static void log_levels(void **state)
{
	enum log_level level = LOG_LEVEL_WARN;

	(void)state;
	assert_int_equal(log_parse_level("trace", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_parse_level("loud", &level), -1);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_string_equal(logged(log_debugging), "");
	log_set_level(LOG_LEVEL_DEBUG);
	assert_string_not_equal(logged(log_debugging), "");
	log_set_level(LOG_LEVEL_ERROR);
	assert_string_equal(logged(log_plain), "");
	log_set_level(LOG_LEVEL_INFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_addresses),
		cmocka_unit_test(product),
		cmocka_unit_test(quantity),
		cmocka_unit_test(duration),
		cmocka_unit_test(base64),
		cmocka_unit_test(err_says_what_and_where),
		cmocka_unit_test(err_of_a_system_call),
		cmocka_unit_test(err_text_is_cut_between_characters),
		cmocka_unit_test(err_text_is_always_utf8),
		cmocka_unit_test(err_codes_have_names),
		cmocka_unit_test(reasons_come_first_and_are_unknown),
		cmocka_unit_test(numbers),
		cmocka_unit_test(utf8),
		cmocka_unit_test(small_questions),
		cmocka_unit_test(ids),
		cmocka_unit_test(times),
		cmocka_unit_test(log_is_one_line),
		cmocka_unit_test(log_of_an_error_is_quoted),
		cmocka_unit_test(log_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
