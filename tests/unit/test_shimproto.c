/*
 * test_shimproto.c - frames between daemon and shim: each request and answer survives the way, and
 * malformed frames are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "shimproto/shimproto.h"

static struct shim_request sample(void)
{
	return (struct shim_request){
		.type = SHIM_CREATE,
		.id = "ctr",
		.runtime = "/usr/bin/runtime",
		.runtime_root = "/run/r",
		.bundle = "/run/b",
		.log_path = "/var/log/x",
		.exit_path = "/var/e",
		.cgroup = "/sys/c",
		.args = { "--one", "two", NULL },
		.flags = SHIM_TTY | SHIM_KILL_REST,
		.signal = 9,
		.width = 80,
		.height = 24,
		.log_max = INT64_C(1) << 40,
		.timeout_ms = 1234,
		.state = SHIM_RUNNING,
		.pid = 77,
		.start_ticks = UINT64_C(1) << 50,
		.started_ns = 5,
	};
}

static void request_round_trip(void **state)
{
	struct shim_request in = sample(), out;
	char frame[SHIM_FRAME_MAX];
	struct err e = ERR_NULL;
	uint32_t seq;
	size_t size;

	(void)state;
	assert_int_equal(shimproto_pack_request(&in, 77, frame, &size, &e), 0);
	assert_int_equal(shimproto_parse_request(frame, size, &out, &seq, &e), 0);
	assert_int_equal(seq, 77);
	assert_int_equal(out.type, SHIM_CREATE);
	assert_string_equal(out.id, "ctr");
	assert_string_equal(out.session, "");
	assert_string_equal(out.cgroup, "/sys/c");
	assert_string_equal(out.args[1], "two");
	assert_null(out.args[2]);
	assert_int_equal(out.flags, in.flags);
	assert_int_equal(out.log_max, in.log_max);
	assert_int_equal(out.timeout_ms, 1234);
	assert_int_equal(out.height, 24);
	assert_int_equal(out.state, SHIM_RUNNING);
	assert_int_equal(out.pid, 77);
	assert_int_equal(out.start_ticks, in.start_ticks);
	assert_int_equal(out.started_ns, 5);
}

static void report_round_trip(void **state)
{
	struct shim_report in = { .type = SHIM_ANSWER, .seq = 5 }, out;
	char frame[SHIM_FRAME_MAX];
	struct err e = ERR_NULL;
	size_t size;

	(void)state;
	snprintf(in.status.id, sizeof(in.status.id), "%0128d", 7);
	in.status.state = SHIM_ENDED;
	in.status.exit_code = -1;
	in.status.start_ticks = UINT64_MAX;
	in.status.exited_ns = INT64_MAX;
	err_set(&in.err, ERR_DEADLINE, "too late");
	assert_int_equal(shimproto_pack_report(&in, frame, &size, &e), 0);
	assert_int_equal(shimproto_parse_report(frame, size, &out, &e), 0);
	assert_int_equal(out.seq, 5);
	assert_string_equal(out.status.id, in.status.id);
	assert_int_equal(out.status.exit_code, -1);
	assert_true(out.status.start_ticks == UINT64_MAX);
	assert_int_equal(out.err.code, ERR_DEADLINE);
	assert_string_equal(out.err.text, "too late");
}

/* Every cut and every longer frame is refused. */
static void wrong_length(void **state)
{
	struct shim_request in = sample(), out;
	char frame[SHIM_FRAME_MAX + 1] = { 0 };
	struct err e = ERR_NULL;
	uint32_t seq;
	size_t size;

	(void)state;
	assert_int_equal(shimproto_pack_request(&in, 1, frame, &size, &e), 0);
	for (size_t n = 0; n < size; n++) {
		_cleanup_free_ char *exact = xmemdup(frame, n ? n : 1);

		assert_int_equal(shimproto_parse_request(exact, n, &out, &seq, &e), -ERR_INVALID);
		/* Also when the header tells the same lie. */
		if (n >= 20) {
			uint32_t length = (uint32_t)n - 20;

			memcpy(exact + 8, &length, sizeof(length));
			assert_int_equal(shimproto_parse_request(exact, n, &out, &seq, &e),
					 -ERR_INVALID);
		}
	}
	assert_int_equal(shimproto_parse_request(frame, size + 1, &out, &seq, &e), -ERR_INVALID);
	assert_int_equal(shimproto_parse_request(frame, sizeof(frame), &out, &seq, &e),
			 -ERR_INVALID);
}

static void refused(const char *frame, size_t size, const char *why)
{
	struct shim_request out;
	struct err e = ERR_NULL;
	uint32_t seq;

	assert_true(shimproto_parse_request(frame, size, &out, &seq, &e) < 0);
	if (!strstr(e.text, why))
		fail_msg("\"%s\" does not say \"%s\"", e.text, why);
}

static void wrong_content(void **state)
{
	struct shim_request in = sample();
	char good[SHIM_FRAME_MAX], frame[SHIM_FRAME_MAX];
	struct err e = ERR_NULL;
	uint32_t n = 0x7fffffff;
	size_t size;

	(void)state;
	assert_int_equal(shimproto_pack_request(&in, 1, good, &size, &e), 0);
#define CHANGED(at, byte, why) \
	do { \
		memcpy(frame, good, size); \
		frame[at] = (char)(byte); \
		refused(frame, size, why); \
	} while (0)
	CHANGED(0, 'x', "magic");
	CHANGED(4, 9, "version 9");
	CHANGED(6, SHIM_REQUEST_END, "unknown request type");
	CHANGED(6, 0, "unknown request type");
	CHANGED(20, 0, "id has a length of 0");
	CHANGED(24, 0, "id is not text with one NUL");
	CHANGED(27, 'x', "id is not text with one NUL");
	memcpy(frame, good, size);
	memcpy(frame + 20, &n, sizeof(n));
	refused(frame, size, "id has a length");
	memcpy(frame, good, size);
	memset(frame + size - 32, 0xff, 8);
	refused(frame, size, "timeout_ms is negative");
	memcpy(frame, good, size);
	memset(frame + size - 56, 0xff, 4);
	refused(frame, size, "unknown flags");
	memcpy(frame, good, size);
	memset(frame + size - 24, 0xff, 4);
	refused(frame, size, "unknown state");
}

static void too_long_to_pack(void **state)
{
	_cleanup_free_ char *path = xmalloc(SHIM_PATH_MAX + 1);
	char arg[1000], frame[SHIM_FRAME_MAX];
	struct shim_request in = sample();
	struct err e = ERR_NULL;
	size_t size;

	(void)state;
	memset(path, 'a', SHIM_PATH_MAX);
	path[SHIM_PATH_MAX] = '\0';
	in.bundle = path;
	assert_int_equal(shimproto_pack_request(&in, 1, frame, &size, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "bundle"));
	/* The longest of everything fits. */
	path[SHIM_PATH_MAX - 1] = '\0';
	in.runtime = in.runtime_root = in.log_path = in.exit_path = in.cgroup = path;
	in.process_path = path;
	memset(arg, 'b', sizeof(arg));
	arg[sizeof(arg) - 1] = '\0';
	for (int i = 0; i < SHIM_ARGS_MAX; i++)
		in.args[i] = arg;
	assert_int_equal(shimproto_pack_request(&in, 1, frame, &size, &e), 0);
	in = sample();
	in.type = SHIM_ANSWER;
	assert_int_equal(shimproto_pack_request(&in, 1, frame, &size, &e), -ERR_INVALID);
}

static void ids(void **state)
{
	char longest[SHIM_ID_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[SHIM_ID_MAX + 1] = '\0';
	assert_false(shimproto_id_is_valid(longest));
	longest[SHIM_ID_MAX] = '\0';
	assert_true(shimproto_id_is_valid(longest));
	assert_true(shimproto_id_is_valid("a.b-c_9"));
	assert_false(shimproto_id_is_valid(""));
	assert_false(shimproto_id_is_valid("../x"));
	assert_false(shimproto_id_is_valid("-x"));
	assert_false(shimproto_id_is_valid("a/b"));
	assert_false(shimproto_id_is_valid("a b"));
}

/* Each number has a name: a log never says "?" of our own messages. */
static void names(void **state)
{
	(void)state;
	for (int i = SHIM_HELLO; i < SHIM_REQUEST_END; i++)
		assert_string_not_equal(shimproto_type_name((enum shim_type)i), "?");
	for (int i = SHIM_ANSWER; i < SHIM_REPORT_END; i++)
		assert_string_not_equal(shimproto_type_name((enum shim_type)i), "?");
	assert_string_equal(shimproto_type_name((enum shim_type) - 1), "?");
	for (int i = SHIM_CREATING; i <= SHIM_ENDED; i++)
		assert_string_not_equal(shimproto_state_name((enum shim_state)i), "?");
	assert_string_equal(shimproto_state_name((enum shim_state)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_round_trip),
		cmocka_unit_test(report_round_trip),
		cmocka_unit_test(wrong_length),
		cmocka_unit_test(wrong_content),
		cmocka_unit_test(too_long_to_pack),
		cmocka_unit_test(ids),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
