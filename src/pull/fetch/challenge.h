/*
 * challenge.h - WWW-Authenticate (RFC 9110, 11.6.1): how a registry wants to be asked.
 */
#pragma once

#include "base/err.h"

enum challenge_scheme {
	CHALLENGE_SCHEME_NONE, /* nothing that we can answer */
	CHALLENGE_SCHEME_BASIC,
	CHALLENGE_SCHEME_BEARER,
};

struct challenge {
	enum challenge_scheme scheme;
	char *realm, *service, *scope; /* of Bearer, NULL when absent */
};

#define CHALLENGE_NULL ((struct challenge){ .scheme = CHALLENGE_SCHEME_NONE })

/* The value of one header, which may hold several challenges; the strongest that we know is
 * kept in *c, over calls for several headers.  What is malformed is passed over. */
void challenge_parse(const char *value, struct challenge *c);
void challenge_done(struct challenge *c);
