/*
 * quarantine.h - rows that could not be loaded: removed on request, by what their id alone tells.
 */
#pragma once

#include "core/calls.h"
#include "core/objects.h"

/* An object that cannot be used: it is listed by Explain, and may be removed. */
void quarantine_add(enum kind k, const char *id, const char *why);

/* Is id the (unique prefix of the) id of a quarantined object of this kind?  Then everything that
 * derives from the id is removed, the row with it, and the call is answered; else false. */
bool quarantine_remove(struct caller *c, enum kind k, const char *id);
