/*
 * nft.h - runs the command nft.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "os/spawn.h"

/* Run nft with args (at most 4, NULL-terminated) in the calling thread's network namespace; text is
 * its input.  hold_fd: its descriptor 3; -1: none.  0: it exited, ret is set and the caller's.  1:
 * there is no nft, e is set (ERR_PRECONDITION).  Blocks. */
int nft_run(const char *const *args, const char *text, size_t size, int hold_fd,
	    struct spawn_result *ret, struct err *e);
