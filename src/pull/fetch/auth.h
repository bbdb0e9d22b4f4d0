/*
 * auth.h - compute the Authorization header for a registry's challenge.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "pull/fetch/challenge.h"
#include "pull/fetch/credentials.h"
#include "pull/fetch/exchange.h"

/* Access to a registry. */
struct auth_peer {
	const char *host; /* of the registry, "host[:port]" */
	const char *repository; /* scope of the token if the challenge has none */
	const struct certs_dirs *certs_dirs;
	bool insecure;
	struct stop *stop;
	atomic_uint *retries; /* incremented for each retry */
};

/* Return the Authorization header for a challenge, malloc'ed: "Basic ...", or "Bearer ..." with a
 * token from the token server. ERR_UNAUTHENTICATED: credentials are missing or refused.
 * ERR_UNAVAILABLE: the token server fails. */
int auth_answer(struct exchange *h, const struct challenge *c, const struct credentials *cred,
		const struct auth_peer *peer, char **ret, struct err *e);
