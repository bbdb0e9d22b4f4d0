/*
 * origin.h - the origin of an image's parts: a repository of a registry, or an OCI image layout
 * directory (image-layout.md). Used in the fetcher; source.h is the keeper's end.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "pull/fetch/manifest.h"
#include "pull/fetch/registry.h"

struct origin {
	struct registry *registry; /* exactly one is set */
	char *layout;
};

#define ORIGIN_NULL ((struct origin){ .registry = NULL })

void origin_done(struct origin *s);

/* Copy for another thread; see registry_clone. */
int origin_clone(const struct origin *s, struct stop *stop, struct origin *ret, struct err *e);

/* reference: a digest, or a tag of a registry; see registry_manifest. */
int origin_manifest(struct origin *s, const char *reference, struct buf *ret, char **ret_type,
		    struct err *e);

/* See registry_blob. Does not check the digest. */
int origin_blob(struct origin *s, const struct descriptor *d, struct stop *stop,
		int (*sink)(void *arg, const void *data, size_t size, struct err *e), void *arg,
		struct err *e);

/* Text of a layout's index.json. */
int origin_index(struct origin *s, struct buf *ret, struct err *e);
