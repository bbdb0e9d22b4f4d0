/*
 * loading.h - loads all objects from their rows at start, frees them at the daemon's end.
 */
#pragma once

#include "base/err.h"

/* Create the tables and load every row.  Blocks, so call before the loop runs.  Needs world.kinds,
 * loop, store and conf.  <0: e is set; a bad row is quarantined and is no error. */
int world_load(struct err *e);
/* Rebuild the list entries and start the recovery of every object's state. */
int world_recover(struct err *e);
/* Answer the waiting calls with UNAVAILABLE and free all objects; pods and containers keep running.
 * Safe without world_load. */
void world_stop(void);
