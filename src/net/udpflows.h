/*
 * udpflows.h - the kernel's connection entries of UDP packets to host ports.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Drop the entries of UDP packets to these ports, since entries keep the destination from before a
 * change of the rules.  Blocks. */
int udpflows_drop(const uint16_t *ports, size_t n, struct err *e);
