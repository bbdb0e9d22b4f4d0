/*
 * registry.h - one repository of one registry: the pull part of OCI distribution spec 1.1 and of
 * docker's registry API v2.
 *
 * What must hold: credentials and tokens go only to the registry's own host and its token server.
 * Client certificates go only to the host of their directory. Responses are bounded; an interrupted
 * transfer resumes.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "pull/fetch/manifest.h"
#include "pull/fetch/session.h"

struct registry;

/* Copies *o, except the pointers that registry_options documents. Not thread-safe. */
struct registry *registry_new(const struct registry_options *o, struct err *e);
/* For another thread: shares protocol and token, present and future. stop ends the clone's
 * exchanges and outlives it. */
struct registry *registry_clone(const struct registry *g, struct stop *stop, struct err *e);
void registry_free(struct registry *g);

static inline void registry_freep(struct registry **g)
{
	registry_free(*g);
}

/* "host[:port]" of the registry or mirror; owned by g. */
const char *registry_host(const struct registry *g);

/* The manifest or index of a tag or digest, and its media type (NULL: no header).
 * ERR_NOT_FOUND, ERR_UNAUTHENTICATED, ERR_DENIED; ERR_PRECONDITION: its certificate is not trusted;
 * ERR_UNAVAILABLE: host unreachable, repeated failures, or no progress within the timeout. */
int registry_manifest(struct registry *g, const char *reference, struct buf *ret, char **ret_type,
		      struct err *e);

/* A blob's bytes, each once and in order. More or fewer than d->size: ERR_INVALID. A blob missing
 * from the registry is fetched from d->urls, without credentials. */
int registry_blob(struct registry *g, const struct descriptor *d,
		  int (*sink)(void *arg, const void *data, size_t size, struct err *e), void *arg,
		  struct err *e);
