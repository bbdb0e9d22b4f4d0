/*
 * session.h - state shared by all threads for one repository of one registry: protocol and current
 * token.
 *
 * What must hold: one thread requests a token; the others wait for it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "pull/fetch/auth.h"
#include "pull/fetch/certs.h"
#include "pull/fetch/credentials.h"
#include "pull/fetch/exchange.h"
#include "pull/fetch/registries.h"

/* Over all sources of a pull; read by the progress reporter. */
struct registry_meter {
	atomic_uint retries;
	_Atomic int64_t alive_ns; /* CLOCK_MONOTONIC of the last new byte; 0: none so far */
};

struct registry_options {
	const struct image_source *source;
	const struct credentials *cred;
	const struct certs_dirs *certs_dirs; /* NULL: none; outlives the session */
	int64_t progress_timeout_ms; /* limit without a new byte; 0: unlimited */
	struct registry_meter *meter; /* outlives the session */
	struct stop *stop; /* outlives the session */
};

struct registry_session {
	atomic_uint refs;
	char *host; /* as in the reference */
	char *base; /* "host[:port]" of the API */
	char *repository;
	const struct certs_dirs *certs_dirs;
	struct certs certs;
	bool insecure;
	atomic_bool plain; /* http, as probed */
	atomic_bool pinged; /* asked at /v2/ for a challenge */
	struct credentials cred;
	int64_t progress_timeout_ms;
	struct registry_meter *meter;
	struct stop *stop;
	/* Protected by the lock: */
	pthread_mutex_t lock;
	char *authorization; /* answer to the last challenge; NULL: none */
	unsigned generation; /* of authorization */
};

/* Copies *o, except the pointers that outlive the session. */
int session_new(const struct registry_options *o, struct registry_session **ret, struct err *e);
struct registry_session *session_ref(struct registry_session *s);
void session_unref(struct registry_session *s);

/* The current header, malloc'ed or NULL; pass *ret_generation to session_renew. */
char *session_authorization(struct registry_session *s, unsigned *ret_generation);

/* Call after the registry refused the header of that generation with a challenge. Gets a new
 * header, unless another thread already has. */
int session_renew(struct registry_session *s, struct exchange *h, const struct challenge *c,
		  unsigned generation, struct err *e);
