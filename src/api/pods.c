/*
 * pods.c - the pod sandbox RPCs (runtime.v1 RuntimeService).
 */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/cri_rpc.h"
#include "pod/podrestore.h"
#include "pod/sandbox.h"

/* --- events --- */

int rpc_new_run_pod_sandbox(const Runtime__V1__RunPodSandboxRequest *req, struct object **ret,
			    struct err *e)
{
	return sandbox_for(req, ret, e);
}

void rpc_answer_run_pod_sandbox(struct rpc_call *rpc, const struct sm_object *obj,
				const struct err *e)
{
	Runtime__V1__RunPodSandboxResponse resp = RUNTIME__V1__RUN_POD_SANDBOX_RESPONSE__INIT;
	const Crisp__State__Sandbox *row = obj ? obj->row : NULL;
	struct err failed = ERR_NULL;

	if (!e && !row)
		err_set(&failed, ERR_ABORTED, "the sandbox was removed meanwhile: run it again");
	else if (!e && row->undo)
		row_failure_err(row->failure, &failed);
	if (e || failed.code) {
		rpc_fail(rpc, e ? e : &failed);
		return;
	}
	resp.pod_sandbox_id = (char *)(uintptr_t)obj->id;
	rpc_reply(rpc, &resp.base);
}

void rpc_answer_stop_pod_sandbox(struct rpc_call *rpc, const struct sm_object *obj,
				 const struct err *e)
{
	Runtime__V1__StopPodSandboxResponse resp = RUNTIME__V1__STOP_POD_SANDBOX_RESPONSE__INIT;
	struct err stuck = ERR_NULL;

	/* A reply before the stop is complete carries the blocking error; the work goes on. */
	if (!e && obj && obj->failure)
		row_failure_err(obj->failure, &stuck);
	if (e || stuck.code)
		rpc_fail(rpc, e ? e : &stuck);
	else
		rpc_reply(rpc, &resp.base);
}

int rpc_new_restore_pod(const Runtime__V1__RestorePodRequest *req, struct object **ret,
			struct err *e)
{
	return sandbox_restore_for(req, ret, e);
}

void rpc_answer_restore_pod(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	Runtime__V1__RestorePodResponse resp = RUNTIME__V1__RESTORE_POD_RESPONSE__INIT;
	const Crisp__State__Sandbox *row = obj ? obj->row : NULL;
	struct err failed = ERR_NULL;

	if (!e && !row)
		err_set(&failed, ERR_ABORTED,
			"the sandbox was removed meanwhile: restore it again");
	else if (!e && row->undo)
		row_failure_err(row->failure, &failed);
	else if (!e)
		podrestore_list(object_of(obj), &resp, &failed);
	if (e || failed.code)
		rpc_fail(rpc, e ? e : &failed);
	else
		rpc_reply(rpc, &resp.base);
	podrestore_list_done(&resp);
}

int rpc_payload_update_pod_sandbox_resources(
	const Runtime__V1__UpdatePodSandboxResourcesRequest *req, const struct object *o,
	struct payload_pod_resources **ret, struct err *e)
{
	struct payload_pod_resources *to = xcalloc(1, sizeof(*to));

	(void)o;
	(void)e;
	if (req->resources)
		to->resources = api_pack_resources(req->resources);
	if (req->overhead)
		to->overhead = api_pack_resources(req->overhead);
	*ret = to;
	return 0;
}

int rpc_payload_checkpoint_pod(const Runtime__V1__CheckpointPodRequest *req, const struct object *o,
			       struct payload_pod_checkpoint **ret, struct err *e)
{
	return sandbox_dump_for(req, o, ret, e);
}

void rpc_answer_checkpoint_pod(struct rpc_call *rpc, const struct sm_object *obj,
			       const struct err *e)
{
	const Crisp__State__Sandbox *row = obj ? obj->row : NULL;

	api_answer_work(rpc, obj, e, row ? row->checkpoint_failure : NULL);
}

/* --- reads --- */

/* A status with the messages that it points to. */
struct pod_status {
	Runtime__V1__PodSandboxStatus status;
	Runtime__V1__PodSandboxNetworkStatus network;
	Runtime__V1__LinuxPodSandboxStatus linux;
	Runtime__V1__Namespace namespaces;
	Runtime__V1__NamespaceOption none;
};

static bool fill_network(struct arena *a, struct pod_status *s, const Crisp__State__Sandbox *row)
{
	runtime__v1__pod_sandbox_network_status__init(&s->network);
	s->status.network = &s->network;
	if (row->n_ips == 0)
		return true;
	s->network.ip = row->ips[0];
	s->network.additional_ips = arena_alloc(a, row->n_ips * sizeof(Runtime__V1__PodIP *));
	for (size_t i = 1; i < row->n_ips; i++) {
		Runtime__V1__PodIP *ip = arena_alloc(a, sizeof(*ip));

		if (!ip || !s->network.additional_ips)
			return false;
		runtime__v1__pod_ip__init(ip);
		ip->ip = row->ips[i];
		s->network.additional_ips[s->network.n_additional_ips++] = ip;
	}
	return true;
}

static void fill_status(struct pod_status *s, const struct listing_row *r,
			const Runtime__V1__PodSandboxConfig *c)
{
	const Crisp__State__Sandbox *row = r->row;
	const Runtime__V1__LinuxSandboxSecurityContext *sc =
		c->linux ? c->linux->security_context : NULL;
	int shows = listing_shows(KIND_SANDBOX, r->state);

	runtime__v1__pod_sandbox_status__init(&s->status);
	runtime__v1__linux_pod_sandbox_status__init(&s->linux);
	runtime__v1__namespace__init(&s->namespaces);
	runtime__v1__namespace_option__init(&s->none);
	s->status.id = (char *)(uintptr_t)r->id;
	s->status.metadata = c->metadata;
	s->status.state = shows < 0 ? RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_NOTREADY
				    : (Runtime__V1__PodSandboxState)shows;
	s->status.created_at = row->created_ns;
	s->status.n_labels = c->n_labels;
	s->status.labels = (void *)c->labels;
	s->status.n_annotations = c->n_annotations;
	s->status.annotations = (void *)c->annotations;
	s->status.runtime_handler = row->runtime_handler;
	s->status.linux = &s->linux;
	s->linux.namespaces = &s->namespaces;
	s->namespaces.options = sc && sc->namespace_options ? sc->namespace_options : &s->none;
}

Runtime__V1__PodSandboxStatus *api_pod_status(struct arena *a, const struct listing_row *r)
{
	const Crisp__State__Sandbox *row = r->row;
	struct pod_status *s = arena_alloc(a, sizeof(*s));
	Runtime__V1__PodSandboxConfig *c = runtime__v1__pod_sandbox_config__unpack(
		arena_allocator(a), row->config.len, row->config.data);

	if (!s || !c)
		return NULL;
	fill_status(s, r, c);
	return fill_network(a, s, row) ? &s->status : NULL;
}

/* The statuses of a pod's containers. */
struct pod_containers {
	struct arena *arena;
	const char *pod_id;
	Runtime__V1__ContainerStatus **list;
	size_t n, room;
	struct listing_row *rows; /* what the statuses point into */
};

static int add_container(void *arg, const struct listing *v)
{
	struct pod_containers *p = arg;
	struct listing_row row;
	struct err gone = ERR_NULL;

	if (strcmp(v->head.owner, p->pod_id) != 0)
		return 0;
	if (listing_get(KIND_CONTAINER, v->id, &row, &gone) < 0)
		return 0; /* removed meanwhile */
	if (p->n == p->room) {
		p->room = p->room * 2 + 8;
		p->list = xrealloc(p->list, p->room * sizeof(Runtime__V1__ContainerStatus *));
		p->rows = xrealloc(p->rows, p->room * sizeof(struct listing_row));
	}
	p->rows[p->n] = row;
	p->n++;
	return 0;
}

/* All or none: <0: e is set. */
static int containers_make(struct pod_containers *p, struct err *e)
{
	int r = listing_each(KIND_CONTAINER, "", add_container, p, e);

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		p->list[i] = api_container_status(p->arena, &p->rows[i]);
		if (!p->list[i])
			r = err_set(e, ERR_EXHAUSTED,
				    "PodSandboxStatus: the statuses of %zu containers take more "
				    "than %d bytes",
				    p->n, LIMIT_CALL_ARENA);
	}
	return r;
}

static void containers_done(struct pod_containers *p)
{
	for (size_t i = 0; i < p->n; i++)
		listing_row_done(&p->rows[i]);
	free(p->rows);
	free(p->list);
}

/* The timestamp is taken before the containers are read: they have each change committed before
 * it. */
static int fill_containers(Runtime__V1__PodSandboxStatusResponse *resp, struct pod_containers *p,
			   struct err *e)
{
	int r;

	resp->timestamp = clock_realtime_ns();
	r = containers_make(p, e);
	resp->n_containers_statuses = p->n;
	resp->containers_statuses = p->list;
	return r;
}

int rpc_answer_pod_sandbox_status(struct rpc_call *call,
				  const Runtime__V1__PodSandboxStatusRequest *req,
				  const struct listing_row *r, struct err *e)
{
	Runtime__V1__PodSandboxStatusResponse resp = RUNTIME__V1__POD_SANDBOX_STATUS_RESPONSE__INIT;
	Runtime__V1__PodSandboxStatusResponse__InfoEntry info[2], *info_list[2];
	struct pod_containers p = { .arena = rpc_call_arena(call), .pod_id = r->id };
	_cleanup_free_ char *pod_info = NULL, *machine = NULL;
	int ret;

	resp.status = api_pod_status(p.arena, r);
	if (!resp.status)
		return err_set(e, ERR_EXHAUSTED, "no memory left for this call");
	ret = fill_containers(&resp, &p, e);
	if (req->verbose) {
		pod_info = api_pod_info_json(r);
		machine = api_machine_json(r);
		for (size_t i = 0; i < ARRAY_LEN(info); i++) {
			runtime__v1__pod_sandbox_status_response__info_entry__init(&info[i]);
			info_list[i] = &info[i];
		}
		info[0].key = (char *)(uintptr_t) "info";
		info[0].value = pod_info;
		info[1].key = (char *)(uintptr_t) "machine";
		info[1].value = machine;
		resp.info = info_list;
		resp.n_info = ARRAY_LEN(info);
	}
	if (ret == 0)
		rpc_reply(call, &resp.base);
	containers_done(&p);
	return ret;
}
