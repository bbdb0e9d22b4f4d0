/*
 * ended.h - the rows of deleted pods and containers, kept for a minute: events of a deletion that a
 * killed crispd has not sent are made from them (see api/podevents.h).
 *
 * The commit that deletes a row writes it again under another key of the boot environment.  Above
 * LIMIT_ENDED bytes the oldest go first, and are counted.  A commit that fails with these rows is
 * made without them: they never prevent a removal.  With enable_pod_events = false none are kept.
 *
 * Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/listing.h"
#include "sm/engine.h"
#include "store/store.h"

#define ENDED_PREFIX "ended/" /* of the keys */

/* Find the rows of the earlier crispd, whose minute begins anew. */
int ended_load(struct err *e);
void ended_stop(void);

/* In the commit t: keep the row that w deletes. */
void ended_put(struct store_txn *t, const struct sm_write *w);
/* The commit has ended.  true: it was made without rows, or they were part of its failure. */
bool ended_settle(bool committed);

/* Call fn for each row that decodes, oldest first.  fn takes the row. */
int ended_each(void (*fn)(void *arg, struct listing_row *row), void *arg, struct err *e);
/* Rows of the last minute that were not kept. */
uint64_t ended_dropped(void);
