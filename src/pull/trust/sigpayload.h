/*
 * sigpayload.h - what a signature of an image says: the JSON that simple signing
 * (containers-signature(5)) and cosign share.
 *
 * What must hold: nothing of a payload is believed before the signature over it has been verified;
 * a payload with members that nobody knows in its critical part is refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "image/ref.h"
#include "pull/base/digest.h"

struct sigpayload {
	char digest[DIGEST_TEXT]; /* of the manifest that is signed */
	struct image_ref signed_as; /* as policy_ref_parse has it */
};

#define SIGPAYLOAD_NULL ((struct sigpayload){ .digest = "" })

/* ERR_INVALID names the member.  Free with sigpayload_done, also after errors. */
int sigpayload_parse(const char *json, size_t size, bool sigstore, struct sigpayload *ret,
		     struct err *e);
void sigpayload_done(struct sigpayload *p);
