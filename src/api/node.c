/*
 * node.c - RPCs about the node and the daemon (runtime.v1 RuntimeService), and Admin.Explain.
 */
#include "api/node.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/version.h"
#include "core/calls.h"
#include "core/payloads.h"
#include "core/trash.h"
#include "gen/cri_rpc.h"
#include "images/image.h"
#include "images/pull.h"
#include "net/cni.h"
#include "net/dirwatch.h"
#include "oci/features.h"
#include "pod/container.h"
#include "pod/runtimes.h"
#include "pod/podids.h"

#define EXPLAIN_LINES 256 /* in the log, for one signal */
#define TRASH_SLOW_NS (5 * NSEC_PER_SEC) /* a removal that takes longer is explained */

#define CNI_STATUS_MS 5000

int rpc_version(struct rpc_call *call, const Runtime__V1__VersionRequest *req,
		Runtime__V1__VersionResponse *resp, struct err *e)
{
	(void)call;
	(void)req;
	(void)e;
	resp->version = (char *)(uintptr_t)CRISP_KUBELET_API;
	resp->runtime_name = (char *)(uintptr_t) "crisp";
	resp->runtime_version = (char *)(uintptr_t)CRISP_VERSION;
	resp->runtime_api_version = (char *)(uintptr_t)CRISP_CRI_VERSION;
	return 0;
}

int rpc_runtime_config(struct rpc_call *call, const Runtime__V1__RuntimeConfigRequest *req,
		       Runtime__V1__RuntimeConfigResponse *resp, struct err *e)
{
	Runtime__V1__LinuxRuntimeConfiguration l = RUNTIME__V1__LINUX_RUNTIME_CONFIGURATION__INIT;

	(void)req;
	(void)e;
	l.cgroup_driver = world.conf->cgroup_manager == CONF_CGROUP_MANAGER_SYSTEMD
				  ? RUNTIME__V1__CGROUP_DRIVER__SYSTEMD
				  : RUNTIME__V1__CGROUP_DRIVER__CGROUPFS;
	resp->linux = &l;
	rpc_reply(call, &resp->base);
	return 1;
}

/* Accept and ignore the pod CIDR, as CRI-O does: the CNI configuration has it. */
int rpc_update_runtime_config(struct rpc_call *call,
			      const Runtime__V1__UpdateRuntimeConfigRequest *req, struct err *e)
{
	Runtime__V1__UpdateRuntimeConfigResponse resp =
		RUNTIME__V1__UPDATE_RUNTIME_CONFIG_RESPONSE__INIT;

	(void)req;
	(void)e;
	rpc_reply(call, &resp.base);
	return 0;
}

/* --- Status: cached while nothing has changed, else from a worker (runs CNI plugins) --- */

struct status_call {
	struct loop_post post;
	struct loop_job job;
	struct rpc_call *rpc;
	bool verbose;
	struct cni_readiness network; /* a copy while a worker uses it */
	int watch_fd; /* watches since before the check; -1: none */
};

/* On the loop. */
static struct {
	struct cni_readiness network;
	int watch_fd;
} known = { .watch_fd = -1 };

static Runtime__V1__RuntimeHandler *handler_new(struct arena *a, const char *name,
						const struct oci_features *f)
{
	Runtime__V1__RuntimeHandler *h = arena_alloc(a, sizeof(*h));
	Runtime__V1__RuntimeHandlerFeatures *features = arena_alloc(a, sizeof(*features));

	if (!h || !features)
		return NULL;
	runtime__v1__runtime_handler__init(h);
	runtime__v1__runtime_handler_features__init(features);
	h->name = (char *)(uintptr_t)name;
	h->features = features;
	features->recursive_read_only_mounts = f->rro && world.security.rro;
	features->user_namespaces = pod_userns_works(f);
	return h;
}

/* Each runtime handler, and "" for the default one. */
static void fill_handlers(struct arena *a, Runtime__V1__StatusResponse *resp)
{
	const struct conf *c = world.conf;
	const struct conf_runtime *by_default = conf_runtime_find(c, NULL);

	resp->runtime_handlers =
		arena_alloc(a, (c->n_runtimes + 1) * sizeof(*resp->runtime_handlers));
	for (size_t i = 0; resp->runtime_handlers && i <= c->n_runtimes; i++) {
		const struct conf_runtime *rt = i ? &c->runtimes[i - 1] : by_default;
		Runtime__V1__RuntimeHandler *h =
			rt ? handler_new(a, i ? rt->name : "", runtimes_features(rt)) : NULL;

		if (h)
			resp->runtime_handlers[resp->n_runtime_handlers++] = h;
	}
}

static bool any_handler(bool (*works)(const struct oci_features *))
{
	for (size_t i = 0; i < world.conf->n_runtimes; i++)
		if (works(runtimes_features(&world.conf->runtimes[i])))
			return true;
	return false;
}

static char *config_json(void)
{
	const struct conf *c = world.conf;
	json_t *runtimes = json_array(), *all;
	char *text;

	for (size_t i = 0; i < c->n_runtimes; i++)
		json_array_append_new(runtimes,
				      json_pack("{s:s, s:s, s:s, s:s*}", "name",
						c->runtimes[i].name, "path", c->runtimes[i].path,
						"root", c->runtimes[i].root, "warning",
						runtimes_features(&c->runtimes[i])->vulnerable));
	all = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "sandboxImage", c->pause_image,
			"root", c->root, "runroot", c->runroot, "listen", c->listen,
			"cgroupManager",
			c->cgroup_manager == CONF_CGROUP_MANAGER_SYSTEMD ? "systemd" : "cgroupfs",
			"networkDir", c->network_dir, "defaultRuntime", c->default_runtime,
			"runtimes", runtimes);
	text = json_dumps(all, JSON_INDENT(2));
	json_decref(all);
	return text;
}

static void status_answer(struct rpc_call *rpc, bool verbose, struct err *network_why)
{
	Runtime__V1__StatusResponse resp = RUNTIME__V1__STATUS_RESPONSE__INIT;
	Runtime__V1__RuntimeStatus status = RUNTIME__V1__RUNTIME_STATUS__INIT;
	Runtime__V1__RuntimeCondition runtime = RUNTIME__V1__RUNTIME_CONDITION__INIT;
	Runtime__V1__RuntimeCondition network = RUNTIME__V1__RUNTIME_CONDITION__INIT;
	Runtime__V1__RuntimeCondition *conditions[] = { &runtime, &network };
	Runtime__V1__RuntimeFeatures features = RUNTIME__V1__RUNTIME_FEATURES__INIT;
	Runtime__V1__StatusResponse__InfoEntry
		info = RUNTIME__V1__STATUS_RESPONSE__INFO_ENTRY__INIT,
		*list[] = { &info };
	_cleanup_free_ char *config = verbose ? config_json() : NULL;

	runtime.type = (char *)(uintptr_t) "RuntimeReady";
	runtime.status = true;
	network.type = (char *)(uintptr_t) "NetworkReady";
	network.status = network_why->code == ERR_OK;
	if (!network.status) {
		network.reason = (char *)(uintptr_t) "NetworkPluginNotReady";
		network.message = network_why->text;
	}
	status.conditions = conditions;
	status.n_conditions = ARRAY_LEN(conditions);
	features.supplemental_groups_policy = true;
	features.mount_options = true;
	features.user_namespaces_host_network = any_handler(pod_userns_works_on_host);
	resp.status = &status;
	resp.features = &features;
	fill_handlers(rpc_call_arena(rpc), &resp);
	if (config) {
		info.key = (char *)(uintptr_t) "config";
		info.value = config;
		resp.info = list;
		resp.n_info = 1;
	}
	rpc_reply(rpc, &resp.base);
}

static void status_work(struct loop_job *base)
{
	struct status_call *s = container_of(base, struct status_call, job);
	const char *const *plugin_dirs = (const char *const *)world.conf->plugin_dirs;
	bool was_excused = s->network.excused.code != ERR_OK;
	struct err why = ERR_NULL;
	int64_t grace_ns = 0;

	s->watch_fd = dirwatch_open(world.conf->network_dir, plugin_dirs);
	str_to_duration(world.conf->cni_status_grace_period, &grace_ns);
	if (cni_ready_cached(world.conf->network_dir, world.conf->cni_default_network, plugin_dirs,
			     CNI_STATUS_MS, grace_ns, &s->network, &why) == 0)
		why = ERR_NULL;
	if (s->network.excused.code && !was_excused)
		log_warn("the network is not ready, reported after the grace period",
			 "grace=%s error=\"%s\"", world.conf->cni_status_grace_period,
			 s->network.excused.text);
	status_answer(s->rpc, s->verbose, &why);
}

static void status_done(struct loop_job *base)
{
	struct status_call *s = container_of(base, struct status_call, job);

	if (s->network.until_ns >= known.network.until_ns) {
		close_fdp(&known.watch_fd);
		known.network = s->network;
		known.watch_fd = take_fd(s->watch_fd);
	}
	close_fdp(&s->watch_fd);
	free(s);
}

static void status_start(struct loop_post *post)
{
	struct status_call *s = container_of(post, struct status_call, post);
	struct err e = ERR_NULL;

	if (clock_monotonic_ns() < known.network.until_ns && dirwatch_is_quiet(known.watch_fd)) {
		struct err why = known.network.why;

		status_answer(s->rpc, s->verbose, &why);
		free(s);
		return;
	}
	s->network = known.network;
	s->job.work = status_work;
	s->job.done = status_done;
	if (loop_work(world.loop, LANE_CALL, &s->job, &e) == 0)
		return;
	rpc_fail(s->rpc, &e);
	free(s);
}

int rpc_status(struct rpc_call *call, const Runtime__V1__StatusRequest *req, struct err *e)
{
	struct status_call *s = xcalloc(1, sizeof(*s));

	(void)e;
	s->post.fn = status_start;
	s->watch_fd = -1;
	s->rpc = call;
	s->verbose = req->verbose;
	loop_post(world.loop, &s->post);
	return 0;
}

/* --- Explain: on the loop, which owns the objects --- */

static const char *const kinds_of_state[] = {
	[SM_KIND_INITIAL] = "initial",
	[SM_KIND_BUSY] = "busy",
	[SM_KIND_REST] = "rest",
	[SM_KIND_FINAL] = "final",
};

/* Of the last try of the effect, else of the last operation; NULL: none. */
static const Crisp__State__Failure *failure_of(const struct object *o)
{
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(
		o->sm->machine->row_descriptor, "failure");

	if (o->sm->failure || !f)
		return o->sm->failure;
	return *(Crisp__State__Failure *const *)((const char *)o->sm->row + f->offset);
}

/* Why a sandbox ended without a client's request, once it has settled; else "". */
static const char *ended_why(const struct object *o)
{
	return o->kind == KIND_SANDBOX ? ((const Crisp__State__Sandbox *)o->sm->row)->ended_why
				       : "";
}

static char *pull_words(struct arena *a, const char *effect, const struct image_pull_progress *p)
{
	return arena_printf(a,
			    "%s: %s, %u of %u layers, %ju of %ju bytes, %ju bytes/s, "
			    "%u retries%s%s",
			    effect, api_pull_phase(p->phase), p->layers_done, p->layers_total,
			    (uintmax_t)p->bytes_done, (uintmax_t)p->bytes_total, (uintmax_t)p->rate,
			    p->retries, *p->host ? ", from " : "", p->host);
}

/* ": PROCESS, in the kernel, ..." for a killed container in uninterruptible sleep, else "". */
static const char *stuck_process(const struct object *o, char out[PROC_TEXT_MAX + 64])
{
	const Crisp__State__Container *row = o->sm->row;
	char text[PROC_TEXT_MAX];

	if (o->kind != KIND_CONTAINER || !ctr_is_killed(o->sm->state) || row->pid <= 0 ||
	    proc_describe(row->pid, text) != 'D')
		return "";
	snprintf(out, PROC_TEXT_MAX + 64, ": %s, in the kernel, dies when that lets it go", text);
	return out;
}

/* Describe the pending work: a failed commit, a child, or the effect in flight with its retries. */
static char *waits_for(struct arena *a, const struct object *o)
{
	const struct sm_object *sm = o->sm;
	const char *effect = sm->effect >= 0 ? sm->machine->effects[sm->effect].name : NULL;
	const struct sm_object *child = sm_awaited_child(sm);
	char stuck[PROC_TEXT_MAX + 64];

	if (sm->stalled)
		return arena_strdup(a, "a commit that failed: it is tried again every second");
	if (child)
		return arena_printf(a, "%s %.13s, which is %s", child->machine->name, child->id,
				    sm_state(child)->name);
	if (!effect || sm_state(sm)->kind != SM_KIND_BUSY)
		return arena_strdup(a, "");
	if (sm->retry_ns)
		return arena_printf(
			a, "%s, tried again in %lld ms after %u failed tries", effect,
			(long long)MAX((sm->retry_ns - clock_realtime_ns()) / 1000000, INT64_C(0)),
			sm->failure->tries);
	if (o->kind == KIND_PULL && pull_progress_of(o))
		return pull_words(a, effect, pull_progress_of(o));
	return arena_printf(a, "%s%s%s", effect, o->job_runs ? ", running on a worker" : "",
			    stuck_process(o, stuck));
}

static Crisp__V1__Transition **explain_history(struct arena *a, const struct sm_object *sm,
					       size_t *ret_n)
{
	Crisp__V1__Transition **list = arena_alloc(a, LIMIT_HISTORY * sizeof(*list));

	*ret_n = 0;
	for (uint16_t i = 0; list && i < sm->n_history; i++) {
		const struct sm_transition *t = sm_history_at(sm, i);
		Crisp__V1__Transition *to = arena_alloc(a, sizeof(*to));

		if (!to)
			break;
		crisp__v1__transition__init(to);
		to->at_ns = t->at_ns;
		to->from = (char *)(uintptr_t)sm->machine->states[t->from].name;
		to->event = (char *)(uintptr_t)sm->machine->events[t->event].name;
		to->to = (char *)(uintptr_t)sm->machine->states[t->to].name;
		list[(*ret_n)++] = to;
	}
	return list;
}

/* Settled, not stalled, and not a faulty image. */
static bool is_quiet(const struct object *o)
{
	return sm_state(o->sm)->kind == SM_KIND_REST && !o->sm->stalled &&
	       !(o->kind == KIND_IMAGE && img_is_faulty(o->sm->state));
}

static const char *name_of(const struct object *o)
{
	const Crisp__State__Image *image = o->kind == KIND_IMAGE ? o->sm->row : NULL;

	if (o->kind == KIND_PULL)
		return pull_reference(o);
	return image && image->n_tags ? image->tags[0] : o->name_key;
}

static Crisp__V1__ExplainedObject *explain_object(struct arena *a, const struct object *o)
{
	Crisp__V1__ExplainedObject *x = arena_alloc(a, sizeof(*x));
	const struct sm_state *s = sm_state(o->sm);
	const Crisp__State__Failure *f = failure_of(o);

	if (!x)
		return NULL;
	crisp__v1__explained_object__init(x);
	x->kind = (char *)(uintptr_t)o->sm->machine->name;
	x->id = arena_strdup(a, o->sm->id);
	x->name = arena_strdup(a, name_of(o));
	x->state = (char *)(uintptr_t)s->name;
	x->kind_of_state = (char *)(uintptr_t)kinds_of_state[s->kind];
	x->age_ns = clock_realtime_ns() - o->sm->since_ns;
	x->last_error = f ? f->text : (char *)(uintptr_t)ended_why(o);
	x->waits_for = waits_for(a, o);
	x->deadline_ns = o->sm->deadline_ns;
	x->transitions = explain_history(a, o->sm, &x->n_transitions);
	return x;
}

static Crisp__V1__ExplainedObject *explain_quarantined(struct arena *a, const struct quarantined *q)
{
	Crisp__V1__ExplainedObject *x = arena_alloc(a, sizeof(*x));

	if (!x)
		return NULL;
	crisp__v1__explained_object__init(x);
	x->kind = (char *)(uintptr_t)kind_ops(q->kind)->machine->name;
	x->id = (char *)(uintptr_t)q->id;
	x->state = (char *)(uintptr_t) "QUARANTINED";
	x->kind_of_state = (char *)(uintptr_t) "rest";
	x->last_error = (char *)(uintptr_t)q->why;
	x->waits_for = (char *)(uintptr_t) "its removal";
	return x;
}

static Crisp__V1__ExplainedObject *explain_trash(struct arena *a, const char *path,
						 const char *state, int64_t since_ns,
						 const char *why, int64_t retry_ns)
{
	Crisp__V1__ExplainedObject *x = arena_alloc(a, sizeof(*x));

	if (!x)
		return NULL;
	crisp__v1__explained_object__init(x);
	x->kind = (char *)(uintptr_t) "trash";
	x->id = arena_strdup(a, strrchr(path, '/') + 1);
	x->name = arena_strdup(a, path);
	x->state = (char *)(uintptr_t)state;
	x->kind_of_state = (char *)(uintptr_t) "busy";
	x->age_ns = clock_realtime_ns() - since_ns;
	x->last_error = arena_strdup(a, why);
	x->waits_for =
		retry_ns
			? arena_printf(a, "the next try in %lld s",
				       (long long)(MAX(retry_ns - clock_realtime_ns(), INT64_C(0)) /
						   NSEC_PER_SEC))
			: arena_strdup(a, "removal of its files, running on a worker");
	return x;
}

/* Add trash entries that cannot be removed, and one whose removal takes long. */
static void add_trash(struct arena *a, const char *prefix, Crisp__V1__ExplainResponse *resp)
{
	struct trash_status s = trash_status();
	bool slow = s.entry && clock_realtime_ns() - s.begun_ns > TRASH_SLOW_NS;
	Crisp__V1__ExplainedObject *x;

	if (slow && str_starts(strrchr(s.entry, '/') + 1, prefix)) {
		x = explain_trash(a, s.entry, "REMOVING", s.begun_ns, "", 0);
		resp->objects[resp->n_objects] = x;
		resp->n_objects += x != NULL;
	}
	for (size_t i = 0; i < s.n_stuck; i++) {
		if (!str_starts(strrchr(s.stuck[i].path, '/') + 1, prefix))
			continue;
		x = explain_trash(a, s.stuck[i].path, "STUCK", s.stuck[i].since_ns, s.stuck[i].why,
				  s.stuck[i].retry_ns);
		resp->objects[resp->n_objects] = x;
		resp->n_objects += x != NULL;
	}
}

/* Collect objects with pending work; with a prefix, every object whose id begins with it.
 * ERR_EXHAUSTED: the arena is too small. */
static int collect(struct arena *a, const char *prefix, Crisp__V1__ExplainResponse *resp,
		   struct err *e)
{
	size_t cap = trash_status().n_stuck + 1;

	for (int k = 0; k < KIND_COUNT; k++)
		cap += map_count(world.objects[k]);
	list_for_each(node, &world.quarantine)
		cap++;
	resp->objects = arena_alloc(a, (cap + 1) * sizeof(*resp->objects));
	if (!resp->objects)
		return err_set(e, ERR_EXHAUSTED, "too many objects for one answer: give an id");
	for (int k = 0; k < KIND_COUNT; k++) {
		struct object *o;
		size_t pos = 0;

		while ((o = map_next(world.objects[k], &pos))) {
			if (!str_starts(o->sm->id, prefix) || (!*prefix && is_quiet(o)))
				continue;
			resp->objects[resp->n_objects] = explain_object(a, o);
			resp->n_objects += resp->objects[resp->n_objects] != NULL;
		}
	}
	list_for_each(node, &world.quarantine) {
		struct quarantined *q = list_entry(node, struct quarantined, node);

		if (!str_starts(q->id, prefix))
			continue;
		resp->objects[resp->n_objects] = explain_quarantined(a, q);
		resp->n_objects += resp->objects[resp->n_objects] != NULL;
	}
	add_trash(a, prefix, resp);
	return 0;
}

void explain_log(void)
{
	Crisp__V1__ExplainResponse resp = CRISP__V1__EXPLAIN_RESPONSE__INIT;
	struct arena *a = arena_new(LIMIT_CALL_ARENA);
	struct err e = ERR_NULL;

	if (collect(a, "", &resp, &e) < 0)
		log_err(LOG_LEVEL_WARN, "explain", &e);
	for (size_t i = 0; i < MIN(resp.n_objects, (size_t)EXPLAIN_LINES); i++) {
		const Crisp__V1__ExplainedObject *x = resp.objects[i];

		log_info("explain", "%s=%.13s state=%s age_s=%lld waits_for=\"%s\" error=\"%s\"",
			 x->kind, x->id, x->state, (long long)(x->age_ns / NSEC_PER_SEC),
			 x->waits_for, x->last_error);
	}
	log_info("explained", "objects=%zu shown=%zu", resp.n_objects,
		 MIN(resp.n_objects, (size_t)EXPLAIN_LINES));
	arena_free(a);
}

int rpc_take_explain(struct caller *c, const Crisp__V1__ExplainRequest *req, struct err *e)
{
	Crisp__V1__ExplainResponse resp = CRISP__V1__EXPLAIN_RESPONSE__INIT;
	int r = collect(rpc_call_arena(c->rpc), req->id_prefix, &resp, e);

	if (r < 0)
		return r;
	rpc_reply(c->rpc, &resp.base);
	free(c);
	return 0;
}
