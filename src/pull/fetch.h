/*
 * fetch.h - all layers of one image, several at a time, each on a thread of its own from the
 * first byte to the last file.
 *
 * What must hold: threads share nothing but the list of layers that nobody has begun, counters,
 * and the wish to stop; so there is no lock.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/fetch/manifest.h"
#include "pull/source.h"

#define FETCH_PARALLEL 4
#define FETCH_READ_ROOT "/read" /* where the keeper sees the images' root read-only */

struct fetch_ops {
	void (*progress)(void *arg, const Crisp__Pull__Progress *p);
	void *arg;
};

struct fetch;

/* unpacker: the process that unpacks.  diff_ids: as many as the manifest has layers.  All stays
 * the caller's: request and stop until fetch_free, the others until fetch_run is done. */
struct fetch *fetch_new(const Crisp__Pull__Request *request, const struct helper *unpacker,
			const struct manifest *manifest, const char *const *diff_ids,
			struct stop *stop);

/* Fetch what is not here, then publish all of it.  The first failure stops the others. */
int fetch_run(struct fetch *f, struct source *source, const struct fetch_ops *ops, struct err *e);

/* After it: one row a layer of the manifest; they stay f's. */
void fetch_layers(struct fetch *f, Crisp__State__Layer ***ret, size_t *ret_n);

/* Lets go of the layers.  Those that are whole and not published stay claimed, for the next try;
 * the others go. */
void fetch_free(struct fetch *f);
