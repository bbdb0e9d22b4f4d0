/*
 * smc_graph.c - proofs about paths: reachable states, and the absence of endless waits.
 * Postcondition: every state can be reached and can end; work settles without any client; a
 * repeated request is answered in the end.
 */
#include "smc.h"

#include <stdlib.h>

/* One flag for each state. */
static bool *flags_new(const struct smc_machine *m)
{
	bool *flags = calloc(m->states.n + 1, sizeof(*flags));

	if (!flags)
		abort();
	return flags;
}

static bool row_asked(const struct smc_machine *m, const struct smc_row *row)
{
	return m->decls[SMC_DECL_EVENT].v[row->event.index].class == SMC_CLASS_RPC;
}

/* Flag all states reachable from flagged ones.  With `through_busy`, continue only from busy
 * states, and only by events that need no client. */
static void flags_spread(const struct smc_machine *m, bool *flags, bool through_busy)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < m->states.n; i++) {
			const struct smc_state *s = &m->states.v[i];

			if (!flags[i] || (through_busy && s->kind != SMC_KIND_BUSY))
				continue;
			for (size_t r = 0; r < s->rows.n; r++) {
				bool *to = &flags[s->rows.v[r].target.index];

				if (*to || (through_busy && row_asked(m, &s->rows.v[r])))
					continue;
				*to = changed = true;
			}
		}
	}
}

static void paths_reached(struct smc_machine *m)
{
	bool *flags = flags_new(m);

	flags[m->initial] = true;
	flags_spread(m, flags, false);
	for (size_t i = 0; i < m->states.n; i++)
		if (!flags[i])
			smc_error(m, m->states.v[i].line,
				  "nothing leads to %s; write a row that "
				  "does, or drop it and write retired %u",
				  m->states.v[i].name, m->states.v[i].number);
	free(flags);
}

/* Is a state of kind, or of other, reachable from here? */
static bool leads_to(const struct smc_machine *m, size_t from, enum smc_kind kind,
		     enum smc_kind other, bool through_busy)
{
	bool *flags = flags_new(m);
	bool found = false;

	flags[from] = true;
	flags_spread(m, flags, through_busy);
	for (size_t i = 0; i < m->states.n && !found; i++)
		found = flags[i] && (m->states.v[i].kind == kind || m->states.v[i].kind == other);
	free(flags);
	return found;
}

static void paths_end(struct smc_machine *m)
{
	for (size_t i = 0; i < m->states.n; i++) {
		const struct smc_state *s = &m->states.v[i];

		if (!leads_to(m, i, SMC_KIND_FINAL, SMC_KIND_FINAL, false))
			smc_error(m, s->line,
				  "no way leads from %s to a final state; write the "
				  "rows that remove it",
				  s->name);
		else if (s->kind == SMC_KIND_BUSY &&
			 !leads_to(m, i, SMC_KIND_REST, SMC_KIND_FINAL, true))
			smc_error(m, s->line,
				  "%s never comes to rest unless a client asks; let an "
				  "outcome or the limit end it",
				  s->name);
	}
}

struct walk {
	struct smc_machine *m;
	int event;
	char *seen; /* 1: on the current path, 2: done */
};

static const struct smc_row *walk_states(struct walk *w, size_t at);

/* The row that next handles the request after this row parked it. */
static const struct smc_row *walk_row(struct walk *w, const struct smc_row *row)
{
	bool *flags = flags_new(w->m);
	const struct smc_row *bad = NULL;

	flags[row->target.index] = true;
	flags_spread(w->m, flags, true);
	for (size_t i = 0; i < w->m->states.n && !bad; i++)
		if (flags[i] && w->m->states.v[i].kind == SMC_KIND_REST)
			bad = w->seen[i] == 1 ? row : walk_states(w, i);
	free(flags);
	return bad;
}

/* The row that closes a cycle of `requeue`, or NULL. */
static const struct smc_row *walk_states(struct walk *w, size_t at)
{
	const struct smc_state *s = &w->m->states.v[at];
	const struct smc_row *bad = NULL;

	if (w->seen[at])
		return NULL;
	w->seen[at] = 1;
	for (size_t r = 0; r < s->rows.n && !bad; r++)
		if (s->rows.v[r].event.index == w->event &&
		    smc_row_has(&s->rows.v[r], SMC_OP_REQUEUE))
			bad = walk_row(w, &s->rows.v[r]);
	w->seen[at] = 2;
	return bad;
}

static void paths_requeued(struct smc_machine *m)
{
	for (size_t ev = 0; ev < m->decls[SMC_DECL_EVENT].n; ev++) {
		struct walk w = { .m = m, .event = (int)ev, .seen = calloc(m->states.n + 1, 1) };
		const struct smc_row *bad = NULL;

		if (!w.seen)
			abort();
		for (size_t i = 0; i < m->states.n && !bad; i++)
			bad = walk_states(&w, i);
		if (bad)
			smc_error(m, bad->line,
				  "%s may be asked again here for ever: its way "
				  "leads back to this row; answer it somewhere with reply",
				  bad->event.name);
		free(w.seen);
	}
}

void smc_check_paths(struct smc_machine *m)
{
	paths_reached(m);
	paths_end(m);
	paths_requeued(m);
}
