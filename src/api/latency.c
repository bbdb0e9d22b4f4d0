/*
 * latency.c - a histogram whose cells grow with the duration: 16 in each power of two microseconds.
 */
#include "api/latency.h"

#include "base/clock.h"
#include "base/util.h"

#define SLOT_NS (120 * NSEC_PER_SEC)
#define NSEC_PER_USEC 1000

/* Cells 0 to 31 hold one microsecond each. */
static unsigned cell_of(int64_t ns)
{
	uint64_t us = (uint64_t)(MAX(ns, INT64_C(0)) / NSEC_PER_USEC);
	unsigned shift = 0;

	while (us >> shift >= 32)
		shift++;
	return MIN(shift * 16 + (unsigned)(us >> shift), LATENCY_CELLS - 1U);
}

/* The middle of a cell. */
static int64_t duration_of(unsigned cell)
{
	unsigned shift = cell < 32 ? 0 : cell / 16 - 1;
	int64_t low = (int64_t)(cell - shift * 16) << shift, width = INT64_C(1) << shift;

	return low * NSEC_PER_USEC + width * NSEC_PER_USEC / 2;
}

void latency_add(struct latency *l, int64_t ns, int64_t now_ns)
{
	int64_t number = now_ns / SLOT_NS + 1;
	struct latency_slot *s = &l->slots[number % LATENCY_SLOTS];

	if (s->number != number)
		*s = (struct latency_slot){ .number = number };
	s->count[cell_of(ns)]++;
}

void latency_quantiles(const struct latency *l, const double *q, int64_t *ret, size_t n,
		       int64_t now_ns)
{
	int64_t oldest = now_ns / SLOT_NS + 1 - LATENCY_SLOTS + 1;
	uint64_t sums[LATENCY_CELLS] = { 0 }, total = 0, seen;
	unsigned c = 0;

	for (unsigned i = 0; i < LATENCY_SLOTS; i++) {
		if (l->slots[i].number < oldest)
			continue;
		for (unsigned k = 0; k < LATENCY_CELLS; k++) {
			sums[k] += l->slots[i].count[k];
			total += l->slots[i].count[k];
		}
	}
	seen = sums[0];
	for (size_t i = 0; i < n; i++) {
		uint64_t wanted = MAX((uint64_t)(q[i] * (double)total + 0.999999), UINT64_C(1));

		while (seen < wanted && c + 1 < LATENCY_CELLS)
			seen += sums[++c];
		ret[i] = total ? duration_of(c) : -1;
	}
}
