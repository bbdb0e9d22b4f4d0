/*
 * acquire.h - one image from a reference to unpacked layers: names, manifest and config are
 * resolved and checked, layers are fetched several at a time, and all of them appear together.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/admit.h"
#include "pull/base/helper.h"
#include "pull/fetch/registries.h"
#include "pull/fetch/session.h"

struct acquire;

/* What was read and started before the keeper was confined. */
struct acquire_parts {
	int staging_lock; /* says that this puller lives; the unpacker has it too */
	struct registries *registries; /* NULL for a layout */
	struct admit *trust;
	struct registry_meter *meter; /* shared with the fetcher */
	struct helper fetcher, unpacker;
};

/* On the thread that pulls, a few times a second while something moves. */
struct acquire_ops {
	void (*progress)(void *arg, const Crisp__Pull__Progress *p);
	void *arg;
};

/* request, parts and stop stay the caller's until acquire_free. */
struct acquire *acquire_new(const Crisp__Pull__Request *request, const struct acquire_parts *parts,
			    const struct acquire_ops *ops, struct stop *stop);

/* Blocks until the image is here or not.  *ret stays the pull's, as do the shared flocks on its
 * layers. After an error nothing of this pull is left in staging or among the layers, but
 * for what acquire_kept says. */
int acquire_run(struct acquire *p, const Crisp__Pull__Result **ret, struct err *e);

/* After an error that may pass: how many whole layers stay in staging, claimed by this pull. */
unsigned acquire_kept(const struct acquire *p);

void acquire_free(struct acquire *p);
