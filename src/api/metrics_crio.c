/*
 * metrics_crio.c - CRI-O's families, from who has the figures.
 */
#include "api/metrics_crio.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/metrics_text.h"
#include "api/operations.h"
#include "api/podevents.h"
#include "api/rpc.h"
#include "base/buf.h"
#include "base/proc.h"
#include "core/objects.h"
#include "images/pull.h"
#include "images/pulltally.h"
#include "pod/container.h"
#include "pod/network.h"
#include "pod/podtally.h"
#include "pod/sandbox.h"

/* Zombies of the node, counted by a worker: as of the scrape before. */
static struct {
	struct loop_job job;
	bool runs;
	uint64_t counted, n;
} zombies;

/* --- families --- */

static bool begin(const struct conf *conf, struct buf *out, const char *family, const char *type,
		  const char *help)
{
	return metrics_begin(conf, out, METRICS_CRIO, family, type, help);
}

/* NAME{label="value"} and a blank. */
static void sample(struct buf *out, const char *family, const char *label, const char *value)
{
	buf_printf(out, METRICS_CRIO "%s{", family);
	metrics_label(out, label, value);
	buf_puts(out, "} ");
}

static void add_summary(struct buf *out, size_t i, const struct operation *o)
{
	const char *name = cri_methods[i].name;
	int64_t ns[OPERATION_QUANTILES];

	operations_quantiles(i, ns);
	for (size_t q = 0; q < OPERATION_QUANTILES; q++) {
		buf_printf(out,
			   METRICS_CRIO "operations_latency_seconds_total{operation=\"%s\","
					"quantile=\"%s\"} ",
			   name, operation_quantiles[q]);
		if (ns[q] < 0)
			buf_puts(out, "NaN\n");
		else
			metrics_seconds(out, (uint64_t)ns[q]);
	}
	sample(out, "operations_latency_seconds_total_sum", "operation", name);
	metrics_seconds(out, o->ns);
	sample(out, "operations_latency_seconds_total_count", "operation", name);
	metrics_value(out, o->calls);
}

/* An RPC has a value from its first call, or its first error, on. */
static void add_count(struct buf *out, const char *family, const char *name, uint64_t n)
{
	if (!n)
		return;
	sample(out, family, "operation", name);
	metrics_value(out, n);
}

static void add_network(struct buf *out)
{
	const struct network_times t = sandbox_net_times();

	if (!t.all_ns)
		return;
	sample(out, "operations_latency_seconds", "operation", "network_setup_pod");
	metrics_seconds(out, (uint64_t)t.add_ns);
	sample(out, "operations_latency_seconds", "operation", "network_setup_overall");
	metrics_seconds(out, (uint64_t)t.all_ns);
}

static void add_operations(const struct conf *conf, struct buf *out)
{
	struct operation o[CRI_RPC_COUNT];

	for (size_t i = 0; i < CRI_RPC_COUNT; i++)
		operations_get(i, &o[i]);
	if (begin(conf, out, "operations_total", "counter", "Calls answered, by RPC."))
		for (size_t i = 0; i < CRI_RPC_COUNT; i++)
			add_count(out, "operations_total", cri_methods[i].name, o[i].calls);
	if (begin(conf, out, "operations_errors_total", "counter",
		  "Calls answered with an error, by RPC."))
		for (size_t i = 0; i < CRI_RPC_COUNT; i++)
			add_count(out, "operations_errors_total", cri_methods[i].name, o[i].errors);
	if (begin(conf, out, "operations_latency_seconds", "gauge",
		  "How long the last call took, by RPC, and the last network of a pod.")) {
		for (size_t i = 0; i < CRI_RPC_COUNT; i++) {
			if (!o[i].calls)
				continue;
			sample(out, "operations_latency_seconds", "operation", cri_methods[i].name);
			metrics_seconds(out, o[i].last_ns);
		}
		add_network(out);
	}
	if (begin(conf, out, "operations_latency_seconds_total", "summary",
		  "How long calls took, by RPC; quantiles of the last ten minutes."))
		for (size_t i = 0; i < CRI_RPC_COUNT; i++)
			if (o[i].calls)
				add_summary(out, i, &o[i]);
}

static void add_layer_sizes(struct buf *out, const struct pulltally *t)
{
	uint64_t sum = 0;

	/* A label's bucket ends where the next one's begins. */
	for (size_t i = 0; i < PULLTALLY_SIZES; i++) {
		char le[32] = "+Inf";

		sum += t->layers[i];
		if (i + 1 < PULLTALLY_SIZES)
			snprintf(le, sizeof(le), "%" PRIu64, pulltally_sizes[i + 1].bytes);
		sample(out, "image_pulls_layer_size_bucket", "le", le);
		metrics_value(out, sum);
	}
	buf_printf(out,
		   METRICS_CRIO "image_pulls_layer_size_sum %" PRIu64 "\n" METRICS_CRIO
				"image_pulls_layer_size_count %" PRIu64 "\n",
		   t->layers_bytes, sum);
}

static void add_received(struct buf *out, const struct pulltally *t)
{
	for (size_t m = 0; m < PULLTALLY_TYPES; m++)
		for (size_t i = 0; i < PULLTALLY_SIZES; i++) {
			if (!t->received[m][i])
				continue;
			buf_printf(out,
				   METRICS_CRIO "image_pulls_bytes_total{mediatype=\"%s\","
						"size=\"%s\"} ",
				   pulltally_types[m], pulltally_sizes[i].label);
			metrics_value(out, t->received[m][i]);
		}
}

static void add_failures(struct buf *out, const struct pulltally *t)
{
	for (size_t i = 0; i < PULLTALLY_ERRORS; i++) {
		if (!t->failed[i])
			continue;
		sample(out, "image_pulls_failure_total", "error", pulltally_errors[i].label);
		metrics_value(out, t->failed[i]);
	}
}

static void add_pulls(const struct conf *conf, struct buf *out)
{
	const struct pulltally *t = pulltally();
	const struct pulltally_reuse *reuse;
	size_t pos = 0;

	if (begin(conf, out, "image_pulls_bytes_total", "counter",
		  "Bytes of layers received, by media type and size of the layer."))
		add_received(out, t);
	if (begin(conf, out, "image_pulls_skipped_bytes_total", "counter",
		  "Bytes of layers that were on this node, by size of the layer."))
		for (size_t i = 0; i < PULLTALLY_SIZES; i++) {
			if (!t->reused[i])
				continue;
			sample(out, "image_pulls_skipped_bytes_total", "size",
			       pulltally_sizes[i].label);
			metrics_value(out, t->reused[i]);
		}
	if (begin(conf, out, "image_pulls_layer_size", "histogram",
		  "Sizes in bytes of the layers received."))
		add_layer_sizes(out, t);
	if (begin(conf, out, "image_pulls_failure_total", "counter",
		  "Pulls that failed, by error."))
		add_failures(out, t);
	metrics_plain(conf, out, METRICS_CRIO, "image_pulls_success_total", "counter",
		      "Pulls that brought an image.", pull_counters()->succeeded);
	if (!begin(conf, out, "image_layer_reuse_total", "counter",
		   "Layers that were wanted and were on this node, by image and digest."))
		return;
	while ((reuse = pulltally_reused(&pos))) {
		sample(out, "image_layer_reuse_total", "name", reuse->name);
		metrics_value(out, reuse->n);
	}
}

static char *full_name(const struct object *o)
{
	const Crisp__State__Container *row = o->sm->row;
	Runtime__V1__ContainerConfig *c = container_config(row);
	Runtime__V1__PodSandboxConfig *pod =
		o->sm->parent ? sandbox_config(o->sm->parent->row) : NULL;
	char *name =
		pod ? container_full_name(c->metadata->name, pod->metadata, c->metadata->attempt)
		    : xstrdup(o->sm->id);

	runtime__v1__container_config__free_unpacked(c, NULL);
	if (pod)
		runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
	return name;
}

/* A family with a value for each container for which it is not 0. */
static void add_named(struct buf *out, const char *family, uint64_t (*value)(const struct object *))
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_CONTAINER], &pos))) {
		uint64_t n = value(o);
		_cleanup_free_ char *name = n ? full_name(o) : NULL;

		if (!name)
			continue;
		sample(out, family, "name", name);
		metrics_value(out, n);
	}
}

static uint64_t was_oom(const struct object *o)
{
	return ((const Crisp__State__Container *)o->sm->row)->oom_killed;
}

static uint64_t was_unwatched(const struct object *o)
{
	return podtally_unwatched(o->sm->id);
}

static void add_containers(const struct conf *conf, struct buf *out)
{
	metrics_plain(conf, out, METRICS_CRIO, "containers_oom_total", "counter",
		      "Containers killed for lack of memory.", podtally_ooms());
	if (begin(conf, out, "containers_oom_count_total", "counter",
		  "Containers killed for lack of memory, by name, until they are removed."))
		add_named(out, "containers_oom_count_total", was_oom);
	metrics_plain(conf, out, METRICS_CRIO, "containers_events_dropped_total", "counter",
		      "Events that subscribers lost.", podevents_dropped());
	begin(conf, out, "containers_seccomp_notifier_count_total", "counter",
	      "Forbidden system calls, by container and call.");
	if (begin(conf, out, "containers_stopped_monitor_count", "counter",
		  "How often a container's shim ended before it, by name."))
		add_named(out, "containers_stopped_monitor_count", was_unwatched);
	if (!begin(conf, out, "resources_stalled_at_stage", "counter",
		   "Calls that asked again for what was being made, by what it waited for."))
		return;
	for (size_t i = 0; i < PODTALLY_STAGES; i++) {
		if (!podtally_stalled(i))
			continue;
		sample(out, "resources_stalled_at_stage", "stage", podtally_stages[i]);
		metrics_value(out, podtally_stalled(i));
	}
}

/* --- the node --- */

static void zombies_work(struct loop_job *j)
{
	(void)j;
	zombies.counted = proc_zombies();
}

static void zombies_done(struct loop_job *j)
{
	(void)j;
	zombies.n = zombies.counted;
	zombies.runs = false;
}

static void count_zombies(void)
{
	struct err e = ERR_NULL;

	if (zombies.runs)
		return;
	zombies.job.work = zombies_work;
	zombies.job.done = zombies_done;
	zombies.runs = loop_work(world.loop, LANE_SLOW, &zombies.job, &e) == 0;
}

static void add_node(const struct conf *conf, struct buf *out)
{
	/* A reload may have changed it. */
	const struct conf *now = world.conf;

	if (begin(conf, out, "processes_defunct", "gauge",
		  "Zombies of the node, as of the request before.")) {
		count_zombies();
		buf_printf(out, METRICS_CRIO "processes_defunct %" PRIu64 "\n", zombies.n);
	}
	if (begin(conf, out, "default_runtime", "gauge", "The default runtime, always 1.")) {
		sample(out, "default_runtime", "runtime", now->default_runtime);
		metrics_value(out, 1);
	}
}

void metrics_crio_add(const struct conf *conf, struct buf *out)
{
	add_operations(conf, out);
	add_pulls(conf, out);
	add_containers(conf, out);
	add_node(conf, out);
}
