/*
 * sigstore.h - signatures the way cosign makes them with a key: ECDSA, RSA (PKCS #1 1.5) or
 * Ed25519 over a payload, SHA-256 where the algorithm wants a hash.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Is signature (base64) made over content by one of the keys, each a public key in PEM?
 * ERR_DENIED: it is not.  ERR_PRECONDITION: a key is none, or of another kind. */
int sigstore_verify(const struct buf *keys, size_t n, const void *content, size_t size,
		    const char *signature, struct err *e);

/* Strict base64 with padding.  ERR_INVALID: it is not. */
int sigstore_base64(const char *text, struct buf *ret, struct err *e);
