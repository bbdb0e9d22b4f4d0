/*
 * link.h - the puller's end of the line to the daemon.  The daemon listens for us before it starts
 * us: descriptor 3 is a listening socket on which its first connection waits already.  Further ones
 * come from a daemon that was started anew and counts for all of them: what is said last is said
 * again to each.
 *
 * What must hold: no thread that works waits for the daemon, and what it is told is never older
 * than what it has been told.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"

struct link;

/* Wait for the request on the first connection, for a bounded time.  *ret_request is the caller's,
 * for crisp__pull__to_puller__free_unpacked(x, NULL).
 * ERR_ABORTED: nobody is there who wants anything. */
int link_open(int listen_fd, struct link **ret, Crisp__Pull__ToPuller **ret_request, struct err *e);

/* Readable from the moment on when nobody wants the image any more. */
int link_end_fd(const struct link *l);

/* From any thread.  An outcome is the last message. */
void link_tell(struct link *l, const Crisp__Pull__FromPuller *m);

/* Until an outcome was told and is let go, by a daemon or because none came for it.  An end that
 * comes before the outcome is only passed on through link_end_fd. */
void link_serve(struct link *l);

void link_free(struct link *l);
