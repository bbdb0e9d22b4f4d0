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

/* Add what there is for a host ("host[:port]") to *c: the first of the roots (NULL-terminated, or
 * NULL) that has a directory for it counts, HOST:PORT before HOST.  Of several pairs the first in
 * the order of names is presented; present=false takes the authorities alone.
 * ERR_PRECONDITION names the file that is missing or no certificate.  Free with certs_done, also
 * after errors. */
int certs_add(struct certs *c, char *const *roots, const char *host, bool present, struct err *e);
void certs_done(struct certs *c);

/* Trust the authorities as well, for libcurl's connection at hand: 0, or -1. */
int certs_trust(const struct certs *c, SSL_CTX *ctx);
