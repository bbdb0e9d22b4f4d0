/*
 * tls.h - TLS for the streaming server (OpenSSL), non-blocking, with files that may be replaced.
 *
 * libssl is loaded when the first struct tls is made and not before: a node that does not use TLS
 * does not pay for it.  There are no session tickets, no renegotiation and no ALPN: each connection
 * is one client, asked for its certificate where clients need one.
 *
 * All on the thread that reads and writes, except tls_new and tls_free, which stand before and
 * behind it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct tls_conf {
	const char *cert; /* PEM: the server's certificate and those that lead to its authority */
	const char *key; /* PEM, without a passphrase */
	const char *ca; /* PEM: clients need a certificate of one of these; "": they need none */
	bool min_13; /* nothing older than TLS 1.3; else than 1.2 */
	/* IANA names, NULL-terminated; NULL or empty: OpenSSL's choice.  Those of TLS 1.3 and of
	 * 1.2 are two lists: one that none is named of keeps the default. */
	const char *const *ciphers;
};

struct tls;
struct tls_link; /* one connection */

/* Load the library and the files.  conf is copied.  ERR_PRECONDITION: a file or a name is not as it
 * has to be; ERR_UNIMPLEMENTED: libssl is not installed. */
int tls_new(const struct tls_conf *conf, struct tls **ret, struct err *e);
/* After the last link; NULL is nothing. */
void tls_free(struct tls *t);

/* When one of the files has changed, load all of them for the connections to come.  1: done, 0:
 * nothing has changed.  On an error, told once for each change, the old ones stay. */
int tls_refresh(struct tls *t, struct err *e);

/* The server's side on a connected non-blocking socket, which stays the caller's. */
struct tls_link *tls_link_new(struct tls *t, int fd);
/* Says close_notify if it can at once; NULL is nothing. */
void tls_link_free(struct tls_link *l);

/* Like read and write of a non-blocking descriptor: bytes, 0: the end, -1 with errno: EAGAIN, or
 * EPROTO for everything that ends the link.  The handshake happens in them. */
ssize_t tls_link_read(struct tls_link *l, void *data, size_t size);
ssize_t tls_link_write(struct tls_link *l, const void *data, size_t size);
/* Reading waits for room to write (handshake). */
bool tls_link_wants_write(const struct tls_link *l);
/* No more is written.  false: EAGAIN, call it again when there is room. */
bool tls_link_shutdown(struct tls_link *l);
