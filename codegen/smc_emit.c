/*
 * smc_emit.c - write sm_X.h and sm_X.c: the tables the engine interprets (sm/machine.h).
 * Invariants: the output depends on the .sm file alone.  Guards, steps, deadlines and invariants
 * get prototypes with the row's own type, and typed thunks call them.  A hand-written function
 * that is missing or has another type does not compile or link.
 */
#include "emit.h"
#include "smc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Signature of the functions of one kind of declaration. */
struct shape {
	enum smc_decl_kind kind;
	const char *returns; /* with the blank or star before the name */
	const char *row; /* qualifier of the row */
	const char *row_name;
	bool event; /* takes the event as well */
};

static const struct shape shapes[] = {
	{ SMC_DECL_GUARD, "bool ", "const ", "row", true },
	{ SMC_DECL_STEP, "void ", "", "draft", true },
	{ SMC_DECL_DEADLINE, "int64_t ", "const ", "row", false },
	{ SMC_DECL_INVARIANT, "bool ", "const ", "row", false },
};

#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static char *upper(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		abort();
	for (char *c = copy; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return copy;
}

/* Crisp__State__ImagePull -> crisp__state__image_pull, protoc-c's name of the descriptor. */
static void emit_descriptor(struct emit *out, const char *type)
{
	bool was_upper = true;

	for (; *type; type++) {
		bool is_upper = isupper((unsigned char)*type) != 0;

		emit_put(out, "%s%c", is_upper && !was_upper ? "_" : "",
			 tolower((unsigned char)*type));
		was_upper = is_upper || *type == '_';
	}
	emit_put(out, "__descriptor");
}

static void emit_event(const struct smc_machine *m, size_t event, struct emit *out)
{
	char *prefix = upper(m->prefix), *name = upper(m->decls[SMC_DECL_EVENT].v[event].name);

	emit_put(out, "%s_EVENT_%s", prefix, name);
	free(prefix);
	free(name);
}

static void emit_state(const struct smc_machine *m, size_t state, struct emit *out)
{
	char *prefix = upper(m->prefix);

	emit_put(out, "%s_STATE_%s", prefix, m->states.v[state].name);
	free(prefix);
}

static void emit_source_name(const struct smc_machine *m, struct emit *out)
{
	struct emit source = EMIT_NULL;

	emit_put(&source, "states/%s", m->base);
	emit_banner(out, "smc", emit_text(&source));
	emit_done(&source);
}

static void header_enums(const struct smc_machine *m, struct emit *out)
{
	emit_line(out,
		  "/* Indices into the machine's states; what is stored is sm_state.number. */");
	emit_open(out, "enum %s_state {", m->prefix);
	for (size_t i = 0; i < m->states.n; i++) {
		emit_put(out, "\t");
		emit_state(m, i, out);
		emit_put(out, "%s,\n", i == 0 ? " = 0" : "");
	}
	emit_close(out, "};");
	emit_blank(out);
	emit_open(out, "enum %s_event {", m->prefix);
	for (size_t i = 0; i < m->decls[SMC_DECL_EVENT].n; i++) {
		emit_put(out, "\t");
		emit_event(m, i, out);
		emit_put(out, "%s, /* %s */\n", i == 0 ? " = 0" : "",
			 smc_class_names[m->decls[SMC_DECL_EVENT].v[i].class]);
	}
	emit_close(out, "};");
}

static void header_prototypes(const struct smc_machine *m, struct emit *out)
{
	static const char *const why[] = {
		"Guards: pure questions about the row and the event.",
		"Steps: pure edits of the draft that the commit to their right stores.",
		"Deadlines: absolute CLOCK_REALTIME in ns, from the row alone; 0: none.",
		"Invariants: must be true of every row in the states that hold them.",
	};
	const struct smc_decl *d;

	for (size_t k = 0; k < N_SHAPES; k++) {
		const struct shape *s = &shapes[k];

		if (!m->decls[s->kind].n)
			continue;
		emit_blank(out);
		emit_line(out, "/* %s */", why[k]);
		for (size_t i = 0; i < m->decls[s->kind].n; i++) {
			d = &m->decls[s->kind].v[i];
			emit_put(out, "%s%s_%s_%s(%s%s *%s%s", s->returns, m->prefix,
				 smc_decl_names[s->kind], d->name, s->row, m->row_type, s->row_name,
				 s->event ? ", const struct sm_event *ev" : "");
			if (d->payload)
				emit_put(out, ", const struct payload_%s *%s", d->payload,
					 d->payload);
			emit_put(out, ");\n");
		}
	}
	emit_blank(out);
	emit_line(out, "/* Effects: called on the loop thread after the commit; hand over and "
		       "return. */");
	for (size_t i = 0; i < m->decls[SMC_DECL_EFFECT].n; i++) {
		d = &m->decls[SMC_DECL_EFFECT].v[i];
		emit_put(out, "void %s_effect_%s(struct sm_object *obj); /* %s:", m->prefix,
			 d->name, d->lasting ? "lasting" : "fleeting");
		for (size_t y = 0; y < d->yields.n; y++)
			emit_put(out, " %s", d->yields.v[y].name);
		emit_put(out, " */\n");
	}
}

/* Predicates for C code, which must not compare a state's name or its position in the enum. */
static void header_traits(const struct smc_machine *m, struct emit *out)
{
	for (size_t t = 0; t < m->decls[SMC_DECL_TRAIT].n; t++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_TRAIT].v[t];

		emit_blank(out);
		emit_line(out, "static inline bool %s_is_%s(uint16_t state)", m->prefix, d->name);
		emit_open(out, "{");
		for (size_t i = 0; i < d->states.n; i++) {
			emit_put(out, i ? "\t\t" : "\treturn ");
			emit_put(out, "state == ");
			emit_state(m, (size_t)d->states.v[i].index, out);
			emit_put(out, i + 1 < d->states.n ? " ||\n" : ";\n");
		}
		emit_close(out, "}");
	}
}

/* Does an event before this one carry the same payload? */
static bool payload_seen(const struct smc_machine *m, size_t event)
{
	const char *payload = m->decls[SMC_DECL_EVENT].v[event].payload;

	for (size_t i = 0; i < event; i++)
		if (m->decls[SMC_DECL_EVENT].v[i].payload &&
		    strcmp(m->decls[SMC_DECL_EVENT].v[i].payload, payload) == 0)
			return true;
	return false;
}

/* An event with a payload has a constructor that takes exactly that payload. */
static void header_payloads(const struct smc_machine *m, struct emit *out)
{
	bool any = false;

	for (size_t i = 0; i < m->decls[SMC_DECL_EVENT].n; i++) {
		const char *payload = m->decls[SMC_DECL_EVENT].v[i].payload;

		if (!payload || payload_seen(m, i))
			continue;
		if (!any) {
			emit_blank(out);
			emit_line(out, "/* What events carry; its owner says how it is freed. */");
		}
		any = true;
		emit_line(out, "struct payload_%s;", payload);
		emit_line(out, "void payload_%s_free(void *%s);", payload, payload);
	}
	for (size_t i = 0; i < m->decls[SMC_DECL_EVENT].n; i++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_EVENT].v[i];

		if (!d->payload)
			continue;
		emit_blank(out);
		emit_line(out, "static inline struct sm_event *%s_event_%s(struct payload_%s *%s)",
			  m->prefix, d->name, d->payload, d->payload);
		emit_open(out, "{");
		emit_put(out, "\treturn sm_event_carry(");
		emit_event(m, i, out);
		emit_put(out, ", %s, payload_%s_free);\n", d->payload, d->payload);
		emit_close(out, "}");
	}
}

void smc_emit_header(const struct smc_machine *m, struct emit *out)
{
	emit_source_name(m, out);
	emit_line(out, "#pragma once");
	emit_blank(out);
	emit_line(out, "#include \"sm/machine.h\"");
	emit_line(out, "#include \"state.pb-c.h\"");
	emit_blank(out);
	header_enums(m, out);
	header_traits(m, out);
	header_payloads(m, out);
	emit_blank(out);
	emit_line(out, "extern const struct sm_machine %s_machine;", m->prefix);
	header_prototypes(m, out);
}

/* Thunks convert the engine's void pointer to the row's type, without casting functions. */
static void source_thunks(const struct smc_machine *m, const struct shape *s, struct emit *out)
{
	const char *kind = smc_decl_names[s->kind];
	const char *event = s->event ? ", const struct sm_event *ev" : "";
	const struct smc_decl *d;

	for (size_t i = 0; i < m->decls[s->kind].n; i++) {
		d = &m->decls[s->kind].v[i];
		emit_blank(out);
		emit_line(out, "static %s%s_%s(%svoid *%s%s)", s->returns, kind, d->name, s->row,
			  s->row_name, event);
		emit_open(out, "{");
		emit_line(out, "%s%s_%s_%s(%s%s%s);", strcmp(s->returns, "void ") ? "return " : "",
			  m->prefix, kind, d->name, s->row_name, s->event ? ", ev" : "",
			  d->payload ? ", sm_event_payload(ev)" : "");
		emit_close(out, "}");
	}
	if (!m->decls[s->kind].n)
		return;
	emit_blank(out);
	emit_open(out, "static %s(*const %ss[])(%svoid *%s%s) = {", s->returns, kind, s->row,
		  s->row_name, event);
	for (size_t i = 0; i < m->decls[s->kind].n; i++)
		emit_line(out, "[%zu] = %s_%s,", i, kind, m->decls[s->kind].v[i].name);
	emit_close(out, "};");
	if (s->kind == SMC_DECL_DEADLINE)
		return;
	emit_blank(out);
	emit_open(out, "static const char *const %s_names[] = {", kind);
	for (size_t i = 0; i < m->decls[s->kind].n; i++)
		emit_line(out, "[%zu] = \"%s\",", i, m->decls[s->kind].v[i].name);
	emit_close(out, "};");
}

static void source_events(const struct smc_machine *m, struct emit *out)
{
	static const char *const classes[SMC_N_CLASSES] = {
		[SMC_CLASS_RPC] = "SM_CLASS_RPC",	[SMC_CLASS_DONE] = "SM_CLASS_DONE",
		[SMC_CLASS_SHIM] = "SM_CLASS_SHIM",	[SMC_CLASS_CLOCK] = "SM_CLASS_CLOCK",
		[SMC_CLASS_FAMILY] = "SM_CLASS_FAMILY",
	};

	emit_blank(out);
	emit_open(out, "static const struct sm_event_info events[] = {");
	for (size_t i = 0; i < m->decls[SMC_DECL_EVENT].n; i++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_EVENT].v[i];

		emit_put(out, "\t[");
		emit_event(m, i, out);
		emit_put(out, "] = { .name = \"%s\", .class = %s", d->name, classes[d->class]);
		if (d->payload)
			emit_put(out, ", .carries = \"%s\"", d->payload);
		if (d->quiet)
			emit_put(out, ", .quiet = true");
		if (d->unless.name)
			emit_put(out, ", .unless = \"%s\"", d->unless.name);
		emit_put(out, " },\n");
	}
	emit_close(out, "};");
}

static void source_effects(const struct smc_machine *m, struct emit *out)
{
	for (size_t i = 0; i < m->decls[SMC_DECL_EFFECT].n; i++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_EFFECT].v[i];

		emit_blank(out);
		emit_open(out, "static const uint16_t yields_%s[] = {", d->name);
		for (size_t y = 0; y < d->yields.n; y++) {
			emit_put(out, "\t");
			emit_event(m, (size_t)d->yields.v[y].index, out);
			emit_put(out, ",\n");
		}
		emit_close(out, "};");
	}
	emit_blank(out);
	emit_open(out, "static const struct sm_effect_info effects[] = {");
	for (size_t i = 0; i < m->decls[SMC_DECL_EFFECT].n; i++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_EFFECT].v[i];

		emit_open(out, "[%zu] = {", i);
		emit_line(out, ".name = \"%s\",", d->name);
		emit_line(out, ".lasting = %s,", d->lasting ? "true" : "false");
		if (d->retry_min_ms) {
			emit_line(out, ".retry_min_ms = %lld,", (long long)d->retry_min_ms);
			emit_line(out, ".retry_max_ms = %lld,", (long long)d->retry_max_ms);
		}
		emit_line(out, ".n_yields = %zu,", d->yields.n);
		emit_line(out, ".yields = yields_%s,", d->name);
		emit_line(out, ".start = %s_effect_%s,", m->prefix, d->name);
		emit_close(out, "},");
	}
	emit_close(out, "};");
}

static void source_actions(const struct smc_row *row, struct emit *out)
{
	static const char *const ops[] = {
		[SMC_OP_STEP] = "SM_OP_STEP",
		[SMC_OP_SAVE] = "SM_OP_SAVE",
		[SMC_OP_SAVE_BOOT] = "SM_OP_SAVE_BOOT",
		[SMC_OP_MOVE] = "SM_OP_MOVE",
		[SMC_OP_REPLY] = "SM_OP_REPLY",
		[SMC_OP_REPLY_TO] = "SM_OP_REPLY_TO",
		[SMC_OP_REQUEUE] = "SM_OP_REQUEUE",
		[SMC_OP_EFFECT] = "SM_OP_EFFECT",
		[SMC_OP_TELL_CHILDREN] = "SM_OP_TELL_CHILDREN",
		[SMC_OP_TELL_PARENT] = "SM_OP_TELL_PARENT",
	};

	if (!row->actions.n)
		return;
	emit_blank(out);
	emit_open(out, "static const struct sm_action actions_%u[] = {", row->number);
	for (size_t i = 0; i < row->actions.n; i++) {
		const struct smc_action *a = &row->actions.v[i];

		if (a->op == SMC_OP_STEP || a->op == SMC_OP_EFFECT || a->op == SMC_OP_REPLY_TO)
			emit_line(out, "{ .op = %s, .arg = %d }, /* %s */", ops[a->op],
				  a->ref.index, a->ref.name);
		else if (a->told)
			emit_line(out, "{ .op = %s, .told = \"%s\" },", ops[a->op], a->told);
		else
			emit_line(out, "{ .op = %s },", ops[a->op]);
	}
	emit_close(out, "};");
}

static void source_row(const struct smc_machine *m, size_t state, const struct smc_row *row,
		       struct emit *out)
{
	emit_open(out, "[%u] = {", row->number);
	emit_line(out, ".number = %u,", row->number);
	emit_put(out, "\t\t.state = ");
	emit_state(m, state, out);
	emit_put(out, ",\n\t\t.event = ");
	emit_event(m, (size_t)row->event.index, out);
	emit_put(out, ",\n");
	emit_line(out, ".guard = %d,", row->guard.index);
	emit_put(out, "\t\t.target = ");
	emit_state(m, (size_t)row->target.index, out);
	emit_put(out, ",\n");
	emit_line(out, ".line = %u,", row->line);
	if (row->retries)
		emit_line(out, ".retries = true,");
	emit_line(out, ".n_actions = %zu,", row->actions.n);
	if (row->actions.n)
		emit_line(out, ".actions = actions_%u,", row->number);
	emit_close(out, "},");
}

static void source_rows(const struct smc_machine *m, struct emit *out)
{
	for (size_t i = 0; i < m->states.n; i++)
		for (size_t r = 0; r < m->states.v[i].rows.n; r++)
			source_actions(&m->states.v[i].rows.v[r], out);
	emit_blank(out);
	emit_open(out, "static const struct sm_row rows[] = {");
	for (size_t i = 0; i < m->states.n; i++)
		for (size_t r = 0; r < m->states.v[i].rows.n; r++)
			source_row(m, i, &m->states.v[i].rows.v[r], out);
	emit_close(out, "};");
}

static void source_cells(const struct smc_machine *m, const struct smc_state *s, struct emit *out)
{
	static const char *const answers[] = {
		[SMC_ANSWER_NEVER] = "SM_ANSWER_NEVER",	  [SMC_ANSWER_MOVE] = "SM_ANSWER_MOVE",
		[SMC_ANSWER_IGNORE] = "SM_ANSWER_IGNORE", [SMC_ANSWER_WAIT] = "SM_ANSWER_WAIT",
		[SMC_ANSWER_JOIN] = "SM_ANSWER_JOIN",	  [SMC_ANSWER_REFUSE] = "SM_ANSWER_REFUSE",
	};

	emit_blank(out);
	emit_open(out, "static const struct sm_cell cells_%s[] = {", s->name);
	for (size_t ev = 0; ev < m->decls[SMC_DECL_EVENT].n; ev++) {
		const struct smc_cell *c = &s->cells[ev];

		emit_put(out, "\t[");
		emit_event(m, ev, out);
		emit_put(out, "] = { .answer = %s", answers[c->answer]);
		if (c->answer == SMC_ANSWER_REFUSE)
			emit_put(out, ", .refuse_code = %d /* %s */", smc_codes[c->code].number,
				 smc_codes[c->code].name);
		if (c->n_rows)
			emit_put(out, ", .n_rows = %zu, .rows = &rows[%u]", c->n_rows,
				 s->rows.v[c->first_row].number);
		emit_put(out, " },\n");
	}
	emit_close(out, "};");
	if (!s->holds.n)
		return;
	emit_blank(out);
	emit_open(out, "static const uint16_t holds_%s[] = {", s->name);
	for (size_t i = 0; i < s->holds.n; i++)
		emit_line(out, "%d, /* %s */", s->holds.v[i].index, s->holds.v[i].name);
	emit_close(out, "};");
}

static void source_state(const struct smc_machine *m, size_t at, struct emit *out)
{
	static const char *const kinds[] = {
		[SMC_KIND_INITIAL] = "SM_KIND_INITIAL",
		[SMC_KIND_BUSY] = "SM_KIND_BUSY",
		[SMC_KIND_REST] = "SM_KIND_REST",
		[SMC_KIND_FINAL] = "SM_KIND_FINAL",
	};
	const struct smc_state *s = &m->states.v[at];

	emit_put(out, "\t[");
	emit_state(m, at, out);
	emit_put(out, "] = {\n");
	out->indent++;
	emit_line(out, ".name = \"%s\",", s->name);
	emit_line(out, ".number = %u,", s->number);
	emit_line(out, ".kind = %s,", kinds[s->kind]);
	if (s->shows)
		emit_line(out, ".shows = \"%s\",", s->shows);
	emit_line(out, ".recover = %d,", s->recover.index);
	if (s->recover_told)
		emit_line(out, ".recover_told = \"%s\",", s->recover_told);
	emit_line(out, ".deadline = %d,", s->deadline.index);
	if (s->within_ms)
		emit_line(out, ".within_ms = %lld,", (long long)s->within_ms);
	if (s->unbounded) {
		emit_put(out, "\t\t.unbounded = ");
		emit_literal(out, s->unbounded);
		emit_put(out, ",\n");
	}
	if (s->holds.n) {
		emit_line(out, ".n_holds = %zu,", s->holds.n);
		emit_line(out, ".holds = holds_%s,", s->name);
	}
	emit_line(out, ".cells = cells_%s,", s->name);
	emit_close(out, "},");
}

/* For the engine, which queries a trait of any child. */
static void source_traits(const struct smc_machine *m, struct emit *out)
{
	if (!m->decls[SMC_DECL_TRAIT].n)
		return;
	emit_blank(out);
	emit_open(out, "static const struct sm_trait traits[] = {");
	for (size_t t = 0; t < m->decls[SMC_DECL_TRAIT].n; t++)
		emit_line(out, "{ .name = \"%s\", .is = %s_is_%s },",
			  m->decls[SMC_DECL_TRAIT].v[t].name, m->prefix,
			  m->decls[SMC_DECL_TRAIT].v[t].name);
	emit_close(out, "};");
}

static void source_parent(const struct smc_machine *m, struct emit *out)
{
	if (!m->parent)
		return;
	emit_blank(out);
	emit_line(out, "static const char *parent_id(const void *row)");
	emit_open(out, "{");
	emit_line(out, "const %s *r = row;", m->row_type);
	emit_blank(out);
	emit_line(out, "return r->%s;", m->parent_field);
	emit_close(out, "}");
}

static void source_machine(const struct smc_machine *m, struct emit *out)
{
	emit_blank(out);
	emit_open(out, "const struct sm_machine %s_machine = {", m->prefix);
	emit_line(out, ".name = \"%s\",", m->name);
	emit_line(out, ".prefix = \"%s\",", m->prefix);
	emit_line(out, ".version = %u,", m->version);
	emit_line(out, ".unstored = %s,", m->unstored ? "true" : "false");
	emit_line(out, ".n_states = %zu,", m->states.n);
	emit_line(out, ".n_events = %zu,", m->decls[SMC_DECL_EVENT].n);
	emit_line(out, ".n_effects = %zu,", m->decls[SMC_DECL_EFFECT].n);
	emit_line(out, ".n_rows = %u,", m->n_rows);
	for (size_t k = 0; k < N_SHAPES; k++)
		emit_line(out, ".n_%ss = %zu,", smc_decl_names[shapes[k].kind],
			  m->decls[shapes[k].kind].n);
	emit_put(out, "\t.initial = ");
	emit_state(m, (size_t)m->initial, out);
	emit_put(out, ",\n");
	emit_line(out, ".clock = %d,", m->clock);
	emit_line(out, ".states = states,");
	emit_line(out, ".events = events,");
	emit_line(out, ".effects = effects,");
	emit_line(out, ".rows = rows,");
	if (m->parent) {
		emit_line(out, ".parent = \"%s\",", m->parent);
		emit_line(out, ".parent_id = parent_id,");
	}
	if (m->decls[SMC_DECL_TRAIT].n) {
		emit_line(out, ".n_traits = %zu,", m->decls[SMC_DECL_TRAIT].n);
		emit_line(out, ".traits = traits,");
	}
	for (size_t k = 0; k < N_SHAPES; k++) {
		const char *kind = smc_decl_names[shapes[k].kind];

		if (!m->decls[shapes[k].kind].n)
			continue;
		emit_line(out, ".%ss = %ss,", kind, kind);
		if (shapes[k].kind != SMC_DECL_DEADLINE)
			emit_line(out, ".%s_names = %s_names,", kind, kind);
	}
	emit_put(out, "\t.row_descriptor = &");
	emit_descriptor(out, m->row_type);
	emit_put(out, ",\n");
	emit_close(out, "};");
}

void smc_emit_source(const struct smc_machine *m, struct emit *out)
{
	emit_source_name(m, out);
	emit_line(out, "#include \"sm_%s.h\"", m->name);
	for (size_t k = 0; k < N_SHAPES; k++)
		source_thunks(m, &shapes[k], out);
	source_events(m, out);
	source_effects(m, out);
	source_rows(m, out);
	for (size_t i = 0; i < m->states.n; i++)
		source_cells(m, &m->states.v[i], out);
	emit_blank(out);
	emit_open(out, "static const struct sm_state states[] = {");
	for (size_t i = 0; i < m->states.n; i++)
		source_state(m, i, out);
	emit_close(out, "};");
	source_traits(m, out);
	source_parent(m, out);
	source_machine(m, out);
}
