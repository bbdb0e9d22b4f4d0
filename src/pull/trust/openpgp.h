/*
 * openpgp.h - a signed OpenPGP message and the keyrings that it may be signed with.
 *
 * librnp does the work.  It is loaded for a policy that has signedBy: a puller without saves its 5
 * MiB and 6 ms.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Load librnp while its file can be read.  ERR_PRECONDITION: it is not there; openpgp_open says the
 * same. */
int openpgp_load(struct err *e);

/* The content of a message that one valid key of the keyrings (each of them binary or armored) has
 * signed.  ERR_DENIED: it has not: another key, expired, revoked, damaged, several signatures.
 * ERR_PRECONDITION: a keyring is none, or librnp is not there. */
int openpgp_open(const struct buf *keyrings, size_t n, const void *message, size_t size,
		 struct buf *ret, struct err *e);
