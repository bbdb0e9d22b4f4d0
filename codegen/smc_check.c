/*
 * smc_check.c - check that every (state, event) pair is decided exactly once, and that every state
 * has a recovery and a time limit.
 * Postcondition: smc_cell of each state and event is filled; the rows of a cell are adjacent, and
 * an unguarded row or an answer closes them.
 */
#include "smc.h"

#include <stdlib.h>
#include <string.h>

static const char *event_name(const struct smc_machine *m, size_t event)
{
	return m->decls[SMC_DECL_EVENT].v[event].name;
}

static enum smc_class event_class(const struct smc_machine *m, size_t event)
{
	return m->decls[SMC_DECL_EVENT].v[event].class;
}

/* Does the engine raise the event, only in states with a row for it? */
static bool is_quiet(const struct smc_machine *m, size_t event)
{
	return m->decls[SMC_DECL_EVENT].v[event].quiet;
}

/* Process the on rows first: they claim their cell, and close it when they end unguarded. */
static void cells_from_rows(struct smc_machine *m, struct smc_state *s)
{
	for (size_t i = 0; i < s->rows.n; i++) {
		struct smc_row *row = &s->rows.v[i];
		struct smc_cell *cell = &s->cells[row->event.index];

		if (cell->answer == SMC_ANSWER_MOVE) {
			smc_error(m, row->line,
				  "%s in %s is decided on line %u already; nothing "
				  "may follow a row without a guard",
				  row->event.name, s->name, cell->line);
			continue;
		}
		if (cell->n_rows && cell->first_row + cell->n_rows != i)
			smc_error(m, row->line,
				  "the rows of %s in %s do not stand together; move "
				  "this one below line %u",
				  row->event.name, s->name, cell->line);
		if (!cell->n_rows)
			cell->first_row = i;
		cell->n_rows++;
		cell->line = row->line;
		if (!row->guard.name)
			cell->answer = SMC_ANSWER_MOVE;
	}
}

static void cell_decide(struct smc_machine *m, struct smc_state *s, size_t event,
			const struct smc_decision *d)
{
	struct smc_cell *cell = &s->cells[event];

	if (cell->answer != SMC_ANSWER_NONE) {
		smc_error(m, d->event.line, "%s in %s is decided on line %u already; keep one",
			  event_name(m, event), s->name, cell->line);
		return;
	}
	if (cell->n_rows && cell->line > d->event.line)
		smc_error(m, d->event.line,
			  "%s in %s is decided before its guarded rows; move "
			  "this below line %u",
			  event_name(m, event), s->name, cell->line);
	cell->answer = d->answer;
	cell->code = d->code;
	cell->line = d->event.line;
}

/* May an event named in a line be answered this way? */
static bool decision_allowed(struct smc_machine *m, const struct smc_state *s,
			     const struct smc_decision *d, enum smc_class class, const char *what)
{
	bool asks = d->answer == SMC_ANSWER_WAIT || d->answer == SMC_ANSWER_JOIN ||
		    d->answer == SMC_ANSWER_REFUSE;

	if (d->answer == SMC_ANSWER_WAIT && class == SMC_CLASS_FAMILY)
		asks = false; /* the event is delivered again */
	if (asks && class != SMC_CLASS_RPC) {
		smc_error(m, d->event.line,
			  "%s is of class %s and nobody waits for its answer; "
			  "write on, ignore or never",
			  what, smc_class_names[class]);
		return false;
	}
	if ((d->answer == SMC_ANSWER_WAIT || d->answer == SMC_ANSWER_JOIN) &&
	    s->kind != SMC_KIND_BUSY) {
		smc_error(m, d->event.line,
			  "%s has no work whose end %s could wait for; wait and "
			  "join stand in busy states",
			  s->name, what);
		return false;
	}
	return true;
}

/* Events by name are decided before classes, which take the remaining ones. */
static void cells_from_names(struct smc_machine *m, struct smc_state *s)
{
	for (size_t i = 0; i < s->decisions.n; i++) {
		const struct smc_decision *d = &s->decisions.v[i];

		if (d->is_class || event_class(m, (size_t)d->event.index) == SMC_CLASS_CLOCK ||
		    is_quiet(m, (size_t)d->event.index))
			continue;
		if (decision_allowed(m, s, d, event_class(m, (size_t)d->event.index),
				     d->event.name))
			cell_decide(m, s, (size_t)d->event.index, d);
	}
}

static void cells_from_classes(struct smc_machine *m, struct smc_state *s)
{
	for (size_t i = 0; i < s->decisions.n; i++) {
		const struct smc_decision *d = &s->decisions.v[i];
		bool any = false;

		if (!d->is_class || d->class == SMC_CLASS_CLOCK ||
		    !decision_allowed(m, s, d, d->class, d->event.name))
			continue;
		for (size_t ev = 0; ev < m->decls[SMC_DECL_EVENT].n; ev++) {
			if (event_class(m, ev) != d->class || is_quiet(m, ev))
				continue;
			any = true;
			if (!s->cells[ev].n_rows && s->cells[ev].answer == SMC_ANSWER_NONE)
				cell_decide(m, s, ev, d);
		}
		if (!any)
			smc_error(m, d->event.line,
				  "the machine has no event of class %s; drop %s "
				  "from the line",
				  d->event.name, d->event.name);
	}
}

/* The clock event occurs only in states with a within: require a row there, forbid it elsewhere. */
static void cell_clock(struct smc_machine *m, struct smc_state *s)
{
	bool limited = s->limit_line && !s->unbounded;
	struct smc_cell *cell;

	for (size_t i = 0; i < s->decisions.n; i++) {
		const struct smc_decision *d = &s->decisions.v[i];

		if (d->is_class ? d->class == SMC_CLASS_CLOCK : d->event.index == m->clock)
			smc_error(m, d->event.line,
				  "the clock strikes where a within stands and "
				  "nowhere else; drop %s from the line",
				  d->event.name);
	}
	if (m->clock < 0) {
		if (limited)
			smc_error(m, s->limit_line,
				  "%s has a limit but the machine has no event "
				  "of class clock; declare one, such as event overdue clock",
				  s->name);
		return;
	}
	cell = &s->cells[m->clock];
	if (limited && !cell->n_rows)
		smc_error(m, s->limit_line,
			  "%s has a limit but no row for %s; write on %s -> STATE", s->name,
			  event_name(m, (size_t)m->clock), event_name(m, (size_t)m->clock));
	else if (!limited && cell->n_rows)
		smc_error(m, cell->line,
			  "%s never comes in %s, which has no within; drop the row "
			  "or write a limit",
			  event_name(m, (size_t)m->clock), s->name);
	else if (!cell->n_rows)
		cell->answer = SMC_ANSWER_NEVER;
}

static void cells_quiet(struct smc_machine *m, struct smc_state *s)
{
	for (size_t i = 0; i < s->decisions.n; i++) {
		const struct smc_decision *d = &s->decisions.v[i];

		if (!d->is_class && is_quiet(m, (size_t)d->event.index))
			smc_error(m, d->event.line,
				  "%s is raised where a row for it stands and "
				  "nowhere else; drop it from the line",
				  d->event.name);
	}
	for (size_t ev = 0; ev < m->decls[SMC_DECL_EVENT].n; ev++)
		if (is_quiet(m, ev) && s->cells[ev].answer == SMC_ANSWER_NONE)
			s->cells[ev].answer =
				s->cells[ev].n_rows ? SMC_ANSWER_IGNORE : SMC_ANSWER_NEVER;
}

static void cells_open(struct smc_machine *m, const struct smc_state *s)
{
	for (size_t ev = 0; ev < m->decls[SMC_DECL_EVENT].n; ev++) {
		const struct smc_cell *cell = &s->cells[ev];

		if (cell->answer != SMC_ANSWER_NONE)
			continue;
		if (cell->n_rows)
			smc_error(m, cell->line,
				  "the guards leave a case of %s in %s open; end "
				  "with a row without a guard, or name it in ignore, refuse, wait "
				  "or never",
				  event_name(m, ev), s->name);
		else if ((int)ev != m->clock)
			smc_error(m, s->line,
				  "%s does not decide %s; write on, wait, join, "
				  "ignore, refuse or never",
				  s->name, event_name(m, ev));
	}
}

void smc_check_cells(struct smc_machine *m)
{
	for (size_t i = 0; i < m->states.n; i++) {
		struct smc_state *s = &m->states.v[i];

		s->cells = calloc(m->decls[SMC_DECL_EVENT].n + 1, sizeof(*s->cells));
		if (!s->cells)
			abort();
		if (s->kind == SMC_KIND_FINAL) {
			if (s->rows.n || s->decisions.n)
				smc_error(m, s->line,
					  "%s is final and nothing happens to it any "
					  "more; drop the lines below it",
					  s->name);
			for (size_t ev = 0; ev < m->decls[SMC_DECL_EVENT].n; ev++)
				s->cells[ev].answer = SMC_ANSWER_NEVER;
			continue;
		}
		cells_from_rows(m, s);
		cells_from_names(m, s);
		cells_from_classes(m, s);
		cell_clock(m, s);
		cells_quiet(m, s);
		if (!m->n_errors)
			cells_open(m, s);
	}
}

/* A state of kind rest may ignore the outcomes of its recovery; work in flight must handle them. */
static void state_yields(struct smc_machine *m, const struct smc_state *s, int effect,
			 unsigned int line)
{
	const struct smc_decl *d = &m->decls[SMC_DECL_EFFECT].v[effect];

	for (size_t i = 0; i < d->yields.n; i++) {
		const struct smc_ref *ev = &d->yields.v[i];
		const struct smc_cell *cell = &s->cells[ev->index];

		if (cell->n_rows || (s->kind == SMC_KIND_REST && cell->answer == SMC_ANSWER_IGNORE))
			continue;
		smc_error(m, line, "%s may yield %s, but %s has no row for it; write on %s",
			  d->name, ev->name, s->name, ev->name);
	}
}

static void state_work(struct smc_machine *m, const struct smc_state *s)
{
	if (m->unstored && s->recover.name)
		smc_error(m, s->recover.line,
			  "machine %s is unstored and nothing of %s is left after a crash; "
			  "drop recover",
			  m->name, s->name);
	else if (!m->unstored && !s->recover.name)
		smc_error(m, s->line,
			  "%s does not say what happens to it after a crash; write "
			  "recover EFFECT%s",
			  s->name, s->kind == SMC_KIND_REST ? " or recover none" : "");
	else if (!m->unstored && s->recover.index < 0 && !s->recover_told &&
		 s->kind == SMC_KIND_BUSY)
		smc_error(m, s->recover.line,
			  "%s is busy and a crash ends its work; write recover "
			  "EFFECT",
			  s->name);
	if (s->kind == SMC_KIND_BUSY && !s->limit_line)
		smc_error(m, s->line,
			  "%s may last for ever; write within TIME, or unbounded \"why\"", s->name);
	if (s->kind == SMC_KIND_REST && s->unbounded)
		smc_error(m, s->limit_line, "%s is at rest and has nothing to limit; drop the line",
			  s->name);
	if (s->recover.index >= 0)
		state_yields(m, s, s->recover.index, s->recover.line);
}

static void state_bare(struct smc_machine *m, const struct smc_state *s)
{
	if (s->holds.n || s->recover.name || s->limit_line)
		smc_error(m, s->line,
			  "nothing is stored in %s; drop its holds, recover, within "
			  "and unbounded lines",
			  s->name);
}

/* Check that the target state of a row with an effect handles all outcomes of the effect. */
static void state_outcomes(struct smc_machine *m, const struct smc_state *s)
{
	for (size_t i = 0; i < s->rows.n; i++) {
		const struct smc_row *row = &s->rows.v[i];
		int effect = smc_row_effect(row);

		if (effect >= 0)
			state_yields(m, &m->states.v[row->target.index], effect, row->line);
	}
}

static void check_states(struct smc_machine *m)
{
	for (size_t i = 0; i < m->states.n; i++) {
		const struct smc_state *s = &m->states.v[i];

		if (s->kind == SMC_KIND_BUSY || s->kind == SMC_KIND_REST)
			state_work(m, s);
		else
			state_bare(m, s);
		state_outcomes(m, s);
	}
}

static void check_unused(struct smc_machine *m)
{
	bool yielded;

	for (enum smc_decl_kind k = 0; k < SMC_DECL_STATE; k++)
		for (size_t i = 0; i < m->decls[k].n; i++)
			if (!m->decls[k].v[i].used)
				smc_error(m, m->decls[k].v[i].line,
					  "no row uses %s %s; drop it or "
					  "write the row",
					  smc_decl_names[k], m->decls[k].v[i].name);
	for (size_t ev = 0; ev < m->decls[SMC_DECL_EVENT].n; ev++) {
		if (event_class(m, ev) != SMC_CLASS_DONE || m->decls[SMC_DECL_EVENT].v[ev].from)
			continue;
		yielded = false;
		for (size_t i = 0; i < m->decls[SMC_DECL_EFFECT].n && !yielded; i++) {
			const struct smc_refs *y = &m->decls[SMC_DECL_EFFECT].v[i].yields;

			for (size_t j = 0; j < y->n; j++)
				yielded |= y->v[j].index == (int)ev;
		}
		if (!yielded)
			smc_error(
				m, m->decls[SMC_DECL_EVENT].v[ev].line,
				"no effect yields %s; "
				"name it in a yields list, or write from MACHINE behind its class",
				event_name(m, ev));
	}
}

void smc_check(struct smc_machine *m)
{
	static void (*const parts[])(struct smc_machine *) = {
		smc_check_names, smc_check_cells, smc_check_rows,
		check_states,	 smc_check_paths, check_unused,
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !m->n_errors; i++)
		parts[i](m);
}
