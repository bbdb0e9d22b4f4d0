/*
 * request.h - what each request does, and in which state it may come.
 */
#pragma once

#include "base/shimproto.h"
#include "shim/conn.h"

/* For conn_listen. */
void request_handle(const struct shim_request *req, int *fds, struct waiter *w);
