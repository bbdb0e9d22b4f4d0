/*
 * operations.c - one record for each RPC; that of the quantiles is made at the first call.
 */
#include "api/operations.h"

#include <pthread.h>
#include <string.h>

#include "api/latency.h"
#include "api/server.h"
#include "base/clock.h"
#include "base/util.h"

const struct operation_bound operation_bounds[OPERATION_BOUNDS] = {
	{ "0.001", NSEC_PER_MSEC },	 { "0.005", 5 * NSEC_PER_MSEC },
	{ "0.025", 25 * NSEC_PER_MSEC }, { "0.1", 100 * NSEC_PER_MSEC },
	{ "0.5", 500 * NSEC_PER_MSEC },	 { "2", 2 * NSEC_PER_SEC },
	{ "10", 10 * NSEC_PER_SEC },	 { "60", 60 * NSEC_PER_SEC },
};

const char *const operation_quantiles[OPERATION_QUANTILES] = { "0.5", "0.9", "0.99" };
static const double quantiles[OPERATION_QUANTILES] = { 0.5, 0.9, 0.99 };

static struct {
	pthread_mutex_t lock;
	struct operation sums;
	struct latency *recent; /* NULL: never called.  Lives as long as the process */
} operations[CRI_RPC_COUNT] = {
	[0 ... CRI_RPC_COUNT - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER },
};

static void add(size_t i, const struct server_call_info *info)
{
	struct operation *o = &operations[i].sums;
	int64_t ns = MAX(info->age_ns, INT64_C(0));

	o->calls++;
	o->errors += info->code != ERR_OK;
	o->ns += (uint64_t)ns;
	o->last_ns = (uint64_t)ns;
	for (size_t b = 0; b < OPERATION_BOUNDS; b++) {
		if (ns > operation_bounds[b].ns)
			continue;
		o->within[b]++;
		break;
	}
	if (!operations[i].recent)
		operations[i].recent = xcalloc(1, sizeof(*operations[i].recent));
	latency_add(operations[i].recent, ns, clock_monotonic_ns());
}

void operations_count(const struct server_call_info *info)
{
	for (size_t i = 0; i < CRI_RPC_COUNT; i++) {
		if (strcmp(cri_methods[i].path, info->path) != 0)
			continue;
		pthread_mutex_lock(&operations[i].lock);
		add(i, info);
		pthread_mutex_unlock(&operations[i].lock);
		return;
	}
}

void operations_get(size_t i, struct operation *ret)
{
	pthread_mutex_lock(&operations[i].lock);
	*ret = operations[i].sums;
	pthread_mutex_unlock(&operations[i].lock);
}

void operations_quantiles(size_t i, int64_t ret[OPERATION_QUANTILES])
{
	static const struct latency none;
	const struct latency *recent;

	pthread_mutex_lock(&operations[i].lock);
	recent = operations[i].recent ? operations[i].recent : &none;
	latency_quantiles(recent, quantiles, ret, OPERATION_QUANTILES, clock_monotonic_ns());
	pthread_mutex_unlock(&operations[i].lock);
}
