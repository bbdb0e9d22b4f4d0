/*
 * challenge.h - parse WWW-Authenticate (RFC 9110, 11.6.1).
 */
#pragma once

#include "base/err.h"

enum challenge_scheme {
	CHALLENGE_SCHEME_NONE, /* no supported scheme */
	CHALLENGE_SCHEME_BASIC,
	CHALLENGE_SCHEME_BEARER,
};

struct challenge {
	enum challenge_scheme scheme;
	char *realm, *service, *scope; /* of Bearer, NULL when absent */
};

#define CHALLENGE_NULL ((struct challenge){ .scheme = CHALLENGE_SCHEME_NONE })

/* Parse one header value, which may hold several challenges. *c keeps the strongest supported one,
 * also over several calls. Ignores malformed parts. */
void challenge_parse(const char *value, struct challenge *c);
void challenge_done(struct challenge *c);
