/*
 * image_listing.h - an image as a CRI list message (see listing.h): kind_ops.put_listing.
 */
#pragma once

#include "core/listing.h"

void image_put_listing(const char *id, const struct sm_state *state, const void *row,
		       struct store_txn *t);
