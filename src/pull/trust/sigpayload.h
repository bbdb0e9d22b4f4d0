/*
 * sigpayload.h - parse the payload of an image signature: the JSON format shared by simple signing
 * (containers-signature(5)) and cosign.
 *
 * What must hold: callers trust a payload only after its signature is verified. Unknown members in
 * the critical part are an error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "image/ref.h"
#include "pull/base/digest.h"

struct sigpayload {
	char digest[DIGEST_TEXT]; /* of the signed manifest */
	struct image_ref signed_as; /* from policy_ref_parse */
};

#define SIGPAYLOAD_NULL ((struct sigpayload){ .digest = "" })

/* ERR_INVALID names the member. Free with sigpayload_done, also after errors. */
int sigpayload_parse(const char *json, size_t size, bool sigstore, struct sigpayload *ret,
		     struct err *e);
void sigpayload_done(struct sigpayload *p);
