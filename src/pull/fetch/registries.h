/*
 * registries.h - registries.conf version 2 (containers-registries.conf(5)): which hosts an image
 * may come from, in which order, and what short names mean.
 *
 * Understood: unqualified-search-registries, short-name-mode, [[registry]] with prefix (also
 * "*.example.com", or with a repository, a tag or a digest), location, insecure, blocked,
 * mirror-by-digest-only, [[registry.mirror]] with location, insecure and pull-from-mirror,
 * [aliases]; drop-ins PATH.d/ *.conf in the order of their names: a later file replaces the search
 * list, the entry of a prefix, an alias.  Version 1 is refused, other keys are passed over.
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

/* Merge a text of the format; *r NULL: begin with nothing.  *r is for registries_free also after
 * errors. */
int registries_add_text(struct registries **r, const char *text, size_t size, const char *name,
			struct err *e);

/* One of enforcing, permissive, disabled. */
bool registries_mode_is_valid(const char *mode);

/* The full references that a short name may mean, in the order to try them; a reference with a
 * domain is returned alone, an alias decides alone.  mode is enforcing: several meanings are
 * ERR_INVALID, which lists them; "" leaves it to registries.conf, where the default is permissive;
 * permissive and disabled are the same without a terminal.  ERR_NOT_FOUND when nothing says where
 * to look. */
struct image_refs {
	struct image_ref *list;
	size_t n;
};
int registries_expand(const struct registries *r, const struct image_ref *ref, const char *mode,
		      struct image_refs *ret, struct err *e);
void image_refs_done(struct image_refs *refs);

/* Where one full reference can be fetched, mirrors first.  insecure: further hosts ("host[:port]"
 * or a network in CIDR notation) that may speak plain HTTP or have a certificate nobody can
 * check, NULL-terminated or NULL; the hosts of the loopback network always may.
 * ERR_DENIED when the registry is blocked. */
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

/* Is "host[:port]" this machine's loopback network? */
bool image_host_is_loopback(const char *host);
