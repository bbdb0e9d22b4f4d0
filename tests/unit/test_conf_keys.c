/*
 * test_conf_keys.c - the table of keys: each key takes a fitting value and refuses each other type,
 * printed values are read back; options and variables, with their precedence; reload.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "conf/args.h"
#include "conf/keys.h"
#include "conf/print.h"
#include "conf/renew.h"
#include "conf/value.h"
#include "tests/unit/confkit.h"

static const char *sample_value(enum conf_kind kind)
{
	switch (kind) {
	case CONF_KIND_STRING:
		return "\"\"";
	case CONF_KIND_PATH:
	case CONF_KIND_ADDS:
		return "\"/a\"";
	case CONF_KIND_BOOLEAN:
		return "true";
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
		return "8192";
	case CONF_KIND_LIST:
	case CONF_KIND_PATHS:
		return "[]";
	case CONF_KIND_MAP:
		return "{ a = \"b\" }";
	case CONF_KIND_MANAGER:
		return "\"cgroupfs\"";
	}
	return NULL;
}

/* Names a value that the key accepts and that is not its default. */
static const char *accepted_value(const struct conf_key *k)
{
	static const struct {
		const char *name, *value;
	} special[] = {
		{ "crio.runroot", "\"/b\"" },
		{ "crio.runtime.log_level", "\"trace\"" },
		{ "crio.image.remove_image", "\"untag\"" },
		{ "crio.stats.included_pod_metrics", "[\"cpu\", \"oom\"]" },
		{ "crio.image.image_volumes", "\"bind\"" },
		{ "crio.checkpoint_restore.container_level_enabled", "\"none\"" },
		{ "crio.image.default_transport", "\"docker://\"" },
		{ "crio.runtime.cgroup_prefix", "\"crio\"" },
		{ "crio.api.stream_port", "\"1\"" },
		{ "crio.runtime.default_cgroup_parent", "\"/pods\"" },
		{ "crio.runtime.default_runtime", "\"runc\"" },
		{ "crio.runtime.apparmor_profile", "\"crisp-default\"" },
		{ "crio.runtime.selinux", "false" },
		{ "crio.runtime.bind_mount_prefix", "\"\"" },
		{ "crio.runtime.seccomp_profile", "\"\"" },
		{ "crio.runtime.privileged_seccomp_profile", "\"\"" },
		{ "crio.runtime.runtimes.*.seccomp_profile", "\"\"" },
		{ "crio.runtime.runtimes.*.runtime_path", "\"/bin/sh\"" },
		{ "crio.runtime.runtimes.*.inherit_default_runtime", "false" },
	};

	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (strcmp(special[i].name, k->name) == 0)
			return special[i].value;
	return sample_value(k->kind);
}

/* A line that sets the key, the name any in place of the user's. */
static void add_line(struct buf *text, const struct conf_key *k, const char *value)
{
	const char *star = strchr(k->name, '*');

	if (star)
		buf_printf(text, "%.*sany%s = %s\n", (int)(star - k->name), k->name, star + 1,
			   value);
	else
		buf_printf(text, "%s = %s\n", k->name, value);
}

static void print_whole(const struct conf *c, bool comments, struct buf *out)
{
	*out = BUF_NULL;
	conf_print(c, comments, out);
}

/* Every key there is, in one file twice: those without a reader are listed once, and what is
 * printed is a file with the same values. */
static void test_every_key(void **state)
{
	struct buf text = BUF_NULL, first, second;
	struct err e = ERR_NULL;
	size_t later = 0, told = 0;
	struct conf c;

	for (size_t i = 0; i < conf_n_keys; i++)
		if (conf_keys[i].role != CONF_ROLE_FORMER)
			add_line(&text, &conf_keys[i], accepted_value(&conf_keys[i]));
	for (size_t i = 0; i < conf_n_keys; i++)
		later += conf_keys[i].role == CONF_ROLE_LATER;
	conf_init(&c);
	add_runtime(&c, "runc");
	load_ok(&c, *state, text.data);
	load_ok(&c, *state, text.data);
	assert_null(c.ignored);
	if (conf_finish(&c, &e) < 0)
		fail_msg("%s", e.text);
	while (c.later && c.later[told])
		told++;
	assert_true(later > 25);
	assert_in_range(told, 25, later);
	assert_non_null(strstr(c.later[0], "crio.conf:"));
	print_whole(&c, true, &first);
	conf_done(&c);

	conf_init(&c);
	load_ok(&c, *state, first.data);
	assert_null(c.ignored);
	assert_int_equal(conf_finish(&c, &e), 0);
	print_whole(&c, true, &second);
	assert_string_equal(first.data, second.data);
	buf_done(&first);
	buf_done(&second);
	buf_done(&text);
	conf_done(&c);
}

/* The defaults, printed, are a file that changes nothing and without a finding. */
static void test_print_defaults(void **state)
{
	struct buf first, second;
	struct err e = ERR_NULL;
	struct conf c;

	conf_init(&c);
	add_runtime(&c, "runc");
	print_whole(&c, true, &first);
	load_ok(&c, *state, first.data);
	print_whole(&c, true, &second);
	assert_string_equal(first.data, second.data);
	assert_int_equal(conf_finish(&c, &e), 0);
	assert_null(c.ignored);
	assert_null(c.later);
	buf_done(&first);
	buf_done(&second);
	conf_done(&c);
}

/* Each key with a value of each other type: one error that names file, line and key. */
static void test_wrong_types(void **state)
{
	static const char *const values[] = { "\"text\\u0001\"", "1", "1.5", "true", "[1]", "[[]]",
					      "{ a = [1] }" };

	for (size_t i = 0; i < conf_n_keys * ARRAY_LEN(values); i++) {
		const struct conf_key *k = &conf_keys[i / ARRAY_LEN(values)];
		const char *last = strrchr(k->name, '.') + 1;
		struct buf text = BUF_NULL;
		struct err e = ERR_NULL;
		struct conf c;

		add_line(&text, k, values[i % ARRAY_LEN(values)]);
		conf_init(&c);
		if (load(&c, *state, text.data, &e) < 0) {
			if (!strstr(e.text, "crio.conf:1: crio.") || !strstr(e.text, last))
				fail_msg("%s: %s", text.data, e.text);
			assert_string_equal(c.errors[0], e.text);
			assert_null(c.errors[1]);
		} else {
			/* Only what has a string, an integer, a boolean or any value at all. */
			assert_true(k->role == CONF_ROLE_FORMER || k->kind == CONF_KIND_STRING ||
				    k->kind == CONF_KIND_INTEGER || k->kind == CONF_KIND_SIZE ||
				    k->kind == CONF_KIND_BOOLEAN);
		}
		buf_done(&text);
		conf_done(&c);
	}
}

static void finished(struct conf *c, const struct dir *d, const char *text)
{
	struct err e = ERR_NULL;

	conf_init(c);
	add_runtime(c, "runc");
	load_ok(c, d, text);
	if (conf_finish(c, &e) < 0)
		fail_msg("%s", e.text);
}

/* The printed configuration is a file with the same meaning. */
static void test_print(void **state)
{
	_cleanup_buf_ struct buf first = BUF_NULL, second = BUF_NULL;
	struct conf c;

	finished(&c, *state,
		 "[crio.runtime]\nlog_level = \"debug\"\npids_limit = 77\n"
		 "default_env = [\"A=\\\"b\\\\c\\\"\", \"B=\\u0009\"]\n"
		 "[crio.runtime.runtimes.\"a.b\"]\nruntime_path = \"/bin/sh\"\n");
	conf_print(&c, false, &first);
	conf_done(&c);
	assert_non_null(strstr(first.data, "pids_limit = 77\n"));
	assert_non_null(strstr(first.data, "cgroup_manager = \"cgroupfs\"\n"));
	assert_non_null(strstr(first.data, "[crio.runtime.runtimes.\"a.b\"]\n"));
	finished(&c, *state, first.data);
	conf_print(&c, false, &second);
	conf_done(&c);
	assert_string_equal(first.data, second.data);
}

/* --- options and variables --- */

#define ARGS_MAX 16

/* Parse the words behind "crispd"; NULL ends them. */
static int parse(struct conf_args *a, struct err *e, ...)
{
	static char words[ARGS_MAX][128];
	char *argv[ARGS_MAX + 1] = { "crispd" };
	const char *word;
	int argc = 1;
	va_list ap;

	va_start(ap, e);
	while ((word = va_arg(ap, const char *))) {
		snprintf(words[argc], sizeof(words[argc]), "%s", word);
		argv[argc] = words[argc];
		argc++;
	}
	va_end(ap);
	return conf_args_parse(a, argc, argv, e);
}

static void test_args(void **state)
{
	struct err e = ERR_NULL;
	struct conf_args a;

	(void)state;
	assert_int_equal(parse(&a, &e, "--repair", "-c", "/f", "--config-dir=", "--log-format",
			       "text", "config", "--default=false", NULL),
			 0);
	assert_true(conf_args_has(&a, CONF_OPTION_REPAIR));
	assert_false(conf_args_has(&a, CONF_OPTION_DEFAULT));
	assert_false(conf_args_has(&a, CONF_OPTION_STRICT_CONFIG));
	assert_string_equal(conf_args_value(&a, CONF_OPTION_CONFIG), "/f");
	assert_string_equal(conf_args_value(&a, CONF_OPTION_CONFIG_DIR), "");
	assert_string_equal(a.command, "config");
	conf_args_done(&a);
}

static void test_args_refused(void **state)
{
	static const struct {
		const char *words[3], *want;
	} cases[] = {
		{ { "--log-lev", "info" }, "unknown option --log-lev; did you mean --log-level?" },
		{ { "--lo", "x" }, "unknown option --lo; did you mean --log?" },
		{ { "--nothing-like-it" }, "unknown option --nothing-like-it" },
		{ { "---root", "/x" }, "unknown option ---root" },
		{ { "--" }, "unknown option --" },
		{ { "--root" }, "--root needs a value" },
		{ { "-l" }, "-l needs a value" },
		{ { "serve" }, "unexpected argument \"serve\"" },
		{ { "config", "config" }, "unexpected argument \"config\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_NULL;
		struct conf_args a;

		assert_int_equal(parse(&a, &e, cases[i].words[0], cases[i].words[1], NULL),
				 -ERR_INVALID);
		if (strncmp(e.text, cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("wanted %s\n got   %s", cases[i].want, e.text);
		conf_args_done(&a);
	}
}

/* Option over variable over file over default; a fallback variable below the file. */
static void test_precedence(void **state)
{
	const struct dir *d = *state;
	_cleanup_free_ char *path = xasprintf("%s/crio.conf", d->path);
	struct err e = ERR_NULL;
	struct conf_args a;
	struct conf c;

	put(d, "crio.conf",
	    "[crio.runtime]\npids_limit = 1\nlog_size_max = 8192\nread_only = false\n"
	    "[crio.image]\nglobal_auth_file = \"/file\"\n"
	    "[crio.network]\nplugin_dirs = [\"/file\"]\n");
	setenv("CONTAINER_CONFIG", path, 1);
	setenv("CONTAINER_CONFIG_DIR", "/nonexistent", 1);
	setenv("CONTAINER_PIDS_LIMIT", "2", 1);
	setenv("CONTAINER_LOG_SIZE_MAX", "9000", 1);
	setenv("CONTAINER_READ_ONLY", "T", 1);
	setenv("CONTAINER_CNI_PLUGIN_DIR", "/v1,/v2", 1);
	setenv("CONTAINER_METRICS_HOST", "", 1);
	setenv("CONTAINER_RUNTIMES", "one:/bin/sh,two:/bin/sh:/r", 1);
	setenv("CONTAINER_INCLUDED_POD_METRCIS", "cpu", 1);
	setenv("CONTAINERS_REGISTRIES_CONF", "/etc/r.conf", 1);
	setenv("REGISTRY_AUTH_FILE", "/fallback", 1);
	conf_init(&c);
	add_runtime(&c, "runc");
	assert_int_equal(parse(&a, &e, "-pids-limit=3", "--cni-plugin-dir", "/o1",
			       "--cni-plugin-dir", "/o2", "--tz", "Local", "-l", "debug",
			       "--selinux=false", "--runtimes", "three:/bin/sh", NULL),
			 0);
	if (conf_args_apply(&a, &c, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(c.pids_limit, 3);
	assert_int_equal(c.log_size_max, 9000);
	assert_true(c.read_only);
	assert_string_equal(c.plugin_dirs[0], "/o1");
	assert_string_equal(c.plugin_dirs[1], "/o2");
	assert_null(c.plugin_dirs[2]);
	assert_string_equal(c.metrics_host, "127.0.0.1");
	assert_string_equal(c.timezone, "Local");
	assert_string_equal(c.log_level, "debug");
	assert_non_null(conf_runtime_find(&c, "one"));
	assert_string_equal(conf_runtime_find(&c, "two")->root, "/r");
	assert_non_null(conf_runtime_find(&c, "three"));
	assert_string_equal(c.included_pod_metrics[0], "cpu");
	assert_string_equal(c.registries_conf, "/etc/r.conf");
	assert_string_equal(c.global_auth_file, "/file");
	conf_args_done(&a);
	conf_done(&c);

	setenv("CONTAINER_PIDS_LIMIT", "many", 1);
	conf_init(&c);
	assert_int_equal(parse(&a, &e, NULL), 0);
	assert_int_equal(conf_args_apply(&a, &c, &e), -ERR_INVALID);
	assert_string_equal(e.text, "CONTAINER_PIDS_LIMIT: crio.runtime.pids_limit: \"many\" must "
				    "be a number");
	conf_args_done(&a);
	conf_done(&c);
	clearenv();
}

/* --- reload --- */

static bool has(char *const *list, const char *text)
{
	for (; list && *list; list++)
		if (strcmp(*list, text) == 0)
			return true;
	return false;
}

static const char before[] = "[crio]\nroot = \"/a\"\n[crio.runtime]\nlog_level = \"warn\"\n"
			     "[crio.image]\npinned_images = [\"a\", \"b\"]\n"
			     "[crio.runtime.runtimes.gone]\nruntime_path = \"/bin/sh\"\n"
			     "[crio.runtime.runtimes.kept]\nruntime_path = \"/bin/sh\"\n"
			     "runtime_root = \"/r\"\ncontainer_create_timeout = 50\n";
static const char after[] = "[crio]\nroot = \"/b\"\n[crio.runtime]\nlog_level = \"debug\"\n"
			    "default_runtime = \"new\"\n"
			    "[crio.image]\npinned_images = [\"a\"]\n"
			    "[crio.runtime.runtimes.new]\nruntime_path = \"/bin/sh\"\n"
			    "[crio.runtime.runtimes.kept]\nruntime_path = \"/bin/sh\"\n"
			    "runtime_root = \"/other\"\ncontainer_create_timeout = 60\n";

static void test_reload(void **state)
{
	const struct dir *d = *state;
	_cleanup_free_ char *path = xasprintf("%s/crio.conf", d->path);
	struct conf_news news;
	struct err e = ERR_NULL;
	struct conf_args a;
	struct conf now, next;

	put(d, "crio.conf", before);
	assert_int_equal(parse(&a, &e, "--config", path, "--config-dir=", "--runtimes",
			       "runc:/bin/sh", "--pids-limit=7", NULL),
			 0);
	conf_init(&now);
	assert_int_equal(conf_args_apply(&a, &now, &e), 0);
	assert_int_equal(conf_renew(&now, &a, &next, &news, &e), 0);
	assert_null(news.changed);
	assert_null(news.restart);
	conf_done(&next);

	put(d, "crio.conf", after);
	assert_int_equal(conf_renew(&now, &a, &next, &news, &e), 0);
	assert_int_equal(conf_list_len(news.changed), 5);
	assert_true(has(news.changed, "crio.runtime.log_level"));
	assert_true(has(news.changed, "crio.image.pinned_images"));
	assert_true(has(news.changed, "crio.runtime.default_runtime"));
	assert_true(has(news.changed, "crio.runtime.runtimes.new"));
	assert_true(has(news.changed, "crio.runtime.runtimes.kept.container_create_timeout"));
	assert_int_equal(conf_list_len(news.restart), 3);
	assert_true(has(news.restart, "crio.root"));
	assert_true(has(news.restart, "crio.runtime.runtimes.gone"));
	assert_true(has(news.restart, "crio.runtime.runtimes.kept.runtime_root"));
	assert_string_equal(next.root, "/a");
	assert_string_equal(next.log_level, "debug");
	assert_int_equal(next.pids_limit, 7);
	assert_string_equal(next.pinned_images[0], "a");
	assert_null(next.pinned_images[1]);
	assert_string_equal(conf_runtime_find(&next, NULL)->name, "new");
	assert_string_equal(conf_runtime_find(&next, "kept")->root, "/r");
	assert_int_equal(conf_runtime_find(&next, "kept")->container_create_timeout, 60);
	assert_string_equal(conf_runtime_find(&next, "gone")->path, "/bin/sh");
	conf_news_done(&news);
	conf_done(&next);

	put(d, "crio.conf", "[crio.runtime]\nlog_level = \"debug\"\npids_limit = \"x\"\n");
	assert_int_equal(conf_renew(&now, &a, &next, &news, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "crio.conf:3: crio.runtime.pids_limit"));
	conf_news_done(&news);
	conf_done(&next);
	put(d, "crio.conf", "[crio]\nrunroot = \"/elsewhere\"\n");
	assert_int_equal(conf_renew(&now, &a, &next, &news, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "crio.conf:2: crio.runroot: /run/crisp is in force"));
	conf_news_done(&news);
	conf_done(&next);
	conf_args_done(&a);
	conf_done(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_print_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_print, setup, teardown),
		cmocka_unit_test_setup_teardown(test_args, setup, teardown),
		cmocka_unit_test_setup_teardown(test_args_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_precedence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
