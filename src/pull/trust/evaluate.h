/*
 * evaluate.h - check an image's signatures against the policy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "image/policy.h"

#define SIGNATURE_MAX (256 * 1024) /* one signature, or one payload */

/* Check all requirements of the scope for image ref (from policy_ref_copy). The policy's keys must
 * be read (policy_read_keys).
 * accepted: one for each signature; set to true for those that satisfied a requirement.
 * ERR_DENIED names the requirement and the reason. ERR_PRECONDITION: its keys cannot be read. */
int evaluate_image(const struct policy_scope *scope, const struct image_ref *ref,
		   Crisp__State__Signature *const *signatures, size_t n, bool *accepted,
		   struct err *e);
