/*
 * podmetrics.c - metrics of containers and pods (runtime.v1 RuntimeService: ListMetricDescriptors,
 * ListPodSandboxMetrics, StreamPodSandboxMetrics), by the table of families in pod/families.h.
 * An object that goes during the call is left out.  A figure that the kernel does not give is
 * absent, or 0 where cAdvisor shows 0.  A family that no object of this node can have has no
 * descriptor.
 */
#include <string.h>

#include "api/slices.h"
#include "api/stats.h"
#include "gen/cri_rpc.h"

/* Of the series with a pod's network, as CRI-O's infra container has it. */
#define POD_CONTAINER "POD"

/* --- reading: on a worker --- */

static void read_figures(struct stats_call *s)
{
	struct podfigures_reader rd;

	podfigures_begin(&rd);
	for (struct stats_pod *p = s->pods; p; p = p->next)
		p->gone = podfigures_read(&rd, &p->use, &p->figures) > 0;
	for (struct stats_container *c = s->containers; c; c = c->next)
		c->gone = c->pod->gone || podfigures_read(&rd, &c->use, &c->figures) > 0;
	podfigures_end(&rd);
}

/* --- descriptors --- */

static size_t count_labels(const struct metric_family *f)
{
	size_t n = 0;

	while (n < FAMILY_LABELS && f->labels[n])
		n++;
	return n;
}

static int make_descriptor(struct arena *a, const struct metric_family *f,
			   Runtime__V1__MetricDescriptor **ret)
{
	size_t n = FAMILY_BASE_LABELS + count_labels(f);
	Runtime__V1__MetricDescriptor *d = arena_alloc(a, sizeof(*d));
	char **keys = arena_alloc(a, n * sizeof(*keys));

	if (!d || !keys)
		return -ERR_EXHAUSTED;
	runtime__v1__metric_descriptor__init(d);
	d->name = (char *)(uintptr_t)f->name;
	d->help = (char *)(uintptr_t)f->help;
	d->label_keys = keys;
	d->n_label_keys = n;
	for (size_t i = 0; i < n; i++)
		keys[i] = (char *)(uintptr_t)(i < FAMILY_BASE_LABELS
						      ? family_base_labels[i]
						      : f->labels[i - FAMILY_BASE_LABELS]);
	*ret = d;
	return 0;
}

int rpc_list_metric_descriptors(struct rpc_call *call,
				const Runtime__V1__ListMetricDescriptorsRequest *req,
				Runtime__V1__ListMetricDescriptorsResponse *resp, struct err *e)
{
	struct arena *a = rpc_call_arena(call);

	(void)req;
	resp->descriptors = arena_alloc(a, families_n * sizeof(*resp->descriptors));
	for (size_t i = 0; i < families_n; i++) {
		if (family_continues(&families[i]) ||
		    !family_included(&families[i], world.conf->included_pod_metrics) ||
		    !podfigures_possible(&families[i]))
			continue;
		if (!resp->descriptors ||
		    make_descriptor(a, &families[i], &resp->descriptors[resp->n_descriptors]) < 0)
			return err_set(e, ERR_EXHAUSTED, "the list of metrics is too large");
		resp->n_descriptors++;
	}
	return 0;
}

/* --- values: on the loop --- */

/* The metrics of one object are being made; base: values of family_base_labels. */
struct metrics_maker {
	struct stats_call *s;
	const struct podfigures *figures;
	const char *base[FAMILY_BASE_LABELS];
	Runtime__V1__Metric **metrics;
	size_t n;
};

static char *copy(struct metrics_maker *m, const char *text)
{
	size_t size = strlen(text) + 1;
	return memcpy(take(m->s, size), text, size);
}

/* The labels that the item itself names stand before the fixed ones. */
static void set_labels(struct metrics_maker *m, const struct metric_family *f,
		       const struct figures *item, Runtime__V1__Metric *to)
{
	size_t n = count_labels(f), fixed = 0;

	while (fixed < FAMILY_FIXED && f->fixed[fixed])
		fixed++;
	to->label_values = take(m->s, (FAMILY_BASE_LABELS + n) * sizeof(char *));
	for (size_t i = 0; i < FAMILY_BASE_LABELS; i++)
		to->label_values[to->n_label_values++] = (char *)(uintptr_t)m->base[i];
	for (size_t i = 0; i < n; i++)
		to->label_values[to->n_label_values++] =
			i < n - fixed ? copy(m, item->labels[i])
				      : (char *)(uintptr_t)f->fixed[i - (n - fixed)];
}

static void add_metric(struct metrics_maker *m, const struct metric_family *f,
		       const struct figures *item)
{
	Runtime__V1__Metric *to = take(m->s, sizeof(*to));

	runtime__v1__metric__init(to);
	to->name = (char *)(uintptr_t)f->name;
	to->metric_type =
		f->counter ? RUNTIME__V1__METRIC_TYPE__COUNTER : RUNTIME__V1__METRIC_TYPE__GAUGE;
	set_labels(m, f, item, to);
	to->value = take(m->s, sizeof(*to->value));
	runtime__v1__uint64_value__init(to->value);
	to->value->value = item->v[f->figure] / (f->divisor ? f->divisor : 1);
	m->metrics[m->n++] = to;
}

/* Make the metrics of the sources from first to last. */
static void make_metrics(struct metrics_maker *m, enum family_source first, enum family_source last)
{
	size_t most = m->n;

	for (size_t i = 0; i < families_n; i++)
		most += m->figures->of[families[i].source].n;
	if (!m->metrics)
		m->metrics = take(m->s, most * sizeof(*m->metrics));
	for (size_t i = 0; i < families_n; i++) {
		const struct metric_family *f = &families[i];
		const struct figure_list *l = &m->figures->of[f->source];

		if (f->source < first || f->source > last ||
		    !family_included(f, world.conf->included_pod_metrics) ||
		    !podfigures_show(m->figures, f))
			continue;
		for (size_t k = 0; k < l->n; k++)
			if (figure_known(&l->items[k], f->figure))
				add_metric(m, f, &l->items[k]);
	}
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* The name that the image was asked for by, as in ContainerStatus. */
static const char *image_label(const Runtime__V1__Container *c)
{
	if (!c->image)
		return or_empty(c->image_ref);
	if (*or_empty(c->image->user_specified_image))
		return c->image->user_specified_image;
	return c->image->image;
}

static Runtime__V1__ContainerMetrics *make_container(struct stats_call *s,
						     const struct stats_container *c)
{
	Runtime__V1__ContainerMetrics *to = take(s, sizeof(*to));
	const Runtime__V1__PodSandboxMetadata *pod = c->pod->item->metadata;
	struct metrics_maker m = {
		.s = s,
		.figures = &c->figures,
		.base = { c->item->metadata ? c->item->metadata->name : "", or_empty(c->use.cgroup),
			  image_label(c->item), c->item->id, pod ? pod->namespace_ : "",
			  pod ? pod->name : "" },
	};

	runtime__v1__container_metrics__init(to);
	to->container_id = c->item->id;
	make_metrics(&m, OF_LIFE, OF_DISK);
	to->metrics = m.metrics;
	to->n_metrics = m.n;
	return to;
}

/* The series of the pod's cgroup name neither container nor image; those of its network name the
 * sandbox.  A pod without a cgroup of its own has the latter alone. */
static Runtime__V1__PodSandboxMetrics *make_pod(struct stats_call *s, const struct stats_pod *p)
{
	Runtime__V1__PodSandboxMetrics *to = take(s, sizeof(*to));
	const Runtime__V1__PodSandboxMetadata *pod = p->item->metadata;
	struct metrics_maker m = {
		.s = s,
		.figures = &p->figures,
		.base = { "", or_empty(p->use.cgroup), "", "", pod ? pod->namespace_ : "",
			  pod ? pod->name : "" },
	};

	runtime__v1__pod_sandbox_metrics__init(to);
	to->pod_sandbox_id = p->item->id;
	if (p->use.cgroup)
		make_metrics(&m, OF_LIFE, OF_DISK);
	m.base[0] = POD_CONTAINER;
	m.base[3] = p->item->id;
	make_metrics(&m, OF_INTERFACES, OF_INTERFACES);
	to->metrics = m.metrics;
	to->n_metrics = m.n;
	to->container_metrics = take(s, p->n_containers * sizeof(char *));
	for (const struct stats_container *c = s->containers; c; c = c->next)
		if (c->pod == p && !c->gone)
			to->container_metrics[to->n_container_metrics++] = make_container(s, c);
	return to;
}

static Runtime__V1__PodSandboxMetrics **make_pods(struct stats_call *s, size_t *ret_n)
{
	Runtime__V1__PodSandboxMetrics **all = take(s, s->n_pods * sizeof(*all));
	size_t n = 0;

	for (const struct stats_pod *p = s->pods; p; p = p->next)
		if (!p->gone)
			all[n++] = make_pod(s, p);
	*ret_n = n;
	return all;
}

static void answer_metrics(struct stats_call *s)
{
	Runtime__V1__ListPodSandboxMetricsResponse resp =
		RUNTIME__V1__LIST_POD_SANDBOX_METRICS_RESPONSE__INIT;

	resp.pod_metrics = make_pods(s, &resp.n_pod_metrics);
	rpc_reply(s->rpc, &resp.base);
}

int rpc_take_list_pod_sandbox_metrics(struct caller *c,
				      const Runtime__V1__ListPodSandboxMetricsRequest *req,
				      struct err *e)
{
	return stats_take_pods(c, &req->base, read_figures, answer_metrics, e);
}

static void slice_metrics(struct stats_call *s)
{
	size_t n;
	Runtime__V1__PodSandboxMetrics **all = make_pods(s, &n);

	slices_made(s->slices, (void *)all, n);
}

static void make_slice(struct slices *s)
{
	stats_slice_pods(s, read_figures, slice_metrics);
}

int rpc_stream_pod_sandbox_metrics(struct rpc_call *call,
				   const Runtime__V1__StreamPodSandboxMetricsRequest *req,
				   struct err *e)
{
	(void)e;
	slices_start(call, &req->base, make_slice);
	return 0;
}
