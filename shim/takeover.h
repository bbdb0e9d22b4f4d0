/*
 * takeover.h - a container that a shim before this one had is taken over.
 *
 * Its processes are not our children: their ends come from the kernel through a pidfd.  What is
 * left of the dead shim's exec sessions is killed: nobody could hear of their ends.
 */
#pragma once

#include "shim/control.h"
#include "shimproto/shimproto.h"

/* SHIM_ADOPT: answered when it is known what the container is.  May be asked again.  fds that are
 * taken over are set to -1. */
void takeover_container(const struct shim_request *req, int *fds, struct waiter *w);
