/*
 * trust.h - is the image that a pull has found the one that may be used?  Asked when its manifest
 * is known and before anything else of it is fetched.
 *
 * The policy speaks of the name that was asked for; signatures are looked for where the manifest
 * came from, which may be a mirror.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "image/ref.h"
#include "image/registries.h"
#include "pull/source.h"

struct trust;

/* Reads the policy that counts for the request.  request and stop stay the caller's until
 * trust_free.  <0 with *ret NULL: there is one, but it is wrong. */
int trust_new(const Crisp__Pull__Request *request, struct stop *stop, struct trust **ret,
	      struct err *e);
void trust_free(struct trust *t);

/* Begin with an image of a registry, full name; or with an entry of a layout.  ERR_DENIED: the
 * policy rejects it whatever signatures say. */
int trust_begin(struct trust *t, const struct image_ref *ref, const struct image_source *where,
		struct err *e);
int trust_begin_layout(struct trust *t, const char *dir, const struct image_ref *ref,
		       struct err *e);

/* The manifest that was chosen.  ERR_DENIED: the policy does not accept it; ERR_UNAVAILABLE: its
 * signatures cannot be fetched. */
int trust_check(struct trust *t, struct source *s, const char *manifest_digest, struct err *e);

/* Was the last error the policy's word on the image, which no other host can change? */
bool trust_failed(const struct trust *t);

/* What to keep with the image, so that it can be judged again: those that were accepted first.
 * They stay t's. */
void trust_signatures(struct trust *t, Crisp__State__Signature ***ret, size_t *ret_n);
