/*
 * certs.c - see certs.h.
 */
#include "pull/certs.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define AUTHORITIES_MAX 4096 /* of one host */

void certs_done(struct certs *c)
{
	for (size_t i = 0; i < c->n; i++)
		X509_free(c->authorities[i]);
	free(c->authorities);
	free(c->cert);
	free(c->key);
	*c = CERTS_NULL;
}

/* All certificates of one PEM file. */
static int add_authorities(struct certs *c, const char *path, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	size_t before = c->n;
	X509 *x;
	BIO *bio;
	int r = fs_read_file(path, LIMIT_CONF_FILE, &text, e);

	if (r != 0)
		return r < 0 ? r : err_set(e, ERR_PRECONDITION, "%s does not exist", path);
	bio = BIO_new_mem_buf(text.data ? text.data : "", (int)text.len);
	if (!bio)
		abort();
	while (c->n < AUTHORITIES_MAX && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		c->authorities =
			xrealloc(c->authorities, (c->n + 1) * sizeof(c->authorities[0]));
		c->authorities[c->n++] = x;
	}
	BIO_free(bio);
	/* The end of the file counts as an error there. */
	ERR_clear_error();
	if (c->n == before)
		return err_set(e, ERR_PRECONDITION, "%s is no certificate in PEM", path);
	return 0;
}

static int add_pair(struct certs *c, const char *dir, const char *name, struct err *e)
{
	int stem = (int)(strlen(name) - strlen(".cert"));
	_cleanup_free_ char *cert = xasprintf("%s/%s", dir, name);
	_cleanup_free_ char *key = xasprintf("%s/%.*s.key", dir, stem, name);

	if (!fs_exists(key))
		return err_set(e, ERR_PRECONDITION,
			       "%s has no %s beside it (an authority's name ends with .crt)", cert,
			       key);
	if (!c->cert) {
		c->cert = take_ptr(cert);
		c->key = take_ptr(key);
	}
	return 0;
}

static int check_key(const char *dir, const char *name, struct err *e)
{
	int stem = (int)(strlen(name) - strlen(".key"));
	_cleanup_free_ char *cert = xasprintf("%s/%.*s.cert", dir, stem, name);

	return fs_exists(cert) ? 0
			       : err_set(e, ERR_PRECONDITION, "%s/%s has no %s beside it", dir,
					 name, cert);
}

static int add_dir(struct certs *c, const char *dir, bool present, struct err *e)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, alphasort), r = 0;

	if (n < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "list %s", dir);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

		if (r == 0 && str_ends(name, ".crt"))
			r = add_authorities(c, path, e);
		else if (r == 0 && present && str_ends(name, ".cert"))
			r = add_pair(c, dir, name, e);
		else if (r == 0 && present && str_ends(name, ".key"))
			r = check_key(dir, name, e);
		free(names[i]);
	}
	free(names);
	return r;
}

int certs_add(struct certs *c, char *const *roots, const char *host, bool present, struct err *e)
{
	const char *port = strrchr(host, ':');
	bool has_port = port && !strchr(port, ']');

	for (; roots && *roots; roots++) {
		_cleanup_free_ char *exact = xasprintf("%s/%s", *roots, host);
		_cleanup_free_ char *bare =
			has_port ? xasprintf("%s/%.*s", *roots, (int)(port - host), host) : NULL;

		if (fs_exists(exact))
			return add_dir(c, exact, present, e);
		if (bare && fs_exists(bare))
			return add_dir(c, bare, present, e);
	}
	return 0;
}

int certs_trust(const struct certs *c, SSL_CTX *ctx)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);

	for (size_t i = 0; i < c->n; i++)
		if (X509_STORE_add_cert(store, c->authorities[i]) != 1)
			return -1;
	return 0;
}
