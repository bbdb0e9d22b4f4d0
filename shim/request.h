/*
 * request.h - handle what the daemon asks of the shim.
 */
#pragma once

#include "shim/control.h"
#include "shimproto/shimproto.h"

/* For control_listen. */
void request_handle(const struct shim_request *req, int *fds, struct waiter *w);
