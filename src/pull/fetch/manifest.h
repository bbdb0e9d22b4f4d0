/*
 * manifest.h - manifests and indexes of OCI image spec v1.1 and docker schema 2 (manifest.md,
 * image-index.md). The text comes from a registry: documents that match two kinds are refused;
 * digests and sizes are checked before use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/annotations.h"

enum manifest_kind {
	MANIFEST_KIND_IMAGE,
	MANIFEST_KIND_INDEX,
	MANIFEST_KIND_ARTIFACT, /* files only, not runnable */
};

struct descriptor {
	char *media_type;
	char *digest; /* "sha256:<64 hex>" */
	uint64_t size;
	/* For entries of an index; NULL if absent: */
	char *os, *architecture, *variant;
	char *ref_name; /* annotation org.opencontainers.image.ref.name */
	/* For a layer of an artifact: path of its file. Relative, safe below any directory; differs
	 * from all other files and their directories. */
	char *file;
	/* For a foreign layer: http(s) URLs, used if the registry does not have it. */
	char **urls;
	size_t n_urls;
	char *signature; /* annotation dev.cosignproject.cosign/signature */
};

struct manifest {
	enum manifest_kind kind;
	char *artifact_type; /* a media type; NULL: not an artifact */
	struct descriptor config; /* of an image or artifact */
	struct descriptor *entries; /* layers, lowest first; or the manifests of an index */
	size_t n;
	struct annotations annotations; /* of an image or artifact */
};

#define MANIFEST_NULL ((struct manifest){ .n = 0 })

/* The media types to request. */
#define MANIFEST_ACCEPT \
	"Accept: application/vnd.oci.image.index.v1+json, " \
	"application/vnd.docker.distribution.manifest.list.v2+json, " \
	"application/vnd.oci.image.manifest.v1+json, " \
	"application/vnd.docker.distribution.manifest.v2+json"

/* content_type: of the HTTP response, NULL: none. The document's mediaType takes precedence;
 * without both the members decide. ERR_INVALID names the wrong member; ERR_UNIMPLEMENTED: a known
 * but unsupported kind. Free with manifest_done, also after errors. */
int manifest_parse(const char *json, size_t size, const char *content_type, struct manifest *ret,
		   struct err *e);
void manifest_done(struct manifest *m);

struct platform {
	const char *os, *architecture, *variant; /* variant "": none */
};

struct platform platform_host(void);

/* The best matching entry of an index; NULL: none matches. */
const struct descriptor *manifest_choose(const struct manifest *index, const struct platform *p);

/* "linux/amd64, linux/arm64/v8", for errors; malloc'ed. */
char *manifest_platforms(const struct manifest *index);
