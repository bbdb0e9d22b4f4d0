/*
 * pull.h - one image from a reference to unpacked layers: names, manifest and config are resolved
 * and checked, layers are fetched several at a time, and all of them appear together.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "image/registries.h"
#include "pull/child.h"
#include "pull/session.h"
#include "pull/trust.h"

struct pull;

/* What was read and started before the keeper was confined. */
struct pull_parts {
	int staging_lock; /* says that this puller lives; the unpacker has it too */
	struct registries *registries; /* NULL for a layout */
	struct trust *trust;
	struct registry_meter *meter;  /* shared with the fetcher */
	struct child fetcher, unpacker;
};

/* On the thread that pulls, a few times a second while something moves. */
struct pull_ops {
	void (*progress)(void *arg, const Crisp__Pull__Progress *p);
	void *arg;
};

/* request, parts and stop stay the caller's until pull_free. */
struct pull *pull_new(const Crisp__Pull__Request *request, const struct pull_parts *parts,
		      const struct pull_ops *ops, struct stop *stop);

/* Blocks until the image is here or not.  *ret stays the pull's, as do the shared flocks on its
 * layers. After an error nothing of this pull is left in staging or among the layers, but
 * for what pull_kept says. */
int pull_run(struct pull *p, const Crisp__Pull__Result **ret, struct err *e);

/* After an error that may pass: how many whole layers stay in staging, claimed by this pull. */
unsigned pull_kept(const struct pull *p);

void pull_free(struct pull *p);
