/*
 * admit.h - is the image that a pull has found the one that may be used?  Asked when its manifest
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
#include "pull/fetch/registries.h"
#include "pull/source.h"

struct policy;
struct admit;

/* Reads the policy that counts for the request, with the files of its keys.  request stays the
 * caller's until admit_free.  <0 with *ret NULL: there is one, but it is wrong. */
int admit_new(const Crisp__Pull__Request *request, struct admit **ret, struct err *e);
void admit_free(struct admit *t);

/* Begin with an image of a registry, full name; or with an entry of a layout.  ERR_DENIED: the
 * policy rejects it whatever signatures say. */
int admit_begin(struct admit *t, const struct image_ref *ref, const struct image_source *where,
		struct err *e);
int admit_begin_layout(struct admit *t, const char *dir, const struct image_ref *ref,
		       struct err *e);

/* NULL: there is none, anything is accepted.  It stays t's. */
const struct policy *admit_policy(const struct admit *t);
/* Where signatures may lie: file, http and https URLs. */
void admit_each_place(const struct admit *t, void (*fn)(void *arg, const char *url), void *arg);

/* The manifest that was chosen; unpacker: the process that judges (hand.h).  ERR_DENIED: the
 * policy does not accept it; ERR_UNAVAILABLE: its signatures cannot be fetched. */
int admit_check(struct admit *t, struct source *s, const struct helper *unpacker,
		const char *manifest_digest, struct err *e);

/* Was the last error the policy's word on the image, which no other host can change? */
bool admit_failed(const struct admit *t);

/* What to keep with the image, so that it can be judged again: those that were accepted first.
 * They stay t's. */
void admit_signatures(struct admit *t, Crisp__State__Signature ***ret, size_t *ret_n);
