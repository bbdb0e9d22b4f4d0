/*
 * podinit.h - the init of a pod whose containers share one PID namespace.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "shimproto/shimproto.h"

/* Call before the other functions.  Adopts the init that an earlier shim of this pod directory
 * left: the pod's containers are in its PID namespace. */
void podinit_find(const char *dir);

/* Start the init, or return the running one.  ns: descriptors of the pod's network, IPC and UTS
 * namespaces, ended by -1; for a missing one init uses the host's. */
int podinit_start(const int ns[SHIM_FDS_MAX], uint32_t *ret_pid, uint64_t *ret_start_ticks,
		  struct err *e);
/* Kill the init, and with it every process of its PID namespace. */
void podinit_stop(void);
