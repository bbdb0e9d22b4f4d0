/*
 * fetch.h - fetch all layers of one image, up to FETCH_PARALLEL at a time. One thread handles a
 * layer from its first byte to its last file.
 *
 * What must hold: threads share only the queue of layers, counters and the stop flag, so no lock is
 * needed.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/fetch/manifest.h"
#include "pull/source.h"

#define FETCH_PARALLEL 4
#define FETCH_READ_ROOT "/read" /* read-only mount of the images' root in the keeper */

struct fetch_ops {
	void (*progress)(void *arg, const Crisp__Pull__Progress *p);
	void *arg;
};

struct fetch;

/* unpacker: the unpacking process. diff_ids: one for each layer of the manifest. The caller keeps
 * request and stop until fetch_free, the others until fetch_run returns. */
struct fetch *fetch_new(const Crisp__Pull__Request *request, const struct helper *unpacker,
			const struct manifest *manifest, const char *const *diff_ids,
			struct stop *stop);

/* Fetch missing layers, then publish all of them. The first failure stops all threads. */
int fetch_run(struct fetch *f, struct source *source, const struct fetch_ops *ops, struct err *e);

/* After fetch_run: one row for each layer of the manifest, owned by f. */
void fetch_layers(struct fetch *f, Crisp__State__Layer ***ret, size_t *ret_n);

/* After fetch_run, failed or not: how much of each layer came in.  ret has room for
 * fetch_count entries, whose strings live as long as the manifest; returns their number. */
size_t fetch_fetched(const struct fetch *f, Crisp__Pull__Fetched *ret);
size_t fetch_count(const struct fetch *f);

/* Free f and unlock its layers. Complete but unpublished layers stay claimed for a retry; the
 * others are removed. */
void fetch_free(struct fetch *f);
