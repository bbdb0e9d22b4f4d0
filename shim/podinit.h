/*
 * podinit.h - the init of a pod whose containers share one PID namespace.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* Start it, or say which one runs. */
int podinit_start(uint32_t *ret_pid, uint64_t *ret_start_ticks, struct err *e);
/* Kill it, and with it everything in its namespace. */
void podinit_stop(void);

/* `crisp-shim --init`: be it. Does not return. */
int podinit_main(void);
