/*
 * digest.c - see digest.h.  libcrypto picks the fastest instructions the processor has.
 */
#include "pull/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

struct digest {
	EVP_MD_CTX *ctx;
};

struct digest *digest_new(void)
{
	struct digest *d = xcalloc(1, sizeof(*d));
	int ok;

	d->ctx = EVP_MD_CTX_new();
	assert(d->ctx);
	ok = EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL);
	assert(ok == 1);
	return d;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_add(struct digest *d, const void *data, size_t size)
{
	int ok = EVP_DigestUpdate(d->ctx, data, size);

	assert(ok == 1);
}

void digest_text(struct digest *d, char ret[DIGEST_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	int ok = EVP_DigestFinal_ex(d->ctx, sum, &size);
	char *p = ret + strlen("sha256:");

	assert(ok == 1 && size == 32);
	snprintf(ret, DIGEST_TEXT, "sha256:");
	for (unsigned i = 0; i < size; i++) {
		*p++ = hex[sum[i] >> 4];
		*p++ = hex[sum[i] & 15];
	}
	*p = '\0';
}
