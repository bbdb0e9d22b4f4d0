/*
 * source.h - where the parts of an image come from: a repository of a registry, or an OCI image
 * layout directory (image-layout.md).
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "image/manifest.h"
#include "pull/registry.h"

struct source {
	struct registry *registry; /* one of the two */
	char *layout;
};

#define SOURCE_NULL ((struct source){ .registry = NULL })

void source_done(struct source *s);

/* For another thread. */
int source_clone(const struct source *s, struct source *ret, struct err *e);

/* reference: a digest, or a tag of a registry; see registry_manifest. */
int source_manifest(struct source *s, const char *reference, struct buf *ret, char **ret_type,
		    struct err *e);

/* See registry_blob.  Neither of them checks the digest. */
int source_blob(struct source *s, const struct descriptor *d, struct stop *stop,
		int (*sink)(void *arg, const void *data, size_t size, struct err *e), void *arg,
		struct err *e);

/* A sink that appends to a struct buf. */
int source_collect(void *buf, const void *data, size_t size, struct err *e);

/* The entry of a layout's index.json: the one whose ref.name is reference or tag, or the only
 * one.  *ret points into *ret_index, which the caller frees with manifest_done. */
int source_layout_entry(const char *dir, const char *reference, const char *tag,
			struct manifest *ret_index, const struct descriptor **ret, struct err *e);
