/*
 * http.h - the one HTTP/1.1 request of a streaming connection: an upgrade without a body.
 *
 * Strict: what could be read in two ways (folded lines, doubled fields, bodies, bare newlines) is
 * refused, so that no proxy in front of us can see another request than we do.  Parsers that are
 * kept elsewhere (http-parser, llhttp) are made to take what the world sends, and leave just these
 * questions to their users.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define HTTP_HEAD_MAX (32 * 1024) /* request line and headers, bytes */
#define HTTP_FIELDS_MAX 100
#define HTTP_WORDS_MAX 16 /* protocols a client offers; the rest is not looked at */

struct http_word {
	const char *p; /* into the request */
	size_t n;
};

enum http_method {
	HTTP_METHOD_GET,
	HTTP_METHOD_POST,
	HTTP_METHOD_OTHER,
};

struct http_words {
	struct http_word words[HTTP_WORDS_MAX];
	size_t n;
	bool present; /* the field is there, if only empty */
};

struct http_head {
	enum http_method method;
	struct http_word path; /* without the query */
	struct http_word host;
	struct http_word origin; /* n 0: none, as from everything that is not a browser */
	bool forwarded; /* X-Forwarded-For: it came through a proxy */
	bool connection_upgrade; /* Connection: upgrade */
	bool websocket, spdy; /* Upgrade: websocket, SPDY/3.1 */
	struct http_words protocols; /* X-Stream-Protocol-Version, in the client's order */
	struct http_words subprotocols; /* Sec-WebSocket-Protocol */
	struct http_word ws_key; /* n 0: none */
	bool ws_version_13;
	unsigned fields;
};

/* Bytes of the request at data up to and with its empty line, or with a newline without its return,
 * which http_parse_head refuses; 0: it is not complete yet. */
size_t http_head_size(const char *data, size_t size);

/* Parse a request of that size.  ERR_INVALID says what is wrong with it.  ret points into data. */
int http_parse_head(const char *data, size_t size, struct http_head *ret, struct err *e);

/* May the page in a browser that made this request make it?  Requests without Origin may.  With it,
 * the origin has to be Host itself (an address, since a name may have been rebound to ours; or
 * any name that a proxy was called by), or http://localhost, which WebSocket clients of Kubernetes
 * put there. */
bool http_origin_may(const struct http_head *h);

bool http_word_is(const struct http_word *w, const char *text);

/* The first of what the client offers that is in offered (NULL ends it): its index, or -1. */
int http_choose(const struct http_words *want, const char *const *offered);
