/*
 * credentials.h - credentials for one registry, from the CRI request or from the text of an
 * auth.json (containers-auth.json(5)).
 *
 * What must hold: no error text contains parsed bytes, which may be secrets.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"

struct credentials {
	char *username, *password; /* NULL: none */
	char *identity_token; /* exchanged for access tokens (OAuth2) */
	char *registry_token; /* sent as is */
	char *hint; /* for errors: why there may be none; NULL: unset */
};

#define CREDENTIALS_NULL ((struct credentials){ .username = NULL })

/* Overwrites the secrets. */
void credentials_done(struct credentials *c);
struct credentials credentials_copy(const struct credentials *c);

/* Credentials of the CRI request for registry host ("host[:port]"). 1: none, or server_address
 * names another host. ERR_INVALID: auth is not base64 of "user:password". */
int credentials_from_request(const Crisp__Pull__Credentials *msg, const char *host,
			     struct credentials *ret, struct err *e);

/* Credentials from the text of an auth.json for "host/repository"; the longest matching key
 * applies. 1: none; ret->hint is set if the file names a credential helper for the host, which
 * crisp does not execute. path: for errors (ERR_PRECONDITION). */
int credentials_from_text(const char *text, size_t size, const char *path, const char *host,
			  const char *repository, struct credentials *ret, struct err *e);

/* Parse the bearer token of a token server's response; *ret is malloc'ed and valid in a header.
 * ERR_UNAUTHENTICATED: the response has none. */
int credentials_token(const char *text, size_t size, char **ret, struct err *e);
