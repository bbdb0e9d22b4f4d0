/*
 * unpacker.h - the puller process that parses layers and signatures: decompression, tar, extended
 * attributes, OpenPGP. It answers the requests of hand.h.
 *
 * What must hold: the unpacker sees its pull's work folder and, by read-only descriptors, the lower
 * layers. It has no network, and never had the request's credentials. It alone verifies blob and
 * layer digests: a compromised unpacker can forge the layers of its own pull.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "image/policy.h"
#include "pull/base/helper.h"

/* policy: with its keys read; NULL: none. staging_lock: the unpacker keeps it until its end, which
 * may be after the keeper's. */
int unpacker_start(const Crisp__Pull__Request *request, const struct policy *policy,
		   int staging_lock, struct helper *ret, struct err *e);
