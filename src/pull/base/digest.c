/*
 * digest.c - SHA-256 with OpenSSL's EVP interface.
 */
#include "pull/base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"

#define SHA256_BYTES 32

void digest_init(struct digest *d)
{
	d->size = 0;
	d->ctx = EVP_MD_CTX_new();
	if (!d->ctx || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1)
		abort();
}

void digest_add(struct digest *d, const void *data, size_t size)
{
	if (EVP_DigestUpdate(d->ctx, data, size) != 1)
		abort();
	d->size += size;
}

void digest_text(struct digest *d, char ret[DIGEST_TEXT])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n;

	if (EVP_DigestFinal_ex(d->ctx, sum, &n) != 1 || n != SHA256_BYTES)
		abort();
	snprintf(ret, DIGEST_TEXT, "sha256:");
	for (unsigned i = 0; i < n; i++)
		snprintf(ret + 7 + 2 * i, 3, "%02x", sum[i]);
}

void digest_done(struct digest *d)
{
	EVP_MD_CTX_free(d->ctx);
	*d = DIGEST_NULL;
}

void digest_of(const void *data, size_t size, char ret[DIGEST_TEXT])
{
	_cleanup_(digest_done) struct digest d = DIGEST_NULL;

	digest_init(&d);
	digest_add(&d, data, size);
	digest_text(&d, ret);
}
