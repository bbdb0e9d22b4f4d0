/*
 * loading.h - all objects from their rows at start, and their end with the daemon.
 */
#pragma once

#include "base/err.h"

/* Make the tables and load every row.  Blocks: before the loop runs; world.kinds, loop, store and
 * conf are set. */
int world_load(struct err *e);
/* Write what readers see, start the effects of objects that are not at rest. */
int world_recover(struct err *e);
/* Answers who still waits, frees everything; the world outside goes on by itself.  Fine when
 * nothing was loaded. */
void world_stop(void);
