/*
 * quarantine.h - rows that did not load: removed on request, with all that derives from their id.
 */
#pragma once

#include "core/calls.h"
#include "core/objects.h"

/* Quarantine an unusable object: Explain lists it, a client may remove it. */
void quarantine_add(enum kind k, const char *id, const char *why);

/* If id is the id, or a unique prefix, of a quarantined object of kind k: remove the row and all
 * that derives from its id.  true: takes c and answers the call.  false: no such object, or the
 * kind has no end_remains; c is unchanged. */
bool quarantine_remove(struct caller *c, enum kind k, const char *id);
