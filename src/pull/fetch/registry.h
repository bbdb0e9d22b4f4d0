/*
 * registry.h - one repository of one registry: the pull half of the OCI distribution spec 1.1
 * (and of docker's registry API v2, which it continues).
 *
 * What must hold: credentials and tokens go to the registry's own host (and the token server it
 * names) and nowhere else, client certificates to the host whose directory they lie in; an answer
 * is bounded; a broken transfer goes on where it stopped.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "pull/fetch/manifest.h"
#include "pull/fetch/session.h"

struct registry;

/* Everything is copied but what registry_options says.  One thread at a time. */
struct registry *registry_new(const struct registry_options *o, struct err *e);
/* For another thread: with what is known already about protocol and token, now and later.  stop
 * ends the clone's exchanges and outlives it. */
struct registry *registry_clone(const struct registry *g, struct stop *stop, struct err *e);
void registry_free(struct registry *g);

static inline void registry_freep(struct registry **g)
{
	registry_free(*g);
}

/* "host[:port]", g's own: of the mirror when it is one. */
const char *registry_host(const struct registry *g);

/* The manifest or index that a tag or digest names, and its media type (NULL: not said).
 * ERR_NOT_FOUND, ERR_UNAUTHENTICATED, ERR_DENIED, ERR_PRECONDITION: its certificate is not
 * trusted, ERR_UNAVAILABLE: host not reached, it failed again and again, or nothing moved for the
 * progress time-out. */
int registry_manifest(struct registry *g, const char *reference, struct buf *ret, char **ret_type,
		      struct err *e);

/* A blob's bytes, each once and in order.  More or fewer than d->size is ERR_INVALID.  A blob that
 * the registry does not have is taken from d->urls, without any credentials. */
int registry_blob(struct registry *g, const struct descriptor *d,
		  int (*sink)(void *arg, const void *data, size_t size, struct err *e), void *arg,
		  struct err *e);
