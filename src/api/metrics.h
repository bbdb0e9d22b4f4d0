/*
 * metrics.h - the daemon's metrics for Prometheus (text format 0.0.4): GET /metrics over HTTP/1.1.
 * Listens on [crio.metrics] metrics_host:metrics_port, with TLS when metrics_cert and metrics_key
 * are set, and on metrics_socket.
 * gRPC's threads count calls.  The loop thread reads all other values at each scrape, so that no
 * value is stored twice.
 */
#pragma once

#include "base/err.h"
#include "conf/conf.h"

struct buf;
struct loop;
struct server_call_info;

/* Count a call that got its reply.  Any thread; does not block. */
void metrics_count_call(const struct server_call_info *info);

/* Listen; do nothing when metrics are not enabled. conf stays the caller's.  ERR_UNAVAILABLE names
 * the address that cannot be bound, ERR_PRECONDITION the TLS file. */
int metrics_start(struct loop *loop, const struct conf *conf, struct err *e);
/* Stop listening.  On the loop thread; safe when nothing was started. */
void metrics_stop(void);

/* Append all metrics as text. */
void metrics_render(const struct conf *conf, struct buf *out);
