/*
 * unpacker.h - the process of a puller that meets the content of layers and signatures:
 * decompression, tar, extended attributes, OpenPGP.  It serves the questions of hand.h.
 *
 * What must hold: it sees the work folder of its pull and, by descriptors that are read-only, the
 * layers below; it has no network and never had the request's credentials.  It alone verifies the
 * digests of blobs and layers, so what it can do when it is taken over is to lie about the content
 * of the layers of its own pull.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "image/policy.h"
#include "pull/base/helper.h"

/* policy: with its keys read, NULL: there is none.  staging_lock: held until the unpacker ends too,
 * which may be a moment after the keeper. */
int unpacker_start(const Crisp__Pull__Request *request, const struct policy *policy,
		   int staging_lock, struct helper *ret, struct err *e);
