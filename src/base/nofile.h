/*
 * nofile.h - RLIMIT_NOFILE: the daemon raises its soft limit; containers start with the soft limit
 * that the daemon was started with.
 */
#pragma once

#include <stdint.h>

/* Raise the soft limit to the hard one, at most a million.  Call before any thread starts. */
void nofile_raise(void);

/* The soft limit before nofile_raise; 0: not raised. */
uint64_t nofile_original(void);

/* Set the soft limit: crisp-shim, to its daemon's nofile_original. */
void nofile_lower(uint64_t soft);

/* The smaller of want and 1/share of this process's descriptor limit; at least 8.  So that no
 * listening socket takes the descriptors that pods and the store need. */
unsigned nofile_budget(unsigned want, unsigned share);
