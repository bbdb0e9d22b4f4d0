/*
 * apply.c - check a value against its key, store it, and remember its source.
 */
#include "conf/apply.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base/util.h"

/* The source of a key's value in force. */
struct conf_place {
	char *key; /* including names chosen by the user */
	char *where; /* "FILE:LINE: KEY", or KEY for a flag */
	char *bad; /* of a guard: why the value stops the daemon; NULL: value accepted */
};

const struct conf_key *conf_key_find(const char *name)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (strcasecmp(conf_keys[i].name, name) == 0)
			return &conf_keys[i];
	return NULL;
}

/* --- findings --- */

static void add_finding(char ***list, size_t *unlisted, char *text)
{
	if (conf_list_len(*list) < CONF_FINDINGS_MAX) {
		conf_list_add(list, text);
		return;
	}
	free(text);
	++*unlisted;
}

void conf_add_error(struct conf *c, char *text)
{
	add_finding(&c->errors, &c->n_unlisted, text);
}

void conf_add_ignored(struct conf *c, char *text)
{
	add_finding(&c->ignored, &c->n_unlisted, text);
}

/* --- members --- */

void *conf_member(const struct conf_key *k, const void *base)
{
	if (k->place == CONF_PLACE_NOWHERE || k->kind == CONF_KIND_MAP)
		return NULL;
	return (char *)base + k->offset;
}

static bool list_is_default(const struct conf_key *k, char *const *list)
{
	size_t n = 0;

	for (; k->list && k->list[n]; n++)
		if (!list || !list[n] || strcmp(list[n], k->list[n]) != 0)
			return false;
	return !list || !list[n];
}

bool conf_is_default(const struct conf_key *k, const void *base)
{
	const void *field = conf_member(k, base);

	switch (k->kind) {
	case CONF_KIND_STRING:
	case CONF_KIND_PATH:
		return strcmp(*(char *const *)field, k->text) == 0;
	case CONF_KIND_BOOLEAN:
		return *(const bool *)field == (k->number != 0);
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
		return *(const int64_t *)field == k->number;
	case CONF_KIND_LIST:
	case CONF_KIND_PATHS:
		return list_is_default(k, *(char *const *const *)field);
	case CONF_KIND_MANAGER:
	case CONF_KIND_ADDS:
	case CONF_KIND_MAP:
		break;
	}
	return true;
}

static bool list_is_equal(char *const *a, char *const *b)
{
	size_t n = conf_list_len(a);

	if (n != conf_list_len(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

bool conf_is_equal(const struct conf_key *k, const void *a, const void *b)
{
	const void *x = conf_member(k, a), *y = conf_member(k, b);

	switch (k->kind) {
	case CONF_KIND_STRING:
	case CONF_KIND_PATH:
		return strcmp(*(char *const *)x, *(char *const *)y) == 0;
	case CONF_KIND_BOOLEAN:
		return *(const bool *)x == *(const bool *)y;
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
		return *(const int64_t *)x == *(const int64_t *)y;
	case CONF_KIND_LIST:
	case CONF_KIND_PATHS:
		return list_is_equal(*(char *const *const *)x, *(char *const *const *)y);
	case CONF_KIND_MANAGER:
		return *(const enum conf_cgroup_manager *)x == *(const enum conf_cgroup_manager *)y;
	case CONF_KIND_ADDS:
	case CONF_KIND_MAP:
		break;
	}
	return true;
}

void conf_member_copy(const struct conf_key *k, void *to, const void *from)
{
	void *x = conf_member(k, to);
	const void *y = conf_member(k, from);

	switch (k->kind) {
	case CONF_KIND_STRING:
	case CONF_KIND_PATH:
		free(*(char **)x);
		*(char **)x = xstrdup(*(char *const *)y);
		return;
	case CONF_KIND_BOOLEAN:
		*(bool *)x = *(const bool *)y;
		return;
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
		*(int64_t *)x = *(const int64_t *)y;
		return;
	case CONF_KIND_LIST:
	case CONF_KIND_PATHS:
		conf_list_free(*(char ***)x);
		*(char ***)x = *(char *const *const *)y
				       ? conf_list_of(*(const char *const *const *)y)
				       : NULL;
		return;
	case CONF_KIND_MANAGER:
		*(enum conf_cgroup_manager *)x = *(const enum conf_cgroup_manager *)y;
		return;
	case CONF_KIND_ADDS:
	case CONF_KIND_MAP:
		return;
	}
}

static void member_init(const struct conf_key *k, void *field)
{
	switch (k->kind) {
	case CONF_KIND_STRING:
	case CONF_KIND_PATH:
		*(char **)field = xstrdup(k->text);
		return;
	case CONF_KIND_BOOLEAN:
		*(bool *)field = k->number != 0;
		return;
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
		*(int64_t *)field = k->number;
		return;
	case CONF_KIND_LIST:
	case CONF_KIND_PATHS:
		*(char ***)field = k->list ? conf_list_of(k->list) : NULL;
		return;
	case CONF_KIND_MANAGER: /* conf_init asks the node */
	case CONF_KIND_ADDS: /* the member of another key */
	case CONF_KIND_MAP:
		return;
	}
}

void conf_members_init(enum conf_place_of place, void *base)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (conf_keys[i].place == place)
			member_init(&conf_keys[i], conf_member(&conf_keys[i], base));
}

static void member_free(const struct conf_key *k, void *field)
{
	if (k->kind == CONF_KIND_STRING || k->kind == CONF_KIND_PATH)
		free(*(char **)field);
	else if (k->kind == CONF_KIND_LIST || k->kind == CONF_KIND_PATHS)
		conf_list_free(*(char ***)field);
}

void conf_members_free(enum conf_place_of place, void *base)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (conf_keys[i].place == place)
			member_free(&conf_keys[i], conf_member(&conf_keys[i], base));
}

/* --- sources of values --- */

static struct conf_place *place_of(const struct conf *c, const char *key)
{
	for (size_t i = 0; i < c->n_places; i++)
		if (strcmp(c->places[i].key, key) == 0)
			return &c->places[i];
	return NULL;
}

void conf_places_free(struct conf *c)
{
	for (size_t i = 0; i < c->n_places; i++) {
		free(c->places[i].key);
		free(c->places[i].where);
		free(c->places[i].bad);
	}
	free(c->places);
}

static struct conf_place *note_place(struct conf *c, const struct conf_source *src, int line)
{
	struct conf_place *p = place_of(c, src->key);

	if (!p) {
		c->places = xrealloc(c->places, (c->n_places + 1) * sizeof(*c->places));
		p = &c->places[c->n_places++];
		*p = (struct conf_place){ .key = xstrdup(src->key) };
	}
	free(p->where);
	free(take_ptr(p->bad));
	p->where =
		src->file ? xasprintf("%s:%d: %s", src->file, line, src->key) : xstrdup(src->key);
	return p;
}

bool conf_is_set(const struct conf *c, const char *key)
{
	return place_of(c, key);
}

void conf_note_place(struct conf *c, const struct conf_source *src, int line)
{
	note_place(c, src, line);
}

const char *conf_where(const struct conf *c, const char *key)
{
	const struct conf_place *p = place_of(c, key);

	return p ? p->where : key;
}

/* Record a guarded key's value; a later file may still override it. */
static void guard(struct conf *c, const struct conf_key *k, const struct conf_source *src,
		  const struct toml *v)
{
	struct conf_place *p = note_place(c, src, v->line);
	const struct toml one = { .type = v->type, .string = v->string, .boolean = v->boolean };
	const struct toml *item = v->type == TOML_TYPE_ARRAY ? v->first : &one;

	for (; item && !p->bad; item = item->next) {
		const char *text = item->type == TOML_TYPE_STRING ? item->string
				   : item->boolean		  ? "true"
								  : "false";

		if (!k->guard(text))
			p->bad = xasprintf("%s: \"%s\" is not kept to: %s", p->where, text, k->why);
	}
}

int conf_check_guards(struct conf *c, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < c->n_places; i++) {
		if (!c->places[i].bad)
			continue;
		conf_add_error(c, xstrdup(c->places[i].bad));
		if (r == 0)
			r = err_set(e, ERR_INVALID, "%s", c->places[i].bad);
	}
	return r;
}

/* Remember a key that nothing reads and that has no member: once for all its tables. */
static void note_later(struct conf *c, const struct conf_key *k, const struct conf_source *src,
		       int line)
{
	_cleanup_free_ char *end = xasprintf(": %s", k->name);

	for (char **p = c->later; p && *p; p++)
		if (str_ends(*p, end))
			return;
	conf_list_add(&c->later,
		      src->file ? xasprintf("%s:%d%s", src->file, line, end) : xstrdup(end + 2));
}

void conf_list_later(struct conf *c)
{
	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *k = &conf_keys[i];

		if (k->role != CONF_ROLE_LATER || k->kind == CONF_KIND_MAP)
			continue;
		if (k->place == CONF_PLACE_CONF && !conf_is_default(k, c))
			conf_list_add(&c->later, xstrdup(conf_where(c, k->name)));
		for (size_t j = 0; k->place == CONF_PLACE_RUNTIME && j < c->n_runtimes; j++) {
			_cleanup_free_ char *key =
				xasprintf(CONF_RUNTIMES ".%s.%s", c->runtimes[j].name,
					  strrchr(k->name, '.') + 1);

			if (!conf_is_default(k, &c->runtimes[j]))
				conf_list_add(&c->later, xstrdup(conf_where(c, key)));
		}
	}
}

int conf_apply(struct conf *c, struct conf_runtime *rt, const struct conf_key *k,
	       const struct conf_source *src, const struct toml *v, struct err *e)
{
	void *base = k->place == CONF_PLACE_RUNTIME ? (void *)rt : c;
	void *member = conf_member(k, base);
	int r = conf_value_read(k, src, v, member, e);

	if (r < 0)
		return r;
	if (k->role == CONF_ROLE_GUARD)
		guard(c, k, src, v);
	else if (member)
		conf_note_place(c, src, v->line);
	else if (v->type != TOML_TYPE_TABLE || v->first)
		note_later(c, k, src, v->line);
	return 0;
}
