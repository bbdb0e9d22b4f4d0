/*
 * metrics.h - the daemon's metrics for Prometheus (text format 0.0.4): GET /metrics over HTTP/1.1.
 * Listens on [crio.metrics] metrics_host:metrics_port, with TLS when metrics_cert and metrics_key
 * are set, and on metrics_socket.
 * gRPC's threads count calls (operations.h).  The loop thread reads other values at each scrape.
 * Families: crisp_*, and those of CRI-O (metrics_crio.h).
 */
#pragma once

#include "base/err.h"
#include "conf/conf.h"

struct buf;
struct loop;

/* Listen; do nothing when metrics are not enabled. conf stays the caller's.  ERR_UNAVAILABLE names
 * the address that cannot be bound, ERR_PRECONDITION the TLS file. */
int metrics_start(struct loop *loop, const struct conf *conf, struct err *e);
/* Stop listening.  On the loop thread; safe when nothing was started. */
void metrics_stop(void);

/* Append all metrics as text. */
void metrics_render(const struct conf *conf, struct buf *out);
