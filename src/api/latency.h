/*
 * latency.h - quantiles of durations that ended in the last ten minutes, to a sixteenth of their
 * value.  The caller keeps calls apart.
 */
#pragma once

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

/* The duration in ns that part q (0 to 1) of the durations do not exceed; -1: there are none. */
int64_t latency_quantile(const struct latency *l, double q, int64_t now_ns);
