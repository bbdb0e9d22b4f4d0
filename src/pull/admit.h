/*
 * admit.h - check a pulled image against the signature policy, before its config and layers are
 * fetched.
 *
 * The policy applies to the requested name. Signatures are fetched from the source of the manifest,
 * which may be a mirror.
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

/* Read the policy for the request, with its key files. The caller keeps request until admit_free.
 * <0 with *ret NULL: the policy is wrong. */
int admit_new(const Crisp__Pull__Request *request, struct admit **ret, struct err *e);
void admit_free(struct admit *t);

/* Start with an image of a registry (full name), or with an entry of a layout.
 * ERR_DENIED: the policy rejects it without regard to signatures. */
int admit_begin(struct admit *t, const struct image_ref *ref, const struct image_source *where,
		struct err *e);
int admit_begin_layout(struct admit *t, const char *dir, const struct image_ref *ref,
		       struct err *e);

/* NULL: no policy, any image is accepted. Owned by t. */
const struct policy *admit_policy(const struct admit *t);
/* Call fn with each signature location: file, http and https URLs. */
void admit_each_place(const struct admit *t, void (*fn)(void *arg, const char *url), void *arg);

/* Check the selected manifest. unpacker: the process that verifies signatures (hand.h). ERR_DENIED:
 * the policy does not accept the image; ERR_UNAVAILABLE: its signatures cannot be fetched. */
int admit_check(struct admit *t, struct source *s, const struct helper *unpacker,
		const char *manifest_digest, struct err *e);

/* true: the policy caused the last error, so another host cannot help. */
bool admit_failed(const struct admit *t);

/* Signatures to store with the image for later checks, accepted signatures first. Owned by t. */
void admit_signatures(struct admit *t, Crisp__State__Signature ***ret, size_t *ret_n);
