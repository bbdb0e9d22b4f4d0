/*
 * auth.h - credentials: where they come from and which header they become.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "image/challenge.h"
#include "pull/http.h"

struct credentials {
	char *username, *password; /* NULL: none */
	char *identity_token;      /* to be exchanged for access tokens (OAuth2) */
	char *registry_token;      /* to be sent as it is */
};

#define CREDENTIALS_NULL ((struct credentials){ .username = NULL })

void credentials_done(struct credentials *c);
struct credentials credentials_copy(const struct credentials *c);

/* Of the CRI request.  1: it has none.  ERR_INVALID: auth is not base64 of "user:password". */
int credentials_from_request(const Crisp__Pull__Credentials *msg, struct credentials *ret,
			     struct err *e);

/* The most specific entry of an auth.json (containers-auth.json(5)) for "host/repository".
 * 1: there is none, or no such file. */
int credentials_from_file(const char *path, const char *host, const char *repository,
			  struct credentials *ret, struct err *e);

/* The Authorization header that answers a challenge: "Basic ..." or, after asking the token
 * server, "Bearer ...".  repository: what to ask a token for when the challenge does not say.
 * ERR_UNAUTHENTICATED: credentials are missing or refused. */
int auth_answer(struct http *h, const struct challenge *c, const struct credentials *cred,
		const char *repository, bool insecure, char **ret, struct err *e);
