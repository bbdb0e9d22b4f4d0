/*
 * sandbox.h - what the puller cannot do any more before it reads the first byte from outside.
 */
#pragma once

#include "base/err.h"

/* For the whole process, before it has threads: only the capabilities that unpacking as root
 * needs, no new ones ever, no other programs or processes, no mounts, namespaces, kernel
 * modules, tracing or keys, no core dump. */
int sandbox_enter(struct err *e);
