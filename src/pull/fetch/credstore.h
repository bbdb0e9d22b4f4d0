/*
 * credstore.h - all credentials of one pull: of the request, of the image and pod namespace
 * (crio.image.namespaced_auth_dir), and of the node.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "image/ref.h"
#include "pull/fetch/credentials.h"
#include "pull/fetch/registries.h"

struct credstore;

/* The caller keeps q until credstore_free. Reads and removes the file for pod namespace and image
 * in q->namespaced_auth_dir: it is valid for one pull. */
int credstore_open(const Crisp__Pull__Request *q, struct credstore **ret, struct err *e);
void credstore_free(struct credstore *w);

static inline void credstore_freep(struct credstore **w)
{
	credstore_free(*w);
}

/* Credentials for one source of ref; 0 also if there are none. alone: ref is the only expansion of
 * the requested name. Otherwise request credentials without a registry are not used, because a
 * short name has several expansions. */
int credstore_find(const struct credstore *w, const struct image_ref *ref,
		   const struct image_source *source, bool alone, struct credentials *ret,
		   struct err *e);
