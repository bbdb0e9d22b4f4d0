/*
 * rescue.h - the state store at the start: opened when it explains what is on the node, refused
 * with the command that mends it otherwise; and that command. Blocking, before the loop runs;
 * world.conf, world.cgroups are set.
 */
#pragma once

#include <stdbool.h>

#include "core/objects.h"

/* Open world.store.  ERR_DATA_LOSS: it is damaged, or lost while pods or images of it are there. */
int rescue_open(struct err *e);

/* The open store's rows are loaded: list what is on the node without a row as quarantined. */
int rescue_list_remains(struct err *e);

/* `crispd --repair`: write the rows that can be read of both environments into a new one if the
 * durable one is not whole, and keep the damaged file; then end and clean every pod and container
 * without a row.  ERR_PRECONDITION: a daemon runs.  May be repeated. */
int rescue_repair(struct err *e);
