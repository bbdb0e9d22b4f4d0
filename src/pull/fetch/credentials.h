/*
 * credentials.h - credentials for one registry, and auth.json files (containers-auth.json(5)) as
 * text.
 *
 * What must hold: no error repeats a byte of what was parsed here, it may be a secret.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"

struct credentials {
	char *username, *password; /* NULL: none */
	char *identity_token; /* to be exchanged for access tokens (OAuth2) */
	char *registry_token; /* to be sent as it is */
	char *hint; /* why there may be none, for errors; NULL: nothing to say */
};

#define CREDENTIALS_NULL ((struct credentials){ .username = NULL })

/* Secrets are overwritten. */
void credentials_done(struct credentials *c);
struct credentials credentials_copy(const struct credentials *c);

/* Of the CRI request, for the registry host ("host[:port]").  1: it has none, or a server_address
 * that is another host's.  ERR_INVALID: auth is not base64 of "user:password". */
int credentials_from_request(const Crisp__Pull__Credentials *msg, const char *host,
			     struct credentials *ret, struct err *e);

/* Of the text of an auth.json for "host/repository": the entry with the longest key counts.  1:
 * none; then ret->hint is set when the file leaves the host to a credential helper, which nobody
 * here executes.  path is for errors, ERR_PRECONDITION. */
int credentials_from_text(const char *text, size_t size, const char *path, const char *host,
			  const char *repository, struct credentials *ret, struct err *e);

/* The bearer token in a token server's answer: *ret is malloc'ed, fit for a header.
 * ERR_UNAUTHENTICATED: there is none. */
int credentials_token(const char *text, size_t size, char **ret, struct err *e);
