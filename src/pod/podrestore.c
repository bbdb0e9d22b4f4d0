/*
 * podrestore.c - the request of RestorePod, and effects of states/sandbox.sm that read a
 * checkpoint, fill volumes and make containers.
 */
#include "pod/podrestore.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/inet.h"
#include "core/calls.h"
#include "core/jobs.h"
#include "core/payloads.h"
#include "core/records.h"
#include "images/image.h"
#include "oci/json.h"
#include "pod/container.h"
#include "pod/criusockets.h"
#include "pod/podfile.h"
#include "pod/podfill.h"
#include "pod/podoptions.h"
#include "pod/podread.h"
#include "pod/podsame.h"
#include "pod/restore.h"
#include "pod/sandbox.h"

static const Crisp__State__Sandbox *row_of(const struct object *o)
{
	return o->sm->row;
}

/* --- the request --- */

static const struct pod_option options[] = {
	{ PODFILE_KEEPS_TCP, PODFILE_KEEPS_TCP, "tcp-close", true },
	{ "ext-unix-sk", "ext-unix-sk", NULL, false },
};

static int note_options(const Runtime__V1__RestorePodRequest *req, Crisp__State__Sandbox *row,
			struct err *e)
{
	bool on[PODOPTIONS_MAX];

	podoptions_begin(options, ARRAY_LEN(options), on);
	for (size_t i = 0; i < req->n_options; i++)
		if (podoptions_take(options, ARRAY_LEN(options), req->options[i]->key,
				    req->options[i]->value, on, e) < 0)
			return -(int)e->code;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const char *line = on[i] ? options[i].on : options[i].off;

		if (line)
			row_append_str(&row->restore_options, &row->n_restore_options, line);
	}
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_names(const Runtime__V1__RestorePodRequest *req, struct err *e)
{
	_cleanup_free_ const char **names = xcalloc(req->n_container_configs + 1, sizeof(char *));

	for (size_t i = 0; i < req->n_container_configs; i++)
		names[i] = req->container_configs[i]->metadata->name;
	qsort(names, req->n_container_configs, sizeof(char *), by_text);
	for (size_t i = 1; i < req->n_container_configs; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			return err_set(e, ERR_INVALID,
				       "container_configs: two containers are named %s", names[i]);
	return 0;
}

static int check_config(const Runtime__V1__ContainerConfig *c,
			const Runtime__V1__PodSandboxConfig *pod, struct err *e)
{
	int r = container_check_config(c, pod, e);

	if (r == 0 && c->tty)
		r = err_set(e, ERR_PRECONDITION,
			    "config.tty: a container with a terminal is not restored");
	return r < 0 ? err_wrap(e, "container_configs %s", c->metadata->name) : 0;
}

static void note_config(Crisp__State__Sandbox *row, const Runtime__V1__ContainerConfig *c)
{
	ProtobufCBinaryData *to = &row->restore_configs[row->n_restore_configs++];

	to->len = runtime__v1__container_config__get_packed_size(c);
	to->data = xmalloc(to->len);
	runtime__v1__container_config__pack(c, to->data);
}

static int check_pod(const Runtime__V1__RestorePodRequest *req, const Crisp__State__Sandbox *row,
		     struct err *e)
{
	if (!fs_path_is_clean(req->checkpoint_path) || strcmp(req->checkpoint_path, "/") == 0)
		return err_set(e, ERR_INVALID,
			       "checkpoint_path: \"%s\" is not a clean absolute path",
			       req->checkpoint_path);
	if (restore_check_pod(row, e) < 0)
		return err_wrap(e, "config");
	return check_names(req, e);
}

int podrestore_note(const Runtime__V1__RestorePodRequest *req, Crisp__State__Sandbox *row,
		    struct err *e)
{
	int r = check_pod(req, row, e);

	row_set_str(&row->restore_path, req->checkpoint_path);
	row->restore_configs = xcalloc(req->n_container_configs, sizeof(*row->restore_configs));
	for (size_t i = 0; i < req->n_container_configs && r == 0; i++) {
		r = check_config(req->container_configs[i], req->config, e);
		if (r == 0)
			note_config(row, req->container_configs[i]);
	}
	return r == 0 ? note_options(req, row, e) : r;
}

/* --- jobs --- */

struct podrestore_job {
	struct job base;
	Crisp__State__Sandbox *row;
	struct payload_checkpointed *found;
	char **image_ids; /* of the checkpoint, in the order of restore_configs */
};

static struct podrestore_job *podrestore_job(struct job *j)
{
	return container_of(j, struct podrestore_job, base);
}

static void podrestore_job_free(struct job *j)
{
	struct podrestore_job *p = podrestore_job(j);

	for (size_t i = 0; i < p->row->n_restore_configs; i++)
		free(p->image_ids[i]);
	free(p->image_ids);
	crisp__state__sandbox__free_unpacked(p->row, NULL);
	payload_checkpointed_free(p->found);
	free(p);
}

static struct job *podrestore_job_new(struct object *o, int (*work)(struct job *, struct err *),
				      void (*done)(struct job *, struct object *))
{
	struct podrestore_job *p = xcalloc(1, sizeof(*p));

	p->row = sm_row_clone(row_of(o));
	p->image_ids = xcalloc(p->row->n_restore_configs + 1, sizeof(char *));
	job_init(&p->base, o, LANE_CREATE, work, done, podrestore_job_free);
	return &p->base;
}

static Runtime__V1__ContainerConfig *config_at(const Crisp__State__Sandbox *row, size_t i)
{
	const ProtobufCBinaryData *packed = &row->restore_configs[i];
	Runtime__V1__ContainerConfig *c =
		runtime__v1__container_config__unpack(NULL, packed->len, packed->data);

	assert(c); /* packed by crispd, and rows have checksums */
	return c;
}

/* --- read the checkpoint --- */

static int check_handler(const struct podread *p, const Crisp__State__Sandbox *row, struct err *e)
{
	const json_t *name = json_object_get(json_object_get(p->doc, "pod"), "runtimeHandler");
	const char *was = json_string_value(name);
	const struct conf_runtime *now = conf_runtime_find(world.conf, row->runtime_handler);

	if (!was || !now || conf_runtime_find(world.conf, was) != now)
		return err_set(e, ERR_PRECONDITION,
			       "runtime_handler: \"%s\" is not that of the checkpoint, \"%.64s\"",
			       row->runtime_handler, was ? was : "");
	return 0;
}

static int check_pod_config(const struct podread *p, const Crisp__State__Sandbox *row,
			    struct err *e)
{
	Runtime__V1__PodSandboxConfig *was = podread_pod_config(p, e), *now;
	int r;

	if (!was)
		return -(int)e->code;
	now = sandbox_config(row);
	r = podsame_pod(was, now, e);
	runtime__v1__pod_sandbox_config__free_unpacked(now, NULL);
	runtime__v1__pod_sandbox_config__free_unpacked(was, NULL);
	return r;
}

/* Compare container i of the request with that of the checkpoint. */
static int check_container(const struct podread *p, struct podrestore_job *job, size_t i,
			   struct err *e)
{
	Runtime__V1__ContainerConfig *now = config_at(job->row, i), *was = NULL;
	const json_t *c = podread_container(p, now->metadata->name);
	const char *image = json_string_value(json_object_get(c, "imageId"));
	int r = 0;

	if (!c)
		r = err_set(e, ERR_INVALID, "container_configs: the checkpoint has no container %s",
			    now->metadata->name);
	else if (!image)
		r = err_set(e, ERR_INVALID, PODFILE_NAME ": container %s has no imageId",
			    now->metadata->name);
	if (r == 0) {
		was = podread_config(c, e);
		r = was ? podsame_container(was, now, e) : -(int)e->code;
		job->image_ids[i] = xstrdup(image);
	}
	runtime__v1__container_config__free_unpacked(was, NULL);
	runtime__v1__container_config__free_unpacked(now, NULL);
	return r;
}

/* Each of the request is in the checkpoint: as many there are no others. */
static int check_count(const struct podread *p, const Crisp__State__Sandbox *row, struct err *e)
{
	const json_t *list = json_object_get(p->doc, "containers"), *c;
	size_t i;

	if (json_array_size(list) == row->n_restore_configs)
		return 0;
	json_array_foreach(list, i, c)
	{
		const char *name = json_string_value(json_object_get(c, "name"));
		bool asked = false;

		for (size_t k = 0; k < row->n_restore_configs && name && !asked; k++) {
			Runtime__V1__ContainerConfig *config = config_at(row, k);

			asked = strcmp(config->metadata->name, name) == 0;
			runtime__v1__container_config__free_unpacked(config, NULL);
		}
		if (!asked)
			return err_set(e, ERR_INVALID,
				       "container_configs: container %.200s of the checkpoint is "
				       "missing",
				       name ? name : "");
	}
	return err_set(e, ERR_INVALID, PODFILE_NAME ": a container is there twice");
}

static bool is_address(char *const *list, const char *address)
{
	for (; list && *list; list++)
		if (strcmp(*list, address) == 0)
			return true;
	return false;
}

/* Do connections of this container need the pod's addresses? */
static int find_connections(const struct podread *p, struct podrestore_job *job, size_t i,
			    struct err *e)
{
	Runtime__V1__ContainerConfig *c = config_at(job->row, i);
	_cleanup_free_ char *images =
		xasprintf("%s/" PODFILE_CONTAINERS "/%s/checkpoint", p->dir, c->metadata->name);
	_cleanup_free_ struct tcp_flow *flows = NULL;
	size_t n = 0;
	int r = criusockets_connected(images, &flows, &n, e);

	for (size_t k = 0; k < n; k++)
		if (is_address(job->found->ips, flows[k].local))
			job->found->needs_ips = true;
	if (r < 0)
		err_wrap(e, "container %s", c->metadata->name);
	runtime__v1__container_config__free_unpacked(c, NULL);
	return r;
}

static bool keeps_tcp(const Crisp__State__Sandbox *row)
{
	for (size_t i = 0; i < row->n_restore_options; i++)
		if (strcmp(row->restore_options[i], PODFILE_KEEPS_TCP) == 0)
			return true;
	return false;
}

static int find_addresses(const struct podread *p, struct podrestore_job *job, struct err *e)
{
	const json_t *ips = json_object_get(json_object_get(p->doc, "pod"), "ips"), *ip;
	size_t i, n = 0;
	int r = 0;

	job->found = xcalloc(1, sizeof(*job->found));
	job->found->ips = xcalloc(json_array_size(ips) + 1, sizeof(char *));
	json_array_foreach(ips, i, ip)
	{
		if (!inet_is_address(json_string_value(ip) ? json_string_value(ip) : ""))
			return err_set(e, ERR_INVALID, PODFILE_NAME ": pod.ips[%zu] is no address",
				       i);
		job->found->ips[n++] = xstrdup(json_string_value(ip));
	}
	for (i = 0; i < job->row->n_restore_configs && r == 0 && keeps_tcp(job->row); i++)
		r = find_connections(p, job, i, e);
	return r;
}

static int read_checkpoint(const struct podread *p, struct podrestore_job *job, struct err *e)
{
	int r = podread_check_files(p, e);

	if (r == 0)
		r = check_handler(p, job->row, e);
	if (r == 0)
		r = check_pod_config(p, job->row, e);
	for (size_t i = 0; i < job->row->n_restore_configs && r == 0; i++)
		r = check_container(p, job, i, e);
	if (r == 0)
		r = check_count(p, job->row, e);
	if (r == 0)
		r = podfill_check(p, job->row, e);
	return r == 0 ? find_addresses(p, job, e) : r;
}

static int work_read(struct job *j, struct err *e)
{
	struct podrestore_job *job = podrestore_job(j);
	struct podread p = PODREAD_NULL;
	int r = podread_open(job->row->restore_path, &p, e);

	if (r == 0)
		r = read_checkpoint(&p, job, e);
	podread_done(&p);
	return r < 0 ? err_wrap(e, "checkpoint %s", job->row->restore_path) : 0;
}

static int check_images(struct podrestore_job *job, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < job->row->n_restore_configs && r == 0; i++) {
		Runtime__V1__ContainerConfig *c = config_at(job->row, i);
		const struct object *is = image_find(c->image->image);
		const struct object *was = image_find(job->image_ids[i]);

		if (!is)
			r = err_set(e, ERR_NOT_FOUND,
				    "container_configs %s: image \"%s\" is not here: pull it first",
				    c->metadata->name, c->image->image);
		else if (is != was)
			r = err_set(e, ERR_PRECONDITION,
				    "container_configs %s: image \"%s\" is not that of the "
				    "checkpoint, %.72s",
				    c->metadata->name, c->image->image, job->image_ids[i]);
		runtime__v1__container_config__free_unpacked(c, NULL);
	}
	return r;
}

static void done_read(struct job *j, struct object *o)
{
	struct podrestore_job *job = podrestore_job(j);

	if (j->result == 0 && o)
		j->result = check_images(job, &j->err);
	job_report(j, o,
		   j->result < 0 ? sm_event_failed(SBX_EVENT_CHECKPOINT_BAD, &j->err)
				 : sbx_event_checkpoint_read(take_ptr(job->found)));
}

void sbx_effect_read_checkpoint(struct sm_object *sm)
{
	job_start(podrestore_job_new(object_of(sm), work_read, done_read));
}

/* --- fill volumes --- */

static int work_fill(struct job *j, struct err *e)
{
	return podfill_volumes(j->id, podrestore_job(j)->row, e);
}

static void done_fill(struct job *j, struct object *o)
{
	if (j->result == 0 && o)
		j->result = sandbox_check_line(o, &j->err);
	job_report(
		j, o,
		sm_event_failed(j->result < 0 ? SBX_EVENT_FILL_FAILED : SBX_EVENT_FILLED, &j->err));
}

static void fill_line_settled(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	struct err e = ERR_NULL;

	(void)p;
	(void)link;
	if (sandbox_check_line(o, &e) < 0)
		effect_report(o, gen, sm_event_failed(SBX_EVENT_FILL_FAILED, &e));
	else
		job_start(podrestore_job_new(o, work_fill, done_fill));
}

void sbx_effect_fill_volumes(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	pod_when_settled(o->own, o, fill_line_settled);
}

/* --- make containers --- */

/* What the calls of one effect share; the last one frees it. */
struct making {
	char id[ID_LEN + 1]; /* of the sandbox */
	uint64_t gen;
	size_t left;
	bool failed;
};

/* A create in the name of the sandbox. */
struct make_call {
	struct caller base;
	struct making *of;
};

static void making_failed(struct making *m, const struct err *e)
{
	struct object *o = world_find(KIND_SANDBOX, m->id);

	if (!m->failed && o)
		effect_report(o, m->gen, sm_event_failed(SBX_EVENT_MAKE_FAILED, e));
	m->failed = true;
}

/* One of the calls has ended. */
static void making_step(struct making *m)
{
	struct object *o = world_find(KIND_SANDBOX, m->id);

	if (--m->left)
		return;
	if (!m->failed && o)
		effect_report(o, m->gen, sm_event_new(SBX_EVENT_CONTAINERS_MADE));
	free(m);
}

static void finish_make(struct caller *c, const struct sm_object *obj, const struct err *e)
{
	struct make_call *call = container_of(c, struct make_call, base);
	const Crisp__State__Container *row = obj ? obj->row : NULL;
	struct err why = ERR_NULL;

	if (!e && row && !row->saved)
		row_failure_err(row->failure, &why);
	else if (!e && !row)
		err_set(&why, ERR_ABORTED, "a container was removed meanwhile");
	if (e || why.code)
		making_failed(call->of, e ? e : &why);
	making_step(call->of);
	free(call);
}

static void make_one(struct object *o, size_t i, struct making *m)
{
	Runtime__V1__ContainerConfig *c = config_at(row_of(o), i);
	struct object *child;
	struct err e = ERR_NULL;

	if (container_of_checkpoint(c, o, &child, &e) < 0) {
		err_wrap(&e, "container_configs %s", c->metadata->name);
		making_failed(m, &e);
	} else {
		struct make_call *call = xcalloc(1, sizeof(*call));

		list_init(&call->base.waiter.node);
		call->base.finish = finish_make;
		call->of = m;
		m->left++;
		caller_dispatch(&call->base, child, sm_event_new(CTR_EVENT_CREATE));
	}
	runtime__v1__container_config__free_unpacked(c, NULL);
}

static void make_line_settled(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	struct making *m;
	struct err e = ERR_NULL;

	(void)p;
	(void)link;
	if (sandbox_check_line(o, &e) < 0) {
		effect_report(o, gen, sm_event_failed(SBX_EVENT_MAKE_FAILED, &e));
		return;
	}
	m = xcalloc(1, sizeof(*m));
	memcpy(m->id, o->sm->id, sizeof(m->id));
	m->gen = gen;
	m->left = 1;
	for (size_t i = 0; i < row_of(o)->n_restore_configs && !m->failed; i++)
		make_one(o, i, m);
	making_step(m);
}

void sbx_effect_make_containers(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	pod_when_settled(o->own, o, make_line_settled);
}

/* --- the answer --- */

static Runtime__V1__RestoredContainer *restored_new(const struct object *c)
{
	Runtime__V1__RestoredContainer *to = xmalloc(sizeof(*to));
	Runtime__V1__ContainerConfig *config = container_config(c->sm->row);

	runtime__v1__restored_container__init(to);
	to->name = xstrdup(config->metadata->name);
	to->container_id = xstrdup(c->sm->id);
	runtime__v1__container_config__free_unpacked(config, NULL);
	return to;
}

int podrestore_list(const struct object *o, Runtime__V1__RestorePodResponse *ret, struct err *e)
{
	size_t n = 0;

	runtime__v1__restore_pod_response__init(ret);
	ret->pod_sandbox_id = xstrdup(o->sm->id);
	for (struct object *c = NULL; (c = world_child(o, KIND_CONTAINER, c));)
		n++;
	ret->restored_containers = xcalloc(n + 1, sizeof(*ret->restored_containers));
	for (struct object *c = NULL; (c = world_child(o, KIND_CONTAINER, c));) {
		if (!ctr_is_saved(c->sm->state))
			return err_set(e, ERR_EXISTS,
				       "sandbox %.13s was restored before: its container %.13s is "
				       "%s",
				       o->sm->id, c->sm->id, sm_state(c->sm)->name);
		ret->restored_containers[ret->n_restored_containers++] = restored_new(c);
	}
	return 0;
}

void podrestore_list_done(Runtime__V1__RestorePodResponse *list)
{
	for (size_t i = 0; i < list->n_restored_containers; i++) {
		free(list->restored_containers[i]->name);
		free(list->restored_containers[i]->container_id);
		free(list->restored_containers[i]);
	}
	free(list->restored_containers);
	if (list->pod_sandbox_id != (const char *)protobuf_c_empty_string)
		free(list->pod_sandbox_id);
}
