/*
 * cri-tables.c - write a schema as tables, one line an item: fields.tsv, enums.tsv, rpcs.tsv.
 * usage: cri-tables SET.ds DIR
 * tests/conformance has such tables of the CRI's version; the tests compare them with what
 * proto/runtime/v1/api.proto comes to, and `make bump` writes them anew.
 */
#include <stdio.h>
#include <string.h>

#include "protoc-gen-crisp-schema.h"

/* The part after the last dot. */
static const char *last_part(const char *type)
{
	const char *dot = strrchr(type, '.');

	return dot ? dot + 1 : type;
}

static const char *type_name(const struct field *f)
{
	if (f->map)
		return text_format("map<%s,%s>", last_part(field_type_name(&f->message->fields[0])),
				   last_part(field_type_name(&f->message->fields[1])));
	return last_part(field_type_name(f));
}

static void message_put(const struct message *m, struct emit *e)
{
	size_t i;

	if (m->map_entry)
		return;
	if (m->n_fields == 0)
		emit_line(e, "%s\t-\t-\t-\t-\t\t", m->name);
	for (i = 0; i < m->n_fields; i++) {
		const struct field *f = &m->fields[i];

		emit_line(e, "%s\t%d\t%s\t%s\t%s\t\t%s%s%s", m->name, f->d->number, f->name,
			  f->map	? "map"
			  : f->repeated ? "repeated"
					: "singular",
			  type_name(f), f->deprecated ? "deprecated=true" : "",
			  f->deprecated && f->redact ? "," : "",
			  f->redact ? "debug_redact=true" : "");
	}
}

static void enum_put(const struct enumeration *n, struct emit *e)
{
	size_t i;

	for (i = 0; i < n->d->n_value; i++)
		emit_line(e, "%s\t%s\t%d", n->name, n->d->value[i]->name, n->d->value[i]->number);
}

static void rpc_put(const struct rpc *r, struct emit *e)
{
	emit_line(e, "%s\t%s\t%s\t%s\t%s", r->service, r->name, r->request->name, r->response->name,
		  r->server_stream ? "server-stream" : "unary");
}

static int table_write(const struct emit *e, const char *dir, const char *name)
{
	const char *path = text_format("%s/%s", dir, name);
	int r = emit_write_file(e, path);

	if (r < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	return r;
}

int main(int argc, char **argv)
{
	struct emit fields = EMIT_NULL, enums = EMIT_NULL, rpcs = EMIT_NULL;
	struct diag diag = DIAG_NULL;
	struct schema s;
	size_t i;

	if (argc != 3) {
		fputs("usage: cri-tables SET.ds DIR\n", stderr);
		return 1;
	}
	schema_read(&s, argv[1], &diag);
	if (diag.n > 0) {
		fputs(emit_text(&diag.text), stderr);
		return 1;
	}
	emit_line(&fields, "message\tnumber\tfield\tlabel\ttype\toneof\toptions");
	emit_line(&enums, "enum\tname\tvalue");
	emit_line(&rpcs, "service\trpc\trequest\tresponse\tkind");
	for (i = 0; i < s.n_messages; i++)
		message_put(&s.messages[i], &fields);
	for (i = 0; i < s.n_enums; i++)
		enum_put(&s.enums[i], &enums);
	for (i = 0; i < s.n_rpcs; i++)
		rpc_put(&s.rpcs[i], &rpcs);
	return table_write(&fields, argv[2], "fields.tsv") < 0 ||
	       table_write(&enums, argv[2], "enums.tsv") < 0 ||
	       table_write(&rpcs, argv[2], "rpcs.tsv") < 0;
}
