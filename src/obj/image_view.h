/*
 * image_view.h - the CRI's message that lists of images are made of (see view.h):
 * kind_ops.put_view.
 */
#pragma once

#include "obj/view.h"

void image_put_view(const char *id, const struct sm_state *state, const void *row,
		    struct store_txn *t);
