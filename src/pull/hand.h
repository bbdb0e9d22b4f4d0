/*
 * hand.h - what the keeper has the unpacker do (unpacker.h).
 *
 * What must hold: of an answer nothing is used that was not checked; the unpacker has let go of a
 * layer when a function returns.
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

/* The blob of a layer from its source to the unpacker, through a pipe between the two.  fed: how
 * many bytes were unpacked so far, on the calling thread. */
int hand_unpack(const struct helper *unpacker, struct source *s, const struct descriptor *d,
		const struct layer *l, void (*fed)(void *arg, uint64_t bytes), void *arg,
		struct unpack_result *ret, struct err *e);

/* As layer_hands has it. */
int hand_inherit(const struct helper *unpacker, const struct layer *l, int list_fd,
		 const int *lower, size_t n, char sum[TREESUM_TEXT], struct err *e);

/* evaluate_image by the policy that the unpacker was started with.
 * ref: of an image in a registry. */
int hand_judge(const struct helper *unpacker, const struct image_ref *ref,
	       Crisp__State__Signature **signatures, size_t n, bool *accepted, struct err *e);
