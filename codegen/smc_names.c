/*
 * smc_names.c - resolve every name and number in a .sm file.
 * Postcondition: a name is declared once in the whole file and is no keyword; every reference has
 * its index; every stored number belongs to one state for ever.
 */
#include "smc.h"

#include <string.h>

/* Keywords: `done` as an event or `save` as a step would make a line ambiguous. */
static const char *const reserved[] = {
	"machine",  "prefix",	"version",   "row",    "boot",	   "event", "guard",   "step",
	"effect",   "deadline", "invariant", "trait",  "retired",  "state", "initial", "busy",
	"rest",	    "final",	"shows",     "holds",  "recover",  "none",  "within",  "unbounded",
	"on",	    "if",	"stay",	     "ignore", "wait",	   "join",  "refuse",  "never",
	"save",	    "reply",	"requeue",   "rpc",    "done",	   "shim",  "clock",   "lasting",
	"fleeting", "retry",	"yields",    "from",   "carries",  "takes", "parent",  "by",
	"tell",	    "children", "family",    "unless", "unstored",
};

static int decl_find(const struct smc_machine *m, enum smc_decl_kind kind, const char *name)
{
	for (size_t i = 0; i < m->decls[kind].n; i++)
		if (strcmp(m->decls[kind].v[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int state_find(const struct smc_machine *m, const char *name)
{
	for (size_t i = 0; i < m->states.n; i++)
		if (strcmp(m->states.v[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void names_declared(struct smc_machine *m, enum smc_decl_kind kind, size_t at)
{
	const struct smc_decl *d = &m->decls[kind].v[at];

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(reserved[i], d->name) == 0)
			smc_error(m, d->line,
				  "%s is a word of the language; choose another name "
				  "for this %s",
				  d->name, smc_decl_names[kind]);
	for (enum smc_decl_kind k = 0; k <= kind; k++) {
		int i = decl_find(m, k, d->name);

		if (i >= 0 && (k != kind || (size_t)i != at)) {
			smc_error(m, d->line,
				  "%s is declared already, as %s on line %u; a name "
				  "means one thing",
				  d->name, smc_decl_names[k], m->decls[k].v[i].line);
			return;
		}
	}
}

static void names_numbers(struct smc_machine *m, size_t at)
{
	const struct smc_state *s = &m->states.v[at];

	for (size_t i = 0; i < m->retired.n; i++)
		if (m->retired.v[i].number == s->number)
			smc_error(m, s->line,
				  "state %s has number %u, which was retired on line "
				  "%u; old rows may hold it: take a number never used",
				  s->name, s->number, m->retired.v[i].line);
	for (size_t i = 0; i < at; i++) {
		const struct smc_state *o = &m->states.v[i];

		if (strcmp(o->name, s->name) == 0)
			smc_error(m, s->line,
				  "state %s is described already on line %u; merge them", s->name,
				  o->line);
		else if (o->number == s->number)
			smc_error(m, s->line,
				  "state %s has number %u of state %s; take a number "
				  "never used",
				  s->name, s->number, o->name);
	}
}

static void names_singles(struct smc_machine *m)
{
	m->initial = -1;
	m->clock = -1;
	for (size_t i = 0; i < m->states.n; i++) {
		if (m->states.v[i].kind != SMC_KIND_INITIAL)
			continue;
		if (m->initial >= 0)
			smc_error(m, m->states.v[i].line, "a second initial state; %s is the first",
				  m->states.v[m->initial].name);
		m->initial = (int)i;
	}
	for (size_t i = 0; i < m->decls[SMC_DECL_EVENT].n; i++) {
		struct smc_decl *d = &m->decls[SMC_DECL_EVENT].v[i];

		if (d->class != SMC_CLASS_CLOCK)
			continue;
		if (m->clock >= 0)
			smc_error(m, d->line, "a second event of class clock; %s is the first",
				  m->decls[SMC_DECL_EVENT].v[m->clock].name);
		m->clock = (int)i;
	}
	if (m->initial < 0)
		smc_error(m, m->line,
			  "machine %s has no initial state; write one, such as "
			  "state NONE = 0 initial",
			  m->name);
	for (size_t i = 0; i < m->retired.n; i++)
		for (size_t j = 0; j < i; j++)
			if (m->retired.v[i].number == m->retired.v[j].number)
				smc_error(m, m->retired.v[i].line,
					  "number %u is retired already "
					  "on line %u; drop one",
					  m->retired.v[i].number, m->retired.v[j].line);
}

static void resolve(struct smc_machine *m, struct smc_ref *ref, enum smc_decl_kind kind)
{
	ref->index =
		kind == SMC_DECL_STATE ? state_find(m, ref->name) : decl_find(m, kind, ref->name);
	if (ref->index < 0)
		smc_error(m, ref->line, "no %s is called %s; declare it or correct the name",
			  smc_decl_names[kind], ref->name);
	else if (kind != SMC_DECL_EVENT && kind != SMC_DECL_STATE)
		m->decls[kind].v[ref->index].used = true;
}

/* Only calls wait for an answer. */
static void resolve_answered(struct smc_machine *m, struct smc_action *a)
{
	a->ref.index = a->answered ? decl_find(m, SMC_DECL_EVENT, a->answered) : -1;
	if (a->answered &&
	    (a->ref.index < 0 || m->decls[SMC_DECL_EVENT].v[a->ref.index].class != SMC_CLASS_RPC))
		smc_error(m, a->ref.line,
			  "nobody waits for %s: it is no event of class rpc; name one, or write "
			  "reply",
			  a->answered);
}

static void resolve_action(struct smc_machine *m, struct smc_action *a)
{
	if (a->op == SMC_OP_REPLY_TO)
		resolve_answered(m, a);
	if (a->op != SMC_OP_STEP)
		return;
	a->ref.index = decl_find(m, SMC_DECL_STEP, a->ref.name);
	if (a->ref.index >= 0) {
		m->decls[SMC_DECL_STEP].v[a->ref.index].used = true;
		return;
	}
	a->op = SMC_OP_EFFECT;
	a->ref.index = decl_find(m, SMC_DECL_EFFECT, a->ref.name);
	if (a->ref.index >= 0)
		m->decls[SMC_DECL_EFFECT].v[a->ref.index].used = true;
	else
		smc_error(m, a->ref.line,
			  "%s is neither a step nor an effect; declare it or "
			  "correct the name",
			  a->ref.name);
}

static void resolve_row(struct smc_machine *m, struct smc_row *row, int state)
{
	resolve(m, &row->event, SMC_DECL_EVENT);
	if (row->event.index >= 0)
		m->decls[SMC_DECL_EVENT].v[row->event.index].used = true;
	if (row->guard.name)
		resolve(m, &row->guard, SMC_DECL_GUARD);
	if (row->stay)
		row->target.index = state;
	else
		resolve(m, &row->target, SMC_DECL_STATE);
	for (size_t i = 0; i < row->actions.n; i++)
		resolve_action(m, &row->actions.v[i]);
}

static void resolve_state(struct smc_machine *m, struct smc_state *s, int at)
{
	for (size_t i = 0; i < s->holds.n; i++)
		resolve(m, &s->holds.v[i], SMC_DECL_INVARIANT);
	if (s->recover.name && !s->recover_told && strcmp(s->recover.name, "none") != 0)
		resolve(m, &s->recover, SMC_DECL_EFFECT);
	if (s->deadline.name)
		resolve(m, &s->deadline, SMC_DECL_DEADLINE);
	for (size_t i = 0; i < s->rows.n; i++)
		resolve_row(m, &s->rows.v[i], at);
	for (size_t i = 0; i < s->decisions.n; i++)
		if (!s->decisions.v[i].is_class)
			resolve(m, &s->decisions.v[i].event, SMC_DECL_EVENT);
}

/* A trait of every state is useless, hence an error. */
static void resolve_trait(struct smc_machine *m, struct smc_decl *trait)
{
	trait->used = true; /* by C code */
	for (size_t i = 0; i < trait->states.n; i++) {
		resolve(m, &trait->states.v[i], SMC_DECL_STATE);
		for (size_t j = 0; j < i; j++)
			if (strcmp(trait->states.v[i].name, trait->states.v[j].name) == 0)
				smc_error(m, trait->line, "trait %s names state %s twice; drop one",
					  trait->name, trait->states.v[i].name);
	}
	if (trait->states.n == m->states.n)
		smc_error(m, trait->line, "trait %s is true in every state; drop it or a state",
			  trait->name);
}

/* The outcome of an effect comes through the loop, never from a client or a timer. */
static void resolve_yields(struct smc_machine *m, struct smc_decl *effect)
{
	for (size_t i = 0; i < effect->yields.n; i++) {
		struct smc_ref *ref = &effect->yields.v[i];
		const struct smc_decl *ev;

		resolve(m, ref, SMC_DECL_EVENT);
		if (ref->index < 0)
			continue;
		ev = &m->decls[SMC_DECL_EVENT].v[ref->index];
		if (ev->class != SMC_CLASS_DONE && ev->class != SMC_CLASS_SHIM)
			smc_error(m, ref->line,
				  "effect %s yields %s of class %s; an effect yields "
				  "done or shim events",
				  effect->name, ref->name, smc_class_names[ev->class]);
	}
}

void smc_check_names(struct smc_machine *m)
{
	for (enum smc_decl_kind k = 0; k < SMC_DECL_STATE; k++)
		for (size_t i = 0; i < m->decls[k].n; i++)
			names_declared(m, k, i);
	for (size_t i = 0; i < m->states.n; i++)
		names_numbers(m, i);
	names_singles(m);
	for (size_t i = 0; i < m->decls[SMC_DECL_EVENT].n; i++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_EVENT].v[i];

		if (strcmp(d->name, "childless") == 0 && d->class != SMC_CLASS_FAMILY)
			smc_error(m, d->line,
				  "childless is raised by the engine; its class is "
				  "family");
	}
	for (size_t i = 0; i < m->decls[SMC_DECL_EFFECT].n; i++)
		resolve_yields(m, &m->decls[SMC_DECL_EFFECT].v[i]);
	for (size_t i = 0; i < m->decls[SMC_DECL_TRAIT].n; i++)
		resolve_trait(m, &m->decls[SMC_DECL_TRAIT].v[i]);
	for (size_t i = 0; i < m->states.n; i++)
		resolve_state(m, &m->states.v[i], (int)i);
}
