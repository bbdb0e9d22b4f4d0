/*
 * smc_family.c - check references between machines: parents, and events sent with tell.
 * Postcondition: every name of another machine, and of its events and traits, is declared in one
 * of the files given together.
 */
#include "smc.h"

#include <string.h>

struct family {
	struct smc_machine *all;
	size_t n;
};

static bool is_child(const struct smc_machine *of, const struct smc_machine *m)
{
	return m->parent && strcmp(m->parent, of->name) == 0;
}

/* May another machine raise the event? It has no payload and is not raised by the engine. */
static bool can_be_told(const struct smc_machine *m, const char *event)
{
	for (size_t i = 0; i < m->decls[SMC_DECL_EVENT].n; i++) {
		const struct smc_decl *d = &m->decls[SMC_DECL_EVENT].v[i];

		if (strcmp(d->name, event) == 0)
			return (d->class == SMC_CLASS_FAMILY && !d->quiet) ||
			       (d->class == SMC_CLASS_RPC && !d->payload);
	}
	return false;
}

static bool has_trait(const struct smc_machine *m, const char *trait)
{
	for (size_t i = 0; i < m->decls[SMC_DECL_TRAIT].n; i++)
		if (strcmp(m->decls[SMC_DECL_TRAIT].v[i].name, trait) == 0)
			return true;
	return false;
}

static bool child_can_be_told(const struct family *f, const struct smc_machine *m,
			      const char *event)
{
	for (size_t i = 0; i < f->n; i++)
		if (is_child(m, &f->all[i]) && can_be_told(&f->all[i], event))
			return true;
	return false;
}

static bool parent_can_be_told(const struct family *f, const struct smc_machine *m,
			       const char *event)
{
	for (size_t i = 0; i < f->n; i++)
		if (is_child(&f->all[i], m))
			return can_be_told(&f->all[i], event);
	return false;
}

static void check_parent(const struct family *f, struct smc_machine *m)
{
	bool found = !m->parent;

	for (size_t i = 0; i < f->n; i++)
		found |= is_child(&f->all[i], m);
	if (!found)
		smc_error(m, m->parent_line,
			  "no machine is called %s; give its file as well, or "
			  "correct the name",
			  m->parent);
}

static void check_told(const struct family *f, struct smc_machine *m, unsigned int line,
		       enum smc_op op, const char *event)
{
	if (op == SMC_OP_TELL_CHILDREN && !child_can_be_told(f, m, event))
		smc_error(m, line,
			  "no child of machine %s has an event %s of class family, or "
			  "rpc without a payload; declare it there",
			  m->name, event);
	else if (op == SMC_OP_TELL_PARENT && !parent_can_be_told(f, m, event))
		smc_error(m, line,
			  "machine %s has no event %s of class family, or rpc without a "
			  "payload; declare it there",
			  m->parent, event);
}

static void check_quiet(const struct family *f, struct smc_machine *m, const struct smc_decl *d)
{
	bool children = false, found = !d->unless.name;

	for (size_t i = 0; i < f->n; i++) {
		/* Children of an unstored machine end with their parent, without a wait. */
		if (!is_child(m, &f->all[i]) || f->all[i].unstored)
			continue;
		children = true;
		found = found || has_trait(&f->all[i], d->unless.name);
	}
	if (!children)
		smc_error(m, d->line,
			  "no machine has %s for its parent, so %s never comes; drop "
			  "it",
			  m->name, d->name);
	else if (!found)
		smc_error(m, d->line, "no child of machine %s has a trait %s; declare it there",
			  m->name, d->unless.name);
}

static void check_machine(const struct family *f, struct smc_machine *m)
{
	check_parent(f, m);
	for (size_t i = 0; i < m->decls[SMC_DECL_EVENT].n; i++)
		if (m->decls[SMC_DECL_EVENT].v[i].quiet)
			check_quiet(f, m, &m->decls[SMC_DECL_EVENT].v[i]);
	for (size_t i = 0; i < m->states.n; i++) {
		const struct smc_state *s = &m->states.v[i];

		if (s->recover_told)
			check_told(f, m, s->recover.line, SMC_OP_TELL_CHILDREN, s->recover_told);
		for (size_t r = 0; r < s->rows.n; r++) {
			const struct smc_row *row = &s->rows.v[r];

			for (size_t a = 0; a < row->actions.n; a++)
				if (row->actions.v[a].told)
					check_told(f, m, row->line, row->actions.v[a].op,
						   row->actions.v[a].told);
		}
	}
}

void smc_check_family(struct smc_machine *all, size_t n)
{
	const struct family f = { all, n };

	for (size_t i = 0; i < n; i++)
		check_machine(&f, &all[i]);
}
