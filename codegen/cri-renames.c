/*
 * cri-renames.c - let names that a bump of the CRI schema changed stay valid in C.
 * usage: cri-renames SET.ds RENAMES HEADER    add the old names to protoc-c's header
 *        cri-renames SET.ds RENAMES           print the old names in C, with the new ones
 * Each line of RENAMES, proto/renames, is one name of the schema before the last bump:
 *   value ENUM.OLD NEW, field MESSAGE.OLD NEW, message OLD NEW, enum OLD NEW
 * Names of messages and enums stand without their package; left of a dot they are the new ones.
 * Old names of values, messages and enums become macros at the end of the header.  An old name of
 * a field becomes a second member of an unnamed union, so the macro with the initial values gets
 * braces there.  With CRI_NEW_NAMES defined the old names do not exist.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protoc-gen-crisp-input.h"

struct aliases {
	struct schema schema;
	struct diag diag;
	struct emit header; /* as protoc-c wrote it, with the unions */
	struct emit macros;
	struct emit list; /* "id OLD NEW", "field OLD NEW" */
	bool has_header;
};

/* --- macros --- */

static void alias_add(struct aliases *a, const char *old, const char *now)
{
	emit_line(&a->macros, "#define %s %s", old, now);
	emit_line(&a->list, "id %s %s", old, now);
}

static void alias_message(struct aliases *a, const char *old, const struct message *m)
{
	static const char *const functions[] = {
		"init",	  "get_packed_size", "pack",	   "pack_to_buffer",
		"unpack", "free_unpacked",   "descriptor",
	};
	const char *lower = name_join(old, name_to_snake);
	size_t i;

	alias_add(a, name_join(old, name_to_camel), m->c_type);
	alias_add(a, text_format("%s__INIT", name_join(old, name_to_upper)), m->c_init);
	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		alias_add(a, text_format("%s__%s", lower, functions[i]),
			  text_format("%s__%s", m->c_lower, functions[i]));
}

static void alias_enum(struct aliases *a, const char *old, const struct enumeration *n)
{
	const char *upper = name_join(old, name_to_upper);
	size_t i;

	alias_add(a, name_join(old, name_to_camel), n->c_type);
	alias_add(a, text_format("%s__descriptor", name_join(old, name_to_snake)),
		  text_format("%s__descriptor", n->c_lower));
	for (i = 0; i < n->d->n_value; i++)
		alias_add(a, text_format("%s__%s", upper, n->d->value[i]->name),
			  text_format("%s__%s", n->c_upper, n->d->value[i]->name));
}

/* --- fields --- */

/* Find the line that begins at or behind from, is in the header before end and has text. */
static char *line_with(char *from, const char *end, const char *text)
{
	char *at = strstr(from, text);

	if (!at || at >= end)
		return NULL;
	while (at > from && at[-1] != '\n')
		at--;
	return at;
}

/* Replace n bytes of the header. */
static void header_replace(struct aliases *a, const char *at, size_t n, const char *text)
{
	struct emit e = EMIT_NULL;
	const char *from = emit_text(&a->header);

	emit_bytes(&e, from, (size_t)(at - from));
	emit_put(&e, "%s", text);
	emit_bytes(&e, at + n, strlen(at + n));
	emit_done(&a->header);
	a->header = e;
}

/* Make the member of struct m a union with a second name. */
static bool union_add(struct aliases *a, const struct message *m, const char *old, const char *now)
{
	char *at = strstr(emit_text(&a->header), text_format("\nstruct  %s\n{\n", m->c_type));
	char *end = at ? strstr(at, "\n};") : NULL;
	char *starred, *name;
	size_t n;

	if (!end)
		return false;
	starred = line_with(at, end, text_format("*%s;", now));
	at = starred ? starred : line_with(at, end, text_format(" %s;", now));
	if (!at)
		return false;
	n = strcspn(at, "\n");
	name = strstr(at, text_format("%s;", now));
	header_replace(a, at, n,
		       text_format("  union {\n  %.*s\n#ifndef CRI_NEW_NAMES\n  %.*s%s;\n#endif\n"
				   "  };",
				   (int)n, at, (int)(name - at), at, old));
	return true;
}

/* Length of the initial value at p, up to a comma with a space or to the end of the list. */
static size_t value_length(const char *p)
{
	size_t n;
	int depth = 0;

	for (n = 0; p[n]; n++) {
		if (depth == 0 && (!strncmp(p + n, ", ", 2) || !strncmp(p + n, " }", 2)))
			break;
		depth += (p[n] == '{') - (p[n] == '}');
	}
	return n;
}

/* Put the initial value of field index of m into braces. */
static bool init_brace(struct aliases *a, const struct message *m, size_t index)
{
	char *at = strstr(emit_text(&a->header), text_format("#define %s \\\n", m->c_init));
	char *comma;
	size_t n;

	at = at ? strstr(at, "\n    , ") : NULL;
	if (!at)
		return false;
	for (at += 7; index > 0; index--)
		at += value_length(at) + 2;
	n = value_length(at);
	if (n == 0)
		return false;
	comma = at[0] == '{' ? NULL : memchr(at, ',', n);
	header_replace(a, at, n, comma ? "{ 0 },{ NULL }" : text_format("{ %.*s }", (int)n, at));
	return true;
}

static void alias_field(struct aliases *a, const char *old, const struct field *f,
			const struct input_file *src)
{
	const struct message *m = f->parent;
	const char *c_old = field_c_name(old);
	bool done;

	emit_line(&a->list, "field %s %s", c_old, f->c_name);
	if (f->repeated)
		emit_line(&a->list, "field n_%s n_%s", c_old, f->c_name);
	if (!a->has_header)
		return;
	done = init_brace(a, m, (size_t)(f - m->fields)) && union_add(a, m, c_old, f->c_name);
	if (f->repeated)
		done = done &&
		       union_add(a, m, text_format("n_%s", c_old), text_format("n_%s", f->c_name));
	if (!done)
		diag_add(&a->diag, src->path, src->line,
			 "%s.%s: the header does not have it as protoc-c writes it", m->name,
			 f->name);
}

/* --- the file --- */

static const struct enumeration *enum_named(const struct schema *s, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < s->n_enums; i++)
		if (strlen(s->enums[i].name) == len && !memcmp(s->enums[i].name, name, len))
			return &s->enums[i];
	return NULL;
}

/* The full name that an old message or enum had: in the package of the new one. */
static const char *old_full(const char *old, const char *full, const char *name)
{
	return text_format("%.*s%s", (int)(strlen(full) - strlen(name)), full, old);
}

static bool has_value(const struct enumeration *n, const char *name)
{
	size_t i;

	for (i = 0; i < n->d->n_value; i++)
		if (!strcmp(n->d->value[i]->name, name))
			return true;
	return false;
}

/* false: the new name is not in the schema. */
static bool line_apply(struct aliases *a, const struct input_file *src)
{
	const char *kind = src->words[0], *old = src->words[1], *now = src->words[2];
	const char *dot = strrchr(old, '.');
	size_t len = dot ? (size_t)(dot - old) : 0;
	const struct enumeration *n;
	const struct message *m;
	const struct field *f;
	bool ambiguous;

	if (!strcmp(kind, "message")) {
		m = schema_find_message(&a->schema, now, strlen(now), &ambiguous);
		if (m)
			alias_message(a, old_full(old, m->full, m->name), m);
		return m;
	}
	if (!strcmp(kind, "enum")) {
		n = enum_named(&a->schema, now, strlen(now));
		if (n)
			alias_enum(a, old_full(old, n->full, n->name), n);
		return n;
	}
	if (!strcmp(kind, "value")) {
		n = enum_named(&a->schema, old, len);
		if (!n || !has_value(n, now))
			return false;
		alias_add(a, text_format("%s__%s", n->c_upper, dot + 1),
			  text_format("%s__%s", n->c_upper, now));
		return true;
	}
	m = schema_find_message(&a->schema, old, len, &ambiguous);
	f = m ? message_find_field(m, now, strlen(now)) : NULL;
	if (f)
		alias_field(a, dot + 1, f, src);
	return f;
}

static bool is_rename(const struct input_file *src)
{
	const char *kind = src->words[0];

	if (src->n_words != 3)
		return false;
	if (!strcmp(kind, "value") || !strcmp(kind, "field"))
		return strrchr(src->words[1], '.');
	return !strcmp(kind, "message") || !strcmp(kind, "enum");
}

static void renames_read(struct aliases *a, const char *path)
{
	struct input_file src;

	if (!source_open(&src, path, &a->diag))
		return;
	while (source_next(&src, &a->diag)) {
		if (!is_rename(&src))
			diag_add(&a->diag, path, src.line,
				 "write value ENUM.OLD NEW, field MESSAGE.OLD NEW, message OLD NEW "
				 "or enum OLD NEW");
		else if (!line_apply(a, &src))
			diag_add(&a->diag, path, src.line,
				 "%s: the schema has no %s; remove this line or correct it",
				 src.words[1], src.words[2]);
	}
}

static int header_write(struct aliases *a, const char *path)
{
	static const char end[] = "\nPROTOBUF_C__END_DECLS\n";
	char *at = strstr(emit_text(&a->header), end);
	struct emit block = EMIT_NULL;
	int r;

	if (!at) {
		fprintf(stderr, "%s: is no header of protoc-c\n", path);
		return 1;
	}
	if (a->macros.len > 0) {
		emit_put(&block, "\n/* Names in proto/renames. */\n#ifndef CRI_NEW_NAMES\n");
		emit_put(&block, "%s#endif\n", emit_text(&a->macros));
		header_replace(a, at, 0, emit_text(&block));
	}
	r = emit_write_file(&a->header, path);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	return r < 0;
}

int main(int argc, char **argv)
{
	struct aliases a = { .has_header = argc == 4 };

	if (argc != 3 && argc != 4) {
		fputs("usage: cri-renames SET.ds RENAMES [HEADER]\n", stderr);
		return 1;
	}
	schema_read(&a.schema, argv[1], &a.diag);
	if (a.has_header)
		emit_put(&a.header, "%s", file_read(argv[3], &a.diag));
	if (a.diag.n == 0)
		renames_read(&a, argv[2]);
	if (a.diag.n > 0) {
		fputs(emit_text(&a.diag.text), stderr);
		return 1;
	}
	if (a.has_header)
		return header_write(&a, argv[3]);
	fputs(emit_text(&a.list), stdout);
	return 0;
}
