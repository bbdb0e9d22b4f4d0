/*
 * http.h - the one HTTP/1.1 request of a streaming connection: an upgrade without a body.
 * Strict: refuse all ambiguous forms (folded lines, duplicate fields, bodies, bare newlines).  A
 * proxy in front of crispd must not parse another request than crispd does.  General parsers
 * (http-parser, llhttp) accept sloppy clients and leave these checks to their users.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define HTTP_HEAD_MAX (32 * 1024) /* request line and headers, bytes */
#define HTTP_FIELDS_MAX 100
#define HTTP_WORDS_MAX 16 /* protocols of a client that are considered; further ones are ignored */

struct http_word {
	const char *p; /* points into the request */
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
	bool present; /* the field is present, if only empty */
};

struct http_head {
	enum http_method method;
	struct http_word path; /* without the query */
	struct http_word host;
	struct http_word origin; /* n 0: none, as from every client but browsers */
	bool forwarded; /* X-Forwarded-For: the request came through a proxy */
	bool connection_upgrade; /* Connection: upgrade */
	bool websocket, spdy; /* Upgrade: websocket, SPDY/3.1 */
	struct http_words protocols; /* X-Stream-Protocol-Version, in the client's order */
	struct http_words subprotocols; /* Sec-WebSocket-Protocol */
	struct http_word ws_key; /* n 0: none */
	bool ws_version_13;
	unsigned fields;
};

/* Size in bytes of the request at data, including its empty line.  The size ends earlier at a
 * newline without carriage return, which http_parse_head refuses.  0: the request is incomplete. */
size_t http_head_size(const char *data, size_t size);

/* Parse a request of that size.  ERR_INVALID names the defect.  ret points into data. */
int http_parse_head(const char *data, size_t size, struct http_head *ret, struct err *e);

/* May a browser page with this Origin make the request? Requests without Origin may.  Else the
 * origin must be localhost, which Kubernetes WebSocket clients send, or Host itself.  Host must be
 * an address, against DNS rebinding; behind a proxy it may be any name. */
bool http_origin_may(const struct http_head *h);

bool http_word_is(const struct http_word *w, const char *text);

/* Index of the client's first protocol that is in offered (NULL-terminated), or -1. */
int http_choose(const struct http_words *want, const char *const *offered);
