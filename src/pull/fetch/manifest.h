/*
 * manifest.h - manifests and indexes of OCI image spec v1.1 and docker schema 2 (manifest.md,
 * image-index.md).  The text comes from a registry: a document that could be read as two kinds is
 * refused, every digest and size is checked before it is used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum manifest_kind {
	MANIFEST_KIND_IMAGE,
	MANIFEST_KIND_INDEX,
	MANIFEST_KIND_ARTIFACT, /* files, nothing to run */
};

struct descriptor {
	char *media_type;
	char *digest; /* "sha256:<64 hex>" */
	uint64_t size;
	/* Of an index's entries, NULL when absent: */
	char *os, *architecture, *variant;
	char *ref_name; /* annotation org.opencontainers.image.ref.name */
	/* Of an artifact's layer: the path of the file that it is, relative, safe below any
	 * directory, and neither that of another one nor a directory of it. */
	char *file;
	/* Of a foreign layer: http(s) URLs where it lies when the registry does not have it. */
	char **urls;
	size_t n_urls;
	char *signature; /* annotation dev.cosignproject.cosign/signature */
};

struct manifest {
	enum manifest_kind kind;
	char *artifact_type; /* a media type, NULL when it is no artifact */
	struct descriptor config; /* of an image or artifact */
	struct descriptor *entries; /* layers, the lowest first; or the manifests of an index */
	size_t n;
};

#define MANIFEST_NULL ((struct manifest){ .n = 0 })

/* What to ask a registry for. */
#define MANIFEST_ACCEPT \
	"Accept: application/vnd.oci.image.index.v1+json, " \
	"application/vnd.docker.distribution.manifest.list.v2+json, " \
	"application/vnd.oci.image.manifest.v1+json, " \
	"application/vnd.docker.distribution.manifest.v2+json"

/* content_type: what the registry calls it, NULL when nobody does; the document's own mediaType
 * comes first, and without both its shape decides.  ERR_INVALID names the member that is wrong;
 * ERR_UNIMPLEMENTED: a kind that is known and not supported.  Free with manifest_done, also after
 * errors. */
int manifest_parse(const char *json, size_t size, const char *content_type, struct manifest *ret,
		   struct err *e);
void manifest_done(struct manifest *m);

struct platform {
	const char *os, *architecture, *variant; /* variant "" for none */
};

/* The platform of this machine. */
struct platform platform_host(void);

/* The entry of an index that fits best: NULL when none does. */
const struct descriptor *manifest_choose(const struct manifest *index, const struct platform *p);

/* "linux/amd64, linux/arm64/v8": for errors; malloc'ed. */
char *manifest_platforms(const struct manifest *index);
