/*
 * exchange.h - one HTTP exchange at a time over libcurl, without anything that curl would decide by
 * itself: redirects, credentials and tries again are the caller's (registry.h).
 *
 * One struct exchange a thread; connections are kept for the next request to the same host.
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

#define HTTP_STALL_S 60 /* no byte for so long: the connection counts as dead */
#define HTTP_CONNECT_S 20

struct exchange_request {
	const char *url; /* http or https */
	const char *accept; /* a whole header line, NULL: none */
	const char *authorization; /* the header's value, NULL: none */
	const char *post; /* form data, NULL: GET */
	uint64_t offset; /* ask for what follows this byte */
	uint64_t total; /* bytes of the whole that a range is part of; 0: not known */
	int64_t stall_ms; /* 0: HTTP_STALL_S */
	bool insecure; /* any certificate will do */
	bool direct; /* past the proxies of the environment */
	const struct certs *certs; /* authorities, and what to present; NULL: the system's */
	/* The body of a 200 or 206 answer; offset is where it begins.  <0 stops. */
	int (*body)(void *arg, uint64_t offset, const void *data, size_t size, struct err *e);
	void *arg;
};

struct exchange_response {
	long status;
	char *content_type; /* NULL when absent */
	char *redirect; /* absolute URL of a 3xx answer, NULL when there is none */
	struct challenge challenge; /* of a 401 answer */
	int64_t retry_after_s; /* 0: not said */
	struct buf text; /* the beginning of the body of any other answer; the reason
				     * after a failed transfer */
	bool no_tls; /* the other end is there and does not speak TLS */
	bool refused; /* nobody listens there */
	bool untrusted; /* certificates: trying again helps nobody */
};

#define EXCHANGE_RESPONSE_NULL ((struct exchange_response){ .status = 0 })

struct exchange;

struct exchange *exchange_new(struct stop *stop, struct err *e);
void exchange_free(struct exchange *h);

/* 0: an answer of any status is complete.  1: the connection failed or was cut, ret->text says
 * how; it may be tried again.  <0: body refused, or stopped (ERR_CANCELLED).
 * Free ret with exchange_response_done in every case. */
int exchange_perform(struct exchange *h, const struct exchange_request *req,
		     struct exchange_response *ret, struct err *e);
void exchange_response_done(struct exchange_response *r);

/* May a redirect (NULL: there is none) be followed?  Neither to files nor to other protocols, and
 * not from a safe place to one that everybody can read, unless insecure.  ERR_UNAVAILABLE: there is
 * none; ERR_PRECONDITION: it may not. */
int exchange_check_redirect(const char *from, const char *to, bool insecure, struct err *e);

/* For a query or a form; malloc'ed. */
char *exchange_escape(const char *s);

/* "host[:port]" of a URL, without what stands before an @; "" when it has none.  malloc'ed. */
char *exchange_url_host(const char *url);
