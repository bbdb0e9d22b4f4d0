/*
 * verifier.h - the daemon's end of `crisp-pull verify`: a separate process parses and verifies
 * signatures, as all data from a registry.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "gen/state.pb-c.h"

/* Check that the policy (path of a file) accepts the image reference (a full name) with these
 * signatures. Blocks. ERR_DENIED, ERR_PRECONDITION: see pull/trust/evaluate.h. */
int image_verify(const char *pull_path, const char *policy, const char *reference,
		 Crisp__State__Signature *const *signatures, size_t n, struct err *e);
