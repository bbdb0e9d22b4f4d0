/*
 * openpgp.h - a signed OpenPGP message and the keyrings that it may be signed with.
 *
 * librnp does the work.  It is loaded when the first message comes: a puller that meets none saves
 * its 5 MiB and 6 ms.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* The content of a message that one valid key of the keyrings (each of them binary or armored) has
 * signed.  ERR_DENIED: it has not: another key, expired, revoked, damaged, several signatures.
 * ERR_PRECONDITION: a keyring is none, or librnp is not there. */
int openpgp_open(const struct buf *keyrings, size_t n, const void *message, size_t size,
		 struct buf *ret, struct err *e);
