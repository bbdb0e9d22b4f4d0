/*
 * pod_listing.h - the CRI's messages that lists of pods and containers are made of (see listing.h):
 * kind_ops.put_listing of both.
 */
#pragma once

#include "core/listing.h"

void sandbox_put_listing(const char *id, const struct sm_state *state, const void *row,
			 struct store_txn *t);
void container_put_listing(const char *id, const struct sm_state *state, const void *row,
			   struct store_txn *t);
