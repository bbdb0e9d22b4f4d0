/*
 * family.h - what the engine does for parents and children (`parent`, `tell`, `childless`).  Its
 * own: other layers look at sm_object.parent and .children.
 */
#pragma once

#include "sm/engine.h"

/* The event of this name, -1: the machine has none. */
int sm_event_by_name(const struct sm_machine *m, const char *name);

/* Raise an event in each child, or in the parent, that has one of this name. */
void sm_tell_children(struct sm_object *obj, const char *event);
void sm_tell_parent(struct sm_object *obj, const char *event);

/* No child has the trait; trait NULL: there is no child. */
bool sm_family_is_quiet(const struct sm_object *obj, const char *trait);
/* Raise what the state waits for its children to come to, when they have. */
void sm_family_look(struct sm_object *obj);
