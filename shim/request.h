/*
 * request.h - handle the requests of the daemon.
 */
#pragma once

#include "shim/control.h"
#include "shimproto/shimproto.h"

/* The handle function of control_listen. */
void request_handle(const struct shim_request *req, int *fds, struct waiter *w);
