/*
 * family.c - raises events in parents and children, and checks what a state awaits of children.
 */
#include "sm/family.h"

#include <string.h>

#include "base/util.h"

int sm_event_by_name(const struct sm_machine *m, const char *name)
{
	for (int i = 0; i < m->n_events; i++)
		if (strcmp(m->events[i].name, name) == 0)
			return i;
	return -1;
}

/* The list is stable here: only commits add or free children, never sm_dispatch. */
void sm_tell_children(struct sm_object *obj, const char *event)
{
	list_for_each(pos, &obj->children) {
		struct sm_object *child = list_entry(pos, struct sm_object, sibling);
		int ev = sm_event_by_name(child->machine, event);

		if (ev >= 0)
			sm_dispatch(child, sm_event_new(ev));
	}
}

void sm_tell_parent(struct sm_object *obj, const char *event)
{
	int ev = obj->parent ? sm_event_by_name(obj->parent->machine, event) : -1;

	if (ev >= 0)
		sm_dispatch(obj->parent, sm_event_new(ev));
}

bool sm_trait_of(const struct sm_machine *m, uint16_t state, const char *trait)
{
	for (uint16_t i = 0; i < m->n_traits; i++)
		if (strcmp(m->traits[i].name, trait) == 0)
			return m->traits[i].is(state);
	return false;
}

bool sm_has_trait(const struct sm_object *obj, const char *trait)
{
	return sm_trait_of(obj->machine, obj->state, trait);
}

static struct sm_object *first_loud(const struct sm_object *obj, const char *trait)
{
	list_for_each(pos, &obj->children) {
		struct sm_object *child = list_entry(pos, struct sm_object, sibling);

		/* Skip unstored children: they end with their parent. */
		if (!child->machine->unstored && (!trait || sm_has_trait(child, trait)))
			return child;
	}
	return NULL;
}

bool sm_family_is_quiet(const struct sm_object *obj, const char *trait)
{
	return !first_loud(obj, trait);
}

/* The `quiet` event for which the state has a row; -1: none. */
static int awaited_event(const struct sm_object *obj)
{
	const struct sm_machine *m = obj->machine;

	for (uint16_t i = 0; i < m->n_events; i++)
		if (m->events[i].quiet && sm_state(obj)->cells[i].n_rows)
			return i;
	return -1;
}

const struct sm_object *sm_awaited_child(const struct sm_object *obj)
{
	int ev = awaited_event(obj);

	return ev < 0 ? NULL : first_loud(obj, obj->machine->events[ev].unless);
}

void sm_family_look(struct sm_object *obj)
{
	int ev = awaited_event(obj);

	if (ev >= 0 && !first_loud(obj, obj->machine->events[ev].unless))
		sm_dispatch(obj, sm_event_new(ev));
}
