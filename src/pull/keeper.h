/*
 * keeper.h - the puller's main process, started by crispd, and its setup: read the configuration,
 * start fetcher and unpacker, overwrite the credentials, confine itself.
 *
 * Each pull has three processes. The keeper handles crispd's request, the reports to crispd, the
 * layer locks and publication. It parses manifests and configs, but no byte of a layer passes
 * through it.
 *
 *   registry --TLS-- fetcher --pipe, the bytes of layers-- unpacker -- <images>/staging/<pull>/work
 *                       |                                      |
 *                       +--- requests ---- keeper -------------+    keeper -- <images>, crispd
 *
 * Division of checks: the keeper checks a manifest against the digest of reference or index, and
 * the config against the manifest's digest. It takes blob digests from the manifest, diffIDs from
 * the config. The unpacker checks blob and unpacked layer against these, and verifies signatures
 * over the digest that the keeper has computed. crispd checks the keeper's report
 * (images/report.h).
 * A compromised fetcher can withhold and delay, as a registry can. A compromised unpacker can forge
 * the layers of its own pull.
 *
 * If one of the three processes ends, the pull ends: the others see EOF on their sockets, and
 * PR_SET_PDEATHSIG kills the keeper's children.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/acquire.h"

/* The process must be single-threaded. Overwrites q's credentials and the environment. Free with
 * keeper_end, also after errors. */
int keeper_begin(Crisp__Pull__Request *q, struct acquire_parts *ret, struct err *e);

/* keeper_end_children: end and reap the children; locks stay. keeper_end: also free and unlock. */
void keeper_end_children(struct acquire_parts *p);
void keeper_end(struct acquire_parts *p);
