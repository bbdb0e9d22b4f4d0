/*
 * certs.h - certs.d directories (containers-certs.d(5)): ROOT/HOST[:PORT]/ with NAME.crt for
 * further CAs, and NAME.cert with NAME.key as client certificate.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct certs {
	X509 **authorities;
	size_t n;
	char *cert, *key; /* paths; NULL: no client certificate */
};

#define CERTS_NULL ((struct certs){ .n = 0 })

/* The certs.d directories of a pull, first match first. */
struct certs_dirs;

/* Check owner and mode (fs_check_trusted) of each file of each host below the n roots, and of the
 * directories above. Call before the mount namespace changes. Copies the roots. */
struct certs_dirs *certs_dirs_new(char *const *roots, size_t n);
void certs_dirs_free(struct certs_dirs *d);

/* Add the files for a host ("host[:port]") to *c. The first root with a directory for the host
 * applies, HOST:PORT before HOST. Of several pairs the first by name is the client certificate;
 * present=false: CAs only. dirs NULL: none.
 * ERR_PRECONDITION names the file that is missing or malformed. ERR_DENIED: another user may change
 * a file. Free with certs_done, also after errors. */
int certs_add(struct certs *c, const struct certs_dirs *dirs, const char *host, bool present,
	      struct err *e);
void certs_done(struct certs *c);

/* Also trust the CAs in ctx, libcurl's TLS context of the current connection. 0 or -1. */
int certs_trust(const struct certs *c, SSL_CTX *ctx);
