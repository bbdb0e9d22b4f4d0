/*
 * set.c - values from flags and variables.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "conf/apply.h"

/* NAME:PATH[:ROOT[:TYPE[:...]]], the fields of CRI-O's option. */
static int set_runtime(struct conf *c, const struct conf_source *src, const char *value,
		       struct err *e)
{
	static const char *const fields[] = {
		"runtime_path",	       "runtime_root",
		"runtime_type",	       "privileged_without_host_devices",
		"runtime_config_path", "container_min_memory"
	};
	_cleanup_free_ char *copy = xstrdup(value);
	char *rest = copy, *name = strsep(&rest, ":");
	struct toml v = { .type = TOML_TYPE_STRING };

	if (!conf_runtime_name_is_valid(name) || !rest)
		return conf_value_fail(src, &v, e, "\"%s\" must be NAME:PATH[:ROOT[:TYPE[:...]]]",
				       value);
	for (size_t i = 0; rest; i++) {
		_cleanup_free_ char *key = NULL;
		const char *field = strsep(&rest, ":");
		int r;

		if (i == ARRAY_LEN(fields))
			return conf_value_fail(src, &v, e, "\"%s\" has more than seven fields",
					       value);
		if (!*field && i > 1)
			continue;
		key = xasprintf("%s.%s.%s", CONF_RUNTIMES, name, fields[i]);
		r = conf_set(c, key, field, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Find the key's entry and, for a handler's key, the handler. */
static const struct conf_key *find_for_flag(struct conf *c, const char *key,
					    struct conf_runtime **ret_rt)
{
	const char *last = strrchr(key, '.');
	_cleanup_free_ char *name = NULL, *pattern = NULL;

	if (!str_starts(key, CONF_RUNTIMES ".") || last < key + strlen(CONF_RUNTIMES) + 2)
		return conf_key_find(key);
	name = xstrndup(key + strlen(CONF_RUNTIMES) + 1,
			(size_t)(last - key) - strlen(CONF_RUNTIMES) - 1);
	pattern = xasprintf("%s.*%s", CONF_RUNTIMES, last);
	if (!conf_key_find(pattern) || !conf_runtime_name_is_valid(name))
		return NULL;
	*ret_rt = conf_runtime_add(c, name);
	return conf_key_find(pattern);
}

/* Split "a,b" into an array in items; copy holds their strings. */
static void split_list(char *copy, struct toml *array, struct toml *items, size_t n_items)
{
	char *rest = *copy ? copy : NULL;

	*array = (struct toml){ .type = TOML_TYPE_ARRAY };
	for (size_t i = 0; rest && i < n_items; i++) {
		items[i] = (struct toml){ .type = TOML_TYPE_STRING, .string = strsep(&rest, ",") };
		if (i)
			items[i - 1].next = &items[i];
		else
			array->first = items;
	}
}

static int set_list(struct conf *c, struct conf_runtime *rt, const struct conf_key *k,
		    const struct conf_source *src, const char *value, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(value);
	_cleanup_free_ struct toml *items = NULL;
	_cleanup_(conf_list_freep) char **added = NULL;
	bool *seen = &c->set_by_flag[k - conf_keys];
	char ***field = (char ***)(void *)((char *)c + k->offset);
	size_t n = 1;
	struct toml array;
	int r;

	for (const char *p = value; *p; p++)
		n += *p == ',';
	items = xcalloc(n, sizeof(*items));
	split_list(copy, &array, items, n);
	r = conf_value_read(k, src, &array, &added, e);
	if (r < 0)
		return r;
	if (k->place != CONF_PLACE_CONF || k->role == CONF_ROLE_GUARD) {
		conf_list_free(take_ptr(added));
		return conf_apply(c, rt, k, src, &array, e);
	}
	conf_note_place(c, src, 0);
	if (!*seen) {
		conf_list_free(*field);
		*field = NULL;
		*seen = true;
	}
	for (char **p = added; p && *p; p++)
		conf_list_add(field, xstrdup(*p));
	return 0;
}

int conf_parse_boolean(const char *text, bool *ret)
{
	static const char *const words[] = { "0", "f", "F", "false", "False", "FALSE",
					     "1", "t", "T", "true",  "True",  "TRUE" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i], text) == 0) {
			*ret = i >= ARRAY_LEN(words) / 2;
			return 0;
		}
	return -1;
}

int conf_set(struct conf *c, const char *key, const char *value, struct err *e)
{
	const struct conf_source src = { .key = key };
	struct toml v = { .type = TOML_TYPE_STRING, .string = (char *)value };
	struct conf_runtime *rt = NULL;
	const struct conf_key *k;

	if (strcmp(key, CONF_RUNTIMES) == 0)
		return set_runtime(c, &src, value, e);
	k = find_for_flag(c, key, &rt);
	if (!k || k->role == CONF_ROLE_FORMER || k->kind == CONF_KIND_MAP)
		return err_set(e, ERR_INVALID, "%s: there is no such configuration key", key);
	if (k->kind == CONF_KIND_LIST || k->kind == CONF_KIND_PATHS)
		return set_list(c, rt, k, &src, value, e);
	if (k->kind == CONF_KIND_BOOLEAN) {
		v.type = TOML_TYPE_BOOLEAN;
		if (conf_parse_boolean(value, &v.boolean) < 0)
			return conf_value_fail(&src, &v, e, "\"%s\" must be true or false", value);
	}
	if (k->kind == CONF_KIND_INTEGER ||
	    (k->kind == CONF_KIND_SIZE && str_to_i64(value, 0, INT64_MAX, &v.integer) == 0)) {
		v.type = TOML_TYPE_INTEGER;
		if (str_to_i64(value, INT64_MIN, INT64_MAX, &v.integer) < 0)
			return conf_value_fail(&src, &v, e, "\"%s\" must be a number", value);
	}
	return conf_apply(c, rt, k, &src, &v, e);
}
