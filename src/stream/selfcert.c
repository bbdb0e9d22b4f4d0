/*
 * selfcert.c - makes key and certificate with OpenSSL through dlopen, as tls.c.
 */
#include "stream/selfcert.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "stream/dynlib.h"

#define LIBRARY "libcrypto.so.3"
#define KEY_MAX 65536
#define VALID_S (10L * 365 * 24 * 3600)
#define EARLY_S 3600L /* before now, for clients whose clock is behind */

/* clang-format off */
#define FUNCTIONS(F) \
	F(ASN1_INTEGER_set_uint64) F(BIO_ctrl) F(BIO_free) F(BIO_new) F(BIO_new_mem_buf) \
	F(BIO_s_mem) F(EVP_PKEY_Q_keygen) F(EVP_PKEY_free) F(EVP_sha256) \
	F(PEM_read_bio_PrivateKey) F(PEM_write_bio_PKCS8PrivateKey) F(PEM_write_bio_X509) \
	F(RAND_bytes) F(X509V3_EXT_conf_nid) F(X509_EXTENSION_free) \
	F(X509_NAME_add_entry_by_txt) F(X509_add_ext) F(X509_free) F(X509_get_serialNumber) \
	F(X509_get_subject_name) F(X509_getm_notAfter) F(X509_getm_notBefore) F(X509_gmtime_adj) \
	F(X509_new) F(X509_set_issuer_name) F(X509_set_pubkey) F(X509_set_version) F(X509_sign)
/* clang-format on */

DYNLIB_TABLE(FUNCTIONS);

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = lib.X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = ext && lib.X509_add_ext(x, ext, -1) == 1;

	lib.X509_EXTENSION_free(ext);
	return ok;
}

static bool fill(X509 *x, EVP_PKEY *key)
{
	char host[HOST_NAME_MAX + 1] = "";
	_cleanup_free_ char *names = NULL;
	X509_NAME *subject = lib.X509_get_subject_name(x);
	uint64_t serial;

	if (gethostname(host, sizeof(host)) < 0 || !*host || strpbrk(host, ",:\n"))
		memcpy(host, "localhost", sizeof("localhost"));
	names = xasprintf("DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", host);
	return lib.RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
	       lib.X509_set_version(x, 2) == 1 &&
	       lib.ASN1_INTEGER_set_uint64(lib.X509_get_serialNumber(x), serial >> 1) == 1 &&
	       lib.X509_gmtime_adj(lib.X509_getm_notBefore(x), -EARLY_S) &&
	       lib.X509_gmtime_adj(lib.X509_getm_notAfter(x), VALID_S) &&
	       lib.X509_set_pubkey(x, key) == 1 &&
	       lib.X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
					      (const unsigned char *)host, -1, -1, 0) == 1 &&
	       lib.X509_set_issuer_name(x, subject) == 1 &&
	       add_extension(x, NID_subject_alt_name, names) &&
	       add_extension(x, NID_basic_constraints, "critical,CA:TRUE") &&
	       add_extension(x, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
	       add_extension(x, NID_ext_key_usage, "serverAuth") &&
	       lib.X509_sign(x, key, lib.EVP_sha256()) > 0;
}

static int write_file(const char *path, BIO *text, mode_t mode, struct err *e)
{
	_cleanup_free_ char *dir = xstrdup(path);
	char *data = NULL;
	long n = lib.BIO_ctrl(text, BIO_CTRL_INFO, 0, (void *)&data);

	*strrchr(dir, '/') = '\0';
	if (*dir && fs_mkdir_all(dir, 0755, e) < 0)
		return -(int)e->code;
	return fs_replace_file(path, data, (size_t)n, mode, true, e);
}

static int no_memory(const char *path, struct err *e)
{
	return err_set(e, ERR_INTERNAL, "%s: OpenSSL cannot make it", path);
}

static int key_new(const char *path, EVP_PKEY **ret, struct err *e)
{
	BIO *text = lib.BIO_new(lib.BIO_s_mem());
	EVP_PKEY *key = lib.EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	int r = no_memory(path, e);

	if (text && key &&
	    lib.PEM_write_bio_PKCS8PrivateKey(text, key, NULL, NULL, 0, NULL, NULL) == 1)
		r = write_file(path, text, 0600, e);
	lib.BIO_free(text);
	if (r == 0)
		*ret = key;
	else
		lib.EVP_PKEY_free(key);
	return r;
}

static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static int key_load(const char *path, EVP_PKEY **ret, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	BIO *in;
	int r = fs_read_file(path, KEY_MAX, &text, e);

	if (r < 0)
		return r;
	in = lib.BIO_new_mem_buf(text.data ? text.data : "", (int)text.len);
	*ret = in ? lib.PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
	lib.BIO_free(in);
	explicit_bzero(text.data, text.len);
	return *ret ? 0
		    : err_set(e, ERR_PRECONDITION, "%s is no private key in PEM without passphrase",
			      path);
}

static int cert_new(const char *path, EVP_PKEY *key, struct err *e)
{
	BIO *text = lib.BIO_new(lib.BIO_s_mem());
	X509 *x = lib.X509_new();
	int r = no_memory(path, e);

	if (text && x && fill(x, key) && lib.PEM_write_bio_X509(text, x) == 1)
		r = write_file(path, text, 0644, e);
	lib.X509_free(x);
	lib.BIO_free(text);
	return r;
}

int selfcert_ensure(const char *cert, const char *key, struct err *e)
{
	bool has_cert = access(cert, F_OK) == 0, has_key = access(key, F_OK) == 0;
	EVP_PKEY *pair = NULL;
	int r;

	if (has_cert && has_key)
		return 0;
	if (has_cert)
		return err_set(e, ERR_PRECONDITION, "%s has no key: %s does not exist", cert, key);
	if (dynlib_load(LIBRARY, "libssl3", symbols, ARRAY_LEN(symbols), e) < 0)
		return err_wrap(e, "make %s", cert);
	r = has_key ? key_load(key, &pair, e) : key_new(key, &pair, e);
	if (r == 0)
		r = cert_new(cert, pair, e);
	lib.EVP_PKEY_free(pair);
	return r;
}
