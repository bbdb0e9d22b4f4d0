/*
 * operations.h - how often each RPC was answered, how, and how fast.  Any thread; a call holds a
 * lock for as long as it takes to add.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "gen/cri_rpc.h"

struct server_call_info;

/* Upper bounds of the histogram. */
#define OPERATION_BOUNDS 8
extern const struct operation_bound {
	const char *text; /* in seconds */
	int64_t ns;
} operation_bounds[OPERATION_BOUNDS];

struct operation {
	uint64_t calls, errors;
	uint64_t ns, last_ns; /* of all calls, of the last one */
	uint64_t within[OPERATION_BOUNDS]; /* calls in each bound's own range */
};

/* Count a call that got its reply. */
void operations_count(const struct server_call_info *info);
/* Copy the figures of cri_methods[i]. */
void operations_get(size_t i, struct operation *ret);

/* How long the calls of cri_methods[i] in the last ten minutes took, in ns; -1: there were none. */
#define OPERATION_QUANTILES 3
extern const char *const operation_quantiles[OPERATION_QUANTILES];
void operations_quantiles(size_t i, int64_t ret[OPERATION_QUANTILES]);
