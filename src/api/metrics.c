/*
 * metrics.c - collection of all metrics and their text format; metrics_http.c serves them.
 */
#include "api/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <time.h>

#include "api/metrics_crio.h"
#include "api/metrics_text.h"
#include "api/operations.h"
#include "api/rpc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/version.h"
#include "core/objects.h"
#include "core/trash.h"
#include "images/pull.h"

#define STATES_MAX 64

static bool begin(const struct conf *conf, struct buf *out, const char *family, const char *type,
		  const char *help)
{
	return metrics_begin(conf, out, METRICS_CRISP, family, type, help);
}

/* --- calls --- */

static void add_latency(struct buf *out, const char *name, const struct operation *o)
{
	uint64_t sum = 0;

	for (size_t b = 0; b < OPERATION_BOUNDS; b++) {
		sum += o->within[b];
		buf_printf(out,
			   "crisp_operations_latency_seconds_bucket{operation=\"%s\",le=\"%s\"} "
			   "%" PRIu64 "\n",
			   name, operation_bounds[b].text, sum);
	}
	buf_printf(out,
		   "crisp_operations_latency_seconds_bucket{operation=\"%s\",le=\"+Inf\"} "
		   "%" PRIu64 "\ncrisp_operations_latency_seconds_sum{operation=\"%s\"} ",
		   name, o->calls, name);
	metrics_seconds(out, o->ns);
	buf_printf(out, "crisp_operations_latency_seconds_count{operation=\"%s\"} %" PRIu64 "\n",
		   name, o->calls);
}

static void add_operations(const struct conf *conf, struct buf *out)
{
	struct operation o[CRI_RPC_COUNT];

	for (size_t i = 0; i < CRI_RPC_COUNT; i++)
		operations_get(i, &o[i]);
	if (begin(conf, out, "operations_total", "counter", "Calls answered, by RPC."))
		for (size_t i = 0; i < CRI_RPC_COUNT; i++)
			buf_printf(out, "crisp_operations_total{operation=\"%s\"} %" PRIu64 "\n",
				   cri_methods[i].name, o[i].calls);
	if (begin(conf, out, "operations_errors_total", "counter",
		  "Calls answered with an error, by RPC."))
		for (size_t i = 0; i < CRI_RPC_COUNT; i++)
			buf_printf(out,
				   "crisp_operations_errors_total{operation=\"%s\"} %" PRIu64 "\n",
				   cri_methods[i].name, o[i].errors);
	if (!begin(conf, out, "operations_latency_seconds", "histogram",
		   "Time from a call's arrival to its answer, of RPCs that were called."))
		return;
	for (size_t i = 0; i < CRI_RPC_COUNT; i++)
		if (o[i].calls)
			add_latency(out, cri_methods[i].name, &o[i]);
}

/* --- objects --- */

/* Number of objects of each machine in each of its states. */
static void add_objects(const struct conf *conf, struct buf *out)
{
	if (!begin(conf, out, "objects", "gauge", "Objects, by state machine and state."))
		return;
	for (int k = 0; k < KIND_COUNT; k++) {
		const struct sm_machine *m = kind_ops((enum kind)k)->machine;
		unsigned count[STATES_MAX] = { 0 };
		struct object *o;
		size_t pos = 0;

		while ((o = map_next(world.objects[k], &pos)))
			if (sm_state(o->sm) - m->states < STATES_MAX)
				count[sm_state(o->sm) - m->states]++;
		for (unsigned s = 0; s < m->n_states && s < STATES_MAX; s++)
			buf_printf(out, "crisp_objects{machine=\"%s\",state=\"%s\"} %u\n", m->name,
				   m->states[s].name, count[s]);
	}
	if (!begin(conf, out, "objects_quarantined", "gauge",
		   "Records that could not be trusted and were set aside."))
		return;
	{
		unsigned n = 0;

		list_for_each(pos, &world.quarantine)
			n++;
		buf_printf(out, "crisp_objects_quarantined %u\n", n);
	}
}

/* --- pulls --- */

static void add_counter(const struct conf *conf, struct buf *out, const char *family,
			const char *help, uint64_t value)
{
	metrics_plain(conf, out, METRICS_CRISP, family, "counter", help, value);
}

static uint64_t pull_bytes_done(const struct image_pull_progress *p)
{
	return p->bytes_done;
}

static uint64_t pull_bytes_total(const struct image_pull_progress *p)
{
	return p->bytes_total;
}

static uint64_t pull_layers_done(const struct image_pull_progress *p)
{
	return p->layers_done;
}

static uint64_t pull_layers_total(const struct image_pull_progress *p)
{
	return p->layers_total;
}

static uint64_t pull_rate(const struct image_pull_progress *p)
{
	return p->rate;
}

static uint64_t pull_retries(const struct image_pull_progress *p)
{
	return p->retries;
}

/* Metrics of a running pull. */
static const struct {
	const char *family, *help;
	uint64_t (*value)(const struct image_pull_progress *p);
} pull_figures[] = {
	{ "image_pull_bytes_done", "Bytes of compressed layers that a running pull has.",
	  pull_bytes_done },
	{ "image_pull_bytes", "Bytes of compressed layers that a running pull wants.",
	  pull_bytes_total },
	{ "image_pull_layers_done", "Layers that a running pull has.", pull_layers_done },
	{ "image_pull_layers", "Layers that a running pull wants.", pull_layers_total },
	{ "image_pull_bytes_per_second", "How fast a running pull is at present.", pull_rate },
	{ "image_pull_retries", "What a running pull has asked for again.", pull_retries },
};

/* Label source: the registry or mirror in use. */
static void add_running(const struct conf *conf, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(pull_figures); i++) {
		const char *family = pull_figures[i].family;
		struct object *o;
		size_t pos = 0;

		if (!begin(conf, out, family, "gauge", pull_figures[i].help))
			continue;
		while ((o = map_next(world.objects[KIND_PULL], &pos))) {
			const struct image_pull_progress *p = pull_progress_of(o);

			if (!p)
				continue;
			buf_printf(out, "crisp_%s{pull=\"%.13s\",", family, o->sm->id);
			metrics_label(out, "image", pull_reference(o));
			buf_puts(out, ",");
			metrics_label(out, "source", p->host);
			buf_printf(out, "} %" PRIu64 "\n", pull_figures[i].value(p));
		}
	}
}

static void add_pulls(const struct conf *conf, struct buf *out)
{
	const struct pull_counters *c = pull_counters();

	add_counter(conf, out, "image_pulls_success_total", "Pulls that brought an image.",
		    c->succeeded);
	add_counter(conf, out, "image_pulls_failure_total", "Pulls that failed.", c->failed);
	add_counter(conf, out, "image_pulls_cancelled_total", "Pulls that an operator ended.",
		    c->cancelled);
	add_counter(conf, out, "image_pulls_bytes_total", "Bytes of layers received.",
		    c->bytes_received);
	add_counter(conf, out, "image_layer_reuse_total",
		    "Layers that were wanted and were on this node.", c->layers_reused);
	add_counter(conf, out, "image_pulls_retries_total", "What pulls have asked for again.",
		    c->retries);
	add_running(conf, out);
}

/* --- the trash --- */

static void add_gauge(const struct conf *conf, struct buf *out, const char *family,
		      const char *help, uint64_t value)
{
	metrics_plain(conf, out, METRICS_CRISP, family, "gauge", help, value);
}

static void add_trash(const struct conf *conf, struct buf *out)
{
	struct trash_status s = trash_status();

	add_gauge(conf, out, "trash_entries",
		  "Directories of removed containers and layers that are not gone yet.", s.entries);
	add_gauge(conf, out, "trash_stuck_entries",
		  "Of trash_entries those that could not be removed and are tried again.",
		  s.n_stuck);
	add_counter(conf, out, "trash_removed_total",
		    "Files and directories removed from the trash.", s.removed);
}

/* --- the process --- */

static unsigned open_descriptors(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static void add_process(struct buf *out)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	buf_printf(out,
		   "# HELP process_resident_memory_bytes Resident memory of the daemon.\n"
		   "# TYPE process_resident_memory_bytes gauge\n"
		   "process_resident_memory_bytes %" PRIu64 "\n"
		   "# HELP process_open_fds Open file descriptors of the daemon.\n"
		   "# TYPE process_open_fds gauge\n"
		   "process_open_fds %u\n"
		   "# HELP process_cpu_seconds_total Processor time of the daemon.\n"
		   "# TYPE process_cpu_seconds_total counter\n"
		   "process_cpu_seconds_total ",
		   proc_resident(), open_descriptors());
	metrics_seconds(out, (uint64_t)cpu.tv_sec * NSEC_PER_SEC + (uint64_t)cpu.tv_nsec);
}

void metrics_render(const struct conf *conf, struct buf *out)
{
	if (begin(conf, out, "build_info", "gauge", "The version of the daemon, always 1."))
		buf_printf(out, "crisp_build_info{version=\"" CRISP_VERSION "\"} 1\n");
	add_operations(conf, out);
	add_objects(conf, out);
	add_pulls(conf, out);
	add_trash(conf, out);
	if (conf->crio_names)
		metrics_crio_add(conf, out);
	add_process(out);
}
