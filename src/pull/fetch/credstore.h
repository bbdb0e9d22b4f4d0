/*
 * credstore.h - all credentials that one pull was given: those of the request, those that somebody
 * left for this image and the pod's namespace (crio.image.namespaced_auth_dir), and the node's.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "image/ref.h"
#include "pull/fetch/credentials.h"
#include "pull/fetch/registries.h"

struct credstore;

/* q stays the caller's until credstore_free.  A file for the pod's namespace and the image in
 * q->namespaced_auth_dir is read and removed: it is for one pull. */
int credstore_open(const Crisp__Pull__Request *q, struct credstore **ret, struct err *e);
void credstore_free(struct credstore *w);

static inline void credstore_freep(struct credstore **w)
{
	credstore_free(*w);
}

/* What belongs to one source of ref; nothing at all is a success too.  alone: ref is the only
 * thing that the request can have meant; what a client sends with a short name of several meanings,
 * and without saying which registry it is for, is sent to none of them. */
int credstore_find(const struct credstore *w, const struct image_ref *ref,
		   const struct image_source *source, bool alone, struct credentials *ret,
		   struct err *e);
