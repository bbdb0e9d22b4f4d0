/*
 * tls.h - TLS for the streaming server (OpenSSL): non-blocking, with certificate files that may be
 * replaced.
 * libssl is loaded with the first struct tls, so that a node without TLS does not pay for it.
 * Session tickets, renegotiation and ALPN are off.  Each connection is one client, asked for a
 * certificate where conf requires one.
 * Call all functions on the thread that reads and writes, except tls_new before and tls_free after
 * it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct tls_conf {
	const char *cert; /* PEM: the server's certificate and its intermediates */
	const char *key; /* PEM, without a passphrase */
	const char *ca; /* PEM: CAs of client certificates, then required; "": none required */
	bool min_13; /* minimum TLS 1.3; else 1.2 */
	/* IANA names, NULL-terminated; NULL or empty: OpenSSL's default.  TLS 1.3 and 1.2 have
	 * separate lists; a list without a named suite keeps the default. */
	const char *const *ciphers;
};

struct tls;
struct tls_link; /* one connection */

/* Load the library and the files. conf is copied.  ERR_PRECONDITION: a file or a name is not valid;
 * ERR_UNIMPLEMENTED: libssl is not installed. */
int tls_new(const struct tls_conf *conf, struct tls **ret, struct err *e);
/* Free after the last link.  t may be NULL. */
void tls_free(struct tls *t);

/* When one of the files has changed, load all of them for new connections.  1: loaded; 0:
 * unchanged; <0: e is set, once for each change, and the old files stay in use. */
int tls_refresh(struct tls *t, struct err *e);

/* Server side of TLS on a connected non-blocking socket, which stays the caller's. */
struct tls_link *tls_link_new(struct tls *t, int fd);
/* Free the link; send close_notify if that does not block.  l may be NULL. */
void tls_link_free(struct tls_link *l);

/* Like read and write of a non-blocking descriptor, including the handshake. >0: bytes; 0: end; -1:
 * errno is EAGAIN, or EPROTO for every error that ends the link. */
ssize_t tls_link_read(struct tls_link *l, void *data, size_t size);
ssize_t tls_link_write(struct tls_link *l, const void *data, size_t size);
/* Reading needs EPOLLOUT (handshake). */
bool tls_link_wants_write(const struct tls_link *l);
/* Send close_notify; no writes follow.  false: EAGAIN, call again on EPOLLOUT. */
bool tls_link_shutdown(struct tls_link *l);
