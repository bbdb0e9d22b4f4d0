/*
 * keeper.h - the process that crispd starts and talks to, and what it does before it works: read
 * its configuration, start the fetcher and the unpacker, forget the credentials, confine itself.
 *
 * Three processes make one pull.  crispd's request, the reports to crispd, the locks on layers and
 * the publication are the keeper's; no byte of a layer passes through it.  It reads manifests and
 * configs.
 *
 *   registry --TLS-- fetcher --pipe, the bytes of layers-- unpacker -- <images>/staging/<pull>/work
 *                       |                                      |
 *                       +---- questions ---- keeper -----------+    keeper -- <images>, crispd
 *
 * Who checks what: the keeper checks that a manifest has the digest asked for (by the reference, or
 * by the index), that the config has the digest in the manifest, and takes the layers' blob digests
 * from the manifest and their diffIDs from the config.  The unpacker checks blob and unpacked layer
 * against these.  The unpacker judges signatures, over the digest that the keeper has computed.
 * crispd checks the keeper's report (images/report.h).
 * So a fetcher that is taken over can withhold and delay, as a registry can; an unpacker that is
 * taken over can lie about the layers of its own pull.
 *
 * The end of one of the three is the end of the pull: the others see it by their sockets, and the
 * two that the keeper started die with it.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/acquire.h"

/* The calling process has one thread.  q's credentials and the environment are overwritten.  Free
 * with keeper_end also after errors. */
int keeper_begin(Crisp__Pull__Request *q, struct acquire_parts *ret, struct err *e);

/* The work is done: the other processes end, and are waited for.  The locks stay. */
void keeper_end_children(struct acquire_parts *p);
void keeper_end(struct acquire_parts *p);
