/*
 * sigstore.h - cosign signatures made with a key: ECDSA, RSA (PKCS #1 1.5) or Ed25519 over a
 * payload; SHA-256 if the algorithm needs a hash.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Verify a signature (base64) of content with any of the keys, each a public key in PEM.
 * ERR_DENIED: no key matches. ERR_PRECONDITION: a key is malformed or of another kind. */
int sigstore_verify(const struct buf *keys, size_t n, const void *content, size_t size,
		    const char *signature, struct err *e);

/* Strict base64 with padding. ERR_INVALID: malformed. */
int sigstore_base64(const char *text, struct buf *ret, struct err *e);
