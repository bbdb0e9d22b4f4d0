/*
 * protoc-gen-crisp-bind.c - read and check states/rpc.bind.
 * A line with a mistake is reported and skipped, so one run shows all mistakes.
 */
#include "protoc-gen-crisp-bind.h"

#include <stdlib.h>
#include <string.h>

#include "protoc-gen-crisp-input.h"

const char *bind_kind_name(enum bind_kind kind)
{
	switch (kind) {
	case BIND_NONE:
		return "nothing";
	case BIND_EVENT:
		return "event";
	case BIND_READ:
		return "read";
	case BIND_DIRECT:
		return "direct";
	case BIND_REFUSED:
		return "refused";
	case BIND_UNIMPLEMENTED:
		return "unimplemented";
	}
	abort();
}

/* The bindings being loaded, and the current line. */
struct bind_reader {
	struct bindings *b;
	const struct schema *s;
	struct input_file src;
	struct diag *d;
};

#define mistake(l, ...) diag_add((l)->d, (l)->src.path, (l)->src.line, __VA_ARGS__)

/* --- words --- */

/* A word allowed once in a line, with or without an argument. */
struct word {
	const char *word;
	bool *flag;
	const char **arg; /* flag is NULL */
	const char *arg_name;
};

static const char *words_list(const struct word *words, size_t n)
{
	struct emit e = EMIT_NULL;
	size_t i;

	for (i = 0; i < n; i++)
		emit_put(&e, "%s%s%s%s", i ? ", " : "", words[i].word, words[i].arg ? " " : "",
			 words[i].arg ? words[i].arg_name : "");
	return emit_text(&e);
}

/* Parse the words of the line, starting at from. */
static bool words_parse(const struct word *words, size_t n, size_t from,
			const struct bind_reader *l)
{
	const struct input_file *src = &l->src;
	size_t i, w;

	for (i = from; i < src->n_words; i++) {
		for (w = 0; w < n && strcmp(words[w].word, src->words[i]) != 0; w++)
			;
		if (w == n) {
			mistake(l, "unknown word %s; there are %s", src->words[i],
				words_list(words, n));
			return false;
		}
		if (words[w].flag ? *words[w].flag : *words[w].arg != NULL) {
			mistake(l, "%s stands here twice", src->words[i]);
			return false;
		}
		if (words[w].flag) {
			*words[w].flag = true;
		} else if (i + 1 == src->n_words) {
			mistake(l, "write %s %s", src->words[i], words[w].arg_name);
			return false;
		} else {
			*words[w].arg = src->words[++i];
		}
	}
	return true;
}

/* Resolve "container_id", "image.image": a field of m, or of a singular submessage. */
static bool path_resolve(struct bind_path *p, const struct message *m, const char *text,
			 const struct bind_reader *l)
{
	const char *last = text;
	size_t n = strcspn(text, ".");

	*p = (struct bind_path){ .inside = NULL };
	if (text[n]) {
		p->inside = message_find_field(m, text, n);
		if (!p->inside || !p->inside->message || p->inside->repeated) {
			mistake(l, "%s: %s has no single message %.*s", text, m->name, (int)n,
				text);
			return false;
		}
		m = p->inside->message;
		last = text + n + 1;
	}
	p->field = message_find_field(m, last, strlen(last));
	if (!p->field)
		mistake(l, "%s: %s has no field %s", text, m->name, last);
	return p->field;
}

/* Resolve the request's string that names an object. */
static bool path_resolve_name(struct bind_path *p, const struct rpc *r, const char *text,
			      const struct bind_reader *l)
{
	if (!path_resolve(p, r->request, text, l))
		return false;
	if (field_is_text(p->field) && !p->field->repeated)
		return true;
	mistake(l, "by %s: %s is not a single string", text, p->field->name);
	return false;
}

static const struct message *message_named(const char *name, const struct bind_reader *l)
{
	bool ambiguous;
	const struct message *m = schema_find_message(l->s, name, strlen(name), &ambiguous);

	if (!m)
		mistake(l,
			ambiguous ? "%s: several packages have this message; write its package "
				    "in front"
				  : "%s: no such message in the schema",
			name);
	return m;
}

/* --- machine NAME PREFIX [lists MESSAGE [named]] --- */

static struct bind_machine *machine_find(const struct bindings *b, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < b->n_machines; i++)
		if (strlen(b->machines[i].name) == len && !memcmp(b->machines[i].name, name, len))
			return &b->machines[i];
	return NULL;
}

/* Find the machine of an RPC and mark it used. */
static struct bind_machine *machine_used(const char *name, size_t len, const struct bind_reader *l)
{
	struct bind_machine *m = machine_find(l->b, name, len);

	if (!m)
		mistake(l, "no machine %.*s; write above: machine %.*s PREFIX", (int)len, name,
			(int)len, name);
	else
		m->used = true;
	return m;
}

static void machine_parse(const struct bind_reader *l)
{
	const struct input_file *src = &l->src;
	struct bind_machine m = { .line = src->line };
	const char *lists = NULL;
	const struct word words[] = {
		{ "lists", NULL, &lists, "MESSAGE" },
		{ "named", &m.named, NULL, NULL },
	};

	if (src->n_words < 3) {
		mistake(l, "write machine NAME PREFIX");
		return;
	}
	m.name = src->words[1];
	m.prefix = src->words[2];
	if (machine_find(l->b, m.name, strlen(m.name))) {
		mistake(l, "machine %s is there already", m.name);
		return;
	}
	if (words_parse(words, sizeof(words) / sizeof(words[0]), 3, l) && lists)
		m.lists = message_named(lists, l);
	if (m.named && !lists)
		mistake(l, "named: a listing has the names; write lists MESSAGE");
	l->b->machines[l->b->n_machines++] = m;
}

const struct field *bind_labels(const struct message *lists)
{
	const struct field *f = message_find_field(lists, "labels", strlen("labels"));

	return f && f->map && !strcmp(field_type_name(f), "map<string, string>") ? f : NULL;
}

static const struct enumeration *machine_states(const struct bind_machine *m)
{
	const struct field *f = message_find_field(m->lists, "state", strlen("state"));

	return f && !f->repeated ? f->enumeration : NULL;
}

/* --- filter MESSAGE FIELD=TEST... --- */

static const struct test_word {
	const char *word;
	const char *fits;
} test_words[] = {
	{ "prefix", "a string" },
	{ "parent", "a string" },
	{ "name", "a string" },
	{ "state", "an enum in a message, which may be absent" },
	{ "labels", "a map<string, string>" },
};

static const struct test_word *test_word_find(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(test_words) / sizeof(test_words[0]); i++)
		if (!strcmp(test_words[i].word, word))
			return &test_words[i];
	return NULL;
}

static bool test_fits(const struct bind_test *t)
{
	const struct field *f = t->at.field;

	if (!strcmp(t->of, "labels"))
		return f->map && !strcmp(field_type_name(f), "map<string, string>");
	if (!strcmp(t->of, "state"))
		return f->enumeration && !f->repeated && t->at.inside;
	return field_is_text(f) && !f->repeated;
}

/* The field in the filter message itself. */
static const struct field *test_outer(const struct bind_test *t)
{
	return t->at.inside ? t->at.inside : t->at.field;
}

static const struct bind_test *filter_test_of(const struct bind_filter *f,
					      const struct field *field)
{
	size_t i;

	for (i = 0; i < f->n_tests; i++)
		if (test_outer(&f->tests[i]) == field)
			return &f->tests[i];
	return NULL;
}

static bool test_parse(struct bind_filter *f, char *text, const struct bind_reader *l)
{
	char *of = text + strcspn(text, "=");
	struct bind_test t = { .of = of + 1 };
	const struct test_word *w;

	if (!*of) {
		mistake(l, "%s: write FIELD=TEST", text);
		return false;
	}
	*of = '\0';
	w = test_word_find(t.of);
	if (!w) {
		mistake(l, "unknown test %s=%s; there are prefix, parent, name, state, labels",
			text, t.of);
		return false;
	}
	if (!path_resolve(&t.at, f->message, text, l))
		return false;
	if (!test_fits(&t)) {
		mistake(l, "%s=%s: %s is for %s", text, t.of, t.of, w->fits);
		return false;
	}
	if (filter_test_of(f, test_outer(&t))) {
		mistake(l, "%s stands here twice", test_outer(&t)->name);
		return false;
	}
	f->tests[f->n_tests++] = t;
	return true;
}

static struct bind_filter *filter_find(const struct bindings *b, const struct message *m)
{
	size_t i;

	for (i = 0; i < b->n_filters; i++)
		if (b->filters[i].message == m)
			return &b->filters[i];
	return NULL;
}

static void filter_parse(const struct bind_reader *l)
{
	const struct input_file *src = &l->src;
	struct bind_filter f = { .line = src->line };
	bool good = true;
	size_t i;

	if (src->n_words < 3) {
		mistake(l, "write filter MESSAGE FIELD=TEST...");
		return;
	}
	f.message = message_named(src->words[1], l);
	if (!f.message)
		return;
	if (filter_find(l->b, f.message)) {
		mistake(l, "filter %s is there already", f.message->name);
		return;
	}
	f.tests = memory_zeroed(src->n_words, sizeof(*f.tests));
	for (i = 2; i < src->n_words; i++)
		good &= test_parse(&f, src->words[i], l);
	for (i = 0; good && i < f.message->n_fields; i++)
		if (!filter_test_of(&f, &f.message->fields[i]))
			mistake(l, "%s.%s is compared with nothing; write %s=TEST", f.message->name,
				f.message->fields[i].name, f.message->fields[i].name);
	l->b->filters[l->b->n_filters++] = f;
}

/* --- SERVICE.RPC event MACHINE.EVENT HOW... --- */

/* Parse "sandbox.run". */
static bool event_parse(struct binding *bind, const char *text, const struct bind_reader *l)
{
	size_t n = strcspn(text, ".");

	if (!text[n] || !text[n + 1]) {
		mistake(l, "%s: write event MACHINE.EVENT", text);
		return false;
	}
	bind->machine = machine_used(text, n, l);
	bind->event = text + n + 1;
	return bind->machine;
}

static void empty_check(const struct binding *b, const struct rpc *r, const struct bind_reader *l)
{
	if (b->empty && r->response->n_fields)
		mistake(l, "%s has fields; drop answer=empty", r->response->name);
}

/* Are the words of an event consistent? */
static void event_check(const struct binding *b, const struct rpc *r, const struct bind_reader *l)
{
	if (b->makes == (b->by.field != NULL))
		mistake(l, "%s: write either new, or by FIELD", l->src.words[0]);
	if (b->makes && (b->each || b->gone_ok || b->broken_removed))
		mistake(l, "each, gone=ok and broken=removed are about objects that are there; "
			   "write by FIELD instead of new");
	if (b->checked && b->carries)
		mistake(l, "the maker of payload %s checks; drop checked", b->carries);
	if (b->other && !b->carries)
		mistake(l, "or %s: the payload decides which; write carries PAYLOAD", b->other);
	empty_check(b, r, l);
}

/* Parse the words after event MACHINE.EVENT. */
static void event_parse_how(struct binding *b, const struct rpc *r, const struct bind_reader *l)
{
	const char *by = NULL;
	const struct word words[] = {
		{ "new", &b->makes, NULL, NULL },
		{ "by", NULL, &by, "FIELD" },
		{ "each", &b->each, NULL, NULL },
		{ "gone=ok", &b->gone_ok, NULL, NULL },
		{ "broken=removed", &b->broken_removed, NULL, NULL },
		{ "checked", &b->checked, NULL, NULL },
		{ "carries", NULL, &b->carries, "PAYLOAD" },
		{ "or", NULL, &b->other, "EVENT" },
		{ "answer=empty", &b->empty, NULL, NULL },
	};

	if (!words_parse(words, sizeof(words) / sizeof(words[0]), 3, l))
		return;
	if (!by || path_resolve_name(&b->by, r, by, l))
		event_check(b, r, l);
}

/* --- SERVICE.RPC read|direct [loop] MACHINE by FIELD, where FIELD --- */

static bool test_check(const struct bind_test *t, const struct bind_machine *m,
		       const struct bind_reader *l)
{
	const char *lists = m->lists->name;

	if (!strcmp(t->of, "labels") && !bind_labels(m->lists))
		mistake(l, "%s=labels: %s has no map<string, string> labels", t->at.field->name,
			lists);
	else if (!strcmp(t->of, "state") && machine_states(m) != t->at.field->enumeration)
		mistake(l, "%s=state: %s has no state of enum %s", t->at.field->name, lists,
			t->at.field->enumeration->name);
	else if (!strcmp(t->of, "name") && !m->named)
		mistake(l, "%s=name: %s has no names; write machine %s %s lists %s named",
			t->at.field->name, m->name, m->name, m->prefix, lists);
	else
		return true;
	return false;
}

static bool select_parse_where(struct binding *b, const struct rpc *r, const char *where,
			       const struct bind_reader *l)
{
	struct bind_filter *f;
	bool good = true;
	size_t i;

	b->where = message_find_field(r->request, where, strlen(where));
	if (!b->where || !b->where->message || b->where->repeated) {
		mistake(l, "where %s: %s has no single message %s", where, r->request->name, where);
		return false;
	}
	f = filter_find(l->b, b->where->message);
	if (!f) {
		mistake(l, "where %s: write above: filter %s FIELD=TEST...", where,
			b->where->message->name);
		return false;
	}
	f->used = true;
	b->filter = f;
	for (i = 0; i < f->n_tests; i++)
		good &= test_check(&f->tests[i], b->machine, l);
	return good;
}

static void select_parse_unless(struct binding *b, const struct bind_reader *l)
{
	const struct enumeration *e = machine_states(b->machine);
	size_t i;

	for (i = 0; e && i < e->d->n_value; i++)
		if (!strcmp(e->d->value[i]->name, b->unless)) {
			b->unless_number = e->d->value[i]->number;
			return;
		}
	mistake(l, "unless %s: %s has no such state", b->unless, b->machine->lists->name);
}

/* The field of the response that has the list. */
static const struct field *select_items(const struct binding *b, const struct rpc *r)
{
	size_t i;

	for (i = 0; i < r->response->n_fields; i++)
		if (r->response->fields[i].repeated &&
		    r->response->fields[i].message == b->machine->lists)
			return &r->response->fields[i];
	return NULL;
}

/* Are the words consistent? The machine must have listings. */
static void select_check(struct binding *b, const struct rpc *r, const struct bind_reader *l)
{
	if (b->gone_ok && (b->where || b->kind != BIND_READ))
		mistake(l, "gone=ok is about a read of one object; drop it");
	if (b->unless && !b->where)
		mistake(l, "unless is about many objects; write where FIELD");
	else if (b->unless)
		select_parse_unless(b, l);
	if (b->batches && (b->kind != BIND_READ || !b->where))
		mistake(l, "in batches is about a read of many objects; drop it");
	if (b->kind != BIND_READ)
		return;
	if (r->server_stream && !b->batches)
		mistake(l, "%s is a stream and a read has one answer; write in batches",
			l->src.words[0]);
	if (b->batches && !r->server_stream)
		mistake(l, "in batches: %s is no stream; drop it", l->src.words[0]);
	b->items = b->where ? select_items(b, r) : NULL;
	if (b->where && !b->items)
		mistake(l, "%s has no list of %s; write direct", r->response->name,
			b->machine->lists->name);
}

/* Parse the words after read or direct, starting at from. */
static void select_parse(struct binding *b, const struct rpc *r, size_t from,
			 const struct bind_reader *l)
{
	const char *name = l->src.words[from], *by = NULL, *where = NULL, *in = NULL;
	const struct word words[] = {
		{ "by", NULL, &by, "FIELD" },
		{ "where", NULL, &where, "FIELD" },
		{ "unless", NULL, &b->unless, "STATE" },
		{ "gone=ok", &b->gone_ok, NULL, NULL },
		{ "in", NULL, &in, "batches" },
	};

	b->machine = machine_used(name, strlen(name), l);
	if (!b->machine || !words_parse(words, sizeof(words) / sizeof(words[0]), from + 1, l))
		return;
	b->batches = in;
	if (in && strcmp(in, "batches")) {
		mistake(l, "in %s: write in batches", in);
		return;
	}
	if (!b->machine->lists) {
		mistake(l, "%s has no listing; write machine %s %s lists MESSAGE", name, name,
			b->machine->prefix);
		return;
	}
	if (!by == !where) {
		mistake(l, "%s: write either by FIELD, or where FIELD", l->src.words[0]);
		return;
	}
	if (by ? path_resolve_name(&b->by, r, by, l) : select_parse_where(b, r, where, l))
		select_check(b, r, l);
}

/* Parse loop and answer=empty of a direct RPC, then as select_parse. */
static void direct_parse(struct binding *b, const struct rpc *r, const struct bind_reader *l)
{
	char *const *words = l->src.words;
	size_t n = l->src.n_words, from = 2;

	b->on_loop = b->kind == BIND_DIRECT && from < n && !strcmp(words[from], "loop");
	from += b->on_loop;
	b->empty = b->on_loop && from < n && !strcmp(words[from], "answer=empty");
	from += b->empty;
	empty_check(b, r, l);
	if (from < n)
		select_parse(b, r, from, l);
}

/* --- the file --- */

static ssize_t bindings_find_rpc(const struct schema *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->n_rpcs; i++) {
		const char *service = s->rpcs[i].service;
		size_t n = strlen(service);

		if (!strncmp(service, name, n) && name[n] == '.' &&
		    !strcmp(s->rpcs[i].name, name + n + 1))
			return (ssize_t)i;
	}
	return -1;
}

static const char *words_join(const struct input_file *src, size_t from)
{
	struct emit e = EMIT_NULL;
	size_t i;

	for (i = from; i < src->n_words; i++)
		emit_put(&e, "%s%s", i > from ? " " : "", src->words[i]);
	return emit_text(&e);
}

/* Is the number of words valid for the kind? */
static bool rpc_is_complete(enum bind_kind kind, size_t n_words)
{
	switch (kind) {
	case BIND_NONE:
		return false;
	case BIND_EVENT:
	case BIND_REFUSED:
		return n_words > 2;
	case BIND_READ:
	case BIND_DIRECT:
		return true;
	case BIND_UNIMPLEMENTED:
		return n_words == 2;
	}
	abort();
}

static void rpc_parse(const struct bind_reader *l)
{
	const struct input_file *src = &l->src;
	ssize_t at = bindings_find_rpc(l->s, src->words[0]);
	const char *word = src->n_words > 1 ? src->words[1] : "";
	const struct rpc *r;
	struct binding *bind;
	int kind;

	if (at < 0) {
		mistake(l, "%s is no RPC of the schema; remove this line", src->words[0]);
		return;
	}
	r = &l->s->rpcs[at];
	bind = &l->b->of[at];
	if (bind->kind != BIND_NONE) {
		mistake(l, "%s is bound in line %u already", src->words[0], bind->line);
		return;
	}
	for (kind = BIND_UNIMPLEMENTED; kind > BIND_NONE; kind--)
		if (!strcmp(word, bind_kind_name((enum bind_kind)kind)))
			break;
	bind->kind = (enum bind_kind)kind;
	bind->line = src->line;
	if (!rpc_is_complete(bind->kind, src->n_words)) {
		mistake(l,
			"write %s and one of: event MACHINE.EVENT, read, direct, refused REASON, "
			"unimplemented",
			src->words[0]);
		bind->kind = BIND_UNIMPLEMENTED; /* reported; avoids a second report as unbound */
	} else if (bind->kind == BIND_EVENT && r->server_stream) {
		mistake(l,
			"%s is a stream and an event has one answer; "
			"write read, direct or unimplemented",
			src->words[0]);
	} else if (bind->kind == BIND_EVENT) {
		if (event_parse(bind, src->words[2], l))
			event_parse_how(bind, r, l);
	} else if (bind->kind == BIND_REFUSED) {
		bind->reason = words_join(src, 2);
	} else {
		direct_parse(bind, r, l);
	}
}

static void bindings_check(const struct bindings *b, const struct schema *s, struct diag *d)
{
	size_t i;

	for (i = 0; i < b->n_machines; i++)
		if (!b->machines[i].used)
			diag_add(d, b->path, b->machines[i].line,
				 "machine %s is used by no RPC; remove this line",
				 b->machines[i].name);
	for (i = 0; i < b->n_filters; i++)
		if (!b->filters[i].used)
			diag_add(d, b->path, b->filters[i].line,
				 "filter %s is used by no RPC; remove this line",
				 b->filters[i].message->name);
	for (i = 0; i < s->n_rpcs; i++)
		if (b->of[i].kind == BIND_NONE)
			diag_add(d, s->rpcs[i].file, s->rpcs[i].line,
				 "%s.%s is bound to nothing; write in %s:\n\t%s.%s unimplemented\n"
				 "or, once it works, event MACHINE.EVENT, read or direct instead",
				 s->rpcs[i].service, s->rpcs[i].name, b->path, s->rpcs[i].service,
				 s->rpcs[i].name);
}

void bindings_load(struct bindings *b, const char *path, const struct schema *s, struct diag *d)
{
	struct bind_reader l = { .b = b, .s = s, .d = d };
	size_t lines_max;

	*b = (struct bindings){ .path = path };
	b->of = memory_zeroed(s->n_rpcs, sizeof(*b->of));
	if (!source_open(&l.src, path, d))
		return;
	lines_max = strlen(l.src.text) / 4 + 1;
	b->machines = memory_zeroed(lines_max, sizeof(*b->machines));
	b->filters = memory_zeroed(lines_max, sizeof(*b->filters));
	while (source_next(&l.src, d)) {
		if (!strcmp(l.src.words[0], "machine"))
			machine_parse(&l);
		else if (!strcmp(l.src.words[0], "filter"))
			filter_parse(&l);
		else
			rpc_parse(&l);
	}
	bindings_check(b, s, d);
}
