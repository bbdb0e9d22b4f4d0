/*
 * exchange.h - one HTTP exchange at a time over libcurl. The caller handles redirects, credentials
 * and retries (registry.h).
 *
 * Use one struct exchange per thread. It keeps connections for later requests to the same host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "pull/base/stop.h"
#include "pull/fetch/certs.h"
#include "pull/fetch/challenge.h"

#define HTTP_STALL_S 60 /* limit without a byte; then the connection counts as dead */
#define HTTP_CONNECT_S 20

struct exchange_request {
	const char *url; /* http or https */
	const char *accept; /* a whole header line; NULL: none */
	const char *authorization; /* the header's value; NULL: none */
	const char *post; /* form data; NULL: GET */
	uint64_t offset; /* request the bytes from here on */
	uint64_t total; /* bytes of the whole file; 0: unknown */
	int64_t stall_ms; /* 0: HTTP_STALL_S */
	bool insecure; /* accept any certificate */
	bool direct; /* ignore the environment's proxies */
	const struct certs *certs; /* CAs and client certificate; NULL: the system's */
	/* Receives the body of a 200 or 206 response; offset: its position. <0 stops. */
	int (*body)(void *arg, uint64_t offset, const void *data, size_t size, struct err *e);
	void *arg;
};

struct exchange_response {
	long status;
	char *content_type; /* NULL when absent */
	char *redirect; /* absolute URL of a 3xx response; NULL: none */
	struct challenge challenge; /* of a 401 response */
	int64_t retry_after_s; /* 0: no header */
	struct buf text; /* start of any other response's body; after a failed transfer the
				     * reason */
	bool no_tls; /* the peer does not speak TLS */
	bool refused; /* the TCP connection failed */
	bool untrusted; /* certificate error: do not retry */
};

#define EXCHANGE_RESPONSE_NULL ((struct exchange_response){ .status = 0 })

struct exchange;

struct exchange *exchange_new(struct stop *stop, struct err *e);
void exchange_free(struct exchange *h);

/* 0: complete response of any status. 1: the connection failed or was cut; ret->text has the
 * reason; retry is possible. <0: body failed, or stopped (ERR_CANCELLED).
 * Free ret with exchange_response_done in every case. */
int exchange_perform(struct exchange *h, const struct exchange_request *req,
		     struct exchange_response *ret, struct err *e);
void exchange_response_done(struct exchange_response *r);

/* Check whether a redirect to `to` (NULL: no URL) may be followed: http and https only, and from
 * https to http only if insecure. ERR_UNAVAILABLE: no URL; ERR_PRECONDITION: not allowed. */
int exchange_check_redirect(const char *from, const char *to, bool insecure, struct err *e);

/* Escape for a query or form; malloc'ed. */
char *exchange_escape(const char *s);

/* "host[:port]" of a URL, without user info; "": none. malloc'ed. */
char *exchange_url_host(const char *url);
