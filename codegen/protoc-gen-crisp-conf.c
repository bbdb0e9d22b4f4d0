/*
 * protoc-gen-crisp-conf.c - write X_conf.[ch] for X.proto: functions that fill the fields of a
 * message from the configuration.
 * A field names its key in its trailing comment: "conf KEY", then free text after a semicolon.
 * The keys come from src/conf/crisp.keys.  A key that is missing, that nothing reads yet or that
 * does not fit the field's type is a mistake with the field's line.
 */
#include "protoc-gen-crisp-conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "protoc-gen-crisp-input.h"

/* Field numbers in a SourceCodeInfo path. */
enum {
	PATH_FILE_MESSAGE = 4,
	PATH_MESSAGE_FIELD = 2,
};

/* Conversion of a key's value to the field. */
enum fill {
	FILL_NONE,
	FILL_STRING,
	FILL_LIST,
	FILL_NUMBER, /* by a cast; a boolean too */
	FILL_DURATION, /* milliseconds from text */
};

struct filled {
	const struct message *message;
	const struct field *field;
	const char *member;
	enum fill fill;
};

/* Is the key's whole range within uint32? */
static bool key_fits_u32(const struct key_entry *k)
{
	return k->has_range && strtoll(k->low, NULL, 10) >= 0 &&
	       strtoll(k->high, NULL, 10) <= 0xffffffff;
}

static char *copy(const char *text, size_t n)
{
	while (n && isspace((unsigned char)*text))
		text++, n--;
	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	return text_format("%.*s", (int)n, text);
}

/* --- fields --- */

/* The key named in a field's trailing comment, NULL: none. */
static const char *comment_key(const char *comment, const char *path, unsigned line, struct diag *d)
{
	size_t n;

	comment += strspn(comment, " \t\n");
	if (strncmp(comment, "conf ", 5)) {
		if (strstr(comment, "crio."))
			diag_add(d, path, line,
				 "a comment that names a key begins with it: write "
				 "\"conf KEY\", then a semicolon and the rest");
		return NULL;
	}
	comment += 5;
	n = strcspn(comment, ";\n");
	return copy(comment, n);
}

static enum fill fill_of(const struct field *f, const struct key_entry *k)
{
	bool text = k->type == KEY_TYPE_STRING || k->type == KEY_TYPE_PATH;
	bool list = k->type == KEY_TYPE_LIST || k->type == KEY_TYPE_PATHS;
	bool number = k->type == KEY_TYPE_INTEGER || k->type == KEY_TYPE_SIZE;
	const char *type = field_type_name(f);
	size_t n = strlen(f->name);

	if (!strcmp(type, "string"))
		return f->repeated ? list ? FILL_LIST : FILL_NONE : text ? FILL_STRING : FILL_NONE;
	if (f->repeated)
		return FILL_NONE;
	if (!strcmp(type, "bool"))
		return k->type == KEY_TYPE_BOOLEAN ? FILL_NUMBER : FILL_NONE;
	if (!strcmp(type, "uint32"))
		return number && key_fits_u32(k) ? FILL_NUMBER : FILL_NONE;
	if (strcmp(type, "int64"))
		return FILL_NONE;
	if (text && n > 3 && !strcmp(f->name + n - 3, "_ms") && k->check &&
	    !strcmp(k->check, "duration"))
		return FILL_DURATION;
	return number ? FILL_NUMBER : FILL_NONE;
}

/* false: a mistake was reported. */
static bool fill_find(const struct key_table *s, const char *name, const char *path, unsigned line,
		      struct filled *ret, struct diag *d)
{
	const struct field *f = ret->field;
	const struct key_entry *k = key_table_find(s, name);

	if (!k) {
		diag_add(d, path, line, "%s: %s has no key %s", f->name, s->path, name);
		return false;
	}
	if (k->place != KEY_PLACE_CONF || k->role != KEY_ROLE_WORKS) {
		diag_add(d, path, line, "%s: nothing may read %s yet (line %u of %s)", f->name,
			 name, k->line, s->path);
		return false;
	}
	ret->member = k->field;
	ret->fill = fill_of(f, k);
	if (ret->fill != FILL_NONE)
		return true;
	diag_add(
		d, path, line,
		"%s: %s%s cannot hold %s, which is %s; a text goes into a string, "
		"a list into a repeated string, a duration into an int64 whose name ends in _ms, a "
		"number into an int64, or into a uint32 when its range fits",
		f->name, f->repeated ? "repeated " : "", field_type_name(f), name,
		key_type_name(k->type));
	return false;
}

/* The field of a top-level message at this location; NULL: not a field. */
static const struct field *location_field(const struct schema *s,
					  const Google__Protobuf__FileDescriptorProto *file,
					  const Google__Protobuf__SourceCodeInfo__Location *l)
{
	const Google__Protobuf__DescriptorProto *d;
	bool ignored;
	const struct message *m;
	const char *full;

	if (l->n_path != 4 || l->path[0] != PATH_FILE_MESSAGE || l->path[2] != PATH_MESSAGE_FIELD)
		return NULL;
	d = file->message_type[l->path[1]];
	full = text_format("%s.%s", file->package, d->name);
	m = schema_find_message(s, full, strlen(full), &ignored);
	return m ? &m->fields[l->path[3]] : NULL;
}

/* Collect fields in the order of the file, which is protoc's order of locations. */
static size_t collect(const struct key_table *s, const struct schema *schema,
		      const Google__Protobuf__FileDescriptorProto *file, const char *path,
		      struct filled *ret, struct diag *d)
{
	size_t n = 0, i;

	for (i = 0; file->source_code_info && i < file->source_code_info->n_location; i++) {
		const Google__Protobuf__SourceCodeInfo__Location *l =
			file->source_code_info->location[i];
		const struct field *f = location_field(schema, file, l);
		unsigned line = l->n_span > 0 ? (unsigned)l->span[0] + 1 : 0;
		const char *name;

		if (f && l->leading_comments && strstr(l->leading_comments, "crio."))
			diag_add(d, path, line, "%s: write the key behind the field, not before it",
				 f->name);
		if (!f || !l->trailing_comments)
			continue;
		name = comment_key(l->trailing_comments, path, line, d);
		ret[n] = (struct filled){ .message = f->parent, .field = f };
		if (name && fill_find(s, name, path, line, &ret[n], d))
			n++;
	}
	return n;
}

/* --- output --- */

static void emit_fill(struct emit *c, const struct filled *f)
{
	const char *to = f->field->c_name;

	switch (f->fill) {
	case FILL_STRING:
		emit_line(c, "row_set_str(&m->%s, c->%s);", to, f->member);
		break;
	case FILL_LIST:
		emit_line(c, "row_set_strs(&m->%s, &m->n_%s, c->%s);", to, to, f->member);
		break;
	case FILL_NUMBER:
		emit_line(c, "m->%s = (%s)c->%s;", to,
			  !strcmp(field_type_name(f->field), "uint32")	? "uint32_t"
			  : !strcmp(field_type_name(f->field), "int64") ? "int64_t"
									: "protobuf_c_boolean",
			  f->member);
		break;
	case FILL_DURATION:
		emit_open(c, "if (str_to_duration(c->%s, &ns) < 0)", f->member);
		emit_line(c, "ns = 0;");
		c->indent--;
		emit_line(c, "m->%s = ns / NSEC_PER_MSEC;", to);
		break;
	case FILL_NONE:
		break;
	}
}

static void emit_function(struct emit *c, const struct filled *f, size_t n)
{
	bool durations = false;
	size_t i;

	for (i = 0; i < n; i++)
		durations |= f[i].fill == FILL_DURATION;
	emit_blank(c);
	emit_line(c, "void %s__from_conf(%s *m, const struct conf *c)", f->message->c_lower,
		  f->message->c_type);
	emit_open(c, "{");
	if (durations) {
		emit_line(c, "int64_t ns;");
		emit_blank(c);
	}
	for (i = 0; i < n; i++)
		emit_fill(c, &f[i]);
	emit_close(c, "}");
}

static const char conf_header[] =
	"struct conf;\n\n"
	"/* Replace the fields of m whose comment in the schema names a key of the configuration.  "
	"m "
	"owns\n"
	" * its strings, as after unpacking with the default allocator. */\n";

void conf_emit(const struct key_table *s, const struct schema *schema,
	       const Google__Protobuf__FileDescriptorProto *file, const char *path,
	       const char *stem, struct emit *h, struct emit *c, struct diag *d)
{
	struct filled *all;
	size_t total = 0, n, i, k;

	for (i = 0; i < schema->n_messages; i++)
		total += schema->messages[i].n_fields;
	all = memory_zeroed(total, sizeof(*all));
	n = collect(s, schema, file, path, all, d);
	if (!n)
		return;
	for (i = 0; i < 2; i++) {
		emit_banner(i ? c : h, "protoc-gen-crisp", text_format("%s and %s", path, s->path));
		emit_line(i ? c : h, i ? "#include \"%s_conf.h\"" : "#pragma once", stem);
		emit_blank(i ? c : h);
	}
	emit_line(h, "#include \"%s.pb-c.h\"", stem);
	emit_blank(h);
	emit_put(h, "%s", conf_header);
	emit_line(c, "#include \"base/clock.h\"");
	emit_line(c, "#include \"base/str.h\"");
	emit_line(c, "#include \"conf/conf.h\"");
	emit_line(c, "#include \"core/records.h\"");
	for (i = 0; i < n; i = k) {
		for (k = i; k < n && all[k].message == all[i].message;)
			k++;
		emit_line(h, "void %s__from_conf(%s *m, const struct conf *c);",
			  all[i].message->c_lower, all[i].message->c_type);
		emit_function(c, &all[i], k - i);
	}
}
