/*
 * apply.c - check a value against its key, store it, and remember its source.
 */
#include "conf/apply.h"

#include <string.h>
#include <strings.h>

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

static void warn_once(struct conf *c, const struct conf_key *k, const struct conf_source *src,
		      int line)
{
	_cleanup_free_ char *marker = xasprintf(": %s is known", k->name);

	for (char **w = c->warnings; w && *w; w++)
		if (strstr(*w, marker))
			return;
	if (src->file)
		conf_list_add(&c->warnings,
			      xasprintf("%s:%d%s but not implemented yet: it has no effect",
					src->file, line, marker));
	else
		conf_list_add(
			&c->warnings,
			xasprintf("flag%s but not implemented yet: it has no effect", marker));
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

		if (!k->check(text))
			p->bad =
				xasprintf("%s: \"%s\" is not kept to: %s", p->where, text, k->want);
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

int conf_apply(struct conf *c, struct conf_runtime *rt, const struct conf_key *k,
	       const struct conf_source *src, const struct toml *v, struct err *e)
{
	struct conf_key plain = *k;
	int r = 0;

	switch (k->owner) {
	case CONF_OWNER_NONE:
		warn_once(c, k, src, v->line);
		/* fall through */
	case CONF_OWNER_MOOT:
		return conf_value_read(k, src, v, NULL, e);
	case CONF_OWNER_GUARD:
		plain.check = NULL;
		r = conf_value_read(&plain, src, v, NULL, e);
		if (r == 0)
			guard(c, k, src, v);
		return r;
	case CONF_OWNER_CONF:
		r = conf_value_read(k, src, v, (char *)c + k->offset, e);
		break;
	case CONF_OWNER_RUNTIME:
		r = conf_value_read(k, src, v, (char *)rt + k->offset, e);
		break;
	case CONF_OWNER_FORMER:
		return 0;
	}
	if (r == 0)
		conf_note_place(c, src, v->line);
	return r;
}
