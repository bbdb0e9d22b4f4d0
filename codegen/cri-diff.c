/*
 * cri-diff.c - compare two versions of a schema and report effects on wire compatibility and
 * bindings.
 * usage: cri-diff OLD.ds NEW.ds
 * The arguments are descriptor sets with source info.  Each difference is one line: "+" is new,
 * "-" is gone, "!" is incompatible with the old version.  Fields are matched by number, messages
 * by name.  Lines that begin with "bind" name RPCs that have no binding yet, "gone" those whose
 * binding must go; bump.sh acts on them and prints all others.
 * Exit status: 0 compatible or equal, 2 a "!" was printed, 1 failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protoc-gen-crisp-schema.h"

struct diff {
	struct schema old, new;
	unsigned changes;
	unsigned breaks;
};

__attribute__((format(printf, 2, 3))) static void report(struct diff *d, const char *fmt, ...)
{
	struct emit line = EMIT_NULL;
	va_list ap;

	va_start(ap, fmt);
	emit_vput(&line, fmt, ap);
	va_end(ap);
	d->changes++;
	d->breaks += emit_text(&line)[0] == '!';
	puts(emit_text(&line));
	emit_done(&line);
}

static int schema_read(struct schema *s, const char *path)
{
	Google__Protobuf__FileDescriptorSet *set;
	Google__Protobuf__FileDescriptorProto **files;
	struct emit bytes = EMIT_NULL;
	struct diag diag = DIAG_NULL;
	const char **paths;
	char buf[65536];
	size_t n, i, n_files = 0;
	FILE *f = fopen(path, "re");

	if (!f) {
		perror(path);
		return -1;
	}
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		emit_bytes(&bytes, buf, n);
	fclose(f);
	set = google__protobuf__file_descriptor_set__unpack(NULL, bytes.len,
							    (const uint8_t *)emit_text(&bytes));
	if (!set) {
		fprintf(stderr, "%s: is no descriptor set\n", path);
		return -1;
	}
	files = memory_zeroed(set->n_file, sizeof(*files));
	paths = memory_zeroed(set->n_file, sizeof(*paths));
	for (i = 0; i < set->n_file; i++) {
		if (!strncmp(set->file[i]->name, "google/", 7))
			continue;
		paths[n_files] = set->file[i]->name;
		files[n_files++] = set->file[i];
	}
	schema_load(s, files, paths, n_files, &diag);
	if (diag.n > 0) {
		fputs(emit_text(&diag.text), stderr);
		return -1;
	}
	return 0;
}

static const struct message *find_message(const struct schema *s, const char *full)
{
	size_t i;

	for (i = 0; i < s->n_messages; i++)
		if (!strcmp(s->messages[i].full, full))
			return &s->messages[i];
	return NULL;
}

static const struct field *find_field(const struct message *m, int number)
{
	size_t i;

	for (i = 0; i < m->n_fields; i++)
		if (m->fields[i].d->number == number)
			return &m->fields[i];
	return NULL;
}

static const char *field_label(const struct field *f)
{
	return f->repeated && !f->map ? "repeated " : "";
}

/* Wire layout of a value: types of the same class can read each other. */
static int wire_class(const struct field *f)
{
	enum {
		BYTES = 100,
		ENUM,
		MESSAGE,
		MAP
	};

	if (f->map)
		return MAP;
	if (f->message)
		return MESSAGE;
	if (f->enumeration || !strcmp(field_type_name(f), "int32"))
		return ENUM;
	if (!strcmp(field_type_name(f), "string") || !strcmp(field_type_name(f), "bytes"))
		return BYTES;
	return (int)f->d->type;
}

static void diff_field(struct diff *d, const struct field *a, const struct field *b)
{
	const char *m = a->parent->name;
	const char *at = field_type_name(a), *bt = field_type_name(b);

	if (strcmp(a->name, b->name) != 0)
		report(d, "+ %s.%s is called %s now: rename it in proto/rules and in the code", m,
		       a->name, b->name);
	if (strcmp(at, bt) != 0 || a->repeated != b->repeated)
		report(d, "%c %s.%s was %s%s, is %s%s",
		       wire_class(a) != wire_class(b) || a->repeated != b->repeated ? '!' : '+', m,
		       b->name, field_label(a), at, field_label(b), bt);
	if (a->deprecated != b->deprecated)
		report(d, "+ %s.%s is %s deprecated", m, b->name,
		       b->deprecated ? "now" : "no longer");
	if (a->redact && !b->redact)
		report(d, "! %s.%s lost debug_redact: give it a secret rule if it is still one", m,
		       b->name);
	if (!a->redact && b->redact)
		report(d, "+ %s.%s is redacted now", m, b->name);
}

static void diff_message(struct diff *d, const struct message *a, const struct message *b)
{
	size_t i;

	for (i = 0; i < a->n_fields; i++) {
		const struct field *f = &a->fields[i];
		const struct field *g = find_field(b, f->d->number);

		if (!g && message_find_field(b, f->name, strlen(f->name)))
			report(d, "! %s.%s changed its number from %d", a->name, f->name,
			       f->d->number);
		else if (!g)
			report(d, "- %s.%s (%d) is gone: remove its rule and what reads it",
			       a->name, f->name, f->d->number);
		else
			diff_field(d, f, g);
	}
	for (i = 0; i < b->n_fields; i++) {
		const struct field *g = &b->fields[i];

		if (!find_field(a, g->d->number) &&
		    !message_find_field(a, g->name, strlen(g->name)))
			report(d, "+ %s.%s (%d, %s%s%s): does it need a rule, is it a secret?",
			       b->name, g->name, g->d->number, field_label(g), field_type_name(g),
			       g->redact ? ", redacted" : "");
	}
}

static void diff_messages(struct diff *d)
{
	size_t i;

	for (i = 0; i < d->old.n_messages; i++) {
		const struct message *a = &d->old.messages[i];
		const struct message *b = find_message(&d->new, a->full);

		if (b)
			diff_message(d, a, b);
		else
			report(d, "- message %s is gone", a->name);
	}
	for (i = 0; i < d->new.n_messages; i++)
		if (!d->new.messages[i].map_entry &&
		    !find_message(&d->old, d->new.messages[i].full))
			report(d, "+ message %s", d->new.messages[i].name);
}

static const struct enumeration *find_enum(const struct schema *s, const char *full)
{
	size_t i;

	for (i = 0; i < s->n_enums; i++)
		if (!strcmp(s->enums[i].full, full))
			return &s->enums[i];
	return NULL;
}

static const char *enum_value(const struct enumeration *e, int number)
{
	size_t i;

	for (i = 0; i < e->d->n_value; i++)
		if (e->d->value[i]->number == number)
			return e->d->value[i]->name;
	return NULL;
}

static void diff_enum(struct diff *d, const struct enumeration *a, const struct enumeration *b)
{
	size_t i;

	for (i = 0; i < a->d->n_value; i++) {
		const char *name = a->d->value[i]->name;
		int number = a->d->value[i]->number;
		const char *now = enum_value(b, number);

		if (!now)
			report(d, "! enum %s lost %s = %d", a->name, name, number);
		else if (strcmp(now, name) != 0)
			report(d, "! enum %s: %d was %s, is %s", a->name, number, name, now);
	}
	for (i = 0; i < b->d->n_value; i++)
		if (!enum_value(a, b->d->value[i]->number))
			report(d, "+ enum %s: %s = %d", b->name, b->d->value[i]->name,
			       b->d->value[i]->number);
}

static void diff_enums(struct diff *d)
{
	size_t i;

	for (i = 0; i < d->old.n_enums; i++) {
		const struct enumeration *b = find_enum(&d->new, d->old.enums[i].full);

		if (b)
			diff_enum(d, &d->old.enums[i], b);
		else
			report(d, "- enum %s is gone", d->old.enums[i].name);
	}
	for (i = 0; i < d->new.n_enums; i++)
		if (!find_enum(&d->old, d->new.enums[i].full))
			report(d, "+ enum %s", d->new.enums[i].name);
}

static const struct rpc *find_rpc(const struct schema *s, const struct rpc *r)
{
	size_t i;

	for (i = 0; i < s->n_rpcs; i++)
		if (!strcmp(s->rpcs[i].service_full, r->service_full) &&
		    !strcmp(s->rpcs[i].name, r->name))
			return &s->rpcs[i];
	return NULL;
}

static void diff_rpcs(struct diff *d)
{
	size_t i;

	for (i = 0; i < d->old.n_rpcs; i++) {
		const struct rpc *a = &d->old.rpcs[i], *b = find_rpc(&d->new, a);

		if (!b) {
			report(d, "! rpc %s.%s is gone", a->service, a->name);
			printf("gone %s.%s\n", a->service, a->name);
		} else if (strcmp(a->request->full, b->request->full) != 0 ||
			   strcmp(a->response->full, b->response->full) != 0) {
			report(d, "! rpc %s.%s was %s -> %s, is %s -> %s", a->service, a->name,
			       a->request->name, a->response->name, b->request->name,
			       b->response->name);
		} else if (a->server_stream != b->server_stream) {
			report(d, "! rpc %s.%s is %s stream now", a->service, a->name,
			       b->server_stream ? "a" : "no");
		}
	}
	for (i = 0; i < d->new.n_rpcs; i++) {
		const struct rpc *b = &d->new.rpcs[i];

		if (find_rpc(&d->old, b))
			continue;
		report(d, "+ rpc %s.%s: %s -> %s%s", b->service, b->name, b->request->name,
		       b->server_stream ? "stream " : "", b->response->name);
		printf("bind %s.%s\n", b->service, b->name);
	}
}

int main(int argc, char **argv)
{
	struct diff d = { .changes = 0 };

	if (argc != 3) {
		fprintf(stderr, "usage: cri-diff OLD.ds NEW.ds\n");
		return 1;
	}
	if (schema_read(&d.old, argv[1]) < 0 || schema_read(&d.new, argv[2]) < 0)
		return 1;
	diff_rpcs(&d);
	diff_messages(&d);
	diff_enums(&d);
	printf("%u differences, %u of them incompatible\n", d.changes, d.breaks);
	return d.breaks ? 2 : 0;
}
