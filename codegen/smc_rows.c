/*
 * smc_rows.c - check the order of actions in a row, which is the durability contract.
 * Postcondition: actions left of the commit are pure.  No reply and no effect comes before the
 * commit, and work in flight is exactly one effect.
 */
#include "smc.h"

#include <string.h>

int smc_row_effect(const struct smc_row *row)
{
	for (size_t i = 0; i < row->actions.n; i++)
		if (row->actions.v[i].op == SMC_OP_EFFECT)
			return row->actions.v[i].ref.index;
	return -1;
}

/* Position of the first action of this kind, -1: none. */
static int row_find(const struct smc_row *row, enum smc_op op)
{
	for (size_t i = 0; i < row->actions.n; i++)
		if (row->actions.v[i].op == op)
			return (int)i;
	return -1;
}

bool smc_row_has(const struct smc_row *row, enum smc_op op)
{
	return row_find(row, op) >= 0;
}

static int row_commit(const struct smc_row *row)
{
	static const enum smc_op commits[] = { SMC_OP_SAVE, SMC_OP_SAVE_BOOT, SMC_OP_MOVE };
	int at = -1;

	for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]) && at < 0; i++)
		at = row_find(row, commits[i]);
	return at;
}

static enum smc_class row_class(const struct smc_machine *m, const struct smc_row *row)
{
	return m->decls[SMC_DECL_EVENT].v[row->event.index].class;
}

static void row_twice(struct smc_machine *m, const struct smc_row *row)
{
	for (size_t i = 0; i < row->actions.n; i++)
		for (size_t j = 0; j < i; j++)
			if (row->actions.v[i].op != SMC_OP_MOVE &&
			    row->actions.v[j].op != SMC_OP_MOVE &&
			    strcmp(row->actions.v[i].ref.name, row->actions.v[j].ref.name) == 0)
				smc_error(m, row->line, "%s stands twice in this row; keep one",
					  row->actions.v[i].ref.name);
}

/* An object with a row of this boot and no durable one looks like a half-done removal, and the
 * next start drops it.  An object that should persist must therefore begin and end durably. */
static void row_committed(struct smc_machine *m, const struct smc_state *s,
			  const struct smc_row *row)
{
	const struct smc_state *to = &m->states.v[row->target.index];
	bool save = smc_row_has(row, SMC_OP_SAVE), boot = smc_row_has(row, SMC_OP_SAVE_BOOT);

	if (m->unstored && (save || boot))
		smc_error(m, row->line,
			  "machine %s is unstored and its moves are made in memory; "
			  "drop %s",
			  m->name, save ? "save" : "save boot");
	else if (m->unstored)
		return;
	else if (save && boot)
		smc_error(m, row->line,
			  "a row commits once; keep save (survives a reboot) or "
			  "save boot (does not)");
	else if (!row->stay && !save && !boot)
		smc_error(m, row->line,
			  "the row goes to %s without committing it; write save or "
			  "save boot before what the world or a client sees",
			  to->name);
	else if (boot && to->kind == SMC_KIND_FINAL)
		smc_error(m, row->line,
			  "%s by save boot would come back from the durable store; "
			  "write save",
			  to->name);
	else if (boot && s->kind == SMC_KIND_INITIAL)
		smc_error(m, row->line,
			  "what begins by save boot is taken for removed at the next "
			  "start; write save");
}

static void row_order(struct smc_machine *m, const struct smc_row *row)
{
	int commit = row_commit(row);
	unsigned int effects = 0;

	for (int i = 0; i < (int)row->actions.n; i++) {
		const struct smc_action *a = &row->actions.v[i];

		if (a->op == SMC_OP_STEP && commit < 0)
			smc_error(m, row->line,
				  "what %s writes is never committed; write save or "
				  "save boot after it",
				  a->ref.name);
		else if (a->op == SMC_OP_STEP && i > commit)
			smc_error(m, row->line,
				  "what %s writes comes after the commit and is "
				  "lost; move it left of %s",
				  a->ref.name, row->actions.v[commit].ref.name);
		else if (a->told && i < commit)
			smc_error(m, row->line,
				  "another machine is told before it is true on "
				  "disk; move %s right of %s",
				  a->ref.name, row->actions.v[commit].ref.name);
		else if ((a->op == SMC_OP_REPLY || a->op == SMC_OP_REPLY_TO) && i < commit)
			smc_error(m, row->line,
				  "the client is told before it is true on disk; "
				  "move reply right of %s",
				  row->actions.v[commit].ref.name);
		else if (a->op == SMC_OP_EFFECT && effects++)
			smc_error(m, row->line,
				  "%s is a second effect in one row; start one, and "
				  "the next from the state it leads to",
				  a->ref.name);
		else if (a->op == SMC_OP_EFFECT && i != (int)row->actions.n - 1)
			smc_error(m, row->line,
				  "%s starts before the row is done; move it to the end",
				  a->ref.name);
	}
}

static void row_lasting(struct smc_machine *m, const struct smc_state *s, const struct smc_row *row)
{
	const struct smc_state *to = &m->states.v[row->target.index];
	int effect = smc_row_effect(row);
	bool save = smc_row_has(row, SMC_OP_SAVE);
	bool lasting = effect >= 0 && m->decls[SMC_DECL_EFFECT].v[effect].lasting;

	if (m->unstored || save)
		return;
	if (lasting && !row->stay)
		smc_error(m, row->line,
			  "%s is lasting, but %s is not stored durably before it; "
			  "write save",
			  m->decls[SMC_DECL_EFFECT].v[effect].name, to->name);
	else if (lasting && s->recover.index != effect)
		smc_error(m, row->line,
			  "%s is lasting and not what %s recovers by; a stay row may "
			  "only start it after save",
			  m->decls[SMC_DECL_EFFECT].v[effect].name, s->name);
	else if (!lasting && !row->stay && to->recover.index >= 0 &&
		 m->decls[SMC_DECL_EFFECT].v[to->recover.index].lasting)
		smc_error(m, row->line,
			  "%s recovers by %s, which is lasting, so a reboot must not "
			  "forget it; write save",
			  to->name, to->recover.name);
}

/* Can an event of the shim or a child end this state, so that no effect is needed? */
static bool state_listens(const struct smc_machine *m, const struct smc_state *s)
{
	for (size_t i = 0; i < s->rows.n; i++)
		if (row_class(m, &s->rows.v[i]) == SMC_CLASS_SHIM ||
		    row_class(m, &s->rows.v[i]) == SMC_CLASS_FAMILY)
			return true;
	return false;
}

/* Check the work that this row starts, continues or ends. */
static void row_work(struct smc_machine *m, const struct smc_state *s, const struct smc_row *row)
{
	const struct smc_state *to = &m->states.v[row->target.index];
	enum smc_class class = row_class(m, row);
	int effect = smc_row_effect(row);

	if (effect >= 0 && to->kind != SMC_KIND_BUSY)
		smc_error(m, row->line,
			  "%s starts but %s is not busy; go to a busy state that "
			  "waits for it",
			  m->decls[SMC_DECL_EFFECT].v[effect].name, to->name);
	if (effect < 0 && to->kind == SMC_KIND_BUSY && !row->stay && !state_listens(m, to))
		smc_error(m, row->line,
			  "%s is busy but nothing is started and no shim or family "
			  "event ends it; end the row with an effect",
			  to->name);
	for (size_t i = 0; i < row->actions.n; i++)
		if (row->actions.v[i].op == SMC_OP_TELL_PARENT && !m->parent)
			smc_error(m, row->line,
				  "machine %s has no parent to tell; write parent "
				  "MACHINE by FIELD",
				  m->name);
	if (effect < 0 && s->kind == SMC_KIND_BUSY && row->stay && class == SMC_CLASS_DONE)
		smc_error(m, row->line,
			  "%s ends the work of %s and nothing follows; start an "
			  "effect or leave the state",
			  row->event.name, s->name);
	if (row->stay && !row->actions.n && class == SMC_CLASS_CLOCK)
		smc_error(m, row->line,
			  "the time of %s is up and nothing is done; end the row "
			  "with an effect",
			  s->name);
	else if (row->stay && !row->actions.n)
		smc_error(m, row->line, "the row does nothing; write %s %s",
			  s->kind == SMC_KIND_BUSY && class == SMC_CLASS_RPC ? "join" : "ignore",
			  row->event.name);
}

static bool yields(const struct smc_decl *effect, int event)
{
	for (size_t i = 0; i < effect->yields.n; i++)
		if (effect->yields.v[i].index == event)
			return true;
	return false;
}

/* Check a row that restarts its effect on the effect's own outcome. */
static void row_retries(struct smc_machine *m, struct smc_row *row)
{
	int effect = smc_row_effect(row);
	struct smc_decl *d = effect < 0 ? NULL : &m->decls[SMC_DECL_EFFECT].v[effect];

	if (!d || !row->stay || !yields(d, row->event.index))
		return;
	row->retries = d->retried = true;
	if (!d->retry_min_ms)
		smc_error(m, row->line,
			  "%s begins again at once, for ever; declare the effect "
			  "with retry MIN..MAX",
			  d->name);
	else if (row_commit(row) < 0)
		smc_error(m, row->line,
			  "why %s failed is not stored; write save or save boot "
			  "before it",
			  d->name);
}

/* Whether a call can wait for work: it started some, or joined it. */
static bool calls_wait(const struct smc_machine *m)
{
	for (size_t i = 0; i < m->states.n; i++) {
		const struct smc_state *s = &m->states.v[i];

		for (size_t d = 0; d < s->decisions.n; d++)
			if (s->decisions.v[d].answer == SMC_ANSWER_JOIN)
				return true;
		for (size_t r = 0; r < s->rows.n; r++)
			if (row_class(m, &s->rows.v[r]) == SMC_CLASS_RPC &&
			    m->states.v[s->rows.v[r].target.index].kind == SMC_KIND_BUSY)
				return true;
	}
	return false;
}

/* Check that the event carries the payload that the guard or step takes. */
static void row_taken(struct smc_machine *m, const struct smc_row *row, enum smc_decl_kind kind,
		      int index)
{
	const struct smc_decl *d = &m->decls[kind].v[index];
	struct smc_decl *ev = &m->decls[SMC_DECL_EVENT].v[row->event.index];

	if (!d->payload)
		return;
	if (!ev->payload)
		smc_error(m, row->line,
			  "%s takes %s, but %s carries nothing; write carries %s "
			  "behind the event's class",
			  d->name, d->payload, ev->name, d->payload);
	else if (strcmp(d->payload, ev->payload) != 0)
		smc_error(m, row->line, "%s takes %s, but %s carries %s; use another %s", d->name,
			  d->payload, ev->name, ev->payload, smc_decl_names[kind]);
	else
		ev->taken = true;
}

static void row_payload(struct smc_machine *m, const struct smc_row *row)
{
	if (row->guard.index >= 0)
		row_taken(m, row, SMC_DECL_GUARD, row->guard.index);
	for (size_t i = 0; i < row->actions.n; i++)
		if (row->actions.v[i].op == SMC_OP_STEP)
			row_taken(m, row, SMC_DECL_STEP, row->actions.v[i].ref.index);
}

static void row_answered(struct smc_machine *m, const struct smc_state *s,
			 const struct smc_row *row)
{
	const struct smc_state *to = &m->states.v[row->target.index];
	bool asked = row_class(m, row) == SMC_CLASS_RPC;
	bool reply = smc_row_has(row, SMC_OP_REPLY), requeue = smc_row_has(row, SMC_OP_REQUEUE);

	if (requeue && !asked)
		smc_error(m, row->line, "%s is of class %s and cannot be asked again; drop requeue",
			  row->event.name, smc_class_names[row_class(m, row)]);
	if (requeue && row->stay && s->kind != SMC_KIND_BUSY)
		smc_error(m, row->line,
			  "%s stays in %s and would be asked again at once, for "
			  "ever; write reply",
			  row->event.name, s->name);
	if (to->kind == SMC_KIND_BUSY)
		return;
	if (s->kind == SMC_KIND_BUSY && !reply && (asked || calls_wait(m)))
		smc_error(m, row->line,
			  "the work ends in %s without an answer to who waits for "
			  "it; write reply",
			  to->name);
	else if (asked && !reply && !requeue)
		smc_error(m, row->line,
			  "%s is at rest and %s gets no answer; write reply or "
			  "requeue",
			  to->name, row->event.name);
	else if (!asked && reply && s->kind != SMC_KIND_BUSY)
		smc_error(m, row->line, "%s is at rest and nobody waits for an answer; drop reply",
			  s->name);
}

static void row_ends(struct smc_machine *m, const struct smc_state *s, const struct smc_row *row)
{
	if (row->target.index == m->initial)
		smc_error(m, row->line, "%s is where objects begin; a row cannot go there",
			  m->states.v[m->initial].name);
	if (!row->stay && &m->states.v[row->target.index] == s && s->kind != SMC_KIND_INITIAL)
		smc_error(m, row->line, "the row goes from %s to itself; write stay", s->name);
}

/* Insert the move of an unstored machine after its steps; the language has no keyword for it. */
static void row_moves(const struct smc_machine *m, struct smc_row *row)
{
	int effect = smc_row_effect(row);
	bool tries = effect >= 0 && m->decls[SMC_DECL_EFFECT].v[effect].retry_min_ms;
	struct smc_action move = { .op = SMC_OP_MOVE }, *v;
	size_t at = 0;

	for (size_t i = 0; i < row->actions.n; i++)
		if (row->actions.v[i].op == SMC_OP_STEP || row->actions.v[i].op == SMC_OP_REQUEUE)
			at = i + 1;
	if (row->stay && !at && !tries)
		return;
	/* For diagnostics: an action left of the move must go right of this step. */
	move.ref.name = at ? strdup(row->actions.v[at - 1].ref.name) : NULL;
	smc_push(&row->actions);
	v = row->actions.v;
	memmove(&v[at + 1], &v[at], (row->actions.n - 1 - at) * sizeof(*v));
	v[at] = move;
}

void smc_check_rows(struct smc_machine *m)
{
	for (size_t e = 0; m->unstored && e < m->decls[SMC_DECL_EFFECT].n; e++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_EFFECT].v[e];

		if (d->lasting)
			smc_error(m, d->line,
				  "effect %s is lasting, but a reboot forgets every "
				  "row of machine %s; drop unstored",
				  d->name, m->name);
	}
	for (size_t i = 0; i < m->states.n; i++)
		for (size_t r = 0; r < m->states.v[i].rows.n; r++) {
			struct smc_state *s = &m->states.v[i];
			struct smc_row *row = &s->rows.v[r];

			row->number = m->n_rows++;
			row_committed(m, s, row);
			if (m->unstored)
				row_moves(m, row);
			row_ends(m, s, row);
			row_twice(m, row);
			row_order(m, row);
			row_lasting(m, s, row);
			row_work(m, s, row);
			row_retries(m, row);
			row_payload(m, row);
			row_answered(m, s, row);
		}
	for (size_t e = 0; e < m->decls[SMC_DECL_EFFECT].n; e++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_EFFECT].v[e];

		if (d->retry_min_ms && !d->retried)
			smc_error(m, d->line, "no row tries effect %s again; drop retry", d->name);
	}
	for (size_t e = 0; e < m->decls[SMC_DECL_EVENT].n; e++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_EVENT].v[e];

		if (d->payload && !d->taken)
			smc_error(m, d->line,
				  "no guard or step takes what %s carries; drop carries", d->name);
	}
}
