/*
 * protoc-gen-crisp-schema.c - link descriptors into messages, enums and RPCs.
 * The C names must equal protoc-c's: a difference is a compile error of the generated code, never
 * a run-time error.
 */
#include "protoc-gen-crisp-schema.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Field numbers in a SourceCodeInfo path. */
enum {
	PATH_FILE_SERVICE = 6,
	PATH_SERVICE_METHOD = 2,
};

/* protoc-c appends an underscore to these field names, the keywords of C++98. */
static const char *const reserved_words[] = {
	"and",
	"and_eq",
	"asm",
	"auto",
	"bitand",
	"bitor",
	"bool",
	"break",
	"case",
	"catch",
	"char",
	"class",
	"compl",
	"const",
	"const_cast",
	"continue",
	"default",
	"delete",
	"do",
	"double",
	"dynamic_cast",
	"else",
	"enum",
	"explicit",
	"extern",
	"false",
	"float",
	"for",
	"friend",
	"goto",
	"if",
	"inline",
	"int",
	"long",
	"mutable",
	"namespace",
	"new",
	"not",
	"not_eq",
	"operator",
	"or",
	"or_eq",
	"private",
	"protected",
	"public",
	"register",
	"reinterpret_cast",
	"return",
	"short",
	"signed",
	"sizeof",
	"static",
	"static_cast",
	"struct",
	"switch",
	"template",
	"this",
	"throw",
	"true",
	"try",
	"typedef",
	"typeid",
	"typename",
	"union",
	"unsigned",
	"using",
	"virtual",
	"void",
	"volatile",
	"wchar_t",
	"while",
	"xor",
	"xor_eq",
};

void diag_add(struct diag *d, const char *file, unsigned line, const char *fmt, ...)
{
	va_list ap;

	emit_put(&d->text, "%s:", file);
	if (line)
		emit_put(&d->text, "%u:", line);
	emit_put(&d->text, " ");
	va_start(ap, fmt);
	emit_vput(&d->text, fmt, ap);
	va_end(ap);
	emit_put(&d->text, "\n");
	d->n++;
}

char *text_format(const char *fmt, ...)
{
	struct emit e = EMIT_NULL;
	va_list ap;

	va_start(ap, fmt);
	emit_vput(&e, fmt, ap);
	va_end(ap);
	emit_bytes(&e, "", 0);
	return e.text;
}

void *memory_zeroed(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return p;
}

static char *name_split(const char *name, bool upper)
{
	struct emit e = EMIT_NULL;
	bool was_upper = true;

	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (isupper(c) && !was_upper)
			emit_put(&e, "_");
		emit_put(&e, "%c", upper ? toupper(c) : tolower(c));
		was_upper = isupper(c);
	}
	emit_bytes(&e, "", 0);
	return e.text;
}

char *name_to_snake(const char *name)
{
	return name_split(name, false);
}

char *name_to_upper(const char *name)
{
	return name_split(name, true);
}

char *name_to_camel(const char *name)
{
	struct emit e = EMIT_NULL;
	bool raise = true;

	for (; *name; name++) {
		if (*name == '_') {
			raise = true;
			continue;
		}
		emit_put(&e, "%c", raise ? toupper((unsigned char)*name) : *name);
		raise = false;
	}
	emit_bytes(&e, "", 0);
	return e.text;
}

char *name_join(const char *dotted, char *(*one)(const char *))
{
	struct emit e = EMIT_NULL;
	const char *p = dotted;

	for (;;) {
		size_t n = strcspn(p, ".");
		char *part = text_format("%.*s", (int)n, p);
		char *out = one(part);

		emit_put(&e, "%s", out);
		free(part);
		free(out);
		if (!p[n])
			break;
		emit_put(&e, "__");
		p += n + 1;
	}
	return e.text;
}

const char *field_c_name(const char *name)
{
	char *low = text_format("%s", name);
	size_t i;

	for (i = 0; low[i]; i++)
		low[i] = (char)tolower((unsigned char)low[i]);
	for (i = 0; i < sizeof(reserved_words) / sizeof(reserved_words[0]); i++)
		if (!strcmp(low, reserved_words[i]))
			return text_format("%s_", low);
	return low;
}

static void schema_count(const Google__Protobuf__DescriptorProto *d, size_t *messages,
			 size_t *enums)
{
	size_t i;

	(*messages)++;
	*enums += d->n_enum_type;
	for (i = 0; i < d->n_nested_type; i++)
		schema_count(d->nested_type[i], messages, enums);
}

static void schema_add_enum(struct schema *s, const Google__Protobuf__EnumDescriptorProto *d,
			    const char *prefix, const char *outer)
{
	struct enumeration *n = &s->enums[s->n_enums++];

	n->d = d;
	n->name = text_format("%s%s", outer, d->name);
	n->full = text_format("%s%s", prefix, n->name);
	n->c_type = name_join(n->full, name_to_camel);
	n->c_lower = name_join(n->full, name_to_snake);
	n->c_upper = name_join(n->full, name_to_upper);
}

static void schema_add_message(struct schema *s, const Google__Protobuf__DescriptorProto *d,
			       const char *prefix, const char *outer, const char *file)
{
	struct message *m = &s->messages[s->n_messages++];
	const char *inner;
	size_t i;

	m->d = d;
	m->file = file;
	m->name = text_format("%s%s", outer, d->name);
	m->full = text_format("%s%s", prefix, m->name);
	m->c_type = name_join(m->full, name_to_camel);
	m->c_lower = name_join(m->full, name_to_snake);
	m->c_upper = name_join(m->full, name_to_upper);
	m->c_init = text_format("%s__INIT", m->c_upper);
	m->map_entry = d->options && d->options->map_entry;
	m->fields = memory_zeroed(d->n_field, sizeof(*m->fields));
	inner = text_format("%s.", m->name);
	for (i = 0; i < d->n_enum_type; i++)
		schema_add_enum(s, d->enum_type[i], prefix, inner);
	for (i = 0; i < d->n_nested_type; i++)
		schema_add_message(s, d->nested_type[i], prefix, inner, file);
}

static struct message *schema_message_by_type(const struct schema *s, const char *type)
{
	size_t i;

	for (i = 0; i < s->n_messages; i++)
		if (type[0] == '.' && !strcmp(s->messages[i].full, type + 1))
			return &s->messages[i];
	return NULL;
}

static struct enumeration *schema_enum_by_type(const struct schema *s, const char *type)
{
	size_t i;

	for (i = 0; i < s->n_enums; i++)
		if (type[0] == '.' && !strcmp(s->enums[i].full, type + 1))
			return &s->enums[i];
	return NULL;
}

static void schema_link_field(const struct schema *s, struct message *m, struct field *f,
			      const Google__Protobuf__FieldDescriptorProto *d, struct diag *diag)
{
	f->d = d;
	f->name = d->name;
	f->c_name = field_c_name(d->name);
	f->parent = m;
	f->repeated = d->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
	f->redact = d->options && d->options->debug_redact;
	f->deprecated = d->options && d->options->deprecated;
	if (d->has_oneof_index)
		diag_add(diag, m->file, 0,
			 "%s.%s: oneof and optional fields are not supported by protoc-gen-crisp; "
			 "teach the validator and the printer about them first",
			 m->name, d->name);
	if (!d->type_name)
		return;
	f->message = schema_message_by_type(s, d->type_name);
	f->enumeration = schema_enum_by_type(s, d->type_name);
	f->map = f->message && f->message->map_entry;
	if (!f->message && !f->enumeration)
		diag_add(diag, m->file, 0, "%s.%s: its type %s is in none of the files given",
			 m->name, d->name, d->type_name);
}

static const Google__Protobuf__SourceCodeInfo__Location *schema_locate(
	const Google__Protobuf__FileDescriptorProto *f, int service, int method)
{
	size_t i;

	if (!f->source_code_info)
		return NULL;
	for (i = 0; i < f->source_code_info->n_location; i++) {
		const Google__Protobuf__SourceCodeInfo__Location *l =
			f->source_code_info->location[i];

		if (l->n_path == 4 && l->path[0] == PATH_FILE_SERVICE && l->path[1] == service &&
		    l->path[2] == PATH_SERVICE_METHOD && l->path[3] == method)
			return l;
	}
	return NULL;
}

/* Join a comment's lines, without sequences that would end a C comment. */
static const char *comment_flatten(const char *text)
{
	struct emit e = EMIT_NULL;
	bool gap = false;

	for (; *text; text++) {
		if (isspace((unsigned char)*text)) {
			gap = e.len > 0;
			continue;
		}
		emit_put(&e, gap ? " " : "");
		gap = false;
		if (*text == '/' && e.len > 0 && e.text[e.len - 1] == '*')
			emit_put(&e, " ");
		emit_put(&e, "%c", *text);
	}
	return e.text;
}

static void schema_add_rpc(struct schema *s, const Google__Protobuf__FileDescriptorProto *f,
			   const char *file, size_t service, size_t method, struct diag *d)
{
	const Google__Protobuf__ServiceDescriptorProto *sv = f->service[service];
	const Google__Protobuf__MethodDescriptorProto *m = sv->method[method];
	const Google__Protobuf__SourceCodeInfo__Location *l =
		schema_locate(f, (int)service, (int)method);
	struct rpc *r = &s->rpcs[s->n_rpcs++];
	size_t i;

	r->d = m;
	r->name = m->name;
	r->service = sv->name;
	r->service_full = text_format("%s.%s", f->package, sv->name);
	r->snake = name_to_snake(m->name);
	r->upper = name_to_upper(m->name);
	r->file = file;
	r->line = l && l->n_span > 0 ? (unsigned)l->span[0] + 1 : 0;
	r->comment = l && l->leading_comments ? comment_flatten(l->leading_comments) : NULL;
	r->request = schema_message_by_type(s, m->input_type);
	r->response = schema_message_by_type(s, m->output_type);
	r->client_stream = m->client_streaming;
	r->server_stream = m->server_streaming;
	if (!r->request || !r->response)
		diag_add(d, file, r->line,
			 "%s.%s: its request or response is in none of the files "
			 "given",
			 r->service, r->name);
	if (r->client_stream)
		diag_add(d, file, r->line, "%s.%s: client streams are not supported", r->service,
			 r->name);
	for (i = 0; i + 1 < s->n_rpcs; i++)
		if (!strcmp(s->rpcs[i].snake, r->snake))
			diag_add(d, file, r->line,
				 "%s.%s: %s.%s has the same C name rpc_%s; "
				 "rename one of them",
				 r->service, r->name, s->rpcs[i].service, s->rpcs[i].name,
				 r->snake);
}

static void schema_link(struct schema *s, struct diag *d)
{
	size_t i, j;

	for (i = 0; i < s->n_messages; i++) {
		struct message *m = &s->messages[i];

		for (j = 0; j < m->d->n_field; j++)
			schema_link_field(s, m, &m->fields[j], m->d->field[j], d);
		m->n_fields = m->d->n_field;
	}
}

static void schema_allocate(struct schema *s, Google__Protobuf__FileDescriptorProto *const *files,
			    size_t n)
{
	size_t messages = 0, enums = 0, rpcs = 0;
	size_t i, j;

	for (i = 0; i < n; i++) {
		enums += files[i]->n_enum_type;
		for (j = 0; j < files[i]->n_message_type; j++)
			schema_count(files[i]->message_type[j], &messages, &enums);
		for (j = 0; j < files[i]->n_service; j++)
			rpcs += files[i]->service[j]->n_method;
	}
	*s = (struct schema){
		.messages = memory_zeroed(messages, sizeof(*s->messages)),
		.enums = memory_zeroed(enums, sizeof(*s->enums)),
		.rpcs = memory_zeroed(rpcs, sizeof(*s->rpcs)),
	};
}

void schema_load(struct schema *s, Google__Protobuf__FileDescriptorProto *const *files,
		 const char *const *paths, size_t n, struct diag *d)
{
	size_t i, j, k;

	schema_allocate(s, files, n);
	for (i = 0; i < n; i++) {
		const Google__Protobuf__FileDescriptorProto *f = files[i];
		bool packaged = f->package && f->package[0];
		const char *prefix = packaged ? text_format("%s.", f->package) : "";

		if (!f->syntax || strcmp(f->syntax, "proto3"))
			diag_add(d, paths[i], 0,
				 "only proto3 is supported; write syntax = \"proto3\";");
		if (!packaged)
			diag_add(d, paths[i], 0,
				 "has no package; write one, such as package my.v1;");
		for (j = 0; j < f->n_enum_type; j++)
			schema_add_enum(s, f->enum_type[j], prefix, "");
		for (j = 0; j < f->n_message_type; j++)
			schema_add_message(s, f->message_type[j], prefix, "", paths[i]);
	}
	schema_link(s, d);
	for (i = 0; i < n; i++)
		for (j = 0; j < files[i]->n_service; j++)
			for (k = 0; k < files[i]->service[j]->n_method; k++)
				schema_add_rpc(s, files[i], paths[i], j, k, d);
}

void schema_read(struct schema *s, const char *path, struct diag *d)
{
	Google__Protobuf__FileDescriptorSet *set;
	Google__Protobuf__FileDescriptorProto **files;
	struct emit bytes = EMIT_NULL;
	const char **paths;
	char buf[65536];
	size_t n, i, n_files = 0;
	FILE *f = fopen(path, "re");

	if (!f) {
		diag_add(d, path, 0, "cannot be read: %s", strerror(errno));
		return;
	}
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		emit_bytes(&bytes, buf, n);
	fclose(f);
	set = google__protobuf__file_descriptor_set__unpack(NULL, bytes.len,
							    (const uint8_t *)emit_text(&bytes));
	if (!set) {
		diag_add(d, path, 0, "is no descriptor set");
		return;
	}
	files = memory_zeroed(set->n_file, sizeof(*files));
	paths = memory_zeroed(set->n_file, sizeof(*paths));
	for (i = 0; i < set->n_file; i++) {
		if (!strncmp(set->file[i]->name, "google/", 7))
			continue;
		paths[n_files] = set->file[i]->name;
		files[n_files++] = set->file[i];
	}
	schema_load(s, files, paths, n_files, d);
}

struct message *schema_find_message(const struct schema *s, const char *name, size_t len,
				    bool *ret_ambiguous)
{
	struct message *found = NULL;
	size_t i;

	*ret_ambiguous = false;
	for (i = 0; i < s->n_messages; i++) {
		struct message *m = &s->messages[i];

		if (strlen(m->full) == len && !memcmp(m->full, name, len))
			return m;
		if (strlen(m->name) != len || memcmp(m->name, name, len))
			continue;
		*ret_ambiguous = found != NULL;
		found = m;
	}
	return *ret_ambiguous ? NULL : found;
}

struct field *message_find_field(const struct message *m, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < m->n_fields; i++)
		if (strlen(m->fields[i].name) == len && !memcmp(m->fields[i].name, name, len))
			return &m->fields[i];
	return NULL;
}

static const char *scalar_name(Google__Protobuf__FieldDescriptorProto__Type type)
{
	static const char *const names[] = {
		[1] = "double",	   [2] = "float",     [3] = "int64",   [4] = "uint64",
		[5] = "int32",	   [6] = "fixed64",   [7] = "fixed32", [8] = "bool",
		[9] = "string",	   [10] = "group",    [12] = "bytes",  [13] = "uint32",
		[15] = "sfixed32", [16] = "sfixed64", [17] = "sint32", [18] = "sint64",
	};

	return (size_t)type < sizeof(names) / sizeof(names[0]) && names[type] ? names[type] : "?";
}

const char *field_type_name(const struct field *f)
{
	if (f->map)
		return text_format("map<%s, %s>", field_type_name(&f->message->fields[0]),
				   field_type_name(&f->message->fields[1]));
	if (f->message)
		return f->message->name;
	if (f->enumeration)
		return f->enumeration->name;
	return scalar_name(f->d->type);
}

bool field_is_text(const struct field *f)
{
	return f->d->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
}
