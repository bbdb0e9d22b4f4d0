/*
 * source.h - sources of an image's parts, for the keeper. Each source is a channel to the fetcher
 * (fetcher.h), which alone has credentials, TLS and the network.
 *
 * What must hold: all data is untrusted. Manifests, configs and signatures are bounded here; the
 * callers check them. The bytes of layers go directly to the unpacker.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/base/helper.h"
#include "pull/base/stop.h"
#include "pull/fetch/manifest.h"

struct source {
	const struct helper *fetcher; /* outlives the source, as stop does */
	struct stop *stop;
	int channel;
	uint32_t id;
	char *host; /* "host[:port]" of the registry or mirror; "": a layout */
	bool layout;
};

#define SOURCE_NULL ((struct source){ .channel = -1 })

/* The caller keeps where. Errors: those of credentials, certificates or the registry's name. */
int source_open(const struct helper *fetcher, struct stop *stop, const Crisp__Pull__Source *where,
		struct source *ret, struct err *e);
/* For another thread: shares the fetcher's session (protocol, token). */
int source_clone(const struct source *s, struct source *ret, struct err *e);
void source_done(struct source *s);

/* reference: a digest, or a tag of a registry; see registry_manifest. *ret_type is malloc'ed; NULL:
 * no Content-Type. */
int source_manifest(struct source *s, const char *reference, struct buf *ret, char **ret_type,
		    struct err *e);
/* A whole blob of at most LIMIT_MANIFEST bytes; the caller checks its digest. */
int source_collect(struct source *s, const struct descriptor *d, struct buf *ret, struct err *e);
/* One signature file, see sigfile_get. 1: not found. */
int source_signature(struct source *s, const char *url, unsigned tries, struct buf *ret,
		     struct err *e);

/* Request a blob's bytes into a pipe, which the caller keeps. Then call source_answer. */
int source_blob(struct source *s, const struct descriptor *d, int pipe, struct err *e);
/* Result of source_blob, once the channel is readable. *ret_pipe_closed: on error: the pipe's
 * reader closed first. */
int source_answer(struct source *s, bool *ret_pipe_closed, struct err *e);

/* The entry of a layout's index.json whose ref.name is reference or tag, or the only entry. *ret
 * points into *ret_index; free that with manifest_done. dir: for errors. */
int source_layout_entry(struct source *s, const char *dir, const char *reference, const char *tag,
			struct manifest *ret_index, const struct descriptor **ret, struct err *e);
