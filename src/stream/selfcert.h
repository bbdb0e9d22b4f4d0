/*
 * selfcert.h - a certificate that a server signs itself, for when it has been given none.
 */
#pragma once

#include "base/err.h"

/* Write what is missing: a key (P-256, mode 0600), and a certificate for it (mode 0644, ten years)
 * with this node's name, localhost and its addresses.  Makes the directories above.  What exists
 * stays.  Paths are absolute.  ERR_PRECONDITION: a certificate without its key, or an unreadable
 * key. */
int selfcert_ensure(const char *cert, const char *key, struct err *e);
