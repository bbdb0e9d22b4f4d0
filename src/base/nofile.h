/*
 * nofile.h - RLIMIT_NOFILE: the daemon takes all it may, its containers start with the soft limit
 * that the daemon was started with.
 */
#pragma once

#include <stdint.h>

/* Raise the soft limit to the hard one, at most a million.  Before any thread. */
void nofile_raise(void);

/* The soft limit from before nofile_raise; 0: it was not raised. */
uint64_t nofile_original(void);

/* Set the soft limit (crisp-shim, with its daemon's nofile_original). */
void nofile_lower(uint64_t soft);

/* want, or the share-th part of the descriptors this process may have, whichever is smaller; at
 * least 8.  So that no listening socket takes the descriptors that pods and the store need. */
unsigned nofile_budget(unsigned want, unsigned share);
