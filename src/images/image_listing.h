/*
 * image_listing.h - the CRI's message that lists of images are made of (see listing.h):
 * kind_ops.put_listing.
 */
#pragma once

#include "core/listing.h"

void image_put_listing(const char *id, const struct sm_state *state, const void *row,
		       struct store_txn *t);
