/*
 * protoc-gen-crisp-validate.c - write gen/cri_validate.[ch].
 * A message gets a check function only if a request can contain it.  It must also have a rule, an
 * enum or a bound, in itself or a message below.  The generated code calls only libc and the
 * helpers it uses.
 */
#include "protoc-gen-crisp.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Helpers in the generated code, each with the text of a failed check. */
enum check_helper {
	HELPER_EMPTY,
	HELPER_ABSOLUTE,
	HELPER_INSIDE,
	HELPER_NAME,
	HELPER_WORD,
	HELPER_LINE,
	HELPER_CHARS,
	HELPER_WITHOUT,
	HELPER_LONGER,
	HELPER_COUNT,
};

static const char *const helper_text[HELPER_COUNT] = {
	[HELPER_EMPTY] = "static bool text_empty(const char *s)\n"
			 "{\n"
			 "\treturn !s || !*s;\n"
			 "}\n",
	[HELPER_LONGER] = "static bool text_longer(const char *s, size_t max)\n"
			  "{\n"
			  "\treturn s && strlen(s) > max;\n"
			  "}\n",
	[HELPER_ABSOLUTE] = "static bool text_absolute(const char *s)\n"
			    "{\n"
			    "\treturn !s || !*s || *s == '/';\n"
			    "}\n",
	[HELPER_INSIDE] = "/* A relative path none of whose components is \"..\". */\n"
			  "static bool text_inside(const char *s)\n"
			  "{\n"
			  "\tsize_t n;\n"
			  "\n"
			  "\tif (!s || !*s)\n"
			  "\t\treturn true;\n"
			  "\tif (*s == '/')\n"
			  "\t\treturn false;\n"
			  "\tfor (;; s += n + 1) {\n"
			  "\t\tn = strcspn(s, \"/\");\n"
			  "\t\tif (n == 2 && s[0] == '.' && s[1] == '.')\n"
			  "\t\t\treturn false;\n"
			  "\t\tif (!s[n])\n"
			  "\t\t\treturn true;\n"
			  "\t}\n"
			  "}\n",
	[HELPER_LINE] = "static bool text_line(const char *s)\n"
			"{\n"
			"\tfor (; s && *s; s++)\n"
			"\t\tif ((unsigned char)*s < 0x20 || *s == 0x7f)\n"
			"\t\t\treturn false;\n"
			"\treturn true;\n"
			"}\n",
	[HELPER_WORD] = "static bool text_word(const char *s)\n"
			"{\n"
			"\treturn text_line(s) && !(s && strchr(s, ' '));\n"
			"}\n",
	[HELPER_NAME] =
		"static bool text_name(const char *s)\n"
		"{\n"
		"\treturn text_word(s) &&\n"
		"\t       !(s && (strchr(s, '/') || !strcmp(s, \".\") || !strcmp(s, \"..\")));\n"
		"}\n",
	[HELPER_CHARS] = "static bool text_chars(const char *s, const char *allowed)\n"
			 "{\n"
			 "\treturn !s || !s[strspn(s, allowed)];\n"
			 "}\n",
	[HELPER_WITHOUT] = "static bool text_without(const char *s, const char *banned)\n"
			   "{\n"
			   "\treturn !s || !s[strcspn(s, banned)];\n"
			   "}\n",
};

/* Order of the helpers in the file: callee first. */
static const enum check_helper helper_order[HELPER_COUNT] = {
	HELPER_EMPTY, HELPER_LONGER, HELPER_ABSOLUTE, HELPER_INSIDE,  HELPER_LINE,
	HELPER_WORD,  HELPER_NAME,   HELPER_CHARS,    HELPER_WITHOUT,
};

static const char validate_frame[] =
	"#define NO_INDEX SIZE_MAX\n"
	"\n"
	"/* Where a message stands; the request itself is NULL. */\n"
	"struct where {\n"
	"\tconst struct where *up;\n"
	"\tconst char *field;\n"
	"\tsize_t index;\n"
	"};\n"
	"\n"
	"/* Where the text goes. */\n"
	"struct check {\n"
	"\tchar *msg;\n"
	"\tsize_t size;\n"
	"};\n"
	"\n"
	"static size_t where_put(const struct check *c, size_t at, const struct where *w)\n"
	"{\n"
	"\tint n;\n"
	"\n"
	"\tif (w->up)\n"
	"\t\tat = where_put(c, at, w->up);\n"
	"\tif (at >= c->size)\n"
	"\t\treturn at;\n"
	"\tif (w->index == NO_INDEX)\n"
	"\t\tn = snprintf(c->msg + at, c->size - at, \"%s%s\", w->up ? \".\" : \"\", w->field);\n"
	"\telse\n"
	"\t\tn = snprintf(c->msg + at, c->size - at, \"%s%s[%zu]\", w->up ? \".\" : \"\",\n"
	"\t\t\t     w->field, w->index);\n"
	"\treturn n < 0 ? at : at + (size_t)n;\n"
	"}\n"
	"\n"
	"static bool fail(const struct check *c, const struct where *up, const char *field, "
	"size_t index,\n"
	"\t\t const char *rule)\n"
	"{\n"
	"\tsize_t at = where_put(c, 0, &(struct where){ up, field, index });\n"
	"\n"
	"\tif (at < c->size)\n"
	"\t\tsnprintf(c->msg + at, c->size - at, \": %s\", rule);\n"
	"\treturn false;\n"
	"}\n";

struct writer {
	const struct plugin *p;
	struct emit body; /* statements of the current function */
	bool used[HELPER_COUNT];
	bool uses_index;
};

/* One value to check: its C expression, and its name in the message. */
struct value {
	const struct field *f;
	const char *expr;
	const char *label;
	bool indexed;
};

static void writer_use(struct writer *w, enum check_helper h)
{
	w->used[h] = true;
	if (h == HELPER_NAME)
		w->used[HELPER_WORD] = true;
	if (w->used[HELPER_WORD])
		w->used[HELPER_LINE] = true;
}

__attribute__((format(printf, 4, 5))) static void writer_test(struct writer *w,
							      const struct value *v,
							      const char *condition,
							      const char *fmt, ...)
{
	struct emit rule = EMIT_NULL;
	struct emit line = EMIT_NULL;
	va_list ap;

	va_start(ap, fmt);
	emit_vput(&rule, fmt, ap);
	va_end(ap);
	emit_literal(&line, emit_text(&rule));
	emit_line(&w->body, "if (%s)", condition);
	emit_line(&w->body, "\treturn fail(c, up, \"%s\", %s, %s);", v->label,
		  v->indexed ? "i" : "NO_INDEX", emit_text(&line));
	w->uses_index |= v->indexed;
	emit_done(&rule);
	emit_done(&line);
}

static void writer_text(struct writer *w, const struct value *v, const struct rule_set *r)
{
	const char *x = v->expr;
	struct emit lit = EMIT_NULL;

	if (r->has_max) {
		writer_use(w, HELPER_LONGER);
		writer_test(w, v, text_format("text_longer(%s, %lld)", x, r->max),
			    "must not be longer than %lld bytes", r->max);
	}
	if (r->absolute) {
		writer_use(w, HELPER_ABSOLUTE);
		writer_test(w, v, text_format("!text_absolute(%s)", x), "must be an absolute path");
	}
	if (r->inside) {
		writer_use(w, HELPER_INSIDE);
		writer_test(w, v, text_format("!text_inside(%s)", x),
			    "must be a relative path without \"..\"");
	}
	if (r->name) {
		writer_use(w, HELPER_NAME);
		writer_test(w, v, text_format("!text_name(%s)", x),
			    "must not be \".\" or \"..\" "
			    "nor contain '/', spaces or control characters");
	}
	if (r->word) {
		writer_use(w, HELPER_WORD);
		writer_test(w, v, text_format("!text_word(%s)", x),
			    "must not contain spaces or control characters");
	}
	if (r->text_line) {
		writer_use(w, HELPER_LINE);
		writer_test(w, v, text_format("!text_line(%s)", x),
			    "must not contain control characters");
	}
	if (r->chars) {
		writer_use(w, HELPER_CHARS);
		emit_literal(&lit, r->chars);
		writer_test(w, v, text_format("!text_chars(%s, %s)", x, emit_text(&lit)),
			    "may only contain the characters %s", r->chars);
	}
	emit_done(&lit);
	if (r->without) {
		writer_use(w, HELPER_WITHOUT);
		emit_literal(&lit, r->without);
		writer_test(w, v, text_format("!text_without(%s, %s)", x, emit_text(&lit)),
			    "must not contain any of %s", r->without);
	}
	emit_done(&lit);
}

/* Can a number of this type violate the limit? */
static bool limit_matters(const struct field *f, bool low, long long limit)
{
	const char *type = field_type_name(f);
	bool is_unsigned = type[0] == 'u' || type[0] == 'f';
	bool wide = strstr(type, "64") != NULL;

	if (!strcmp(type, "double") || !strcmp(type, "float"))
		return true;
	if (low && is_unsigned)
		return limit > 0;
	if (low)
		return limit > (wide ? LLONG_MIN : INT32_MIN);
	return wide || limit < (is_unsigned ? UINT32_MAX : INT32_MAX);
}

static const char *limit_suffix(long long limit)
{
	return limit > INT_MAX || limit < INT_MIN ? "LL" : "";
}

static void writer_range(struct writer *w, const struct value *v, const struct rule_set *r)
{
	const char *rule = r->open ? text_format("must be at least %lld", r->low)
				   : text_format("must be between %lld and %lld", r->low, r->high);

	if (limit_matters(v->f, true, r->low))
		writer_test(w, v, text_format("%s < %lld%s", v->expr, r->low, limit_suffix(r->low)),
			    "%s", rule);
	if (!r->open && limit_matters(v->f, false, r->high))
		writer_test(w, v,
			    text_format("%s > %lld%s", v->expr, r->high, limit_suffix(r->high)),
			    "%s", rule);
}

static void writer_only(struct writer *w, const struct value *v, const char *only)
{
	const Google__Protobuf__EnumDescriptorProto *d = v->f->enumeration->d;
	struct emit cond = EMIT_NULL, names = EMIT_NULL;
	size_t n, i;

	for (; *only; only += n + (only[n] == ',')) {
		n = strcspn(only, ",");
		for (i = 0; i < d->n_value; i++)
			if (strlen(d->value[i]->name) == n && !memcmp(d->value[i]->name, only, n))
				emit_put(&cond, "%s(int)%s != %d", cond.len ? " && " : "", v->expr,
					 d->value[i]->number);
		emit_put(&names, "%s%.*s", names.len ? ", " : "", (int)n, only);
	}
	writer_test(w, v, emit_text(&cond), "must be one of %s", emit_text(&names));
	emit_done(&cond);
	emit_done(&names);
}

/* A single value: a singular field or one entry of a repeated one. */
static void writer_value(struct writer *w, const struct value *v, const struct rule_set *r)
{
	const struct field *f = v->f;

	if (f->enumeration) {
		f->enumeration->wanted = true;
		writer_test(w, v,
			    text_format("!known_%s((int)%s)", f->enumeration->c_lower, v->expr),
			    "is no known %s", f->enumeration->name);
		if (r && r->only)
			writer_only(w, v, r->only);
		return;
	}
	if (f->message) {
		if (!f->message->wanted)
			return;
		emit_line(&w->body,
			  "if (%s && !check_%s(%s, &(struct where){ up, \"%s\", %s }, c))", v->expr,
			  f->message->c_lower, v->expr, v->label, v->indexed ? "i" : "NO_INDEX");
		emit_line(&w->body, "\treturn false;");
		w->uses_index |= v->indexed;
		return;
	}
	if (!r)
		return;
	if (f->d->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING)
		writer_text(w, v, r);
	else if (f->d->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES) {
		if (r->has_max)
			writer_test(w, v, text_format("%s.len > %lld", v->expr, r->max),
				    "must not be longer than %lld bytes", r->max);
	} else if (r->has_range) {
		writer_range(w, v, r);
	}
}

static void writer_required(struct writer *w, const struct value *v)
{
	if (v->f->message) {
		writer_test(w, v, text_format("!%s", v->expr), "required");
	} else if (v->f->d->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES) {
		writer_test(w, v, text_format("!%s.len", v->expr), "required");
	} else {
		writer_use(w, HELPER_EMPTY);
		writer_test(w, v, text_format("text_empty(%s)", v->expr), "required");
	}
}

/* The checks of one field of the message that `holder` points to, named with `prefix`. */
static void writer_field(struct writer *w, const struct field *f, const struct rule_set *r,
			 const char *holder, const char *prefix)
{
	struct value v = {
		.f = f,
		.expr = text_format("%s->%s", holder, f->c_name),
		.label = text_format("%s%s", prefix, f->name),
	};
	const char *count = text_format("%s->n_%s", holder, f->c_name);
	long long items = r && r->has_items ? r->items : w->p->rules.default_items;
	struct emit outer;

	if (!f->repeated) {
		if (r && r->required)
			writer_required(w, &v);
		writer_value(w, &v, r);
		return;
	}
	if (r && r->required)
		writer_test(w, &v, text_format("!%s", count), "required");
	if (items > 0)
		writer_test(w, &v, text_format("%s > %lld", count, items),
			    "must not have more than %lld entries", items);
	outer = w->body;
	w->body = (struct emit){ .indent = outer.indent + 1 };
	v.expr = text_format("%s[i]", v.expr);
	v.indexed = true;
	writer_value(w, &v, r);
	if (w->body.len > 0) {
		emit_line(&outer, "for (i = 0; i < %s; i++) {", count);
		emit_bytes(&outer, w->body.text, w->body.len);
		emit_line(&outer, "}");
	}
	emit_done(&w->body);
	w->body = outer;
}

static void writer_message(struct writer *w, const struct message *m, struct emit *out)
{
	const struct rules *rules = &w->p->rules;
	size_t i, j;

	w->body = (struct emit){ .indent = 1 };
	w->uses_index = false;
	for (i = 0; i < m->n_fields; i++) {
		const struct field *f = &m->fields[i];

		writer_field(w, f, rules_find(rules, f), "m", "");
		for (j = 0; j < rules->n_sets; j++) {
			const struct rule_set *r = &rules->sets[j];

			if (r->anchor != m || r->via != f)
				continue;
			emit_open(&w->body, "if (m->%s) {", f->c_name);
			writer_field(w, r->field, r, text_format("m->%s", f->c_name),
				     text_format("%s.", f->name));
			emit_close(&w->body, "}");
		}
	}
	emit_blank(out);
	emit_line(out,
		  "static bool check_%s(const %s *m, const struct where *up, "
		  "const struct check *c)",
		  m->c_lower, m->c_type);
	emit_open(out, "{");
	if (w->uses_index) {
		emit_line(out, "size_t i;");
		emit_blank(out);
	}
	emit_bytes(out, emit_text(&w->body), w->body.len);
	emit_line(out, "return true;");
	emit_close(out, "}");
	emit_done(&w->body);
}

static bool field_has_checks(const struct plugin *p, const struct field *f)
{
	const struct rule_set *r = rules_find(&p->rules, f);
	size_t i;

	for (i = 0; i < p->rules.n_sets; i++)
		if (p->rules.sets[i].via == f)
			return true;
	if (f->enumeration || (f->message && f->message->wanted))
		return true;
	if (f->repeated && p->rules.default_items)
		return true;
	return r &&
	       (r->required || r->absolute || r->inside || r->name || r->word || r->text_line ||
		r->has_max || r->has_items || r->has_range || r->chars || r->without);
}

/* Mark messages that need a function: first those with checks below, to a fixed point, ... */
static void mark_checked(struct plugin *p)
{
	bool changed = true;
	size_t i, j;

	while (changed) {
		changed = false;
		for (i = 0; i < p->schema.n_messages; i++) {
			struct message *m = &p->schema.messages[i];
			bool was = m->wanted;

			for (j = 0; !m->wanted && j < m->n_fields; j++)
				m->wanted = field_has_checks(p, &m->fields[j]);
			changed |= m->wanted != was;
		}
	}
}

/* ... then those that a request can contain. */
static void mark_reached(const struct message *m, bool *reached, const struct schema *s)
{
	size_t i, at = (size_t)(m - s->messages);

	if (reached[at])
		return;
	reached[at] = true;
	for (i = 0; i < m->n_fields; i++)
		if (m->fields[i].message)
			mark_reached(m->fields[i].message, reached, s);
}

static void mark_messages(struct plugin *p)
{
	bool *reached = memory_zeroed(p->schema.n_messages, sizeof(*reached));
	size_t i;

	mark_checked(p);
	for (i = 0; i < p->schema.n_rpcs; i++)
		mark_reached(p->schema.rpcs[i].request, reached, &p->schema);
	for (i = 0; i < p->schema.n_messages; i++)
		p->schema.messages[i].wanted &= reached[i];
	free(reached);
}

static int enum_value_compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* "(v >= 0 && v <= 3) || v == 7" */
static void emit_known(struct emit *c, const struct enumeration *en)
{
	size_t n = en->d->n_value, i, first = 0;
	int *values = memory_zeroed(n, sizeof(*values));

	for (i = 0; i < n; i++)
		values[i] = en->d->value[i]->number;
	qsort(values, n, sizeof(*values), enum_value_compare);
	emit_blank(c);
	emit_line(c, "static bool known_%s(int v)", en->c_lower);
	emit_line(c, "{");
	emit_put(c, "\treturn ");
	for (i = 0; i < n; i++) {
		if (i + 1 < n && values[i + 1] - values[i] <= 1)
			continue;
		emit_put(c, "%s", first ? " || " : "");
		if (values[first] == values[i])
			emit_put(c, "v == %d", values[i]);
		else
			emit_put(c, "(v >= %d && v <= %d)", values[first], values[i]);
		first = i + 1;
	}
	emit_put(c, ";\n}\n");
	free(values);
}

static void emit_entry_points(const struct plugin *p, struct emit *h, struct emit *c)
{
	size_t i;

	for (i = 0; i < p->schema.n_rpcs; i++) {
		const struct rpc *r = &p->schema.rpcs[i];

		emit_line(h,
			  "bool cri_validate_%s(const ProtobufCMessage *req, char *msg, "
			  "size_t size);",
			  r->snake);
		emit_blank(c);
		emit_line(c,
			  "bool cri_validate_%s(const ProtobufCMessage *req, char *msg, "
			  "size_t size)",
			  r->snake);
		emit_open(c, "{");
		if (r->request->wanted) {
			emit_line(c, "return check_%s((const %s *)req, NULL,", r->request->c_lower,
				  r->request->c_type);
			emit_line(c, "\t\t&(struct check){ .msg = msg, .size = size });");
		} else {
			emit_line(c, "(void)req;");
			emit_line(c, "(void)msg;");
			emit_line(c, "(void)size;");
			emit_line(c, "return true;");
		}
		emit_close(c, "}");
	}
}

static void emit_validate_header(const struct plugin *p, struct emit *h)
{
	plugin_emit_top(p, h, true);
	emit_put(h, "\n#include <protobuf-c/protobuf-c.h>\n"
		    "#include <stdbool.h>\n#include <stddef.h>\n\n"
		    "/* One for each RPC: true when the request keeps every rule.  Otherwise msg\n"
		    " * says which field breaks which, cut at size, as\n"
		    " * \"config.mounts[3].container_path: must be an absolute path\".\n"
		    " * req must be of the RPC's request type. */\n");
}

static void emit_validators_table(const struct plugin *p, struct emit *h, struct emit *c)
{
	size_t i;

	emit_put(h,
		 "\n/* All of them with their request types, for tests and tools; in the order "
		 "of enum cri_rpc. */\n"
		 "struct cri_validator {\n"
		 "\tconst ProtobufCMessageDescriptor *request;\n"
		 "\tbool (*validate)(const ProtobufCMessage *req, char *msg, size_t size);\n"
		 "};\n\n"
		 "#define CRI_VALIDATORS %zu\n\n"
		 "extern const struct cri_validator cri_validators[CRI_VALIDATORS];\n",
		 p->schema.n_rpcs);
	emit_blank(c);
	emit_open(c, "const struct cri_validator cri_validators[CRI_VALIDATORS] = {");
	for (i = 0; i < p->schema.n_rpcs; i++)
		emit_line(c, "{ &%s__descriptor, cri_validate_%s },",
			  p->schema.rpcs[i].request->c_lower, p->schema.rpcs[i].snake);
	emit_close(c, "};");
}

/* protoc-c marks deprecated fields so that their use warns; a client may still send them. */
static void emit_deprecated(const struct plugin *p, struct emit *c)
{
	size_t i, j;

	for (i = 0; i < p->schema.n_messages; i++)
		for (j = 0; j < p->schema.messages[i].n_fields; j++)
			if (p->schema.messages[i].fields[j].deprecated) {
				emit_put(c, "\n/* Deprecated fields are checked like others. */\n"
					    "#pragma GCC diagnostic ignored "
					    "\"-Wdeprecated-declarations\"\n");
				return;
			}
}

void plugin_emit_validate(struct plugin *p, struct emit *h, struct emit *c)
{
	struct writer w = { .p = p };
	struct emit functions = EMIT_NULL;
	size_t i;

	mark_messages(p);
	for (i = 0; i < p->schema.n_messages; i++)
		if (p->schema.messages[i].wanted)
			writer_message(&w, &p->schema.messages[i], &functions);

	emit_validate_header(p, h);
	plugin_emit_top(p, c, false);
	emit_put(c, "#include \"cri_validate.h\"\n\n#include <stdint.h>\n#include <stdio.h>\n"
		    "#include <string.h>\n\n");
	for (i = 0; i < p->n_files; i++)
		emit_line(c, "#include \"%s\"", p->headers[i]);
	emit_deprecated(p, c);
	emit_blank(c);
	emit_put(c, "%s", validate_frame);
	for (i = 0; i < HELPER_COUNT; i++)
		if (w.used[helper_order[i]])
			emit_put(c, "\n%s", helper_text[helper_order[i]]);
	for (i = 0; i < p->schema.n_enums; i++)
		if (p->schema.enums[i].wanted)
			emit_known(c, &p->schema.enums[i]);
	emit_blank(c);
	for (i = 0; i < p->schema.n_messages; i++)
		if (p->schema.messages[i].wanted)
			emit_line(c,
				  "static bool check_%s(const %s *m, const struct where *up, "
				  "const struct check *c);",
				  p->schema.messages[i].c_lower, p->schema.messages[i].c_type);
	emit_bytes(c, emit_text(&functions), functions.len);
	emit_done(&functions);
	emit_entry_points(p, h, c);
	emit_validators_table(p, h, c);
}
