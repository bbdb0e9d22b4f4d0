/*
 * digest.h - SHA-256 and length of a stream.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DIGEST_TEXT 72 /* "sha256:", 64 hex digits, NUL */

struct digest {
	void *ctx;
	uint64_t size; /* bytes added */
};

#define DIGEST_NULL ((struct digest){ .ctx = NULL })

/* Aborts if the crypto library lacks SHA-256. */
void digest_init(struct digest *d);
void digest_add(struct digest *d, const void *data, size_t size);
/* Call once, after the last byte. */
void digest_text(struct digest *d, char ret[DIGEST_TEXT]);
void digest_done(struct digest *d);

/* Digest of a buffer. */
void digest_of(const void *data, size_t size, char ret[DIGEST_TEXT]);
