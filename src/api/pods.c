/*
 * pods.c - the pod sandbox RPCs (runtime.v1 RuntimeService).
 */
#include "api/handlers.h"
#include "base/arena.h"
#include "core/records.h"
#include "gen/cri_rpc.h"
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

/* --- reads --- */

struct pod_status {
	Runtime__V1__PodSandboxStatusResponse resp;
	Runtime__V1__PodSandboxStatus status;
	Runtime__V1__PodSandboxNetworkStatus network;
	Runtime__V1__LinuxPodSandboxStatus linux;
	Runtime__V1__Namespace namespaces;
	Runtime__V1__NamespaceOption none;
	Runtime__V1__PodSandboxStatusResponse__InfoEntry info, *info_list[1];
};

static int fill_network(struct rpc_call *call, struct pod_status *s,
			const Crisp__State__Sandbox *row, struct err *e)
{
	struct arena *a = rpc_call_arena(call);

	runtime__v1__pod_sandbox_network_status__init(&s->network);
	s->status.network = &s->network;
	if (row->n_ips == 0)
		return 0;
	s->network.ip = row->ips[0];
	s->network.additional_ips = arena_alloc(a, row->n_ips * sizeof(Runtime__V1__PodIP *));
	for (size_t i = 1; i < row->n_ips; i++) {
		Runtime__V1__PodIP *ip = arena_alloc(a, sizeof(*ip));

		if (!ip || !s->network.additional_ips)
			return err_set(e, ERR_EXHAUSTED, "no memory left for this call");
		runtime__v1__pod_ip__init(ip);
		ip->ip = row->ips[i];
		s->network.additional_ips[s->network.n_additional_ips++] = ip;
	}
	return 0;
}

static void fill_status(struct pod_status *s, const struct listing_row *r,
			const Runtime__V1__PodSandboxConfig *c)
{
	const Crisp__State__Sandbox *row = r->row;
	const Runtime__V1__LinuxSandboxSecurityContext *sc =
		c->linux ? c->linux->security_context : NULL;

	runtime__v1__pod_sandbox_status__init(&s->status);
	runtime__v1__linux_pod_sandbox_status__init(&s->linux);
	runtime__v1__namespace__init(&s->namespaces);
	runtime__v1__namespace_option__init(&s->none);
	s->status.id = (char *)(uintptr_t)r->id;
	s->status.metadata = c->metadata;
	s->status.state = (Runtime__V1__PodSandboxState)listing_shows(KIND_SANDBOX, r->state);
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

int rpc_answer_pod_sandbox_status(struct rpc_call *call,
				  const Runtime__V1__PodSandboxStatusRequest *req,
				  const struct listing_row *r, struct err *e)
{
	Runtime__V1__PodSandboxConfig *c = sandbox_config(r->row);
	_cleanup_free_ char *json = NULL;
	struct pod_status s;
	int ret;

	runtime__v1__pod_sandbox_status_response__init(&s.resp);
	fill_status(&s, r, c);
	ret = fill_network(call, &s, r->row, e);
	s.resp.status = &s.status;
	if (req->verbose) {
		json = api_machine_json(r);
		runtime__v1__pod_sandbox_status_response__info_entry__init(&s.info);
		s.info.key = (char *)(uintptr_t) "info";
		s.info.value = json;
		s.info_list[0] = &s.info;
		s.resp.info = s.info_list;
		s.resp.n_info = 1;
	}
	if (ret == 0)
		rpc_reply(call, &s.resp.base);
	runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
	return ret;
}
