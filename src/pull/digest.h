/*
 * digest.h - SHA-256 of a stream, as image formats write it (OCI image spec, descriptor.md).
 */
#pragma once

#include <stddef.h>

#include "base/util.h"

#define DIGEST_TEXT 72 /* "sha256:", 64 hex digits, NUL */

struct digest;

/* Never NULL: without a working SHA-256 there is nothing a puller could do. */
struct digest *digest_new(void);
void digest_free(struct digest *d); /* NULL is fine */
void digest_add(struct digest *d, const void *data, size_t size);
/* "sha256:<64 hex>" of all that was added; nothing may be added after it. */
void digest_text(struct digest *d, char ret[DIGEST_TEXT]);

static inline void digest_freep(struct digest **d)
{
	digest_free(*d);
}
#define _cleanup_digest_ _cleanup_(digest_freep)
