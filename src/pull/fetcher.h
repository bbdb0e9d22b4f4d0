/*
 * fetcher.h - the puller process with network access: libcurl, TLS, tokens, credentials. It answers
 * the requests of source.h.
 *
 * What must hold: the fetcher sees only its view (certificates, resolver, layout or lookaside
 * directories), read-only. Other processes check its replies: a manifest by the requested digest,
 * config and layer blobs by the manifest, the unpacked layer by the config. So a compromised
 * fetcher can do no more than a registry.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/admit.h"
#include "pull/base/helper.h"
#include "pull/fetch/session.h"

/* meter: memory shared with the fetcher. The fetcher copies everything else. */
int fetcher_start(const Crisp__Pull__Request *request, const struct admit *trust,
		  struct registry_meter *meter, struct helper *ret, struct err *e);
