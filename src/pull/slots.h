/*
 * slots.h - how many layers are made at one time, over all pullers of a node: as many as there are
 * bytes of a file to lock.  Who dies gives its slot back.
 */
#pragma once

#include "base/err.h"
#include "pull/base/stop.h"

/* Wait for one of the first n bytes of the file, which is made.  *ret_fd: until it is closed.
 * Whoever holds one waits for no other puller.  ERR_CANCELLED: stopped meanwhile. */
int slot_take(const char *path, unsigned n, struct stop *stop, int *ret_fd, struct err *e);
