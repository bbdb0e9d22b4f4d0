/*
 * value.c - checks and conversion of values by the type of their key.
 */
#include "conf/value.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/conf.h"

int conf_value_fail(const struct conf_source *src, const struct toml *v, struct err *e,
		    const char *fmt, ...)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (!src->file)
		return err_set(e, ERR_INVALID, "%s: %s", src->key, text.data);
	return err_set(e, ERR_INVALID, "%s:%d: %s: %s", src->file, v->line, src->key, text.data);
}

void conf_list_free(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

size_t conf_list_len(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

void conf_list_add(char ***list, char *entry)
{
	size_t n = conf_list_len(*list);

	*list = xrealloc(*list, (n + 2) * sizeof(**list));
	(*list)[n] = entry;
	(*list)[n + 1] = NULL;
}

char **conf_list_of(const char *const *words)
{
	char **list = NULL;

	for (; *words; words++)
		conf_list_add(&list, xstrdup(*words));
	return list;
}

int conf_value_want(const struct conf_source *src, const struct toml *v, enum toml_type type,
		    struct err *e)
{
	if (v->type == type)
		return 0;
	return conf_value_fail(src, v, e, "must be %s, not %s", toml_type_name(type),
			       toml_type_name(v->type));
}

/* Absolute or empty, without doubled and trailing slashes; *ret is malloc'ed. */
static int clean_path(const struct conf_source *src, const struct toml *v, char **ret,
		      struct err *e)
{
	_cleanup_buf_ struct buf b = BUF_NULL;

	for (const char *p = v->string; *p; p++)
		if (*p != '/' || (p[1] != '/' && (p[1] || p == v->string)))
			buf_add(&b, p, 1);
	/* "///" became "" above; restore the root. */
	if (*v->string && !b.len)
		buf_puts(&b, "/");
	if (b.len && !fs_path_is_clean(b.data))
		return conf_value_fail(
			src, v, e, "\"%s\" must be an absolute path without . and ..", v->string);
	*ret = buf_take(&b);
	return 0;
}

static int check_string(const struct conf_key *k, const struct conf_source *src,
			const struct toml *v, struct err *e)
{
	int r = conf_value_want(src, v, TOML_TYPE_STRING, e);

	if (r < 0)
		return r;
	if (k->check && !k->check(v->string))
		return conf_value_fail(src, v, e, "\"%s\" is not allowed; it must be %s", v->string,
				       k->want);
	return 0;
}

/* A string or path; *ret is malloc'ed. */
static int read_string(const struct conf_key *k, bool path, const struct conf_source *src,
		       const struct toml *v, char **ret, struct err *e)
{
	int r = check_string(k, src, v, e);

	if (r < 0)
		return r;
	if (path)
		return clean_path(src, v, ret, e);
	*ret = xstrdup(v->string);
	return 0;
}

static int read_list(const struct conf_key *k, const struct conf_source *src, const struct toml *v,
		     char ***ret, struct err *e)
{
	_cleanup_(conf_list_freep) char **list = NULL;
	int r = conf_value_want(src, v, TOML_TYPE_ARRAY, e);

	if (r < 0)
		return r;
	for (const struct toml *item = v->first; item; item = item->next) {
		char *entry;

		r = read_string(k, k->kind == CONF_KIND_PATHS, src, item, &entry, e);
		if (r < 0)
			return r;
		conf_list_add(&list, entry);
	}
	*ret = take_ptr(list);
	return 0;
}

/* Parse a size as CRI-O does: "12MiB", "7.5 MiB", "500k", "4096".  -1: no size. */
static int size_of_text(const char *s, int64_t *ret)
{
	static const char units[] = "KMGTP";
	size_t digits = strspn(s, "0123456789.");
	const char *unit = s + digits + strspn(s + digits, " ");
	uint64_t factor = 1;

	if (*unit && strcasecmp(unit, "B") != 0) {
		const char *u = strchr(units, *unit & ~('a' ^ 'A'));

		if (!u || (unit[1] && strcasecmp(unit + 1, "B") != 0 &&
			   strcasecmp(unit + 1, "iB") != 0 && strcasecmp(unit + 1, "i") != 0))
			return -1;
		factor = UINT64_C(1024) << (10 * (u - units));
	}
	return str_to_product(s, digits, factor, 1, ret);
}

static int read_number(const struct conf_key *k, const struct conf_source *src,
		       const struct toml *v, int64_t *ret, struct err *e)
{
	int64_t n = v->integer;
	int r = 0;

	if (k->kind == CONF_KIND_SIZE && v->type == TOML_TYPE_STRING && !*v->string) {
		n = k->number;
	} else if (k->kind == CONF_KIND_SIZE && v->type == TOML_TYPE_STRING) {
		if (size_of_text(v->string, &n) < 0)
			return conf_value_fail(src, v, e, "\"%s\" is not a size like \"12MiB\"",
					       v->string);
	} else {
		r = conf_value_want(src, v, TOML_TYPE_INTEGER, e);
	}
	if (r < 0)
		return r;
	if ((k->min || k->max) && (n < k->min || n > k->max))
		return conf_value_fail(src, v, e, "%lld must be from %lld to %lld", (long long)n,
				       (long long)k->min, (long long)k->max);
	*ret = n;
	return 0;
}

static int read_map(const struct conf_source *src, const struct toml *v, struct err *e)
{
	int r = conf_value_want(src, v, TOML_TYPE_TABLE, e);

	if (r < 0)
		return r;
	for (const struct toml *item = v->first; item; item = item->next)
		if (item->type == TOML_TYPE_TABLE || item->type == TOML_TYPE_ARRAY)
			return conf_value_fail(src, item, e, "%s must be a plain value, not %s",
					       item->key, toml_type_name(item->type));
	return 0;
}

static int read_cgroup_manager(const struct conf_source *src, const struct toml *v,
			       enum conf_cgroup_manager *ret, struct err *e)
{
	int r = conf_value_want(src, v, TOML_TYPE_STRING, e);

	if (r < 0)
		return r;
	if (strcmp(v->string, "cgroupfs") == 0)
		*ret = CONF_CGROUP_MANAGER_CGROUPFS;
	else if (strcmp(v->string, "systemd") == 0)
		*ret = CONF_CGROUP_MANAGER_SYSTEMD;
	else
		return conf_value_fail(src, v, e,
				       "\"%s\" is not allowed; it must be cgroupfs or systemd",
				       v->string);
	return 0;
}

/* Replace the string of a field and free the old one. */
static void put_string(void *field, char *value)
{
	free(*(char **)field);
	*(char **)field = value;
}

static void put_list(void *field, char **value)
{
	conf_list_free(*(char ***)field);
	*(char ***)field = value;
}

int conf_value_read(const struct conf_key *k, const struct conf_source *src, const struct toml *v,
		    void *field, struct err *e)
{
	enum conf_cgroup_manager manager = CONF_CGROUP_MANAGER_CGROUPFS;
	char *string = NULL, **list = NULL;
	int64_t number = 0;
	int r = 0;

	switch (k->kind) {
	case CONF_KIND_STRING:
	case CONF_KIND_PATH:
	case CONF_KIND_ADDS:
		r = read_string(k, k->kind != CONF_KIND_STRING, src, v, &string, e);
		if (r < 0)
			return r;
		if (!field)
			free(string);
		else if (k->kind == CONF_KIND_ADDS)
			conf_list_add(field, string);
		else
			put_string(field, string);
		return 0;
	case CONF_KIND_LIST:
	case CONF_KIND_PATHS:
		r = read_list(k, src, v, &list, e);
		if (r < 0)
			return r;
		if (field)
			put_list(field, list);
		else
			conf_list_free(list);
		return 0;
	case CONF_KIND_BOOLEAN:
		r = conf_value_want(src, v, TOML_TYPE_BOOLEAN, e);
		if (!r && field)
			*(bool *)field = v->boolean;
		return r;
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
		r = read_number(k, src, v, &number, e);
		if (!r && field)
			*(int64_t *)field = number;
		return r;
	case CONF_KIND_MAP:
		return read_map(src, v, e);
	case CONF_KIND_MANAGER:
		r = read_cgroup_manager(src, v, &manager, e);
		if (!r && field)
			*(enum conf_cgroup_manager *)field = manager;
		return r;
	}
	return r;
}
