/*
 * acquire.h - one image from its reference to unpacked layers. Resolves and checks names, manifest
 * and config; fetches several layers at a time; publishes all layers together.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/admit.h"
#include "pull/base/helper.h"
#include "pull/fetch/registries.h"
#include "pull/fetch/session.h"

struct acquire;

/* State read and started before the keeper is confined. */
struct acquire_parts {
	int staging_lock; /* staging flock of the running puller; shared with the unpacker */
	struct registries *registries; /* NULL for a layout */
	struct admit *trust;
	struct registry_meter *meter; /* shared with the fetcher */
	struct helper fetcher, unpacker;
};

/* Called on the pulling thread, a few times a second during transfers. */
struct acquire_ops {
	void (*progress)(void *arg, const Crisp__Pull__Progress *p);
	void *arg;
};

/* The caller keeps request, parts and stop until acquire_free. */
struct acquire *acquire_new(const Crisp__Pull__Request *request, const struct acquire_parts *parts,
			    const struct acquire_ops *ops, struct stop *stop);

/* Blocks until the image is complete or failed. p owns *ret, and shared flocks on its layers. On
 * error nothing of this pull remains in staging or in layers/, except acquire_kept layers. */
int acquire_run(struct acquire *p, const Crisp__Pull__Result **ret, struct err *e);

/* After a temporary error: number of complete layers left in staging, claimed by this pull. */
unsigned acquire_kept(const struct acquire *p);

/* After acquire_run, failed or not: how much of each layer came in, owned by p. */
void acquire_fetched(const struct acquire *p, Crisp__Pull__Fetched ***ret, size_t *ret_n);

void acquire_free(struct acquire *p);
