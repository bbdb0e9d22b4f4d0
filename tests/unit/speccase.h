/*
 * speccase.h - cases of the spec builder as data: a change of a plain request, and facts of the
 * config.json that it gives, or its error.
 */
#pragma once

#include "base/buf.h"
#include "base/fs.h"
#include "tests/unit/specjson.h"

/* What every case starts from; members of a case are put over it, objects member by member. */
static const char base[] =
	"{'cgroups_path':'/test/c','netns':'/ns/net','ipcns':'/ns/ipc','utsns':'/ns/uts',"
	"'shm':'@/shm','features':{'rro':true},'host':{'bounding':2199023255551,'seccomp':true,"
	"'apparmor':false,'selinux':false,'rro':true,'cgroup_v2':false,'swap':true,'hugetlb':true,"
	"'may_raise_limits':true,'oom_score_adj_min':-1000},"
	"'sandbox':{'metadata':{'name':'pod','uid':'u','namespace':'n'},'linux':{'security_context'"
	":{"
	"'namespace_options':{'pid':'CONTAINER'}}}},"
	"'config':{'metadata':{'name':'ctr'},'command':['/bin/"
	"true'],'linux':{'security_context':{}}}}";

static char scratch[] = "/tmp/crisp-spec-XXXXXX";

/* Cases are written with single quotes, and @ for the scratch directory. */
static json_t *parse(const char *text)
{
	struct buf out = BUF_NULL;
	json_error_t why;
	json_t *json;

	for (; *text; text++) {
		if (*text == '@')
			buf_puts(&out, scratch);
		else
			buf_add(&out, *text == '\'' ? "\"" : text, 1);
	}
	json = json_loads(out.data, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (!json)
		fail_msg("%s in %s", why.text, out.data);
	buf_done(&out);
	return json;
}

static void merge(json_t *into, json_t *from)
{
	const char *key;
	json_t *value, *old;

	json_object_foreach(from, key, value)
	{
		old = json_object_get(into, key);
		if (json_is_object(value) && json_is_object(old))
			merge(old, value);
		else if (json_is_null(value))
			json_object_del(into, key);
		else
			json_object_set(into, key, value);
	}
}

/* A member of a value: words separated by spaces, each a key, a number, or KEY=VALUE for the
 * element of an array that has that member.  "#" is the number of elements. */
static json_t *look_up(json_t *json, const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);
	char *rest = copy, *word;

	while (json && (word = strsep(&rest, " "))) {
		char *equal = strchr(word, '=');
		json_t *found = NULL, *item;
		size_t i;

		if (strcmp(word, "#") == 0)
			return json_integer((json_int_t)json_array_size(json));
		if (json_is_object(json)) {
			json = json_object_get(json, word);
			continue;
		}
		if (equal)
			*equal++ = '\0';
		json_array_foreach(json, i, item)
		{
			const char *text = json_string_value(json_object_get(item, word));

			if (equal ? text && strcmp(text, equal) == 0 : i == (size_t)atoll(word))
				found = item;
		}
		json = found;
	}
	return json_incref(json);
}

struct fact {
	const char *path, *value; /* JSON with single quotes; "" means there is no such member */
};

#define FACTS_MAX 8

struct spec_case {
	const char *change;
	const char *error; /* part of the text; NULL: success */
	enum err_code code;
	struct fact facts[FACTS_MAX];
};

static void check_fact(const struct spec_case *sc, json_t *config, const struct fact *fact)
{
	json_t *got = look_up(config, fact->path);
	json_t *want = *fact->value ? parse(fact->value) : NULL;

	if (!want ? got != NULL : !got || !json_equal(got, want)) {
		char *text = got ? json_dumps(got, JSON_ENCODE_ANY) : xstrdup("nothing");

		fail_msg("%s\n%s is %s, expected %s", sc->change, fact->path, text, fact->value);
	}
	json_decref(got);
	json_decref(want);
}

static void check_case(const struct spec_case *sc)
{
	json_t *input = parse(base), *change = parse(sc->change), *config;
	struct oci_spec spec = OCI_SPEC_NULL;
	struct err e = ERR_NULL;
	struct specjson s;
	char *text;
	int r;

	merge(input, change);
	if (!json_object_get(input, "rootfs")) {
		_cleanup_free_ char *rootfs = xasprintf("%s/rootfs", scratch);

		json_object_set_new(input, "rootfs", json_string(rootfs));
	}
	text = json_dumps(input, 0);
	specjson_load(&s, text);
	r = oci_spec_build(&s.in, &spec, &e);
	if (sc->error) {
		if (r >= 0)
			fail_msg("%s\nexpected an error with \"%s\"", sc->change, sc->error);
		if (!strstr(e.text, sc->error))
			fail_msg("%s\nfails with \"%s\"", sc->change, e.text);
		assert_int_equal(e.code, sc->code);
		assert_null(spec.config_json);
	} else {
		if (r < 0)
			fail_msg("%s\nfails with \"%s\"", sc->change, e.text);
		config = json_object();
		json_object_set_new(config, "spec", json_loads(spec.config_json, 0, NULL));
		json_object_set_new(config, "warning",
				    json_string(spec.warnings ? spec.warnings[0] : ""));
		json_object_set_new(config, "stop", json_integer(spec.stop_signal));
		json_object_set_new(config, "own_pid", json_boolean(spec.own_pid_ns));
		json_object_set_new(config, "may_trace", json_boolean(spec.may_trace));
		for (size_t i = 0; i < FACTS_MAX && sc->facts[i].path; i++)
			check_fact(sc, config, &sc->facts[i]);
		json_decref(config);
	}
	oci_spec_done(&spec);
	specjson_done(&s);
	free(text);
	json_decref(input);
	json_decref(change);
}

static void check_cases(const struct spec_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_case(&cases[i]);
}

#define FAILS(c, text) .error = (text), .code = (c)
#define P "spec process "
#define L "spec linux "

static void put_file(const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", scratch, name);
	struct err e = ERR_NULL;

	assert_int_equal(fs_replace_file(path, text, strlen(text), 0644, false, &e), 0);
}
