/*
 * fetcher.h - the process of a puller that talks to the network: libcurl, TLS, tokens, credentials.
 * It serves the questions of source.h.
 *
 * What must hold: it has no file of the node but its view (certificates, resolver, the layout or
 * the lookaside directories), nothing of it may be written, and what it answers is checked
 * elsewhere: a manifest against the digest asked for, a config and the blobs of layers against the
 * manifest, the unpacked layer against the config.  What it can do when it is taken over is what a
 * registry can do.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/admit.h"
#include "pull/base/helper.h"
#include "pull/fetch/session.h"

/* meter: in memory that is shared with the fetcher.  Everything else is its own copy. */
int fetcher_start(const Crisp__Pull__Request *request, const struct admit *trust,
		  struct registry_meter *meter, struct helper *ret, struct err *e);
