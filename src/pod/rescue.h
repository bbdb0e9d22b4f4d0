/*
 * rescue.h - opens the state store if its rows explain the pods on the node, else names the repair
 * command; and that command.  Blocking, before the loop runs.  Needs world.conf and
 * world.cgroups.
 */
#pragma once

#include <stdbool.h>

#include "core/objects.h"

/* Open world.store.  <0: e is set (ERR_DATA_LOSS: the store is damaged, or lost while its pods or
 * images exist). */
int rescue_open(struct err *e);

/* After world_load: quarantine pods and containers on the node that have no row. */
int rescue_list_remains(struct err *e);

/* `crispd --repair`: if the durable environment is damaged, replace it with the readable rows of
 * both and keep the damaged file.  Then end and clean all pods and containers without a row.
 * Idempotent.  <0: e is set (ERR_PRECONDITION: a daemon runs). */
int rescue_repair(struct err *e);

/* `crispd --wipe`: end and clean all pods and containers, then drop their rows.  Idempotent: after
 * a crash, call it again.  <0: e is set (ERR_PRECONDITION: a daemon runs). */
int rescue_wipe(struct err *e);
/* `crispd --wipe-images`: the same, and remove the image store. */
int rescue_wipe_all(struct err *e);
