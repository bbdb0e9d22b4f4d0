/*
 * evaluate.h - do the signatures of an image satisfy the policy?
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "image/policy.h"

#define SIGNATURE_MAX (256 * 1024) /* one signature, or the payload of one */

/* Each requirement of the scope must hold for an image that is called ref (by policy_ref_copy).
 * The policy's keys were read (policy_read_keys).
 * accepted: as many as signatures, true for those that a requirement was content with.
 * ERR_DENIED says which requirement fails and why; ERR_PRECONDITION: its keys cannot be read. */
int evaluate_image(const struct policy_scope *scope, const struct image_ref *ref,
		   Crisp__State__Signature *const *signatures, size_t n, bool *accepted,
		   struct err *e);
