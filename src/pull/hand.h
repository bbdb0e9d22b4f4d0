/*
 * hand.h - requests from the keeper to the unpacker (unpacker.h).
 *
 * What must hold: replies are checked before use. When a function returns, the unpacker no longer
 * uses the layer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "image/ref.h"
#include "pull/base/helper.h"
#include "pull/fetch/manifest.h"
#include "pull/source.h"
#include "pull/unpack/layer.h"

/* Transfer a layer's blob from its source to the unpacker through a pipe, and unpack it. fed:
 * called on this thread with the number of bytes unpacked so far. */
int hand_unpack(const struct helper *unpacker, struct source *s, const struct descriptor *d,
		const struct layer *l, void (*fed)(void *arg, uint64_t bytes), void *arg,
		struct unpack_result *ret, struct err *e);

/* Implements layer_hands.inherit. */
int hand_inherit(const struct helper *unpacker, const struct layer *l, int list_fd,
		 const int *lower, size_t n, char sum[TREESUM_TEXT], struct err *e);

/* Run evaluate_image in the unpacker, with the policy given to unpacker_start. ref: an image of a
 * registry. */
int hand_judge(const struct helper *unpacker, const struct image_ref *ref,
	       Crisp__State__Signature **signatures, size_t n, bool *accepted, struct err *e);
