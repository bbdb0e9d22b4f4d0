/*
 * keytable.c - parse the table of keys: an entry begins at the margin, its words are indented.
 */
#include "keytable.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {
	[KEY_TYPE_STRING] = "string",	[KEY_TYPE_PATH] = "path", [KEY_TYPE_BOOLEAN] = "boolean",
	[KEY_TYPE_INTEGER] = "integer", [KEY_TYPE_SIZE] = "size", [KEY_TYPE_LIST] = "list",
	[KEY_TYPE_PATHS] = "paths",	[KEY_TYPE_MAP] = "map",	  [KEY_TYPE_MANAGER] = "manager",
	[KEY_TYPE_ADDS] = "adds",
};
#define N_TYPES (sizeof(type_names) / sizeof(type_names[0]))

enum entry_kind {
	ENTRY_NONE,
	ENTRY_TABLE,
	ENTRY_KEY,
	ENTRY_OPTION
};

struct reader {
	struct key_table *t;
	struct diag *d;
	unsigned line;
	enum entry_kind kind; /* the last entry of its array is open */
};

#define mistake(r, ...) diag_add((r)->d, (r)->t->path, (r)->line, __VA_ARGS__)

const char *key_type_name(enum key_type type)
{
	return type_names[type];
}

const char *key_table_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	return text_format("%.*s", dot ? (int)(dot - name) : 0, name);
}

const struct key_entry *key_table_find(const struct key_table *t, const char *name)
{
	for (size_t i = 0; i < t->n_keys; i++)
		if (!strcmp(t->keys[i].name, name))
			return &t->keys[i];
	return NULL;
}

/* --- words --- */

/* Take the next word off *at; "": none. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, " \t"), *end = word + strcspn(word, " \t");

	*at = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static char *trimmed(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	for (n = strlen(text); n && isspace((unsigned char)text[n - 1]);)
		text[--n] = '\0';
	return text;
}

/* Length of the quoted text at s with its quotes; 0: none. */
static size_t quoted_length(const char *s)
{
	size_t n = 1;

	if (*s != '"')
		return 0;
	for (; s[n] && s[n] != '"'; n++)
		if (s[n] == '\\' && s[n + 1])
			n++;
	return s[n] ? n + 1 : 0;
}

static bool is_number(const char *s)
{
	s += *s == '-';
	return *s && !s[strspn(s, "0123456789")];
}

const char **key_list_items(const char *value, size_t *ret_n)
{
	const char **items = memory_zeroed(strlen(value) + 1, sizeof(*items));
	const char *s = value + 1;
	size_t n = 0, len;

	while ((len = quoted_length(s))) {
		items[n++] = text_format("%.*s", (int)len, s);
		s += len;
		s += strspn(s, ", ");
	}
	*ret_n = n;
	return *value == '[' && !strcmp(s, "]") ? items : NULL;
}

static bool value_fits(const struct key_entry *k)
{
	const char *v = k->value;
	size_t n;

	switch (k->type) {
	case KEY_TYPE_STRING:
	case KEY_TYPE_PATH:
	case KEY_TYPE_MANAGER:
		return quoted_length(v) && quoted_length(v) == strlen(v);
	case KEY_TYPE_BOOLEAN:
		return !strcmp(v, "true") || !strcmp(v, "false");
	case KEY_TYPE_INTEGER:
	case KEY_TYPE_SIZE:
		return is_number(v);
	case KEY_TYPE_LIST:
	case KEY_TYPE_PATHS:
		return key_list_items(v, &n);
	case KEY_TYPE_MAP:
	case KEY_TYPE_ADDS:
	case KEY_TYPE_NONE:
		return false;
	}
	return false;
}

/* --- entries --- */

static void doc_add(const char **doc, const char *line)
{
	*doc = *doc ? text_format("%s\n%s", *doc, line) : text_format("%s", line);
}

static const char **open_doc(struct reader *r)
{
	struct key_table *t = r->t;

	switch (r->kind) {
	case ENTRY_TABLE:
		return &t->tables[t->n_tables - 1].doc;
	case ENTRY_KEY:
		return &t->keys[t->n_keys - 1].doc;
	case ENTRY_OPTION:
		return &t->options[t->n_options - 1].doc;
	case ENTRY_NONE:
		break;
	}
	return NULL;
}

static enum key_type type_of(const char *word)
{
	for (size_t i = 1; i < N_TYPES; i++)
		if (!strcmp(type_names[i], word))
			return (enum key_type)i;
	return KEY_TYPE_NONE;
}

static enum key_place place_of(const char *name)
{
	const char *star = strchr(name, '*');

	if (!star)
		return KEY_PLACE_CONF;
	return strncmp(name, "crio.runtime.runtimes.", 22) ? KEY_PLACE_NOWHERE : KEY_PLACE_RUNTIME;
}

/* MIN..MAX */
static void read_range(struct reader *r, struct key_entry *k, char *word)
{
	char *dots = strstr(word, "..");

	if (dots) {
		*dots = '\0';
		k->low = word;
		k->high = dots + 2;
	}
	k->has_range = dots && is_number(k->low) && is_number(k->high);
	if (!k->has_range)
		mistake(r, "a range is MIN..MAX, two numbers");
	else if (k->type != KEY_TYPE_INTEGER && k->type != KEY_TYPE_SIZE)
		mistake(r, "only an integer or a size has a range");
}

static struct key_entry *key_add(struct reader *r, const char *name)
{
	struct key_entry *k = &r->t->keys[r->t->n_keys];

	if (!*name || !strchr(name, '.'))
		mistake(r, "a key has the name of its table and a dot before its own");
	else if (key_table_find(r->t, name))
		mistake(r, "%s: there is such a key already", name);
	r->t->n_keys++;
	*k = (struct key_entry){ .line = r->line, .name = name, .place = place_of(name) };
	k->last = strrchr(name, '.') ? strrchr(name, '.') + 1 : name;
	k->field = k->last;
	return k;
}

static void read_key(struct reader *r, char *rest)
{
	struct key_entry *k = key_add(r, next_word(&rest));
	char *type = next_word(&rest), *range = next_word(&rest);

	r->kind = ENTRY_KEY;
	k->type = type_of(type);
	if (k->type == KEY_TYPE_NONE)
		mistake(r,
			"\"%s\" is no type; write string, path, boolean, integer, size, list, "
			"paths, map, manager or adds",
			type);
	if (*range)
		read_range(r, k, range);
	if (*trimmed(rest))
		mistake(r, "write key NAME TYPE [MIN..MAX]");
}

/* The text between the quotes, escapes untouched; NULL: a mistake was reported. */
static const char *read_quoted(struct reader *r, char *rest)
{
	size_t n;

	rest = trimmed(rest);
	n = quoted_length(rest);
	if (n < 3 || rest[n]) {
		mistake(r, "a text in quotes ends the line");
		return NULL;
	}
	return text_format("%.*s", (int)n - 2, rest + 1);
}

static void read_former(struct reader *r, char *rest)
{
	struct key_entry *k = key_add(r, next_word(&rest));

	k->role = KEY_ROLE_FORMER;
	k->place = KEY_PLACE_NOWHERE;
	k->type = KEY_TYPE_STRING;
	k->why = read_quoted(r, rest);
	r->kind = ENTRY_NONE;
}

static void read_option(struct reader *r, char *rest)
{
	struct option_entry *o = &r->t->options[r->t->n_options++];
	char *word;

	*o = (struct option_entry){ .line = r->line, .name = next_word(&rest) };
	r->kind = ENTRY_OPTION;
	word = next_word(&rest);
	if (strlen(word) == 1) {
		o->letter = word;
		word = next_word(&rest);
	}
	if (*word)
		o->argument = word;
	if (!*o->name || *trimmed(rest))
		mistake(r, "write option NAME [LETTER] [ARGUMENT]");
}

static void read_table(struct reader *r, char *rest)
{
	r->t->tables[r->t->n_tables++] =
		(struct table_entry){ .line = r->line, .name = trimmed(rest) };
	r->kind = ENTRY_TABLE;
}

/* --- the words of a key --- */

static void word_default(struct reader *r, struct key_entry *k, char *rest)
{
	k->value = trimmed(rest);
	if (k->type != KEY_TYPE_NONE && !value_fits(k))
		mistake(r, "%s is no value of a key whose type is %s", k->value,
			key_type_name(k->type));
}

static void word_derived(struct reader *r, struct key_entry *k, char *rest)
{
	(void)r;
	k->derived = trimmed(rest);
}

static void word_check(struct reader *r, struct key_entry *k, char *rest)
{
	k->check = next_word(&rest);
	k->want = read_quoted(r, rest);
}

static void word_field(struct reader *r, struct key_entry *k, char *rest)
{
	(void)r;
	k->field = trimmed(rest);
}

static void set_role(struct reader *r, struct key_entry *k, enum key_role role)
{
	if (k->role != KEY_ROLE_WORKS)
		mistake(r, "a key is later, guard or moot, one of them");
	k->role = role;
}

static void word_later(struct reader *r, struct key_entry *k, char *rest)
{
	set_role(r, k, KEY_ROLE_LATER);
	if (*trimmed(rest))
		mistake(r, "later stands alone");
}

static void word_guard(struct reader *r, struct key_entry *k, char *rest)
{
	set_role(r, k, KEY_ROLE_GUARD);
	k->guard = next_word(&rest);
	k->why = read_quoted(r, rest);
}

static void word_moot(struct reader *r, struct key_entry *k, char *rest)
{
	set_role(r, k, KEY_ROLE_MOOT);
	k->why = read_quoted(r, rest);
}

static void word_own(struct reader *r, struct key_entry *k, char *rest)
{
	(void)r;
	(void)rest;
	k->own = true;
}

static void word_reload(struct reader *r, struct key_entry *k, char *rest)
{
	(void)r;
	(void)rest;
	k->reload = true;
}

static void word_flag(struct reader *r, struct key_entry *k, char *rest)
{
	char *alias;

	k->flag = next_word(&rest);
	alias = next_word(&rest);
	k->alias = *alias ? alias : NULL;
	if (!*k->flag || *trimmed(rest))
		mistake(r, "write flag NAME [ALIAS]");
	if (k->place != KEY_PLACE_CONF || k->type == KEY_TYPE_ADDS || k->type == KEY_TYPE_MAP)
		mistake(r, "no option can set this key");
}

static void word_variable(struct reader *r, struct key_entry *k, char *rest)
{
	for (char *word = next_word(&rest); *word; word = next_word(&rest)) {
		if (k->n_variables == KEY_VARIABLES_MAX) {
			mistake(r, "more than %d variables", KEY_VARIABLES_MAX);
			return;
		}
		k->variables[k->n_variables++] = word;
	}
}

static void word_fallback(struct reader *r, struct key_entry *k, char *rest)
{
	(void)r;
	k->fallback = trimmed(rest);
}

static const struct {
	const char *word;
	void (*read)(struct reader *r, struct key_entry *k, char *rest);
} key_words[] = {
	{ "default", word_default }, { "derived", word_derived },   { "check", word_check },
	{ "field", word_field },     { "later", word_later },	    { "guard", word_guard },
	{ "moot", word_moot },	     { "own", word_own },	    { "reload", word_reload },
	{ "flag", word_flag },	     { "variable", word_variable }, { "fallback", word_fallback },
};

/* A line of an open entry. */
static void read_inner(struct reader *r, char *line)
{
	const char **doc = open_doc(r);
	char *word;

	line = trimmed(line);
	if (!doc) {
		mistake(r, "an indented line belongs to a table, key or option");
		return;
	}
	if (*line == '|') {
		doc_add(doc, line + 1 + (line[1] == ' '));
		return;
	}
	word = next_word(&line);
	for (size_t i = 0; r->kind == ENTRY_KEY && i < sizeof(key_words) / sizeof(key_words[0]);
	     i++)
		if (!strcmp(key_words[i].word, word)) {
			key_words[i].read(r, &r->t->keys[r->t->n_keys - 1], line);
			return;
		}
	if (r->kind == ENTRY_OPTION && !strcmp(word, "variable"))
		r->t->options[r->t->n_options - 1].variable = trimmed(line);
	else
		mistake(r, "\"%s\" is no word of this entry", word);
}

static void read_entry(struct reader *r, char *line)
{
	char *word = next_word(&line);

	if (!strcmp(word, "table"))
		read_table(r, line);
	else if (!strcmp(word, "key"))
		read_key(r, line);
	else if (!strcmp(word, "former"))
		read_former(r, line);
	else if (!strcmp(word, "option"))
		read_option(r, line);
	else
		mistake(r, "\"%s\" opens no entry; write table, key, former or option", word);
}

/* --- the whole --- */

static bool table_is_there(const struct key_table *t, const char *name)
{
	for (size_t i = 0; i < t->n_tables; i++)
		if (!strcmp(t->tables[i].name, name))
			return true;
	return false;
}

/* The key or option that has the flag, other than the one at that line; 0: none. */
static unsigned flag_line(const struct key_table *t, const char *flag, unsigned line)
{
	for (size_t i = 0; i < t->n_keys; i++) {
		const struct key_entry *k = &t->keys[i];

		if (k->line != line && k->flag &&
		    (!strcmp(k->flag, flag) || (k->alias && !strcmp(k->alias, flag))))
			return k->line;
	}
	for (size_t i = 0; i < t->n_options; i++) {
		const struct option_entry *o = &t->options[i];

		if (o->line != line &&
		    (!strcmp(o->name, flag) || (o->letter && !strcmp(o->letter, flag))))
			return o->line;
	}
	return 0;
}

static void check_flag(struct reader *r, const char *flag)
{
	unsigned other = flag ? flag_line(r->t, flag, r->line) : 0;

	if (other && other < r->line)
		mistake(r, "the option %s is that of line %u, too", flag, other);
}

static void check_key(struct reader *r, const struct key_entry *k)
{
	const char *table = key_table_of(k->name);

	r->line = k->line;
	if (!table_is_there(r->t, table))
		mistake(r, "there is no table %s", table);
	check_flag(r, k->flag);
	check_flag(r, k->alias);
	if (k->role == KEY_ROLE_FORMER)
		return;
	if (!k->doc)
		mistake(r, "%s: a line with | says what the key means", k->name);
	if (!k->value && k->type != KEY_TYPE_MAP && k->type != KEY_TYPE_ADDS)
		mistake(r, "%s has no default", k->name);
	if (k->role == KEY_ROLE_GUARD && k->check)
		mistake(r, "%s: a guard has no check beside it", k->name);
}

static void check_whole(struct reader *r)
{
	struct key_table *t = r->t;

	for (size_t i = 0; i < t->n_keys; i++)
		check_key(r, &t->keys[i]);
	for (size_t i = 0; i < t->n_options; i++) {
		r->line = t->options[i].line;
		check_flag(r, t->options[i].name);
		check_flag(r, t->options[i].letter);
		if (!t->options[i].doc)
			mistake(r, "%s: a line with | says what the option does",
				t->options[i].name);
	}
	r->line = 0;
	if (!t->n_keys)
		mistake(r, "there is no key");
}

void key_table_load(struct key_table *t, const char *path, struct diag *d)
{
	struct reader r = { .t = t, .d = d };
	char *text = file_read(path, d), *next;
	size_t lines = 1;

	*t = (struct key_table){ .path = path };
	if (!text)
		return;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	t->keys = memory_zeroed(lines, sizeof(*t->keys));
	t->options = memory_zeroed(lines, sizeof(*t->options));
	t->tables = memory_zeroed(lines, sizeof(*t->tables));
	for (char *line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		r.line++;
		if (*line == '\t' || *line == ' ')
			read_inner(&r, line);
		else if (*line && *line != '#')
			read_entry(&r, line);
	}
	check_whole(&r);
}
