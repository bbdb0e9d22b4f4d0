/*
 * auth.h - which header answers a registry's challenge.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "pull/fetch/challenge.h"
#include "pull/fetch/credentials.h"
#include "pull/fetch/exchange.h"

/* How a registry's side of the network is talked to. */
struct auth_peer {
	const char *host; /* of the registry, "host[:port]" */
	const char *repository; /* what to ask a token for when the challenge does not say */
	const struct certs_dirs *certs_dirs;
	bool insecure;
	struct stop *stop;
	atomic_uint *retries; /* counted there */
};

/* The Authorization header that answers a challenge: "Basic ..." or, after asking the token
 * server, "Bearer ..."; malloc'ed.  ERR_UNAUTHENTICATED: credentials are missing or refused.
 * ERR_UNAVAILABLE: the token server fails. */
int auth_answer(struct exchange *h, const struct challenge *c, const struct credentials *cred,
		const struct auth_peer *peer, char **ret, struct err *e);
