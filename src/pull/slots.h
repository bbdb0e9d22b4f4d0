/*
 * slots.h - limit the number of layers made at a time by all pullers of a node. Each slot is a
 * locked byte of a file; the kernel releases the slots of a dead process.
 */
#pragma once

#include "base/err.h"
#include "pull/base/stop.h"

/* Wait for one of the first n bytes of the file, which is created if missing. *ret_fd: holds the
 * slot until closed. A holder never waits for another puller. ERR_CANCELLED: stopped. */
int slot_take(const char *path, unsigned n, struct stop *stop, int *ret_fd, struct err *e);
