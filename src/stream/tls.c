/*
 * tls.c - OpenSSL through dlopen: certificate files and their reload, cipher lists, non-blocking
 * links.
 */
#include "stream/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "stream/dynlib.h"

#define LIBRARY "libssl.so.3"

/* --- the library --- */

/* Functions used, including those of libcrypto, which libssl loads. */
/* clang-format off */
#define FUNCTIONS(F) \
	F(ERR_clear_error) F(ERR_peek_last_error) F(ERR_reason_error_string) \
	F(OPENSSL_cipher_name) F(SSL_CTX_check_private_key) F(SSL_CTX_ctrl) F(SSL_CTX_free) \
	F(SSL_CTX_load_verify_file) F(SSL_CTX_new) F(SSL_CTX_set_cipher_list) \
	F(SSL_CTX_set_ciphersuites) F(SSL_CTX_set_client_CA_list) \
	F(SSL_CTX_set_default_passwd_cb) F(SSL_CTX_set_num_tickets) F(SSL_CTX_set_options) \
	F(SSL_CTX_set_verify) F(SSL_CTX_use_PrivateKey_file) \
	F(SSL_CTX_use_certificate_chain_file) F(SSL_free) F(SSL_get_error) \
	F(SSL_is_init_finished) F(SSL_load_client_CA_file) F(SSL_new) F(SSL_read) \
	F(SSL_set_accept_state) F(SSL_set_fd) F(SSL_shutdown) F(SSL_write) F(TLS_server_method)
/* clang-format on */

DYNLIB_TABLE(FUNCTIONS);

/* The headers' macros call SSL_CTX_ctrl by that name. */
#define SSL_CTX_ctrl lib.SSL_CTX_ctrl

/* Load once and keep: the library cannot be unloaded. */
static int load_library(struct err *e)
{
	static bool loaded;

	if (!loaded && dynlib_load(LIBRARY, "libssl3", symbols, ARRAY_LEN(symbols), e) < 0)
		return err_wrap(e, "TLS");
	loaded = true;
	return 0;
}

/* --- the files --- */

enum {
	FILE_CERT,
	FILE_KEY,
	FILE_CA,
	FILE_COUNT
};

static const char *const file_keys[] = {
	[FILE_CERT] = "stream_tls_cert",
	[FILE_KEY] = "stream_tls_key",
	[FILE_CA] = "stream_tls_ca",
};

struct tls {
	char *files[FILE_COUNT];
	struct stat stamps[FILE_COUNT]; /* of the last attempt */
	bool min_13;
	struct buf ciphers, ciphersuites; /* of TLS 1.2, of TLS 1.3; empty: the default */
	SSL_CTX *ctx;
};

struct tls_link {
	SSL *ssl;
	bool wants_write, broken;
};

static int refuse(struct err *e, const char *what, const char *value)
{
	const char *why = lib.ERR_reason_error_string(lib.ERR_peek_last_error());

	return err_set(e, ERR_PRECONDITION, "%s \"%s\": %s", what, value,
		       why ? why : "cannot be used");
}

/* Fail on a key with a passphrase instead of prompting on a terminal. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)arg;
	return 0;
}

static int load_ca(SSL_CTX *ctx, const char *path, struct err *e)
{
	if (!*path)
		return 0;
	if (lib.SSL_CTX_load_verify_file(ctx, path) != 1)
		return refuse(e, file_keys[FILE_CA], path);
	lib.SSL_CTX_set_client_CA_list(ctx, lib.SSL_load_client_CA_file(path));
	lib.SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return 0;
}

static int load_files(const struct tls *t, SSL_CTX *ctx, struct err *e)
{
	const char *cert = t->files[FILE_CERT], *key = t->files[FILE_KEY];

	for (size_t i = 0; i < FILE_COUNT; i++)
		if (*t->files[i] && fs_check_trusted(t->files[i], e) < 0)
			return err_wrap(e, "%s", file_keys[i]);
	if (lib.SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return refuse(e, file_keys[FILE_CERT], cert);
	if (lib.SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    lib.SSL_CTX_check_private_key(ctx) != 1)
		return refuse(e, file_keys[FILE_KEY], key);
	return load_ca(ctx, t->files[FILE_CA], e);
}

static int set_rules(const struct tls *t, SSL_CTX *ctx, struct err *e)
{
	SSL_CTX_set_min_proto_version(ctx, t->min_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	lib.SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE);
	lib.SSL_CTX_set_num_tickets(ctx, 0);
	lib.SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	if (t->ciphers.len && lib.SSL_CTX_set_cipher_list(ctx, t->ciphers.data) != 1)
		return refuse(e, "tls_cipher_suites", t->ciphers.data);
	if (t->ciphersuites.len && lib.SSL_CTX_set_ciphersuites(ctx, t->ciphersuites.data) != 1)
		return refuse(e, "tls_cipher_suites", t->ciphersuites.data);
	return 0;
}

/* Stat the files; a missing file has the stamp of zeros. */
static bool take_stamps(struct tls *t)
{
	bool changed = false;

	for (size_t i = 0; i < FILE_COUNT; i++) {
		struct stat st = { .st_ino = 0 }, *old = &t->stamps[i];

		if (*t->files[i] && stat(t->files[i], &st) < 0)
			st = (struct stat){ .st_ino = 0 };
		changed |= st.st_ino != old->st_ino || st.st_dev != old->st_dev ||
			   st.st_size != old->st_size ||
			   memcmp(&st.st_mtim, &old->st_mtim, sizeof(st.st_mtim)) != 0 ||
			   memcmp(&st.st_ctim, &old->st_ctim, sizeof(st.st_ctim)) != 0;
		*old = st;
	}
	return changed;
}

int tls_refresh(struct tls *t, struct err *e)
{
	SSL_CTX *ctx;
	int r;

	if (!take_stamps(t))
		return 0;
	lib.ERR_clear_error();
	ctx = lib.SSL_CTX_new(lib.TLS_server_method());
	if (!ctx)
		return refuse(e, "stream_enable_tls", LIBRARY);
	r = set_rules(t, ctx, e);
	if (r == 0)
		r = load_files(t, ctx, e);
	if (r < 0) {
		lib.SSL_CTX_free(ctx);
		return r;
	}
	lib.SSL_CTX_free(t->ctx); /* links hold their own reference */
	t->ctx = ctx;
	return 1;
}

/* --- begin and end --- */

static int sort_ciphers(struct tls *t, const char *const *names, struct err *e)
{
	for (; names && *names; names++) {
		const char *name = lib.OPENSSL_cipher_name(*names);
		/* TLS 1.3 names are the same in IANA and OpenSSL, and lack the key exchange
		 * ("_WITH_"). */
		bool of_13 = !strstr(*names, "_WITH_");
		struct buf *list = of_13 ? &t->ciphersuites : &t->ciphers;

		if (!name || strcmp(name, "(NONE)") == 0)
			return err_set(e, ERR_PRECONDITION,
				       "tls_cipher_suites: \"%s\" is no name of a cipher suite "
				       "that OpenSSL has",
				       *names);
		buf_printf(list, "%s%s", list->len ? ":" : "", name);
	}
	return 0;
}

int tls_new(const struct tls_conf *conf, struct tls **ret, struct err *e)
{
	struct tls *t;
	int r = load_library(e);

	if (r < 0)
		return r;
	t = xcalloc(1, sizeof(*t));
	t->files[FILE_CERT] = xstrdup(conf->cert);
	t->files[FILE_KEY] = xstrdup(conf->key);
	t->files[FILE_CA] = xstrdup(conf->ca);
	t->min_13 = conf->min_13;
	r = sort_ciphers(t, conf->ciphers, e);
	for (size_t i = 0; i < FILE_CA && r == 0; i++)
		if (!*t->files[i])
			r = err_set(e, ERR_PRECONDITION, "%s: stream_enable_tls needs this file",
				    file_keys[i]);
	if (r == 0)
		r = tls_refresh(t, e);
	if (r == 0) /* none of the files exists */
		r = err_set(e, ERR_PRECONDITION, "stream_tls_cert \"%s\": does not exist",
			    conf->cert);
	if (r < 0)
		tls_free(t);
	else
		*ret = t;
	return MIN(r, 0);
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	lib.SSL_CTX_free(t->ctx);
	for (size_t i = 0; i < FILE_COUNT; i++)
		free(t->files[i]);
	buf_done(&t->ciphers);
	buf_done(&t->ciphersuites);
	free(t);
}

/* --- links --- */

struct tls_link *tls_link_new(struct tls *t, int fd)
{
	struct tls_link *l = xcalloc(1, sizeof(*l));

	l->ssl = lib.SSL_new(t->ctx);
	if (!l->ssl || lib.SSL_set_fd(l->ssl, fd) != 1)
		abort(); /* no memory */
	lib.SSL_set_accept_state(l->ssl);
	return l;
}

/* Map the result of an SSL call to that of read or write; n > 0: bytes. */
static ssize_t outcome(struct tls_link *l, int n)
{
	int why = n > 0 ? SSL_ERROR_NONE : lib.SSL_get_error(l->ssl, n);

	l->wants_write = why == SSL_ERROR_WANT_WRITE;
	if (n > 0)
		return n;
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	/* OpenSSL forbids further calls on this link. */
	l->broken = true;
	errno = EPROTO;
	return -1;
}

ssize_t tls_link_read(struct tls_link *l, void *data, size_t size)
{
	lib.ERR_clear_error();
	return outcome(l, lib.SSL_read(l->ssl, data, (int)MIN(size, (size_t)INT_MAX)));
}

ssize_t tls_link_write(struct tls_link *l, const void *data, size_t size)
{
	lib.ERR_clear_error();
	return outcome(l, lib.SSL_write(l->ssl, data, (int)MIN(size, (size_t)INT_MAX)));
}

bool tls_link_wants_write(const struct tls_link *l)
{
	return l->wants_write;
}

bool tls_link_shutdown(struct tls_link *l)
{
	int n;

	if (l->broken || !lib.SSL_is_init_finished(l->ssl))
		return true;
	lib.ERR_clear_error();
	n = lib.SSL_shutdown(l->ssl);
	return n >= 0 || lib.SSL_get_error(l->ssl, n) != SSL_ERROR_WANT_WRITE;
}

void tls_link_free(struct tls_link *l)
{
	if (!l)
		return;
	tls_link_shutdown(l);
	lib.SSL_free(l->ssl);
	free(l);
}
