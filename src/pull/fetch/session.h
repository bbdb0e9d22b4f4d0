/*
 * session.h - what all threads of a pull know together about one repository of one registry: how
 * it is reached, and the token that it takes at this moment.
 *
 * What must hold: a token is asked for once, whoever needs it first; the others wait for it.
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

/* Over all sources of a pull; read by whoever reports. */
struct registry_meter {
	atomic_uint retries;
	_Atomic int64_t alive_ns; /* monotonic, when the last new byte came; 0: none so far */
};

struct registry_options {
	const struct image_source *source;
	const struct credentials *cred;
	const struct certs_dirs *certs_dirs; /* NULL: none; outlives the session */
	int64_t progress_timeout_ms; /* without a new byte; 0: try on */
	struct registry_meter *meter; /* outlives the session */
	struct stop *stop; /* the same */
};

struct registry_session {
	atomic_uint refs;
	char *host; /* as the reference has it */
	char *base; /* "host[:port]" where the API is */
	char *repository;
	const struct certs_dirs *certs_dirs;
	struct certs certs;
	bool insecure;
	atomic_bool plain; /* http, found out */
	struct credentials cred;
	int64_t progress_timeout_ms;
	struct registry_meter *meter;
	struct stop *stop;
	/* Behind the lock: */
	pthread_mutex_t lock;
	char *authorization; /* answers the registry's last challenge, NULL: none */
	unsigned generation; /* of it */
};

/* Everything is copied but what outlives the session. */
int session_new(const struct registry_options *o, struct registry_session **ret, struct err *e);
struct registry_session *session_ref(struct registry_session *s);
void session_unref(struct registry_session *s);

/* The header of the hour, malloc'ed or NULL; *ret_generation is for session_renew. */
char *session_authorization(struct registry_session *s, unsigned *ret_generation);

/* The registry refused the header of that generation with a challenge: get another one, unless
 * somebody has. */
int session_renew(struct registry_session *s, struct exchange *h, const struct challenge *c,
		  unsigned generation, struct err *e);
