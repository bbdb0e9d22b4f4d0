/*
 * metrics.h - the daemon's figures for Prometheus (text format 0.0.4): GET /metrics over HTTP/1.1
 * on [crio.metrics] metrics_host:metrics_port, with TLS when metrics_cert and metrics_key are set,
 * and on metrics_socket.
 *
 * Calls are counted on gRPC's threads; everything else is read on the loop thread when somebody
 * asks, so that nothing is kept twice.
 */
#pragma once

#include "base/err.h"
#include "conf/conf.h"

struct buf;
struct loop;
struct server_call_info;

/* A call was answered.  From any thread, does not block. */
void metrics_count_call(const struct server_call_info *info);

/* Listen; nothing when metrics are not enabled.  conf stays the caller's.  ERR_UNAVAILABLE names
 * the address that cannot be had,
 * ERR_PRECONDITION the TLS file. */
int metrics_start(struct loop *loop, const struct conf *conf, struct err *e);
/* On the loop thread.  Fine when nothing was started. */
void metrics_stop(void);

/* All figures as text. */
void metrics_render(const struct conf *conf, struct buf *out);
