/*
 * link.h - the puller's connection to the daemon. Descriptor 3 is a listening socket; the daemon's
 * first connection is already queued on it. A later connection comes from a restarted daemon and
 * replaces the previous one. It receives the latest message again.
 *
 * What must hold: working threads never wait for the daemon, and the daemon never receives a
 * message older than an earlier one.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"

struct link;

/* Wait, for a bounded time, for the request on the first connection. Free *ret_request with
 * crisp__pull__to_puller__free_unpacked(x, NULL).
 * ERR_ABORTED: no request came, or the peer is gone. */
int link_open(int listen_fd, struct link **ret, Crisp__Pull__ToPuller **ret_request, struct err *e);

/* Becomes readable once the daemon has sent end. */
int link_end_fd(const struct link *l);

/* Queue a message; from any thread. The outcome must be the last message. */
void link_tell(struct link *l, const Crisp__Pull__FromPuller *m);

/* Serve until an outcome is queued and the daemon has sent end, or no daemon collects the outcome
 * in time. An earlier end is only signalled on link_end_fd. */
void link_serve(struct link *l);

void link_free(struct link *l);
