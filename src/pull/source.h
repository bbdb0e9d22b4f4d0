/*
 * source.h - where the parts of an image come from, as the keeper sees it: each source is a channel
 * to the process that fetches (fetcher.h), which alone knows credentials, TLS and the network.
 *
 * What must hold: all that comes is foreign.  Manifests, configs and signatures are bounded here
 * and checked by whoever asked for them; the bytes of layers go to the unpacker, not through here.
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
	char *host; /* "host[:port]" that is asked; "" for a layout */
	bool layout;
};

#define SOURCE_NULL ((struct source){ .channel = -1 })

/* where stays the caller's.  The error is that of credentials, certificates or the registry's
 * name. */
int source_open(const struct helper *fetcher, struct stop *stop, const Crisp__Pull__Source *where,
		struct source *ret, struct err *e);
/* For another thread: the fetcher goes on with what it knows of protocol and token. */
int source_clone(const struct source *s, struct source *ret, struct err *e);
void source_done(struct source *s);

/* reference: a digest, or a tag of a registry; see registry_manifest.  *ret_type is malloc'ed,
 * NULL: not said. */
int source_manifest(struct source *s, const char *reference, struct buf *ret, char **ret_type,
		    struct err *e);
/* A whole blob of at most LIMIT_MANIFEST bytes; the caller checks its digest. */
int source_collect(struct source *s, const struct descriptor *d, struct buf *ret, struct err *e);
/* One file of a signature, see sigfile_get.  1: there is none. */
int source_signature(struct source *s, const char *url, unsigned tries, struct buf *ret,
		     struct err *e);

/* Ask for a blob's bytes in a pipe, which stays the caller's.  Then source_answer. */
int source_blob(struct source *s, const struct descriptor *d, int pipe, struct err *e);
/* Once the channel is readable: how it ended.  *ret_pipe_closed: with an error, the pipe's reader
 * ended first. */
int source_answer(struct source *s, bool *ret_pipe_closed, struct err *e);

/* The entry of a layout's index.json: the one whose ref.name is reference or tag, or the only
 * one.  *ret points into *ret_index, which the caller frees with manifest_done.  dir: for
 * errors. */
int source_layout_entry(struct source *s, const char *dir, const char *reference, const char *tag,
			struct manifest *ret_index, const struct descriptor **ret, struct err *e);
