/*
 * openpgp.h - verify a signed OpenPGP message against keyrings.
 *
 * Uses librnp, loaded only for a policy with signedBy: other pulls save 5 MiB and 6 ms.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Load librnp while its file is readable. ERR_PRECONDITION: librnp is missing; openpgp_open then
 * returns the same. */
int openpgp_load(struct err *e);

/* Return the content of a message signed by one valid key of the keyrings (each binary or armored).
 * ERR_DENIED: other key, expired, revoked, damaged, several signatures.
 * ERR_PRECONDITION: a keyring is malformed, or librnp is missing. */
int openpgp_open(const struct buf *keyrings, size_t n, const void *message, size_t size,
		 struct buf *ret, struct err *e);
