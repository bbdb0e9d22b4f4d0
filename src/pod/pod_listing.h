/*
 * pod_listing.h - kind_ops.put_listing of sandboxes and containers: their CRI messages for lists
 * (see listing.h).
 */
#pragma once

#include "core/listing.h"

void sandbox_put_listing(const char *id, const struct sm_state *state, const void *row,
			 struct store_txn *t);
void container_put_listing(const char *id, const struct sm_state *state, const void *row,
			   struct store_txn *t);
