/*
 * podtally.c - an observer that counts.
 */
#include "pod/podtally.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "core/objects.h"
#include "gen/sm_container.h"
#include "gen/sm_sandbox.h"
#include "gen/sm_shim.h"

enum stage {
	STAGE_POD_NAMESPACES,
	STAGE_POD_RUNTIME,
	STAGE_POD_NETWORK,
	STAGE_STORAGE,
	STAGE_RUNTIME,
};

const char *const podtally_stages[PODTALLY_STAGES] = {
	[STAGE_POD_NAMESPACES] = "sandbox namespace creation",
	[STAGE_POD_RUNTIME] = "sandbox container runtime creation",
	[STAGE_POD_NETWORK] = "sandbox network creation",
	[STAGE_STORAGE] = "container storage creation",
	[STAGE_RUNTIME] = "container runtime creation",
};

/* The states in which calls are joined. */
static const struct {
	const struct sm_machine *machine;
	const char *state;
	enum stage stage;
} stages[] = {
	{ &sbx_machine, "SETUP", STAGE_POD_NAMESPACES },
	{ &sbx_machine, "CONNECTING", STAGE_POD_RUNTIME },
	{ &sbx_machine, "STARTING_INIT", STAGE_POD_RUNTIME },
	{ &sbx_machine, "PINNING_INIT", STAGE_POD_NAMESPACES },
	{ &sbx_machine, "NETWORK_UP", STAGE_POD_NETWORK },
	{ &ctr_machine, "PREPARING", STAGE_STORAGE },
	{ &ctr_machine, "CREATING", STAGE_RUNTIME },
};

static struct {
	uint64_t ooms;
	uint64_t stalled[PODTALLY_STAGES];
	struct map *unwatched; /* container id -> struct unwatched */
} tally;

/* A container that has lost a shim. */
struct unwatched {
	char id[ID_LEN + 1];
	uint64_t n;
};

static void note_unwatched(const char *id)
{
	struct unwatched *u = map_get(tally.unwatched, id);

	if (!u) {
		u = xcalloc(1, sizeof(*u));
		memcpy(u->id, id, sizeof(u->id));
		map_put(tally.unwatched, u->id, u);
	}
	u->n++;
}

/* The shim of a pod broke off, or had to be killed: its containers had no monitor for a moment. */
static void note_shim(const struct object *shim, const struct sm_row *row)
{
	if ((row->event != SHM_EVENT_LOST && row->event != SHM_EVENT_OVERDUE) ||
	    !shm_is_linked(row->state) || !shim->sm->parent)
		return;
	list_for_each(pos, &shim->sm->parent->children) {
		const struct sm_object *c = list_entry(pos, struct sm_object, sibling);

		if (c->machine == &ctr_machine && ctr_is_alive(c->state))
			note_unwatched(c->id);
	}
}

static void note_container(const struct object *o, const struct sm_row *row)
{
	const Crisp__State__Container *c = o->sm->row;

	if (sm_is_gone(o->sm))
		free(map_del(tally.unwatched, o->sm->id));
	else if (ctr_is_over(row->target) && !ctr_is_over(row->state) && c->oom_killed)
		tally.ooms++;
}

static void on_move(struct object *o, const struct sm_row *row)
{
	if (o->kind == KIND_SHIM)
		note_shim(o, row);
	else if (o->kind == KIND_CONTAINER)
		note_container(o, row);
}

static void on_join(struct object *o, int event)
{
	const char *state = sm_state(o->sm)->name;

	(void)event;
	for (size_t i = 0; i < ARRAY_LEN(stages); i++)
		if (stages[i].machine == o->sm->machine && strcmp(stages[i].state, state) == 0)
			tally.stalled[stages[i].stage]++;
}

static struct observer observer = { .moved = on_move, .joined = on_join };

void podtally_start(void)
{
	tally.unwatched = map_new();
	observer_add(&observer);
}

void podtally_stop(void)
{
	struct unwatched *u;
	size_t pos = 0;

	observer_del(&observer);
	while (tally.unwatched && (u = map_next(tally.unwatched, &pos)))
		free(u);
	map_free(take_ptr(tally.unwatched));
}

uint64_t podtally_ooms(void)
{
	return tally.ooms;
}

uint64_t podtally_unwatched(const char *id)
{
	const struct unwatched *u = map_get(tally.unwatched, id);

	return u ? u->n : 0;
}

uint64_t podtally_stalled(size_t stage)
{
	return tally.stalled[stage];
}
