/*
 * pod_view.h - the CRI's messages that lists of pods and containers are made of (see view.h):
 * kind_ops.put_view of both.
 */
#pragma once

#include "obj/view.h"

void sandbox_put_view(const char *id, const struct sm_state *state, const void *row,
		      struct store_txn *t);
void container_put_view(const char *id, const struct sm_state *state, const void *row,
			struct store_txn *t);
