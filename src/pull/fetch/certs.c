/*
 * certs.c - check, read and trust the files of certs.d directories.
 */
#include "pull/fetch/certs.h"

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

#define AUTHORITIES_MAX 4096 /* per host */

/* A host's directory that failed the check. */
struct fault {
	char *dir;
	struct err e;
};

struct certs_dirs {
	char **roots; /* NULL-terminated */
	struct fault *faults;
	size_t n_faults;
};

static int check_file(const char *path, const char *name, void *arg, struct err *e)
{
	(void)arg;
	if (!str_ends(name, ".crt") && !str_ends(name, ".cert") && !str_ends(name, ".key"))
		return 0;
	return MIN(fs_check_trusted(path, e), 0);
}

static int check_host(const char *path, const char *name, void *arg, struct err *e)
{
	struct certs_dirs *d = arg;
	struct err why = ERR_NULL;
	int r = fs_check_trusted(path, &why);

	(void)name;
	(void)e;
	if (r == 0)
		r = fs_each(path, check_file, NULL, &why);
	if (r >= 0)
		return 0;
	d->faults = xrealloc(d->faults, (d->n_faults + 1) * sizeof(*d->faults));
	d->faults[d->n_faults++] = (struct fault){ .dir = xstrdup(path), .e = why };
	return 0;
}

struct certs_dirs *certs_dirs_new(char *const *roots, size_t n)
{
	struct certs_dirs *d = xcalloc(1, sizeof(*d));
	struct err ignored = ERR_NULL;

	d->roots = xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++) {
		d->roots[i] = xstrdup(roots[i]);
		/* Ignore: certs_add reports a root that cannot be listed. */
		(void)fs_each(roots[i], check_host, d, &ignored);
	}
	return d;
}

void certs_dirs_free(struct certs_dirs *d)
{
	if (!d)
		return;
	for (char **root = d->roots; *root; root++)
		free(*root);
	for (size_t i = 0; i < d->n_faults; i++)
		free(d->faults[i].dir);
	free(d->roots);
	free(d->faults);
	free(d);
}

void certs_done(struct certs *c)
{
	for (size_t i = 0; i < c->n; i++)
		X509_free(c->authorities[i]);
	free(c->authorities);
	free(c->cert);
	free(c->key);
	*c = CERTS_NULL;
}

/* Add all certificates of a PEM file. */
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
		c->authorities = xrealloc(c->authorities, (c->n + 1) * sizeof(c->authorities[0]));
		c->authorities[c->n++] = x;
	}
	BIO_free(bio);
	/* OpenSSL reports the end of the file as an error. */
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

	return fs_exists(cert)
		       ? 0
		       : err_set(e, ERR_PRECONDITION, "%s/%s has no %s beside it", dir, name, cert);
}

static int add_dir(struct certs *c, const struct certs_dirs *dirs, const char *dir, bool present,
		   struct err *e)
{
	struct dirent **names = NULL;
	int n, r = 0;

	for (size_t i = 0; i < dirs->n_faults; i++)
		if (strcmp(dirs->faults[i].dir, dir) == 0) {
			*e = dirs->faults[i].e;
			return -(int)e->code;
		}
	n = scandir(dir, &names, NULL, alphasort);
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

int certs_add(struct certs *c, const struct certs_dirs *dirs, const char *host, bool present,
	      struct err *e)
{
	const char *port = strrchr(host, ':');
	bool has_port = port && !strchr(port, ']');

	for (char **root = dirs ? dirs->roots : NULL; root && *root; root++) {
		_cleanup_free_ char *exact = xasprintf("%s/%s", *root, host);
		_cleanup_free_ char *bare =
			has_port ? xasprintf("%s/%.*s", *root, (int)(port - host), host) : NULL;

		if (fs_exists(exact))
			return add_dir(c, dirs, exact, present, e);
		if (bare && fs_exists(bare))
			return add_dir(c, dirs, bare, present, e);
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
