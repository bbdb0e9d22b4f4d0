/*
 * cri-diff.c - compare two versions of a schema and report effects on wire compatibility and
 * bindings.
 * usage: cri-diff OLD.ds NEW.ds
 * The arguments are descriptor sets with source info.  Each difference is one line: "+" is new,
 * "-" is gone, "~" has the same number and type and another name, "!" is incompatible with the
 * old version.  Fields and values are matched by number, messages and enums by name, and by the
 * RPCs and fields of their type when the name is gone.
 * bump.sh acts on these lines and prints all others: "bind RPC", it has no binding yet; "gone
 * RPC", its binding must go; "ask FIELD", a new field of a request; "rename ...", a line of
 * proto/renames.
 * Exit status: 0 compatible or equal, 2 a "!" was printed, 1 failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protoc-gen-crisp-schema.h"

struct diff {
	struct schema old, new;
	/* The successors of old's messages and enums, by index; NULL: gone. */
	const struct message **messages;
	const struct enumeration **enums;
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

/* --- successors --- */

static const struct enumeration *find_enum(const struct schema *s, const char *full)
{
	size_t i;

	for (i = 0; i < s->n_enums; i++)
		if (!strcmp(s->enums[i].full, full))
			return &s->enums[i];
	return NULL;
}

static const struct message *successor(const struct diff *d, const struct message *a)
{
	return d->messages[a - d->old.messages];
}

static const struct enumeration *enum_successor(const struct diff *d, const struct enumeration *a)
{
	return d->enums[a - d->old.enums];
}

/* Can b read all that a wrote? */
static bool message_covers(const struct message *a, const struct message *b)
{
	size_t i;

	for (i = 0; i < a->n_fields; i++) {
		const struct field *f = &a->fields[i], *g = find_field(b, f->d->number);

		if (!g || wire_class(f) != wire_class(g) || f->repeated != g->repeated)
			return false;
	}
	return true;
}

static const char *enum_value(const struct enumeration *e, int number)
{
	size_t i;

	for (i = 0; i < e->d->n_value; i++)
		if (e->d->value[i]->number == number)
			return e->d->value[i]->name;
	return NULL;
}

static bool enum_covers(const struct enumeration *a, const struct enumeration *b)
{
	size_t i;

	for (i = 0; i < a->d->n_value; i++)
		if (!enum_value(b, a->d->value[i]->number))
			return false;
	return true;
}

/* b stands where a stood: make it a's successor if its name is new and a's is gone.  true: it
 * became that. */
static bool message_follow(struct diff *d, const struct message *a, const struct message *b)
{
	if (successor(d, a) || find_message(&d->old, b->full) || !message_covers(a, b))
		return false;
	d->messages[a - d->old.messages] = b;
	return true;
}

static bool enum_follow(struct diff *d, const struct enumeration *a, const struct enumeration *b)
{
	if (enum_successor(d, a) || find_enum(&d->old, b->full) || !enum_covers(a, b))
		return false;
	d->enums[a - d->old.enums] = b;
	return true;
}

static bool fields_follow(struct diff *d, const struct message *a)
{
	const struct message *b = successor(d, a);
	bool more = false;
	size_t i;

	for (i = 0; b && i < a->n_fields; i++) {
		const struct field *f = &a->fields[i], *g = find_field(b, f->d->number);

		if (g && f->message && g->message)
			more |= message_follow(d, f->message, g->message);
		if (g && f->enumeration && g->enumeration)
			more |= enum_follow(d, f->enumeration, g->enumeration);
	}
	return more;
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

static void find_successors(struct diff *d)
{
	bool more = true;
	size_t i;

	d->messages = memory_zeroed(d->old.n_messages, sizeof(const struct message *));
	d->enums = memory_zeroed(d->old.n_enums, sizeof(const struct enumeration *));
	for (i = 0; i < d->old.n_messages; i++)
		d->messages[i] = find_message(&d->new, d->old.messages[i].full);
	for (i = 0; i < d->old.n_enums; i++)
		d->enums[i] = find_enum(&d->new, d->old.enums[i].full);
	for (i = 0; i < d->old.n_rpcs; i++) {
		const struct rpc *a = &d->old.rpcs[i], *b = find_rpc(&d->new, a);

		if (b) {
			message_follow(d, a->request, b->request);
			message_follow(d, a->response, b->response);
		}
	}
	while (more) {
		more = false;
		for (i = 0; i < d->old.n_messages; i++)
			more |= fields_follow(d, &d->old.messages[i]);
	}
}

static bool same_type(const struct diff *d, const struct field *a, const struct field *b)
{
	if (a->message && b->message)
		return a->map == b->map && successor(d, a->message) == b->message &&
		       (!a->map || same_type(d, &a->message->fields[1], &b->message->fields[1]));
	if (a->enumeration && b->enumeration)
		return enum_successor(d, a->enumeration) == b->enumeration;
	return !strcmp(field_type_name(a), field_type_name(b));
}

/* --- differences --- */

static void diff_field(struct diff *d, const struct field *a, const struct field *b)
{
	const char *m = b->parent->name;
	bool same = same_type(d, a, b) && a->repeated == b->repeated;

	if (strcmp(a->name, b->name) != 0)
		report(d, "~ %s.%s (%d) is called %s now", m, a->name, a->d->number, b->name);
	if (strcmp(a->name, b->name) != 0 && same)
		printf("rename field %s.%s %s\n", m, a->name, b->name);
	if (!same)
		report(d, "%c %s.%s was %s%s, is %s%s",
		       wire_class(a) != wire_class(b) || a->repeated != b->repeated ? '!' : '+', m,
		       b->name, field_label(a), field_type_name(a), field_label(b),
		       field_type_name(b));
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

		const struct field *named = message_find_field(b, f->name, strlen(f->name));

		if (named && named->d->number != f->d->number)
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

static bool is_successor(const struct diff *d, const struct message *b)
{
	size_t i;

	for (i = 0; i < d->old.n_messages; i++)
		if (d->messages[i] == b)
			return true;
	return false;
}

static void diff_messages(struct diff *d)
{
	size_t i;

	for (i = 0; i < d->old.n_messages; i++) {
		const struct message *a = &d->old.messages[i], *b = successor(d, a);

		if (b && strcmp(a->name, b->name) != 0) {
			if (!a->map_entry)
				report(d, "~ message %s is called %s now", a->name, b->name);
			printf("rename message %s %s\n", a->name, b->name);
		}
		if (b)
			diff_message(d, a, b);
		else if (!a->map_entry)
			report(d, "- message %s is gone", a->name);
	}
	for (i = 0; i < d->new.n_messages; i++)
		if (!d->new.messages[i].map_entry && !is_successor(d, &d->new.messages[i]))
			report(d, "+ message %s", d->new.messages[i].name);
}

/* Has e a value of this name, with this number or with any? */
static bool has_value(const struct enumeration *e, const char *name, const int *number)
{
	size_t i;

	for (i = 0; i < e->d->n_value; i++)
		if (!strcmp(e->d->value[i]->name, name))
			return !number || e->d->value[i]->number == *number;
	return false;
}

static void diff_enum(struct diff *d, const struct enumeration *a, const struct enumeration *b)
{
	size_t i;

	for (i = 0; i < a->d->n_value; i++) {
		const char *name = a->d->value[i]->name;
		int number = a->d->value[i]->number;
		const char *now = enum_value(b, number);

		if (has_value(b, name, &number))
			continue;
		if (has_value(b, name, NULL)) {
			report(d, "! enum %s: %s changed its number from %d", b->name, name,
			       number);
		} else if (!now) {
			report(d, "! enum %s lost %s = %d", b->name, name, number);
		} else {
			report(d, "~ enum %s: %s (%d) is called %s now", b->name, name, number,
			       now);
			printf("rename value %s.%s %s\n", b->name, name, now);
		}
	}
	for (i = 0; i < b->d->n_value; i++)
		if (!enum_value(a, b->d->value[i]->number))
			report(d, "+ enum %s: %s = %d", b->name, b->d->value[i]->name,
			       b->d->value[i]->number);
}

static void diff_enums(struct diff *d)
{
	size_t i, j;

	for (i = 0; i < d->old.n_enums; i++) {
		const struct enumeration *a = &d->old.enums[i], *b = d->enums[i];

		if (b && strcmp(a->name, b->name) != 0) {
			report(d, "~ enum %s is called %s now", a->name, b->name);
			printf("rename enum %s %s\n", a->name, b->name);
		}
		if (b)
			diff_enum(d, a, b);
		else
			report(d, "- enum %s is gone", a->name);
	}
	for (i = 0; i < d->new.n_enums; i++) {
		for (j = 0; j < d->old.n_enums && d->enums[j] != &d->new.enums[i]; j++)
			;
		if (j == d->old.n_enums)
			report(d, "+ enum %s", d->new.enums[i].name);
	}
}

static void diff_rpcs(struct diff *d)
{
	size_t i;

	for (i = 0; i < d->old.n_rpcs; i++) {
		const struct rpc *a = &d->old.rpcs[i], *b = find_rpc(&d->new, a);

		if (!b) {
			report(d, "! rpc %s.%s is gone", a->service, a->name);
			printf("gone %s.%s\n", a->service, a->name);
		} else if (successor(d, a->request) != b->request ||
			   successor(d, a->response) != b->response) {
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

/* Print the fields of a request, and of the messages in it, that the old schema lacks. */
static void ask_message(const struct diff *d, struct message *m)
{
	size_t i, j;

	if (m->wanted)
		return;
	m->wanted = true;
	for (i = 0; i < d->old.n_messages && d->messages[i] != m; i++)
		;
	for (j = 0; j < m->n_fields; j++) {
		const struct field *f = &m->fields[j];
		bool old = i < d->old.n_messages && find_field(&d->old.messages[i], f->d->number);

		if (!old && !m->map_entry)
			printf("ask %s.%s\n", m->name, f->name);
		if (f->message)
			ask_message(d, f->message);
	}
}

int main(int argc, char **argv)
{
	struct diff d = { .changes = 0 };
	struct diag diag = DIAG_NULL;
	size_t i;

	if (argc != 3) {
		fprintf(stderr, "usage: cri-diff OLD.ds NEW.ds\n");
		return 1;
	}
	schema_read(&d.old, argv[1], &diag);
	schema_read(&d.new, argv[2], &diag);
	if (diag.n > 0) {
		fputs(emit_text(&diag.text), stderr);
		return 1;
	}
	find_successors(&d);
	diff_rpcs(&d);
	diff_messages(&d);
	diff_enums(&d);
	for (i = 0; i < d.new.n_rpcs; i++)
		ask_message(&d, d.new.rpcs[i].request);
	printf("%u differences, %u of them incompatible\n", d.changes, d.breaks);
	return d.breaks ? 2 : 0;
}
