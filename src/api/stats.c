/*
 * stats.c - resource usage of containers and pods (runtime.v1 RuntimeService: ContainerStats,
 * ListContainerStats, StreamContainerStats, PodSandboxStats, ListPodSandboxStats,
 * StreamPodSandboxStats).
 * A call selects objects on the loop, from the same views as lists, by states/rpc.bind.  A worker
 * reads the node.  The loop makes the response, with the earlier samples (see pod/usage.h).  No
 * machine is involved, so a container that hangs in a stop has stats as well.
 * Lists omit ended objects, which use nothing.  A request by id gets zeros and the size of the
 * writable layer.
 */
#include <stdlib.h>
#include <string.h>

#include "api/slices.h"
#include "api/stats.h"
#include "base/clock.h"
#include "gen/cri_rpc.h"
#include "images/diskuse.h"

/* The interface with a pod's main address. */
#define DEFAULT_INTERFACE "eth0"

typedef Runtime__V1__UInt64Value uint64_box;

/* --- selection: on the loop --- */

/* Takes ownership of pods_by_id; NULL: a request for containers. */
static struct stats_call *call_new(struct rpc_call *rpc, struct map *pods_by_id,
				   void (*answer)(struct stats_call *))
{
	struct stats_call *s = xcalloc(1, sizeof(*s));

	s->rpc = rpc;
	s->pods_by_id = pods_by_id;
	s->answer = answer;
	s->arena = arena_new(SIZE_MAX);
	s->pods_end = &s->pods;
	s->containers_end = &s->containers;
	return s;
}

static void call_free(struct stats_call *s)
{
	for (struct stats_container *c = s->containers; c; c = c->next) {
		usage_done(&c->use);
		podfigures_done(&c->figures);
	}
	for (struct stats_pod *p = s->pods; p; p = p->next) {
		usage_done(&p->use);
		podfigures_done(&p->figures);
	}
	if (s->pods_by_id)
		map_free(s->pods_by_id);
	arena_free(s->arena);
	free(s);
}

static void add_container(struct stats_call *s, const struct listing *v, struct stats_pod *pod)
{
	struct object *o = world_find(KIND_CONTAINER, v->id);
	Runtime__V1__Container *item =
		runtime__v1__container__unpack(arena_allocator(s->arena), v->size, v->item);
	struct stats_container *c;

	if (!o || !item)
		return;
	c = take(s, sizeof(*c));
	usage_begin(o, s->arena, &c->use);
	c->next = NULL;
	c->item = item;
	c->pod = pod;
	if (pod)
		pod->n_containers++;
	*s->containers_end = c;
	s->containers_end = &c->next;
	s->n_containers++;
}

/* 1: the slice has its objects, and v was the last. */
static int slice_step(const struct stats_call *s, const struct listing *v)
{
	if (!s->slices)
		return 0;
	memcpy(s->slices->after, v->id, MIN(strlen(v->id), (size_t)ID_LEN));
	return s->n_pods + s->n_containers >= SLICE_OBJECTS;
}

static int select_container(void *arg, const struct listing *v)
{
	add_container(arg, v, NULL);
	return slice_step(arg, v);
}

static int select_of_pods(void *arg, const struct listing *v)
{
	struct stats_call *s = arg;
	struct stats_pod *pod = map_get(s->pods_by_id, v->head.owner);

	if (pod && v->head.state != RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED)
		add_container(s, v, pod);
	return 0;
}

static int select_pod(void *arg, const struct listing *v)
{
	struct stats_call *s = arg;
	struct object *o = world_find(KIND_SANDBOX, v->id);
	Runtime__V1__PodSandbox *item =
		runtime__v1__pod_sandbox__unpack(arena_allocator(s->arena), v->size, v->item);
	struct stats_pod *p;

	if (!o || !item)
		return 0;
	p = take(s, sizeof(*p));
	usage_begin(o, s->arena, &p->use);
	p->next = NULL;
	p->item = item;
	p->n_containers = 0;
	*s->pods_end = p;
	s->pods_end = &p->next;
	s->n_pods++;
	map_put(s->pods_by_id, p->use.id, p);
	return slice_step(s, v);
}

/* For a call without a selection. */
static int select_ready_pod(void *arg, const struct listing *v)
{
	if (v->head.state != RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY)
		return 0;
	return select_pod(arg, v);
}

static void stats_work(struct loop_job *base);
static void stats_done(struct loop_job *base);

/* Takes ownership of s; on failure the caller keeps its struct caller. */
static int start(struct stats_call *s, const ProtobufCMessage *req, struct err *e)
{
	const struct rpc_select *sel = rpc_call_method(s->rpc)->selects;
	const char *after = s->slices ? s->slices->after : "";
	int r;

	if (sel)
		r = api_select_each(sel, req, after, s->pods_by_id ? select_pod : select_container,
				    s, e);
	else
		r = listing_each(KIND_SANDBOX, after, select_ready_pod, s, e);
	if (s->slices)
		s->slices->last = r == 0;
	r = MIN(r, 0);
	if (r == 0 && s->pods_by_id)
		r = listing_each(KIND_CONTAINER, "", select_of_pods, s, e);
	if (r == 0 && sel && !sel->where && !s->pods && !s->containers)
		r = err_set(e, ERR_NOT_FOUND, "%s with ID %s not found", sel->machine,
			    api_text(req, sel->inside, sel->by));
	if (r == 0) {
		s->job.work = stats_work;
		s->job.done = stats_done;
		r = loop_work(world.loop, LANE_SLOW, &s->job, e);
	}
	if (r < 0)
		call_free(s);
	return r;
}

/* --- reading: on a worker --- */

static void stats_work(struct loop_job *base)
{
	struct stats_call *s = container_of(base, struct stats_call, job);

	if (s->read) {
		s->read(s);
		return;
	}
	for (struct stats_pod *p = s->pods; p; p = p->next)
		usage_read(&p->use);
	for (struct stats_container *c = s->containers; c; c = c->next) {
		usage_read(&c->use);
		if (c->pod && !c->pod->use.cgroup)
			usage_add(&c->pod->use, &c->use);
	}
}

/* --- answers: on the loop --- */

static void stats_done(struct loop_job *base)
{
	struct stats_call *s = container_of(base, struct stats_call, job);

	for (struct stats_pod *p = s->pods; p && !s->read; p = p->next)
		usage_end(&p->use);
	for (struct stats_container *c = s->containers; c && !s->read; c = c->next)
		usage_end(&c->use);
	s->answer(s);
	free(s->call);
	call_free(s);
}

/* Start the call of a caller; takes s. */
static int start_call(struct caller *c, struct stats_call *s, const ProtobufCMessage *req,
		      struct err *e)
{
	s->call = c;
	return start(s, req, e);
}

/* Start to make a slice of a stream; takes s. */
static void start_slice(struct slices *slices, struct stats_call *s)
{
	struct err e = ERR_NULL;

	s->slices = slices;
	if (start(s, slices->req, &e) < 0)
		slices_failed(slices, &e);
}

static uint64_box *box(struct stats_call *s, uint64_t v)
{
	uint64_box *b = take(s, sizeof(*b));

	runtime__v1__uint64_value__init(b);
	b->value = v;
	return b;
}

/* The unused part of a limit; NULL: no limit. */
static uint64_box *box_left(struct stats_call *s, uint64_t limit, uint64_t used)
{
	if (limit == UINT64_MAX)
		return NULL;
	return box(s, limit - MIN(limit, used));
}

static Runtime__V1__PsiData *make_psi_line(struct stats_call *s, const struct psi_line *line)
{
	Runtime__V1__PsiData *m = take(s, sizeof(*m));

	runtime__v1__psi_data__init(m);
	m->total = line->total_us;
	m->avg10 = line->avg10;
	m->avg60 = line->avg60;
	m->avg300 = line->avg300;
	return m;
}

/* NULL: the kernel does not tell. */
static Runtime__V1__PsiStats *make_psi(struct stats_call *s, const struct psi *psi)
{
	Runtime__V1__PsiStats *m;

	if (!psi->known)
		return NULL;
	m = take(s, sizeof(*m));
	runtime__v1__psi_stats__init(m);
	m->full = make_psi_line(s, &psi->full);
	m->some = make_psi_line(s, &psi->some);
	return m;
}

static Runtime__V1__CpuUsage *make_cpu(struct stats_call *s, const struct usage *u)
{
	Runtime__V1__CpuUsage *m = take(s, sizeof(*m));

	runtime__v1__cpu_usage__init(m);
	m->timestamp = u->at;
	m->usage_core_nano_seconds = box(s, u->now.cpu_ns);
	if (u->past.rated)
		m->usage_nano_cores = box(s, u->past.rate);
	m->psi = make_psi(s, &u->now.cpu_psi);
	return m;
}

static Runtime__V1__MemoryUsage *make_memory(struct stats_call *s, const struct usage *u)
{
	Runtime__V1__MemoryUsage *m = take(s, sizeof(*m));

	runtime__v1__memory_usage__init(m);
	m->timestamp = u->at;
	m->working_set_bytes = box(s, u->now.working_set);
	m->available_bytes = box_left(s, u->now.memory_limit, u->now.working_set);
	m->usage_bytes = box(s, u->now.memory);
	m->rss_bytes = box(s, u->now.rss);
	m->page_faults = box(s, u->now.page_faults);
	m->major_page_faults = box(s, u->now.major_page_faults);
	m->psi = make_psi(s, &u->now.memory_psi);
	return m;
}

static Runtime__V1__IoUsage *make_io(struct stats_call *s, const struct usage *u)
{
	Runtime__V1__IoUsage *m = take(s, sizeof(*m));

	runtime__v1__io_usage__init(m);
	m->timestamp = u->at;
	m->psi = make_psi(s, &u->now.io_psi);
	return m;
}

static Runtime__V1__SwapUsage *make_swap(struct stats_call *s, const struct usage *u)
{
	Runtime__V1__SwapUsage *m = take(s, sizeof(*m));

	runtime__v1__swap_usage__init(m);
	m->timestamp = u->at;
	m->swap_available_bytes = box_left(s, u->now.swap_limit, u->now.swap);
	m->swap_usage_bytes = box(s, u->now.swap);
	return m;
}

/* The mount point is the one of ImageFsInfo's container file system.  NULL: not measured yet. */
static Runtime__V1__FilesystemUsage *make_layer(struct stats_call *s, const struct usage *u)
{
	Runtime__V1__FilesystemUsage *m;

	if (!u->disk.at)
		return NULL;
	m = take(s, sizeof(*m));
	runtime__v1__filesystem_usage__init(m);
	m->fs_id = take(s, sizeof(*m->fs_id));
	runtime__v1__filesystem_identifier__init(m->fs_id);
	m->fs_id->mountpoint = arena_printf(s->arena, "%s/%s", world.conf->root,
					    diskuse_is_one_disk() ? "images" : "containers");
	m->timestamp = u->disk.at;
	m->used_bytes = box(s, u->disk.bytes);
	m->inodes_used = box(s, u->disk.inodes);
	return m;
}

static Runtime__V1__ContainerStats *make_container(struct stats_call *s,
						   const struct stats_container *c)
{
	Runtime__V1__ContainerStats *m = take(s, sizeof(*m));
	Runtime__V1__ContainerAttributes *a = take(s, sizeof(*a));

	runtime__v1__container_attributes__init(a);
	a->id = c->item->id;
	a->metadata = c->item->metadata;
	a->n_labels = c->item->n_labels;
	a->labels = (void *)c->item->labels;
	a->n_annotations = c->item->n_annotations;
	a->annotations = (void *)c->item->annotations;
	runtime__v1__container_stats__init(m);
	m->attributes = a;
	m->cpu = make_cpu(s, &c->use);
	m->memory = make_memory(s, &c->use);
	m->swap = make_swap(s, &c->use);
	m->io = make_io(s, &c->use);
	m->writable_layer = make_layer(s, &c->use);
	return m;
}

static Runtime__V1__NetworkInterfaceUsage *make_interface(struct stats_call *s,
							  const struct netdev *d)
{
	Runtime__V1__NetworkInterfaceUsage *m = take(s, sizeof(*m));

	runtime__v1__network_interface_usage__init(m);
	m->name = arena_strdup(s->arena, d->name);
	m->rx_bytes = box(s, d->rx_bytes);
	m->rx_errors = box(s, d->rx_errors);
	m->tx_bytes = box(s, d->tx_bytes);
	m->tx_errors = box(s, d->tx_errors);
	return m;
}

/* NULL: host network, or the netns is gone.  The kubelet needs a default interface, and a container
 * may rename eth0: then the first one is it. */
static Runtime__V1__NetworkUsage *make_network(struct stats_call *s, const struct usage *u)
{
	Runtime__V1__NetworkUsage *m;
	size_t first = 0;

	if (!u->devs)
		return NULL;
	m = take(s, sizeof(*m));
	runtime__v1__network_usage__init(m);
	m->timestamp = u->at;
	m->interfaces = take(s, u->n_devs * sizeof(*m->interfaces));
	for (size_t i = 0; i < u->n_devs; i++)
		if (strcmp(u->devs[i].name, DEFAULT_INTERFACE) == 0)
			first = i;
	for (size_t i = 0; i < u->n_devs; i++) {
		Runtime__V1__NetworkInterfaceUsage *one = make_interface(s, &u->devs[i]);

		if (i == first)
			m->default_interface = one;
		else
			m->interfaces[m->n_interfaces++] = one;
	}
	return m;
}

static Runtime__V1__LinuxPodSandboxStats *make_linux(struct stats_call *s,
						     const struct stats_pod *p)
{
	Runtime__V1__LinuxPodSandboxStats *m = take(s, sizeof(*m));

	runtime__v1__linux_pod_sandbox_stats__init(m);
	m->cpu = make_cpu(s, &p->use);
	m->memory = make_memory(s, &p->use);
	m->network = make_network(s, &p->use);
	m->io = make_io(s, &p->use);
	m->process = take(s, sizeof(*m->process));
	runtime__v1__process_usage__init(m->process);
	m->process->timestamp = p->use.at;
	m->process->process_count = box(s, p->use.now.pids);
	m->containers = take(s, p->n_containers * sizeof(*m->containers));
	for (const struct stats_container *c = s->containers; c; c = c->next)
		if (c->pod == p)
			m->containers[m->n_containers++] = make_container(s, c);
	return m;
}

static Runtime__V1__PodSandboxStats *make_pod(struct stats_call *s, const struct stats_pod *p)
{
	Runtime__V1__PodSandboxStats *m = take(s, sizeof(*m));
	Runtime__V1__PodSandboxAttributes *a = take(s, sizeof(*a));

	runtime__v1__pod_sandbox_attributes__init(a);
	a->id = p->item->id;
	a->metadata = p->item->metadata;
	a->n_labels = p->item->n_labels;
	a->labels = (void *)p->item->labels;
	a->n_annotations = p->item->n_annotations;
	a->annotations = (void *)p->item->annotations;
	runtime__v1__pod_sandbox_stats__init(m);
	m->attributes = a;
	m->linux = make_linux(s, p);
	return m;
}

/* --- the RPCs --- */

static void answer_container(struct stats_call *s)
{
	Runtime__V1__ContainerStatsResponse resp = RUNTIME__V1__CONTAINER_STATS_RESPONSE__INIT;

	resp.stats = make_container(s, s->containers);
	rpc_reply(s->rpc, &resp.base);
}

static Runtime__V1__ContainerStats **make_containers(struct stats_call *s)
{
	Runtime__V1__ContainerStats **all = take(s, s->n_containers * sizeof(*all)), **to = all;

	for (const struct stats_container *c = s->containers; c; c = c->next)
		*to++ = make_container(s, c);
	return all;
}

static void answer_containers(struct stats_call *s)
{
	Runtime__V1__ListContainerStatsResponse resp =
		RUNTIME__V1__LIST_CONTAINER_STATS_RESPONSE__INIT;

	resp.stats = make_containers(s);
	resp.n_stats = s->n_containers;
	rpc_reply(s->rpc, &resp.base);
}

static void slice_containers(struct stats_call *s)
{
	slices_made(s->slices, (void *)make_containers(s), s->n_containers);
}

static void answer_pod(struct stats_call *s)
{
	Runtime__V1__PodSandboxStatsResponse resp = RUNTIME__V1__POD_SANDBOX_STATS_RESPONSE__INIT;

	resp.stats = make_pod(s, s->pods);
	rpc_reply(s->rpc, &resp.base);
}

static Runtime__V1__PodSandboxStats **make_pods(struct stats_call *s)
{
	Runtime__V1__PodSandboxStats **all = take(s, s->n_pods * sizeof(*all)), **to = all;

	for (const struct stats_pod *p = s->pods; p; p = p->next)
		*to++ = make_pod(s, p);
	return all;
}

static void answer_pods(struct stats_call *s)
{
	Runtime__V1__ListPodSandboxStatsResponse resp =
		RUNTIME__V1__LIST_POD_SANDBOX_STATS_RESPONSE__INIT;

	resp.stats = make_pods(s);
	resp.n_stats = s->n_pods;
	rpc_reply(s->rpc, &resp.base);
}

static void slice_pods(struct stats_call *s)
{
	slices_made(s->slices, (void *)make_pods(s), s->n_pods);
}

int rpc_take_container_stats(struct caller *c, const Runtime__V1__ContainerStatsRequest *req,
			     struct err *e)
{
	return start_call(c, call_new(c->rpc, NULL, answer_container), &req->base, e);
}

int rpc_take_list_container_stats(struct caller *c,
				  const Runtime__V1__ListContainerStatsRequest *req, struct err *e)
{
	return start_call(c, call_new(c->rpc, NULL, answer_containers), &req->base, e);
}

static void make_container_slice(struct slices *s)
{
	start_slice(s, call_new(s->rpc, NULL, slice_containers));
}

int rpc_stream_container_stats(struct rpc_call *call,
			       const Runtime__V1__StreamContainerStatsRequest *req, struct err *e)
{
	(void)e;
	slices_start(call, &req->base, make_container_slice);
	return 0;
}

int rpc_take_pod_sandbox_stats(struct caller *c, const Runtime__V1__PodSandboxStatsRequest *req,
			       struct err *e)
{
	return start_call(c, call_new(c->rpc, map_new(), answer_pod), &req->base, e);
}

int rpc_take_list_pod_sandbox_stats(struct caller *c,
				    const Runtime__V1__ListPodSandboxStatsRequest *req,
				    struct err *e)
{
	return start_call(c, call_new(c->rpc, map_new(), answer_pods), &req->base, e);
}

static void make_pod_slice(struct slices *s)
{
	start_slice(s, call_new(s->rpc, map_new(), slice_pods));
}

int rpc_stream_pod_sandbox_stats(struct rpc_call *call,
				 const Runtime__V1__StreamPodSandboxStatsRequest *req,
				 struct err *e)
{
	(void)e;
	slices_start(call, &req->base, make_pod_slice);
	return 0;
}

int stats_take_pods(struct caller *c, const ProtobufCMessage *req, stats_fn *read, stats_fn *answer,
		    struct err *e)
{
	struct stats_call *s = call_new(c->rpc, map_new(), answer);

	s->read = read;
	return start_call(c, s, req, e);
}

void stats_slice_pods(struct slices *slices, stats_fn *read, stats_fn *answer)
{
	struct stats_call *s = call_new(slices->rpc, map_new(), answer);

	s->read = read;
	start_slice(slices, s);
}
