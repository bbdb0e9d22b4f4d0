/*
 * confc_c.c - the table of keys in C: members, defaults, checks, options.
 */
#include <ctype.h>
#include <string.h>

#include "confc.h"

static const char *const kinds[] = {
	[KEY_TYPE_STRING] = "STRING",	[KEY_TYPE_PATH] = "PATH", [KEY_TYPE_BOOLEAN] = "BOOLEAN",
	[KEY_TYPE_INTEGER] = "INTEGER", [KEY_TYPE_SIZE] = "SIZE", [KEY_TYPE_LIST] = "LIST",
	[KEY_TYPE_PATHS] = "PATHS",	[KEY_TYPE_MAP] = "MAP",	  [KEY_TYPE_MANAGER] = "MANAGER",
	[KEY_TYPE_ADDS] = "ADDS",
};
static const char *const roles[] = {
	[KEY_ROLE_WORKS] = "WORKS", [KEY_ROLE_LATER] = "LATER",	  [KEY_ROLE_GUARD] = "GUARD",
	[KEY_ROLE_MOOT] = "MOOT",   [KEY_ROLE_FORMER] = "FORMER",
};
static const char *const places[] = {
	[KEY_PLACE_CONF] = "CONF",
	[KEY_PLACE_RUNTIME] = "RUNTIME",
	[KEY_PLACE_NOWHERE] = "NOWHERE",
};
static const char *const structs[] = {
	[KEY_PLACE_CONF] = "conf",
	[KEY_PLACE_RUNTIME] = "conf_runtime",
};

/* Has the key a member of its own? */
static bool has_member(const struct key_entry *k)
{
	return k->place != KEY_PLACE_NOWHERE && k->type != KEY_TYPE_MAP && k->type != KEY_TYPE_ADDS;
}

static const char *member_type(enum key_type type)
{
	switch (type) {
	case KEY_TYPE_STRING:
	case KEY_TYPE_PATH:
		return "char *";
	case KEY_TYPE_BOOLEAN:
		return "bool ";
	case KEY_TYPE_INTEGER:
	case KEY_TYPE_SIZE:
		return "int64_t ";
	case KEY_TYPE_LIST:
	case KEY_TYPE_PATHS:
		return "char **";
	case KEY_TYPE_MANAGER:
		return "enum conf_cgroup_manager ";
	case KEY_TYPE_MAP:
	case KEY_TYPE_ADDS:
	case KEY_TYPE_NONE:
		break;
	}
	return "";
}

void confc_fields(const struct key_table *t, enum key_place place, struct emit *out)
{
	emit_banner(out, "confc", t->path);
	for (size_t i = 0; i < t->n_keys; i++) {
		const struct key_entry *k = &t->keys[i];

		if (k->place == place && has_member(k))
			emit_line(out, "%s%s; /* %s */", member_type(k->type), k->field, k->name);
	}
}

static const char *option_constant(const char *name)
{
	char *text = text_format("CONF_OPTION_%s", name);

	for (char *p = text; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	return text;
}

void confc_header(const struct key_table *t, struct emit *out)
{
	emit_banner(out, "confc", t->path);
	emit_line(out, "#pragma once");
	emit_blank(out);
	emit_line(out, "/* Indexes of conf_options. */");
	emit_open(out, "enum conf_option_id {");
	for (size_t i = 0; i < t->n_options; i++)
		emit_line(out, "%s,", option_constant(t->options[i].name));
	emit_line(out, "CONF_OPTION_COUNT");
	emit_close(out, "};");
}

/* --- the source --- */

static void emit_text_member(struct emit *out, const char *member, const char *text)
{
	if (!text)
		return;
	emit_put(out, "\t\t.%s = ", member);
	emit_literal(out, text);
	emit_put(out, ",\n");
}

/* quoted: a text with its escapes, without its quotes. */
static void emit_quoted_member(struct emit *out, const char *member, const char *quoted)
{
	if (quoted)
		emit_put(out, "\t\t.%s = \"%s\",\n", member, quoted);
}

static void emit_default(struct emit *out, const struct key_entry *k)
{
	const char **items;
	size_t n;

	switch (k->type) {
	case KEY_TYPE_STRING:
	case KEY_TYPE_PATH:
		emit_put(out, "\t\t.text = %s,\n", k->value);
		return;
	case KEY_TYPE_BOOLEAN:
		emit_put(out, "\t\t.number = %d,\n", !strcmp(k->value, "true"));
		return;
	case KEY_TYPE_INTEGER:
	case KEY_TYPE_SIZE:
		emit_put(out, "\t\t.number = INT64_C(%s),\n", k->value);
		return;
	case KEY_TYPE_LIST:
	case KEY_TYPE_PATHS:
		items = key_list_items(k->value, &n);
		if (!n)
			return;
		emit_put(out, "\t\t.list = (const char *const[]){ ");
		for (size_t i = 0; i < n; i++)
			emit_put(out, "%s, ", items[i]);
		emit_put(out, "NULL },\n");
		return;
	case KEY_TYPE_MANAGER:
	case KEY_TYPE_MAP:
	case KEY_TYPE_ADDS:
	case KEY_TYPE_NONE:
		break;
	}
}

static void emit_variables(struct emit *out, const struct key_entry *k)
{
	if (!k->n_variables)
		return;
	emit_put(out, "\t\t.variables = (const char *const[]){ ");
	for (size_t i = 0; i < k->n_variables; i++)
		emit_put(out, "\"%s\", ", k->variables[i]);
	emit_put(out, "NULL },\n");
}

static void emit_key(struct emit *out, const struct key_entry *k)
{
	emit_put(out, "\t{\n");
	emit_text_member(out, "name", k->name);
	emit_put(out, "\t\t.kind = CONF_KIND_%s,\n\t\t.role = CONF_ROLE_%s,\n", kinds[k->type],
		 roles[k->role]);
	emit_put(out, "\t\t.place = CONF_PLACE_%s,\n", places[k->place]);
	if (has_member(k) || k->type == KEY_TYPE_ADDS)
		emit_put(out, "\t\t.offset = offsetof(struct %s, %s),\n", structs[k->place],
			 k->field);
	if (k->has_range)
		emit_put(out, "\t\t.min = %s%s, .max = INT64_C(%s),\n", k->low[0] == '-' ? "-" : "",
			 text_format("INT64_C(%s)", k->low + (k->low[0] == '-')), k->high);
	if (k->check)
		emit_put(out, "\t\t.check = conf_is_%s,\n", k->check);
	emit_quoted_member(out, "want", k->want);
	if (k->guard)
		emit_put(out, "\t\t.guard = conf_is_%s,\n", k->guard);
	emit_quoted_member(out, "why", k->why);
	if (k->value)
		emit_default(out, k);
	emit_text_member(out, "derived", k->derived);
	emit_text_member(out, "flag", k->flag);
	emit_text_member(out, "alias", k->alias);
	emit_variables(out, k);
	emit_text_member(out, "fallback", k->fallback);
	if (k->own)
		emit_put(out, "\t\t.own = true,\n");
	if (k->reload)
		emit_put(out, "\t\t.reload = true,\n");
	emit_text_member(out, "doc", k->doc);
	emit_put(out, "\t},\n");
}

static void emit_option(struct emit *out, const struct option_entry *o)
{
	emit_put(out, "\t[%s] = {\n", option_constant(o->name));
	emit_text_member(out, "name", o->name);
	emit_text_member(out, "letter", o->letter);
	emit_text_member(out, "argument", o->argument);
	emit_text_member(out, "variable", o->variable);
	emit_text_member(out, "doc", o->doc);
	emit_put(out, "\t},\n");
}

void confc_source(const struct key_table *t, struct emit *out)
{
	emit_banner(out, "confc", t->path);
	emit_line(out, "#include \"conf_keys.h\"");
	emit_blank(out);
	emit_line(out, "#include \"conf/checks.h\"");
	emit_line(out, "#include \"conf/conf.h\"");
	emit_line(out, "#include \"conf/keys.h\"");
	emit_blank(out);
	emit_line(out, "const struct conf_table conf_tables[] = {");
	for (size_t i = 0; i < t->n_tables; i++) {
		emit_put(out, "\t{\n");
		emit_text_member(out, "name", t->tables[i].name);
		emit_text_member(out, "doc", t->tables[i].doc);
		emit_put(out, "\t},\n");
	}
	emit_line(out, "};");
	emit_line(out, "const size_t conf_n_tables = %zu;", t->n_tables);
	emit_blank(out);
	emit_line(out, "const struct conf_key conf_keys[] = {");
	for (size_t i = 0; i < t->n_keys; i++)
		emit_key(out, &t->keys[i]);
	emit_line(out, "};");
	emit_line(out, "const size_t conf_n_keys = %zu;", t->n_keys);
	emit_blank(out);
	emit_line(out, "const struct conf_option conf_options[] = {");
	for (size_t i = 0; i < t->n_options; i++)
		emit_option(out, &t->options[i]);
	emit_line(out, "};");
	emit_line(out, "const size_t conf_n_options = %zu;", t->n_options);
}
