/*
 * certs.h - certs.d directories (containers-certs.d(5)): ROOT/HOST[:PORT]/ with NAME.crt for
 * authorities beside the system's, NAME.cert with NAME.key for what is presented to the host.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct certs {
	X509 **authorities;
	size_t n;
	char *cert, *key; /* paths; NULL: nothing is presented */
};

#define CERTS_NULL ((struct certs){ .n = 0 })

/* The certs.d directories of a pull, the first one first. */
struct certs_dirs;

/* Check owner and mode (fs_check_trusted) of each file of each host below the n roots, and of the
 * directories above them. Call while the paths are those of the node. The roots are copied. */
struct certs_dirs *certs_dirs_new(char *const *roots, size_t n);
void certs_dirs_free(struct certs_dirs *d);

/* Add the files for a host ("host[:port]") to *c: the first root that has a directory for it
 * counts, HOST:PORT before HOST. Of several pairs the first in the order of names is presented;
 * present=false takes the authorities alone. dirs NULL: none.
 * ERR_PRECONDITION names the file that is missing or no certificate. ERR_DENIED: another user may
 * change a file. Free with certs_done, also after errors. */
int certs_add(struct certs *c, const struct certs_dirs *dirs, const char *host, bool present,
	      struct err *e);
void certs_done(struct certs *c);

/* Trust the authorities as well, for libcurl's connection at hand: 0, or -1. */
int certs_trust(const struct certs *c, SSL_CTX *ctx);
