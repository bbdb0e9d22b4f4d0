/*
 * latency.h - quantiles of durations that ended in the last ten minutes, to a sixteenth of their
 * value.  The caller keeps calls apart.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LATENCY_CELLS 560
#define LATENCY_SLOTS 5

struct latency {
	struct latency_slot {
		int64_t number; /* of its two minutes; the slot is empty when it is an old one */
		uint32_t count[LATENCY_CELLS]; /* durations by size */
	} slots[LATENCY_SLOTS];
};

/* Add a duration of ns (below 0: as 0).  now_ns: CLOCK_MONOTONIC. */
void latency_add(struct latency *l, int64_t ns, int64_t now_ns);

/* ret[i]: the duration in ns that part q[i] (0 to 1, ascending) of the durations do not exceed; -1:
 * there are none. */
void latency_quantiles(const struct latency *l, const double *q, int64_t *ret, size_t n,
		       int64_t now_ns);
