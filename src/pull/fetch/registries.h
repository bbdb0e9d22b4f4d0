/*
 * registries.h - registries.conf version 2 (containers-registries.conf(5)): the hosts of an image,
 * their order, and the expansion of short names.
 *
 * Supported: unqualified-search-registries, short-name-mode, [[registry]] with prefix (also
 * "*.example.com", or with a repository, a tag or a digest), location, insecure, blocked,
 * mirror-by-digest-only, [[registry.mirror]] with location, insecure and pull-from-mirror,
 * [aliases]; drop-ins PATH.d/ *.conf by name: a later file replaces the search list, the entry of a
 * prefix, an alias. Version 1 is refused; other keys are ignored.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "image/ref.h"

struct registries;

/* A missing file is an empty configuration.  ERR_PRECONDITION names file, line and key. */
int registries_load(const char *path, struct registries **ret, struct err *e);
void registries_free(struct registries *r);

static inline void registries_freep(struct registries **r)
{
	registries_free(*r);
}

/* Merge a text of the format. *r NULL: start empty. Free *r with registries_free, also after
 * errors. */
int registries_add_text(struct registries **r, const char *text, size_t size, const char *name,
			struct err *e);

/* true: enforcing, permissive or disabled. */
bool registries_mode_is_valid(const char *mode);

/* Expand a short name to full references, in the order to try. A reference with a domain is
 * returned alone; an alias excludes all others. mode "enforcing": several expansions are
 * ERR_INVALID, which lists them. "": use registries.conf, default permissive. permissive and
 * disabled are equal without a terminal. ERR_NOT_FOUND: no registry is configured. */
struct image_refs {
	struct image_ref *list;
	size_t n;
};
int registries_expand(const struct registries *r, const struct image_ref *ref, const char *mode,
		      struct image_refs *ret, struct err *e);
void image_refs_done(struct image_refs *refs);

/* Sources of one full reference, mirrors first. insecure: hosts ("host[:port]" or a network in CIDR
 * notation) with plain HTTP or unverified certificates; NULL-terminated or NULL. Loopback hosts are
 * always included. ERR_DENIED: the registry is blocked. */
struct image_source {
	char *host; /* "host[:port]" */
	char *repository;
	bool insecure;
	bool mirror;
};
struct image_sources {
	struct image_source *list;
	size_t n;
};
int registries_sources(const struct registries *r, const struct image_ref *ref,
		       char *const *insecure, struct image_sources *ret, struct err *e);
void image_sources_done(struct image_sources *sources);

/* true: "host[:port]" is in the loopback network. */
bool image_host_is_loopback(const char *host);
