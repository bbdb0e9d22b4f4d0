/*
 * takeover.h - adopt a container that an earlier shim left.
 *
 * Its processes are not children of this shim: the kernel returns their exits through a pidfd.
 * Remaining processes of the earlier shim's exec sessions are killed, since no shim can report
 * their exits.
 */
#pragma once

#include "shim/control.h"
#include "shimproto/shimproto.h"

/* Handle a SHIM_ADOPT; answers once the state of the container is known.  A repeated request is
 * answered with that state.  Owned fds are set to -1. */
void takeover_container(const struct shim_request *req, int *fds, struct waiter *w);
