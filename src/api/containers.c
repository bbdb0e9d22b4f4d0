/*
 * containers.c - the container RPCs (runtime.v1 RuntimeService).
 */
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "core/calls.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/cri_rpc.h"
#include "oci/signals.h"
#include "pod/container.h"
#include "pod/exec.h"

/* --- events --- */

int rpc_new_create_container(const Runtime__V1__CreateContainerRequest *req, struct object **ret,
			     struct err *e)
{
	return container_for(req, ret, e);
}

void rpc_answer_create_container(struct rpc_call *rpc, const struct sm_object *obj,
				 const struct err *e)
{
	Runtime__V1__CreateContainerResponse resp = RUNTIME__V1__CREATE_CONTAINER_RESPONSE__INIT;
	const Crisp__State__Container *row = obj ? obj->row : NULL;
	struct err failed = ERR_NULL;

	if (!e && !row)
		err_set(&failed, ERR_ABORTED,
			"the container was removed meanwhile: create it again");
	else if (!e && !row->pid && !row->refused && !row->saved && row->failure)
		row_failure_err(row->failure, &failed);
	if (e || failed.code) {
		rpc_fail(rpc, e ? e : &failed);
		return;
	}
	resp.container_id = (char *)(uintptr_t)obj->id;
	rpc_reply(rpc, &resp.base);
}

int rpc_check_start_container(const Runtime__V1__StartContainerRequest *req, const struct object *o,
			      struct err *e)
{
	return container_check_start(req, o, e);
}

void rpc_answer_start_container(struct rpc_call *rpc, const struct sm_object *obj,
				const struct err *e)
{
	Runtime__V1__StartContainerResponse resp = RUNTIME__V1__START_CONTAINER_RESPONSE__INIT;
	const Crisp__State__Container *row = obj ? obj->row : NULL;
	struct err failed = ERR_NULL;

	/* A process that has started and exited counts as started. */
	if (!e && !row)
		err_set(&failed, ERR_NOT_FOUND, "the container was removed meanwhile");
	else if (!e && row->failure && !row->started_ns)
		row_failure_err(row->failure, &failed);
	else if (!e && row->finished_ns && !row->started_ns && !row->exit_known)
		err_set(&failed, ERR_UNAVAILABLE, "container %.13s was not started: %s", obj->id,
			row->message);
	if (e || failed.code)
		rpc_fail(rpc, e ? e : &failed);
	else
		rpc_reply(rpc, &resp.base);
}

int rpc_payload_stop_container(const Runtime__V1__StopContainerRequest *req, const struct object *o,
			       struct payload_stop **ret, struct err *e)
{
	/* Cap at a century, which cannot overflow. */
	int64_t grace_s = MAX(MIN(req->timeout, INT64_C(3155760000)), INT64_C(0));
	struct payload_stop *stop = xcalloc(1, sizeof(*stop));

	(void)o;
	(void)e;
	stop->now = grace_s == 0;
	stop->kill_at_ns = clock_realtime_ns() + grace_s * NSEC_PER_SEC;
	*ret = stop;
	return 0;
}

void rpc_answer_remove_container(struct rpc_call *rpc, const struct sm_object *obj,
				 const struct err *e)
{
	Runtime__V1__RemoveContainerResponse resp = RUNTIME__V1__REMOVE_CONTAINER_RESPONSE__INIT;
	struct err stuck = ERR_NULL;

	/* A reply before the removal is complete carries the error that blocks the removal. */
	if (!e && obj && obj->failure)
		row_failure_err(obj->failure, &stuck);
	if (e || stuck.code)
		rpc_fail(rpc, e ? e : &stuck);
	else
		rpc_reply(rpc, &resp.base);
}

int rpc_payload_update_container_resources(const Runtime__V1__UpdateContainerResourcesRequest *req,
					   const struct object *o, struct payload_resources **ret,
					   struct err *e)
{
	(void)o;
	(void)e;
	*ret = api_pack_resources(req->linux);
	return 0;
}

int rpc_payload_checkpoint_container(const Runtime__V1__CheckpointContainerRequest *req,
				     const struct object *o, struct payload_checkpoint **ret,
				     struct err *e)
{
	return container_dump_for(req, o, ret, e);
}

void rpc_answer_checkpoint_container(struct rpc_call *rpc, const struct sm_object *obj,
				     const struct err *e)
{
	const Crisp__State__Container *row = obj ? obj->row : NULL;

	api_answer_work(rpc, obj, e, row ? row->checkpoint_failure : NULL);
}

void rpc_answer_update_container_resources(struct rpc_call *rpc, const struct sm_object *obj,
					   const struct err *e)
{
	const Crisp__State__Container *row = obj ? obj->row : NULL;

	api_answer_work(rpc, obj, e, row ? row->update_failure : NULL);
}

int rpc_new_exec_sync(const Runtime__V1__ExecSyncRequest *req, struct object **ret, struct err *e)
{
	return exec_for(req, ret, e);
}

void rpc_answer_exec_sync(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	Runtime__V1__ExecSyncResponse resp = RUNTIME__V1__EXEC_SYNC_RESPONSE__INIT;
	struct err failed = ERR_NULL;

	if (!e && !obj)
		err_set(&failed, ERR_ABORTED, "the exec session has ended");
	if (e || failed.code || exec_result(obj, &resp, &failed) < 0)
		rpc_fail(rpc, e ? e : &failed);
	else
		rpc_reply(rpc, &resp.base);
}

/* --- direct --- */

int rpc_take_reopen_container_log(struct caller *c,
				  const Runtime__V1__ReopenContainerLogRequest *req, struct err *e)
{
	return container_reopen_log(c, req->container_id, e);
}

/* --- reads --- */

/* A status with the messages that it points to. */
struct container_status {
	Runtime__V1__ContainerStatus status;
	Runtime__V1__ImageSpec image;
	Runtime__V1__ContainerResources resources;
	Runtime__V1__ContainerUser user;
	Runtime__V1__LinuxContainerUser linux_user;
};

static void fill_ends(Runtime__V1__ContainerStatus *s, const Crisp__State__Container *row)
{
	s->started_at = row->started_ns;
	if (s->state != RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED)
		return;
	s->finished_at = row->finished_ns;
	s->exit_code = row->exit_code;
	s->reason = row->reason;
	s->message = row->message;
}

/* The request's ImageSpec with the image's name instead of its id, and its listing's handler. */
static void fill_image(struct container_status *s, const Runtime__V1__ContainerConfig *c,
		       const Crisp__State__Container *row)
{
	s->image = *c->image;
	s->image.runtime_handler = row->image_runtime_handler;
	s->image.image_ref = row->image_ref;
	if (*row->image_name)
		s->image.image = row->image_name;
	else if (*c->image->user_specified_image)
		s->image.image = c->image->user_specified_image;
	s->status.image = &s->image;
}

/* Each image volume shows its image's id, as PullImage answers: the kubelet's image garbage
 * collection looks for ids.  false: no memory is left. */
static bool fill_image_refs(struct arena *a, const Runtime__V1__ContainerConfig *c,
			    const Crisp__State__Container *row)
{
	for (size_t i = 0, k = 0; i < c->n_mounts && k < row->n_image_mounts; i++) {
		Runtime__V1__ImageSpec *spec = c->mounts[i]->image;
		char *ref;

		if (!spec || !*spec->image)
			continue;
		ref = arena_printf(a, "sha256:%s", row->image_mounts[k++]);
		if (!ref)
			return false;
		spec->image = spec->image_ref = ref;
	}
	return true;
}

/* The signal that StopContainer sends.  Of two CRI names of one signal, the request's. */
static Runtime__V1__Signal stop_signal(const Runtime__V1__ContainerConfig *c,
				       const Crisp__State__Container *row)
{
	if (c->stop_signal != RUNTIME__V1__SIGNAL__SIGNAL_RUNTIME_DEFAULT)
		return c->stop_signal;
	return oci_signal_to_cri(row->stop_signal ? (int)row->stop_signal : SIGTERM);
}

/* updated: the limits in force if they differ from the config's; NULL: they do not. */
static void fill_config(struct container_status *s, const Runtime__V1__ContainerConfig *c,
			Runtime__V1__LinuxContainerResources *updated)
{
	s->status.metadata = c->metadata;
	s->status.n_labels = c->n_labels;
	s->status.labels = (void *)c->labels;
	s->status.n_annotations = c->n_annotations;
	s->status.annotations = (void *)c->annotations;
	s->status.n_mounts = c->n_mounts;
	s->status.mounts = c->mounts;
	if (!updated && c->linux)
		updated = c->linux->resources;
	s->resources.linux = updated;
	s->status.resources = updated ? &s->resources : NULL;
}

static void fill_status(struct container_status *s, const struct listing_row *r,
			const Runtime__V1__ContainerConfig *c,
			Runtime__V1__LinuxContainerResources *updated)
{
	const Crisp__State__Container *row = r->row;

	runtime__v1__container_status__init(&s->status);
	runtime__v1__container_resources__init(&s->resources);
	runtime__v1__container_user__init(&s->user);
	runtime__v1__linux_container_user__init(&s->linux_user);
	s->status.id = (char *)(uintptr_t)r->id;
	s->status.state = (Runtime__V1__ContainerState)listing_shows(KIND_CONTAINER, r->state);
	s->status.created_at = row->created_ns;
	s->status.image_ref = row->image_ref;
	s->status.image_id = row->image_id;
	s->status.log_path = row->log_path;
	s->linux_user.uid = row->uid;
	s->linux_user.gid = row->gid;
	s->linux_user.n_supplemental_groups = row->n_groups;
	s->linux_user.supplemental_groups = row->groups;
	s->user.linux = &s->linux_user;
	s->status.user = &s->user;
	fill_ends(&s->status, row);
	fill_config(s, c, updated);
	fill_image(s, c, row);
	s->status.stop_signal = stop_signal(c, row);
}

Runtime__V1__ContainerStatus *api_container_status(struct arena *a, const struct listing_row *r)
{
	const Crisp__State__Container *row = r->row;
	struct container_status *s = arena_alloc(a, sizeof(*s));
	Runtime__V1__ContainerConfig *c = runtime__v1__container_config__unpack(
		arena_allocator(a), row->config.len, row->config.data);
	Runtime__V1__LinuxContainerResources *updated = NULL;

	if (row->resources.len)
		updated = runtime__v1__linux_container_resources__unpack(
			arena_allocator(a), row->resources.len, row->resources.data);
	if (!s || !c || (row->resources.len && !updated))
		return NULL;
	fill_status(s, r, c, updated);
	return fill_image_refs(a, c, row) ? &s->status : NULL;
}

static bool is_privileged(const Crisp__State__Container *row)
{
	Runtime__V1__ContainerConfig *c = container_config(row);
	bool privileged =
		c->linux && c->linux->security_context && c->linux->security_context->privileged;

	runtime__v1__container_config__free_unpacked(c, NULL);
	return privileged;
}

/* The verbose info for crictl and operators: pid, and the spec passed to the runtime. */
static char *info_json(const struct listing_row *r)
{
	const Crisp__State__Container *row = r->row;
	_cleanup_free_ char *dir = path_container_run(world.conf, r->id);
	_cleanup_free_ char *path = xasprintf("%s/config.json", dir);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err ignored = ERR_NULL;
	json_t *spec = NULL, *all;
	char *json, at[36];

	if (fs_read_file(path, 16 * LIMIT_CONFIG_BYTES, &text, &ignored) == 0)
		spec = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	all = json_pack("{s:s, s:i, s:b, s:s, s:o}", "sandboxID", row->sandbox_id, "pid", row->pid,
			"privileged", is_privileged(row), "runtime", row->runtime_path,
			"runtimeSpec", spec ? spec : json_null());
	if (*row->restore_source)
		json_object_set_new(all, "restored", json_true());
	if (row->checkpointed_ns) {
		clock_format(row->checkpointed_ns, at);
		json_object_set_new(all, "checkpointedAt", json_string(at));
	}
	json = json_dumps(all, JSON_INDENT(2));
	json_decref(all);
	return json;
}

int rpc_answer_container_status(struct rpc_call *call,
				const Runtime__V1__ContainerStatusRequest *req,
				const struct listing_row *r, struct err *e)
{
	Runtime__V1__ContainerStatusResponse resp = RUNTIME__V1__CONTAINER_STATUS_RESPONSE__INIT;
	Runtime__V1__ContainerStatusResponse__InfoEntry info[2], *info_list[2];
	_cleanup_free_ char *spec = NULL, *machine = NULL;

	resp.status = api_container_status(rpc_call_arena(call), r);
	if (!resp.status)
		return err_set(e, ERR_EXHAUSTED, "no memory left for this call");
	if (req->verbose) {
		spec = info_json(r);
		machine = api_machine_json(r);
		for (size_t i = 0; i < ARRAY_LEN(info); i++) {
			runtime__v1__container_status_response__info_entry__init(&info[i]);
			info_list[i] = &info[i];
		}
		info[0].key = (char *)(uintptr_t) "info";
		info[0].value = spec;
		info[1].key = (char *)(uintptr_t) "machine";
		info[1].value = machine;
		resp.info = info_list;
		resp.n_info = ARRAY_LEN(info);
	}
	rpc_reply(call, &resp.base);
	return 0;
}
