/*
 * test_schema.c - the CRI schema equals the tables of its version: each message, field, number,
 * type, label, map, enum value, RPC, stream and option, and no others.
 *
 * The descriptor set that protoc makes of proto/runtime/v1/api.proto is written out in the tables'
 * own form, and both are compared as sets of lines.  SCHEMA_SET and SCHEMA_TABLES are the paths.
 */
#include <google/protobuf/descriptor.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"

#define LINES_MAX 2048

struct lines {
	char *of[LINES_MAX];
	size_t n;
};

static void lines_add(struct lines *l, char *line)
{
	assert_true(l->n < LINES_MAX);
	l->of[l->n++] = line;
}

static void lines_done(struct lines *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->of[i]);
	l->n = 0;
}

static int line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How many lines stand on one side only; each is printed. */
static unsigned lines_compare(struct lines *schema, struct lines *table, bool quiet)
{
	size_t i = 0, j = 0;
	unsigned differ = 0;

	qsort(schema->of, schema->n, sizeof(char *), line_compare);
	qsort(table->of, table->n, sizeof(char *), line_compare);
	while (i < schema->n || j < table->n) {
		int c = i == schema->n	? 1
			: j == table->n ? -1
					: strcmp(schema->of[i], table->of[j]);

		if (c != 0 && !quiet)
			print_error("only in the %s: %s\n", c < 0 ? "schema" : "table",
				    c < 0 ? schema->of[i] : table->of[j]);
		differ += c != 0;
		i += c <= 0;
		j += c >= 0;
	}
	return differ;
}

static void table_load(const char *name, struct lines *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", SCHEMA_TABLES, name);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err e = ERR_NULL;
	char *line, *end;

	if (fs_read_file(path, 1 << 20, &text, &e) != 0)
		fail_msg("%s", e.text);
	line = strchr(text.data, '\n') + 1; /* behind the column names */
	for (; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		lines_add(ret, xasprintf("%.*s", (int)(end - line), line));
	}
	assert_true(ret->n > 40);
}

static const char *last_part(const char *type)
{
	return strrchr(type, '.') + 1;
}

static const char *scalar_name(Google__Protobuf__FieldDescriptorProto__Type type)
{
	static const char *const names[] = {
		[1] = "double",	   [2] = "float",   [3] = "int64",   [4] = "uint64",
		[5] = "int32",	   [6] = "fixed64", [7] = "fixed32", [8] = "bool",
		[9] = "string",	   [12] = "bytes",  [13] = "uint32", [15] = "sfixed32",
		[16] = "sfixed64", [17] = "sint32", [18] = "sint64",
	};

	return (size_t)type < sizeof(names) / sizeof(names[0]) && names[type] ? names[type] : "?";
}

static const char *value_type(const Google__Protobuf__FieldDescriptorProto *f)
{
	return f->type_name ? last_part(f->type_name) : scalar_name(f->type);
}

/* The entry message of a map field, or NULL. */
static const Google__Protobuf__DescriptorProto *map_entry(
	const Google__Protobuf__DescriptorProto *m, const Google__Protobuf__FieldDescriptorProto *f)
{
	size_t i;

	for (i = 0; f->type_name && i < m->n_nested_type; i++)
		if (m->nested_type[i]->options && m->nested_type[i]->options->map_entry &&
		    !strcmp(m->nested_type[i]->name, last_part(f->type_name)))
			return m->nested_type[i];
	return NULL;
}

static void field_add(const Google__Protobuf__DescriptorProto *m,
		      const Google__Protobuf__FieldDescriptorProto *f, struct lines *ret)
{
	const Google__Protobuf__DescriptorProto *entry = map_entry(m, f);
	_cleanup_free_ char *type = entry ? xasprintf("map<%s,%s>", value_type(entry->field[0]),
						      value_type(entry->field[1]))
					  : xasprintf("%s", value_type(f));
	const char *label =
		entry ? "map"
		: f->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED
			? "repeated"
			: "singular";
	bool deprecated = f->options && f->options->deprecated;
	bool redact = f->options && f->options->debug_redact;

	lines_add(ret,
		  xasprintf("%s\t%d\t%s\t%s\t%s\t%s\t%s%s%s", m->name, f->number, f->name, label,
			    type, f->has_oneof_index ? m->oneof_decl[f->oneof_index]->name : "",
			    deprecated ? "deprecated=true" : "", deprecated && redact ? "," : "",
			    redact ? "debug_redact=true" : ""));
}

static void enum_add(const Google__Protobuf__EnumDescriptorProto *en, const char *outer,
		     struct lines *ret)
{
	size_t i;

	for (i = 0; i < en->n_value; i++)
		lines_add(ret, xasprintf("%s%s\t%s\t%d", outer, en->name, en->value[i]->name,
					 en->value[i]->number));
}

static void message_add(const Google__Protobuf__DescriptorProto *m, struct lines *fields,
			struct lines *enums)
{
	_cleanup_free_ char *outer = xasprintf("%s.", m->name);
	size_t i;

	for (i = 0; i < m->n_field; i++)
		field_add(m, m->field[i], fields);
	if (m->n_field == 0)
		lines_add(fields, xasprintf("%s\t-\t-\t-\t-\t\t", m->name));
	for (i = 0; i < m->n_enum_type; i++)
		enum_add(m->enum_type[i], outer, enums);
	/* The tables know no nested messages, so any but a map's entry is one too many. */
	for (i = 0; i < m->n_nested_type; i++)
		if (!m->nested_type[i]->options || !m->nested_type[i]->options->map_entry)
			lines_add(fields,
				  xasprintf("nested %s.%s", m->name, m->nested_type[i]->name));
}

static void service_add(const Google__Protobuf__ServiceDescriptorProto *s, struct lines *ret)
{
	static const char *const kinds[2][2] = {
		{ "unary", "server-stream" },
		{ "client-stream", "bidi-stream" },
	};
	size_t i;

	for (i = 0; i < s->n_method; i++) {
		const Google__Protobuf__MethodDescriptorProto *m = s->method[i];

		lines_add(ret, xasprintf("%s\t%s\t%s\t%s\t%s", s->name, m->name,
					 last_part(m->input_type), last_part(m->output_type),
					 kinds[m->client_streaming][m->server_streaming]));
	}
}

struct fixture {
	struct lines fields, enums, rpcs;
	Google__Protobuf__FileDescriptorSet *set;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_buf_ struct buf bytes = BUF_NULL;
	const Google__Protobuf__FileDescriptorProto *file = NULL;
	struct err e = ERR_NULL;
	size_t i;

	assert_non_null(f);
	if (fs_read_file(SCHEMA_SET, 16 << 20, &bytes, &e) != 0)
		fail_msg("%s", e.text);
	f->set = google__protobuf__file_descriptor_set__unpack(NULL, bytes.len,
							       (const uint8_t *)bytes.data);
	assert_non_null(f->set);
	for (i = 0; i < f->set->n_file; i++)
		if (!strcmp(f->set->file[i]->name, "api.proto"))
			file = f->set->file[i];
	assert_non_null(file);
	assert_string_equal(file->package, "runtime.v1");
	assert_string_equal(file->syntax, "proto3");
	for (i = 0; i < file->n_message_type; i++)
		message_add(file->message_type[i], &f->fields, &f->enums);
	for (i = 0; i < file->n_enum_type; i++)
		enum_add(file->enum_type[i], "", &f->enums);
	for (i = 0; i < file->n_service; i++)
		service_add(file->service[i], &f->rpcs);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lines_done(&f->fields);
	lines_done(&f->enums);
	lines_done(&f->rpcs);
	google__protobuf__file_descriptor_set__free_unpacked(f->set, NULL);
	free(f);
	return 0;
}

static void check_table(struct lines *schema, const char *name)
{
	struct lines table = { .n = 0 };

	table_load(name, &table);
	assert_int_equal(lines_compare(schema, &table, false), 0);
	lines_done(&table);
}

static void test_fields(void **state)
{
	check_table(&((struct fixture *)*state)->fields, "fields.tsv");
}

static void test_enums(void **state)
{
	check_table(&((struct fixture *)*state)->enums, "enums.tsv");
}

static void test_rpcs(void **state)
{
	struct fixture *f = *state;

	check_table(&f->rpcs, "rpcs.tsv");
}

/* The comparison itself sees a changed, a missing and a surplus line. */
static void test_comparison_sees_changes(void **state)
{
	struct fixture *f = *state;
	struct lines table = { .n = 0 };
	char *line;

	table_load("enums.tsv", &table);
	line = table.of[3];
	line[strlen(line) - 1]++;
	assert_int_equal(lines_compare(&f->enums, &table, true), 2);
	lines_done(&table);

	table_load("enums.tsv", &table);
	free(table.of[--table.n]);
	assert_int_equal(lines_compare(&f->enums, &table, true), 1);
	lines_add(&table, xasprintf("Protocol\tICMP\t3"));
	assert_int_equal(lines_compare(&f->enums, &table, true), 2);
	lines_done(&table);
}

/* No service but the two of the CRI. */
static void test_services(void **state)
{
	struct fixture *f = *state;
	size_t i, runtime = 0, image = 0;

	for (i = 0; i < f->rpcs.n; i++) {
		runtime += !strncmp(f->rpcs.of[i], "RuntimeService\t", 15);
		image += !strncmp(f->rpcs.of[i], "ImageService\t", 13);
	}
	assert_true(runtime > 0 && image > 0);
	assert_int_equal(runtime + image, f->rpcs.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),	 cmocka_unit_test(test_enums),
		cmocka_unit_test(test_rpcs),	 cmocka_unit_test(test_comparison_sees_changes),
		cmocka_unit_test(test_services),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
