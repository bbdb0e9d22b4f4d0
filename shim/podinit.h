/*
 * podinit.h - the init of a pod whose containers share one PID namespace.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "shimproto/shimproto.h"

/* Before the others.  An init that an earlier shim of this pod directory has left behind is taken
 * over: the pod's containers live in its namespace. */
void podinit_find(const char *dir);

/* Start it, or say which one runs.  ns: descriptors of the pod's network, IPC and UTS namespaces,
 * -1 ends; a namespace that is missing is the host's. */
int podinit_start(const int ns[SHIM_FDS_MAX], uint32_t *ret_pid, uint64_t *ret_start_ticks,
		  struct err *e);
/* Kill it, and with it everything in its namespace. */
void podinit_stop(void);
