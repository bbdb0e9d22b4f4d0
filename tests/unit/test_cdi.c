/*
 * test_cdi.c - CDI specification files: good and bad ones by their names (tests/fuzz/corpus), the
 * field that is wrong, hostile YAML and JSON in bounded time, precedence of directories, conflicts,
 * and that only changed files are read again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "cdi/name.h"
#include "cdi/catalog.h"
#include "cdi/yaml.h"
#include "scratch.h"

#define CORPUS "tests/fuzz/corpus/fuzz_cdi"
#define CPU_MAX_NS (10 * NSEC_PER_SEC) /* with sanitizers; else less than one */

static struct scratch dir;

/* --- one file ------------------------------------------------------------------------------- */

static int parse(const char *name, const char *text, size_t size, struct err *e)
{
	_cleanup_free_ char *kind = NULL;
	json_t *root = NULL;
	int r = cdi_file_parse(name, text, size, &root, &kind, e);

	assert_true(r == 0 ? root && kind : !root && e->text[0]);
	json_decref(root);
	return r;
}

static int judge(const char *path, const char *name, void *arg, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	bool good = str_starts(name, "good-");
	struct err why = ERR_NULL;
	unsigned *n = arg;

	if (!good && !str_starts(name, "bad-"))
		return 0;
	n[good]++;
	assert_int_equal(fs_read_file(path, LIMIT_CDI_FILE, &text, e), 0);
	if ((parse(name, text.data, text.len, &why) == 0) != good)
		fail_msg("%s: %s", name, good ? why.text : "was accepted");
	return 0;
}

static void judges_files(void **state)
{
	unsigned n[2] = { 0, 0 };
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(fs_each(CORPUS, judge, n, &e), 0);
	assert_true(n[0] >= 25 && n[1] >= 25);
}

#define HEAD "cdiVersion: 0.5.0\nkind: v.com/d\ndevices:\n- name: a\n  containerEdits:\n"

static void names_the_field(void **state)
{
	static const struct {
		const char *name, *text, *error;
	} cases[] = {
		{ "a.yaml", HEAD "    env: [A=b]\n    mounts: [{hostPath: /a}]\n",
		  "devices[0].containerEdits.mounts[0].containerPath: is missing" },
		{ "a.yaml", HEAD "    deviceNodes: [{path: ''}]\n",
		  "deviceNodes[0].path: must not be empty" },
		{ "a.yaml", HEAD "    deviceNodes: [{path: /a, uid: -1}]\n",
		  "deviceNodes[0].uid: -1 must be an id below 2^32" },
		{ "a.yaml", HEAD "    additionalGids: [5]\n",
		  "additionalGids: needs cdiVersion 0.7.0 or later, and the file has 0.5.0" },
		{ "a.yaml", HEAD "    enV: [A=b]\n    env: [A=b]\n",
		  "containerEdits.enV: is not a field of CDI" },
		{ "a.yaml", HEAD "    env: {A: b}\n", "containerEdits.env: must be a list" },
		{ "a.yaml", HEAD "    env: [A=b]\n- name: a\n  containerEdits: {env: [A=b]}\n",
		  "devices[1].name: \"a\" is there twice" },
		{ "a.yaml", HEAD "    env: [A=b]\n    env: [A=c]\n",
		  "line 7: \"env\" is there twice" },
		{ "a.yaml", "cdiVersion: 9.9.9\nkind: v.com/d\nnew: field\n",
		  "cdiVersion: \"9.9.9\" must be a version from 0.3.0 to 1.1.0" },
		{ "a.yaml", "[]", "file: must be an object" },
		{ "a.yaml", "a: [\n", "line 2: " },
		{ "a.yaml", "", "the file is empty" },
		{ "a.yaml", "a: 1\n---\nb: 1\n", "line 2: a second document" },
		{ "a.yaml", "a: *b\n", "line 1: an alias without an anchor" },
		{ "a.yaml", "a: &a [*a]\n", "line 1: an alias inside its own anchor" },
		{ "a.yaml", "a: !!binary aGk=\n", "a tag other than !!str" },
		{ "a.yaml", "a: !custom {b: c}\n", "a tag other than !!str" },
		{ "a.yaml", "? [a]\n: b\n", "a key that is not a plain name" },
		{ "a.yaml", "<<: 1\n", "\"<<\" without a mapping" },
		{ "a.yaml", "a: \"x\\0y\"\n", "a NUL in a text" },
		{ "a.yaml", "a: \xff\n", "line 1: " },
		{ "a.json", "{\"a\":1,}", "line 1: " },
		{ "a.json", "{\"a\":1,\"a\":2}", "duplicate object key" },
		/* Stricter than other readers: what the specification asks for. */
		{ "a.json",
		  "{\"cdiVersion\":\"0.5.0\",\"kind\":\"v.com/d\",\"devices\":[{\"name\":0}]}",
		  "devices[0].name: must be a text" },
		{ "a.yaml", HEAD "    hooks: [{hookName: prestart, path: bin/x}]\n",
		  "hooks[0].path: \"bin/x\" must be an absolute path" },
		{ "a.yaml", HEAD "    hooks: [{hookName: prestart, path: /x, timeout: 0}]\n",
		  "hooks[0].timeout: 0 must be seconds, 1 or more" },
		{ "a.yaml", HEAD "    deviceNodes: [{path: /a, major: 4294967296}]\n",
		  "major: 4294967296 must be a device number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_NULL;

		if (parse(cases[i].name, cases[i].text, strlen(cases[i].text), &e) == 0)
			fail_msg("%s was accepted", cases[i].text);
		if (!strstr(e.text, cases[i].error) || e.code != ERR_INVALID)
			fail_msg("%s\nfails with \"%s\"", cases[i].text, e.text);
	}
}

/* The value of a text member below "devices" in YAML, as JSON has it. */
static void reads_yaml_as_json(void **state)
{
	static const char text[] =
		"cdiVersion: 0.5.0\n"
		"kind: v.com/d\n"
		"devices:\n"
		"- name: 007\n"
		"  containerEdits: &e\n"
		"    deviceNodes: [{path: /dev/a, fileMode: 0o660, minor: 0x10, major: 010}]\n"
		"    env: ['A=b', &x B=c]\n"
		"- name: true\n"
		"  containerEdits:\n"
		"    <<: *e\n"
		"    env: [*x]\n"
		"    hooks: ~\n";
	static const char json[] =
		"{\"cdiVersion\":\"0.5.0\",\"kind\":\"v.com/d\",\"devices\":[{\"name\":\"007\","
		"\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/dev/a\",\"fileMode\":432,"
		"\"minor\":16,\"major\":8}],\"env\":[\"A=b\",\"B=c\"]}},{\"name\":\"true\","
		"\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/dev/a\",\"fileMode\":432,"
		"\"minor\":16,\"major\":8}],\"env\":[\"B=c\"],\"hooks\":null}}]}";
	json_t *got = NULL, *want = json_loads(json, 0, NULL);
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(cdi_yaml_read(text, strlen(text), &got, &e), 0);
	assert_true(json_equal(got, want));
	json_decref(got);
	json_decref(want);
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static void check_hostile(const char *name, struct buf *text, const char *error)
{
	int64_t begin = cpu_ns();
	struct err e = ERR_NULL;

	assert_true(text->len <= LIMIT_CDI_FILE);
	assert_true(parse(name, text->data, text->len, &e) < 0);
	if (error && !strstr(e.text, error))
		fail_msg("fails with \"%s\", expected \"%s\"", e.text, error);
	assert_true(cpu_ns() - begin < CPU_MAX_NS);
	buf_done(text);
}

static void bounds_hostile_text(void **state)
{
	const size_t max = LIMIT_CDI_FILE - 256;
	struct buf b = BUF_NULL;

	(void)state;
	buf_puts(&b, "x: &x 1\ny: [");
	while (b.len < max)
		buf_puts(&b, "*x,");
	buf_puts(&b, "*x]\n");
	check_hostile("a.yaml", &b, "too many values");
	buf_puts(&b, "x: &x '");
	while (b.len < max / 2)
		buf_puts(&b, "large text");
	buf_puts(&b, "'\ny: [");
	while (b.len < max)
		buf_puts(&b, "*x,");
	buf_puts(&b, "*x]\n");
	check_hostile("a.yaml", &b, "too many values");
	for (int i = 0; b.len < max; i++)
		buf_printf(&b, "k%d: &a%d x\n", i, i);
	check_hostile("a.yaml", &b, "too many anchors");
	/* Each anchor nests the one before. */
	buf_puts(&b, "a0: &a0 [x]\n");
	for (int i = 1; i < 2000; i++)
		buf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	check_hostile("a.yaml", &b, "too many levels");
	while (b.len < max)
		buf_puts(&b, "[");
	check_hostile("a.yaml", &b, "too many levels");
	while (b.len < max)
		buf_puts(&b, "- ");
	check_hostile("a.yaml", &b, "too many levels");
	while (b.len < max)
		buf_puts(&b, "? ");
	check_hostile("a.yaml", &b, NULL);
	buf_puts(&b, "a: \"");
	while (b.len < max)
		buf_puts(&b, "\\x41");
	check_hostile("a.yaml", &b, NULL);
	while (b.len < max)
		buf_puts(&b, "[");
	check_hostile("a.json", &b, "more than 32 levels");
	buf_puts(&b, "[0");
	while (b.len < max)
		buf_puts(&b, ",0");
	buf_puts(&b, "]");
	check_hostile("a.json", &b, "must be an object");
	for (int i = 0; b.len < max; i++)
		buf_printf(&b, "%s\"%d\":0", i ? "," : "{", i);
	buf_puts(&b, "}");
	check_hostile("a.json", &b, "cdiVersion: is missing");
}

static void checks_names(void **state)
{
	static const char *const good[] = { "v.com/c=d", "V/c=0", "a-b_c.d/e.f-g=h:i.j-k_l" };
	static const char *const bad[] = { "",	       "d",	 "/dev/full", "v.com=d", "v.com/c",
					   "v.com/c=", "/c=d",	 "v.com/=d",  "1v/c=d",	 "v/1c=d",
					   "v./c=d",   "v/c-=d", "v/c=-d",    "v/c=d:",	 "v/c=d=e",
					   "v/c=d e",  "v/a/c=d" };
	struct err e = ERR_NULL;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(cdi_name_check(good[i], &n, &e), 0);
	assert_int_equal(n, strlen("a-b_c.d/e.f-g"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(cdi_name_check(bad[i], &n, &e) < 0);
}

/* --- directories ---------------------------------------------------------------------------- */

static char *dirs[3];

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = scratch_file(&dir, name);
	struct err e = ERR_NULL;

	assert_int_equal(fs_replace_file(path, text, strlen(text), 0644, false, &e), 0);
}

static void drop(const char *name)
{
	_cleanup_free_ char *path = scratch_file(&dir, name);

	assert_int_equal(unlink(path), 0);
}

#define FILE_OF(kind, device) \
	"cdiVersion: 0.5.0\nkind: " kind "\ndevices:\n- name: " device \
	"\n  containerEdits: {env: [A=b]}\n"

struct noted {
	unsigned n;
	char text[ERR_TEXT_MAX]; /* of the last one */
};

static void note(const struct err *e, void *arg)
{
	struct noted *noted = arg;

	noted->n++;
	memcpy(noted->text, e->text, sizeof(noted->text));
}

static struct noted errors_of(const struct cdi_catalog *r, const struct cdi_catalog *old)
{
	struct noted noted = { .n = 0 };

	cdi_catalog_errors(r, old, note, &noted);
	return noted;
}

/* Replace *r by what the directories have now. */
static void read_again(struct cdi_catalog **r)
{
	struct cdi_catalog *now = cdi_catalog_read(dirs, *r);

	cdi_catalog_unref(*r);
	*r = now;
}

static const char *file_of(const struct cdi_catalog *r, const char *name)
{
	const struct cdi_device *d = NULL;
	struct err e = ERR_NULL;

	if (cdi_catalog_find(r, name, &d, &e) < 0)
		return "";
	return d->file->path + strlen(dir.path) + 1;
}

static void fails_with(const struct cdi_catalog *r, const char *name, const char *text)
{
	const struct cdi_device *d = NULL;
	struct err e = ERR_NULL;

	assert_true(cdi_catalog_find(r, name, &d, &e) < 0);
	if (!strstr(e.text, text))
		fail_msg("%s fails with \"%s\", expected \"%s\"", name, e.text, text);
}

static void prefers_later_directories(void **state)
{
	struct cdi_catalog *r = NULL;
	struct noted noted;

	(void)state;
	put("one/a.yaml", FILE_OF("v.com/d", "x"));
	put("one/b.yaml", FILE_OF("v.com/d", "y"));
	read_again(&r);
	assert_string_equal(file_of(r, "v.com/d=x"), "one/a.yaml");
	put("two/z.json", "{\"cdiVersion\":\"0.5.0\",\"kind\":\"v.com/d\",\"devices\":[{\"name\":"
			  "\"x\",\"containerEdits\":{\"env\":[\"A=c\"]}}]}");
	read_again(&r);
	assert_string_equal(file_of(r, "v.com/d=x"), "two/z.json");
	assert_string_equal(file_of(r, "v.com/d=y"), "one/b.yaml");
	drop("two/z.json");
	/* The same device twice in one directory. */
	put("one/c.yaml", FILE_OF("v.com/d", "x"));
	read_again(&r);
	fails_with(r, "v.com/d=x", "one/a.yaml and ");
	fails_with(r, "v.com/d=x", "one/c.yaml");
	assert_string_equal(file_of(r, "v.com/d=y"), "one/b.yaml");
	noted = errors_of(r, NULL);
	assert_int_equal(noted.n, 1);
	assert_non_null(strstr(noted.text, "in both"));
	/* A later directory decides. */
	put("two/z.yaml", FILE_OF("v.com/d", "x"));
	read_again(&r);
	assert_string_equal(file_of(r, "v.com/d=x"), "two/z.yaml");
	cdi_catalog_unref(r);
}

static void a_bad_file_costs_its_devices(void **state)
{
	struct cdi_catalog *r = NULL, *before;
	struct noted noted;

	(void)state;
	put("one/a.yaml", FILE_OF("v.com/d", "x"));
	put("one/bad.yaml", FILE_OF("w.com/d", "x y"));
	put("one/worse.yaml", "[");
	put("one/skipped.yml", "[");
	read_again(&r);
	assert_string_equal(file_of(r, "v.com/d=x"), "one/a.yaml");
	fails_with(r, "w.com/d=x", "bad.yaml: devices[0].name: \"x y\" must be");
	/* Its kind could be any. */
	fails_with(r, "u.com/d=x", "worse.yaml: line ");
	noted = errors_of(r, NULL);
	assert_int_equal(noted.n, 2);
	/* Told once: the same errors are not new. */
	before = cdi_catalog_ref(r);
	read_again(&r);
	assert_int_equal(errors_of(r, before).n, 0);
	put("one/worse.yaml", "]");
	read_again(&r);
	assert_int_equal(errors_of(r, before).n, 1);
	cdi_catalog_unref(before);
	drop("one/worse.yaml");
	drop("one/bad.yaml");
	read_again(&r);
	assert_int_equal(errors_of(r, NULL).n, 0);
	fails_with(r, "v.com/d=nosuch", "of its kind describes it");
	fails_with(r, "nosuch.com/d=x", "no CDI specification of kind nosuch.com/d");
	cdi_catalog_unref(r);
}

static void trusts_root_only(void **state)
{
	_cleanup_free_ char *path = scratch_file(&dir, "one/a.yaml"),
			    *way = scratch_file(&dir, "one");
	_cleanup_free_ char *pipe = scratch_file(&dir, "one/pipe.yaml");
	_cleanup_free_ char *folder = scratch_file(&dir, "one/folder.yaml");
	_cleanup_free_ char *link = scratch_file(&dir, "one/link.yaml");
	struct cdi_catalog *r = NULL;

	(void)state;
	put("one/a.yaml", FILE_OF("v.com/d", "x"));
	assert_int_equal(chmod(path, 0666), 0);
	read_again(&r);
	fails_with(r, "v.com/d=x", "chmod go-w");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(way, 0777), 0);
	read_again(&r);
	fails_with(r, "v.com/d=x", "chmod go-w");
	assert_int_equal(chmod(way, 0755), 0);
	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(symlink("/dev/zero", link), 0);
	read_again(&r);
	assert_string_equal(file_of(r, "v.com/d=x"), "one/a.yaml");
	assert_int_equal(errors_of(r, NULL).n, 2);
	cdi_catalog_unref(r);
}

static void reads_only_changes(void **state)
{
	_cleanup_free_ char *path = scratch_file(&dir, "one/a.yaml");
	struct cdi_catalog *r = NULL, *first;
	struct noted noted;
	struct buf large = BUF_NULL;

	(void)state;
	put("one/a.yaml", FILE_OF("v.com/d", "x"));
	for (size_t i = 0; i <= LIMIT_CDI_FILE; i++)
		buf_puts(&large, "#");
	put("one/large.yaml", large.data);
	buf_done(&large);
	poll(NULL, 0,
	     1100); /* a file as young as its time stamp's granularity is always read again */
	read_again(&r);
	first = cdi_catalog_ref(r);
	read_again(&r);
	assert_ptr_equal(r, first);
	noted = errors_of(r, NULL);
	assert_int_equal(noted.n, 1);
	assert_non_null(strstr(noted.text, "is larger than"));
	/* The same size, and the time of before. */
	assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
	read_again(&r);
	assert_ptr_not_equal(r, first);
	cdi_catalog_unref(first);
	first = cdi_catalog_ref(r);
	put("one/a.yaml", FILE_OF("v.com/d", "y"));
	read_again(&r);
	assert_ptr_not_equal(r, first);
	assert_string_equal(file_of(r, "v.com/d=x"), "");
	assert_string_equal(file_of(r, "v.com/d=y"), "one/a.yaml");
	assert_string_equal(file_of(first, "v.com/d=x"), "one/a.yaml");
	cdi_catalog_unref(first);
	cdi_catalog_unref(r);
}

static int setup(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	scratch_make(&dir);
	for (int i = 0; i < 2; i++) {
		dirs[i] = scratch_file(&dir, i ? "two" : "one");
		assert_int_equal(fs_mkdir_all(dirs[i], 0755, &e), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		free(take_ptr(dirs[i]));
	scratch_drop(&dir);
	return 0;
}

#define IN_DIRS(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_files),	       cmocka_unit_test(names_the_field),
		cmocka_unit_test(reads_yaml_as_json),  cmocka_unit_test(bounds_hostile_text),
		cmocka_unit_test(checks_names),	       IN_DIRS(prefers_later_directories),
		IN_DIRS(a_bad_file_costs_its_devices), IN_DIRS(trusts_root_only),
		IN_DIRS(reads_only_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
