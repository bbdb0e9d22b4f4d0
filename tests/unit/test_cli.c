/*
 * test_cli.c - output of the crisp command: tables, ages, JSON without secrets, log records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api.pb-c.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"
#include "tools/cli/crisp_json.h"
#include "tools/cli/crisp_log.h"
#include "tools/cli/crisp_table.h"

static void test_table(void **state)
{
	static const char *const headings[] = { "ID", "NAME", "AGE" };
	struct table *t = table_new(headings, 3);
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	table_add_id(t, "sha256:0123456789abcdef0123");
	table_add(t, "gr\xc3\xbc\xc3\x9f");
	table_add(t, "1");
	table_add_id(t, "ab");
	table_add(t, "evil\x1b[2J\n");
	table_add(t, NULL);
	table_print(t, out);
	fclose(out);
	assert_string_equal(text, "ID              NAME        AGE\n"
				  "0123456789abc   gr\xc3\xbc\xc3\x9f        1\n"
				  "ab              evil?[2J?   \n");
	table_free(t);
}

static void test_ages(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "less than a second" },  { 1, "1 second" },
		{ 119, "119 seconds" },	      { 120, "2 minutes" },
		{ 7199, "119 minutes" },      { 7200, "2 hours" },
		{ 200000, "2 days" },	      { 14 * 86400, "2 weeks" },
		{ 70 * 86400, "2 months" },   { 800 * 86400, "2 years" },
		{ -5, "less than a second" },
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		format_duration(cases[i].seconds * NSEC_PER_SEC, out);
		assert_string_equal(out, cases[i].text);
	}
	format_ago(0, 5, out);
	assert_string_equal(out, "-");
	format_ago(1, 1 + 120 * NSEC_PER_SEC, out);
	assert_string_equal(out, "2 minutes ago");
}

static void test_bytes(void **state)
{
	char out[32];

	(void)state;
	format_bytes(0, out);
	assert_string_equal(out, "0B");
	format_bytes(999, out);
	assert_string_equal(out, "999B");
	format_bytes(1234567, out);
	assert_string_equal(out, "1.2MB");
	format_bytes(UINT64_MAX, out);
	assert_string_equal(out, "18.4EB");
}

/* The message as parsed JSON. */
static json_t *json_of(const ProtobufCMessage *m)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *o;

	json_print(m, out);
	fclose(out);
	assert_null(strstr(text, "hunter2"));
	o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	return o;
}

static const char *json_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	assert_non_null(s);
	return s;
}

static void test_json(void **state)
{
	Runtime__V1__ContainerStatusResponse resp = RUNTIME__V1__CONTAINER_STATUS_RESPONSE__INIT;
	Runtime__V1__ContainerStatus status = RUNTIME__V1__CONTAINER_STATUS__INIT;
	Runtime__V1__ContainerStatus__LabelsEntry
		label = RUNTIME__V1__CONTAINER_STATUS__LABELS_ENTRY__INIT,
		*labels = &label;
	Runtime__V1__ContainerStatusResponse__InfoEntry
		info = RUNTIME__V1__CONTAINER_STATUS_RESPONSE__INFO_ENTRY__INIT,
		*infos = &info;
	json_t *o, *s;

	(void)state;
	status.id = (char *)"abc";
	status.state = RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING;
	status.created_at = INT64_MAX;
	status.n_labels = 1;
	status.labels = &labels;
	label.key = (char *)"a/b";
	label.value = (char *)"{}";
	info.key = (char *)"state";
	info.value = (char *)"{\"pid\": 12}";
	resp.status = &status;
	resp.n_info = 1;
	resp.info = &infos;
	o = json_of(&resp.base);
	s = json_object_get(o, "status");
	assert_string_equal(json_text(s, "id"), "abc");
	assert_string_equal(json_text(s, "state"), "CONTAINER_RUNNING");
	assert_string_equal(json_text(s, "createdAt"), "9223372036854775807");
	assert_int_equal(json_integer_value(json_object_get(s, "exitCode")), 0);
	assert_true(json_is_null(json_object_get(s, "metadata")));
	assert_string_equal(json_text(json_object_get(s, "labels"), "a/b"), "{}");
	/* Only `info` holds JSON in strings. */
	s = json_object_get(json_object_get(o, "info"), "state");
	assert_int_equal(json_integer_value(json_object_get(s, "pid")), 12);
	json_decref(o);
}

static void test_json_secrets(void **state)
{
	Runtime__V1__AuthConfig auth = RUNTIME__V1__AUTH_CONFIG__INIT;
	Runtime__V1__KeyValue kv = RUNTIME__V1__KEY_VALUE__INIT;
	json_t *o;

	(void)state;
	auth.username = (char *)"me";
	auth.password = auth.auth = auth.identity_token = auth.registry_token = (char *)"hunter2";
	o = json_of(&auth.base);
	assert_string_equal(json_text(o, "username"), "me");
	assert_string_equal(json_text(o, "password"), "[redacted]");
	json_decref(o);
	kv.key = (char *)"TOKEN";
	kv.value = (ProtobufCBinaryData){ .len = 7, .data = (uint8_t *)(uintptr_t) "hunter2" };
	o = json_of(&kv.base);
	assert_string_equal(json_text(o, "value"), "[redacted]");
	json_decref(o);
}

/* A reader of a file in a scratch directory, whose streams go to memory. */
struct log_fixture {
	char dir[64], path[96];
	struct log_reader reader;
	char *out, *err;
	size_t out_size, err_size;
};

static int log_setup(void **state)
{
	struct log_fixture *f = xcalloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/crisp-log-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/0.log", f->dir);
	*state = f;
	return 0;
}

static void log_start(struct log_fixture *f, int64_t records)
{
	struct err e = ERR_NULL;

	assert_int_equal(log_reader_start(&f->reader, f->path, records, &e), 0);
	f->reader.out = open_memstream(&f->out, &f->out_size);
	f->reader.err = open_memstream(&f->err, &f->err_size);
}

static int log_teardown(void **state)
{
	struct log_fixture *f = *state;
	struct err e;

	fclose(f->reader.out);
	fclose(f->reader.err);
	log_reader_done(&f->reader);
	free(f->out);
	free(f->err);
	fs_remove_tree(f->dir, &e);
	free(f);
	return 0;
}

static void append(const struct log_fixture *f, const char *text)
{
	_cleanup_close_ int fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, text, strlen(text)), 0);
}

static void pump_is(struct log_fixture *f, const char *out, const char *err)
{
	struct err e = ERR_NULL;

	assert_int_equal(log_reader_pump(&f->reader, &e), 0);
	assert_string_equal(f->out ? f->out : "", out);
	assert_string_equal(f->err ? f->err : "", err);
}

static void test_log(void **state)
{
	struct log_fixture *f = *state;

	log_start(f, -1); /* not there yet */
	pump_is(f, "", "");
	append(f, "T1 stdout F one\nT2 stderr F bad\nT3 stdout P par");
	pump_is(f, "one\n", "bad\n");
	append(f, "t\nT4 stdout F ial\nT5 stdout F \n");
	pump_is(f, "one\npartial\n\n", "bad\n");
	append(f, "no record\n");
	pump_is(f, "one\npartial\n\nno record\n", "bad\n");
}

static void test_log_rotated(void **state)
{
	struct log_fixture *f = *state;
	_cleanup_free_ char *old = xasprintf("%s.1", f->path);

	append(f, "T1 stdout F one\n");
	log_start(f, -1);
	pump_is(f, "one\n", "");
	append(f, "T2 stdout F two\n"); /* unseen before the rotation */
	assert_int_equal(rename(f->path, old), 0);
	append(f, "T3 stdout F three\n");
	pump_is(f, "one\ntwo\nthree\n", "");
}

/* More than a block, so that the search goes back over its edge. */
static void test_log_tail(void **state)
{
	struct log_fixture *f = *state;
	struct err e = ERR_NULL;
	char line[256];
	size_t lines = 0;

	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "T stdout F %0100d\n", i);
		append(f, line);
	}
	log_start(f, 901);
	f->reader.times = true;
	assert_int_equal(log_reader_pump(&f->reader, &e), 0);
	for (const char *p = f->out; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 901);
	assert_memory_equal(f->out, "T 000", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_secrets),
		cmocka_unit_test_setup_teardown(test_log, log_setup, log_teardown),
		cmocka_unit_test_setup_teardown(test_log_rotated, log_setup, log_teardown),
		cmocka_unit_test_setup_teardown(test_log_tail, log_setup, log_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
