/*
 * family.h - parent and child events of the engine (`parent`, `tell`, `childless`).  Private to
 * src/sm: other layers read sm_object.parent and .children.
 */
#pragma once

#include "sm/engine.h"

/* Index of the event of this name; -1: the machine has no such event. */
int sm_event_by_name(const struct sm_machine *m, const char *name);

/* Raise the event in each child, or in the parent, whose machine has an event of this name. */
void sm_tell_children(struct sm_object *obj, const char *event);
void sm_tell_parent(struct sm_object *obj, const char *event);

/* true: no child has the trait; trait NULL: no child exists.  Skips unstored children. */
bool sm_family_is_quiet(const struct sm_object *obj, const char *trait);
/* Raise the event that the state awaits from its children, once they meet its condition. */
void sm_family_look(struct sm_object *obj);
