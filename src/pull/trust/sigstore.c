/*
 * sigstore.c - verify with OpenSSL's EVP interface, decode base64.
 */
#include "pull/trust/sigstore.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

#define RSA_BITS_MIN 2048

int sigstore_base64(const char *text, struct buf *ret, struct err *e)
{
	size_t n = strlen(text), padding = 0;
	int size = -1;

	/* EVP_DecodeBlock accepts malformed input and counts the padding; check both here. */
	if (str_is_base64(text) && n < INT_MAX)
		size = EVP_DecodeBlock(buf_reserve(ret, n), (const unsigned char *)text, (int)n);
	if (size < 0)
		return err_set(e, ERR_INVALID, "not base64");
	while (text[n - padding - 1] == '=')
		padding++;
	buf_commit(ret, (size_t)size - padding);
	return 0;
}

static int load_key(const struct buf *pem, EVP_PKEY **ret, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem->len ? pem->data : "", (int)MIN(pem->len, (size_t)INT_MAX));

	*ret = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	if (!*ret)
		return err_set(e, ERR_PRECONDITION, "not a public key in PEM");
	if (EVP_PKEY_is_a(*ret, "EC") || EVP_PKEY_is_a(*ret, "ED25519") ||
	    (EVP_PKEY_is_a(*ret, "RSA") && EVP_PKEY_get_bits(*ret) >= RSA_BITS_MIN))
		return 0;
	err_set(e, ERR_PRECONDITION, "a key of %d bits that is not ECDSA, Ed25519 or RSA of %d",
		EVP_PKEY_get_bits(*ret), RSA_BITS_MIN);
	EVP_PKEY_free(*ret);
	return -(int)e->code;
}

static bool verifies(EVP_PKEY *key, const void *content, size_t size, const struct buf *signature)
{
	const char *hash = EVP_PKEY_is_a(key, "ED25519") ? NULL : "SHA256";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	good = ctx && EVP_DigestVerifyInit_ex(ctx, NULL, hash, NULL, NULL, key, NULL) == 1 &&
	       EVP_DigestVerify(ctx, (const unsigned char *)signature->data, signature->len,
				content, size) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

int sigstore_verify(const struct buf *keys, size_t n, const void *content, size_t size,
		    const char *signature, struct err *e)
{
	_cleanup_buf_ struct buf bytes = BUF_NULL;
	bool good = false;

	if (sigstore_base64(signature, &bytes, e) < 0)
		return err_set(e, ERR_DENIED, "it is not base64");
	for (size_t i = 0; i < n && !good; i++) {
		EVP_PKEY *key;

		if (load_key(&keys[i], &key, e) < 0)
			return -(int)e->code;
		good = verifies(key, content, size, &bytes);
		EVP_PKEY_free(key);
	}
	return good ? 0
		    : err_set(e, ERR_DENIED, "it does not verify with the key%s", n > 1 ? "s" : "");
}
