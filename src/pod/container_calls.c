/*
 * container_calls.c - the CRI's container calls on their way to the machine: what a request
 * must be like, and which object it is about.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/words.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "core/quarantine.h"
#include "core/records.h"
#include "images/image.h"
#include "oci/namespaces.h"
#include "pod/container.h"
#include "pod/sandbox.h"
#include "pod/shim.h"

static int log_path_of(const Runtime__V1__PodSandboxConfig *pod,
		       const Runtime__V1__ContainerConfig *c, char **ret, struct err *e)
{
	_cleanup_free_ char *path = NULL;

	*ret = NULL;
	if (!*c->log_path)
		return 0;
	if (c->log_path[0] == '/')
		return err_set(e, ERR_INVALID, "config.log_path: must be relative to the pod's "
			       "log_directory");
	path = *pod->log_directory ? xasprintf("%s/%s", pod->log_directory, c->log_path)
				   : xasprintf("%s/%s/%s", world.conf->log_dir, pod->metadata->uid,
					       c->log_path);
	if (!fs_path_is_clean(path))
		return err_set(e, ERR_INVALID,
			       "config.log_path: \"%s\" is not a clean absolute path", path);
	*ret = take_ptr(path);
	return 0;
}

static Runtime__V1__NamespaceMode pid_mode(const Runtime__V1__ContainerConfig *c)
{
	const Runtime__V1__LinuxContainerSecurityContext *s =
		c->linux ? c->linux->security_context : NULL;

	return s && s->namespace_options ? s->namespace_options->pid
					 : RUNTIME__V1__NAMESPACE_MODE__POD;
}

/* Where the record's image comes from. */
static void set_image(Crisp__State__Container *row, const struct object *image)
{
	const Crisp__State__Image *i = image->sm->row;
	_cleanup_free_ char *id = xasprintf("sha256:%s", image->sm->id);

	row_set_str(&row->image_id, id);
	row_set_str(&row->image_ref, i->n_digests ? i->digests[0] : id);
	for (size_t k = 0; k < i->n_layers; k++)
		row_add_str(&row->diff_ids, &row->n_diff_ids, i->layers[k]->diff_id);
	row->image_config.data = xmemdup(i->config.data, i->config.len);
	row->image_config.len = i->config.len;
}

/* "": it can be run. */
static const char *artifact_type(const struct object *image)
{
	return ((const Crisp__State__Image *)image->sm->row)->artifact_type;
}

static void set_config(Crisp__State__Container *row, const Runtime__V1__ContainerConfig *c)
{
	row->config.len = runtime__v1__container_config__get_packed_size(c);
	row->config.data = xmalloc(row->config.len);
	runtime__v1__container_config__pack(c, row->config.data);
}

static int set_image_mounts(Crisp__State__Container *row, const Runtime__V1__ContainerConfig *c,
			    struct err *e)
{
	for (size_t i = 0; i < c->n_mounts; i++) {
		const Runtime__V1__ImageSpec *spec = c->mounts[i]->image;
		struct object *image;

		if (!spec || !*spec->image)
			continue;
		image = image_find(spec->image);
		if (!image)
			return err_set(e, ERR_NOT_FOUND,
				       "config.mounts[%zu].image: ImageVolumeMountFailed:"
				       " image \"%s\" is not here: pull it first",
				       i, spec->image);
		if (*artifact_type(image) && !world.conf->oci_artifact_mount_support)
			return err_set(e, ERR_PRECONDITION,
				       "config.mounts[%zu].image: ImageVolumeMountFailed:"
				       " \"%s\" is an artifact, and "
				       "crio.image.oci_artifact_mount_support is off",
				       i, spec->image);
		row_append_str(&row->image_mounts, &row->n_image_mounts, image->sm->id);
	}
	return 0;
}

static int row_new(const Runtime__V1__CreateContainerRequest *req, const struct object *sandbox,
		   const char *id, const char *key, Crisp__State__Container **ret, struct err *e)
{
	const Crisp__State__Sandbox *pod = sandbox->sm->row;
	const struct conf_runtime *rt = conf_runtime_find(world.conf, pod->runtime_handler);
	const Runtime__V1__ContainerConfig *c = req->config;
	struct object *image = image_find(c->image->image);
	_cleanup_free_ char *cgroup = NULL, *log_path = NULL;
	Runtime__V1__PodSandboxConfig *pod_config;
	Crisp__State__Container *row;
	int r;

	if (!image)
		return err_set(e, ERR_NOT_FOUND, "config.image: \"%s\" is not here: pull it first",
			       c->image->image);
	if (*artifact_type(image))
		return err_set(e, ERR_PRECONDITION,
			       "config.image: \"%s\" is an artifact (%s): it has files to mount "
			       "as an image volume and nothing to run",
			       c->image->image, artifact_type(image));
	if (!rt)
		return err_set(e, ERR_PRECONDITION, "runtime handler \"%s\" of the sandbox is no "
			       "longer configured", pod->runtime_handler);
	pod_config = sandbox_config(pod);
	r = log_path_of(pod_config, c, &log_path, e);
	runtime__v1__pod_sandbox_config__free_unpacked(pod_config, NULL);
	if (r < 0)
		return r;
	row = xmalloc(sizeof(*row));
	crisp__state__container__init(row);
	row_set_str(&row->name_key, key);
	row_set_str(&row->sandbox_id, sandbox->sm->id);
	row_set_str(&row->boot_id, clock_boot_id());
	set_config(row, c);
	set_image(row, image);
	row_set_str(&row->log_path, log_path);
	row_set_str(&row->runtime_path, rt->path);
	row_set_str(&row->runtime_root, rt->root);
	cgroup = cgroup_of_container(world.conf, pod->cgroup_parent, id);
	row_set_str(&row->cgroups_path, cgroup);
	row->created_ns = clock_realtime_ns();
	row->kill_all = pid_mode(c) != RUNTIME__V1__NAMESPACE_MODE__CONTAINER;
	r = set_image_mounts(row, c, e);
	if (r < 0) {
		crisp__state__container__free_unpacked(row, NULL);
		return r;
	}
	*ret = row;
	return 0;
}

static void create_again(struct caller *c)
{
	struct err e = ERR_NULL;

	if (container_create(c, c->request, &e) < 0)
		caller_finish(c, NULL, &e);
}

/* What execve would refuse at the start, when the caller no longer waits for it. */
static int check_words(const Runtime__V1__ContainerConfig *c, struct err *e)
{
	size_t words = 0;
	int r = words_check("command", c->command, c->n_command, &words, e);

	if (r == 0)
		r = words_check("args", c->args, c->n_args, &words, e);
	for (size_t i = 0; i < c->n_envs && r == 0; i++)
		r = words_check_variable("envs", c->envs[i]->key, c->envs[i]->value.len, &words, e);
	return r;
}

/* NULL: none were sent. */
static const Runtime__V1__NamespaceOption *options_of(const Runtime__V1__ContainerConfig *c)
{
	return c->linux && c->linux->security_context
		       ? c->linux->security_context->namespace_options
		       : NULL;
}

static const Runtime__V1__NamespaceOption *pod_options(const Runtime__V1__PodSandboxConfig *c)
{
	return c->linux && c->linux->security_context
		       ? c->linux->security_context->namespace_options
		       : NULL;
}

static int check_namespaces(const Runtime__V1__ContainerConfig *c, const struct object *sandbox,
			    struct err *e)
{
	Runtime__V1__PodSandboxConfig *pod = sandbox_config(sandbox->sm->row);
	int r = oci_namespaces_check_container(options_of(c), pod_options(pod), e);

	runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
	return r < 0 ? err_wrap(e, "config.linux.security_context") : 0;
}

static int check_create(const Runtime__V1__CreateContainerRequest *req,
			const struct object *sandbox, struct err *e)
{
	size_t size = runtime__v1__container_config__get_packed_size(req->config);

	if (size > LIMIT_CONFIG_BYTES)
		return err_set(e, ERR_INVALID, "config: %zu bytes are more than the limit of %d",
			       size, LIMIT_CONFIG_BYTES);
	if (!sbx_is_ready(sandbox->sm->state))
		return err_set(e, ERR_PRECONDITION, "sandbox %s is not ready: run another one",
			       sandbox->sm->id);
	if (check_words(req->config, e) < 0 || check_namespaces(req->config, sandbox, e) < 0)
		return -(int)e->code;
	return podground_check_pins(sandbox->own, e);
}

int container_create(struct caller *c, const Runtime__V1__CreateContainerRequest *req,
		     struct err *e)
{
	const Runtime__V1__ContainerMetadata *m = req->config->metadata;
	_cleanup_free_ char *key = NULL;
	Crisp__State__Container *row = NULL;
	struct object *sandbox, *o;
	char id[ID_LEN + 1];
	int r;

	c->again = create_again;
	r = world_lookup(KIND_SANDBOX, req->pod_sandbox_id, &sandbox, e);
	if (r < 0)
		return r;
	key = xasprintf("ctr/%s/%s/%u", sandbox->sm->id, m->name, m->attempt);
	o = world_find_name(key);
	if (!o) {
		r = check_create(req, sandbox, e);
		if (r < 0)
			return r;
		id_new(id);
		r = row_new(req, sandbox, id, key, &row, e);
		if (r < 0)
			return r;
		o = world_new(KIND_CONTAINER, id, row, key);
	}
	caller_dispatch(c, o, sm_event_new(CTR_EVENT_CREATE));
	return 0;
}

int container_start(struct caller *c, const char *id, struct err *e)
{
	struct object *o, *sandbox;
	int r = world_lookup(KIND_CONTAINER, id, &o, e);

	if (r < 0)
		return r;
	sandbox =
	    world_find(KIND_SANDBOX, ((const Crisp__State__Container *)o->sm->row)->sandbox_id);
	if (!sandbox || !sbx_is_ready(sandbox->sm->state))
		return err_set(e, ERR_PRECONDITION, "the sandbox of container %s is not ready", id);
	caller_dispatch(c, o, sm_event_new(CTR_EVENT_START));
	return 0;
}

int container_stop(struct caller *c, const char *id, int64_t grace_s, struct err *e)
{
	struct payload_stop *f;
	struct object *o;
	int r = caller_find(c, KIND_CONTAINER, id, &o, e);

	if (r)
		return MIN(r, 0);
	/* A century is as good as for ever, and does not overflow. */
	grace_s = MAX(MIN(grace_s, INT64_C(3155760000)), INT64_C(0));
	f = xcalloc(1, sizeof(*f));
	f->now = grace_s == 0;
	f->kill_at_ns = clock_realtime_ns() + grace_s * NSEC_PER_SEC;
	caller_dispatch(c, o, ctr_event_stop(f));
	return 0;
}

int container_remove(struct caller *c, const char *id, struct err *e)
{
	struct object *o;
	int r;

	if (quarantine_remove(c, KIND_CONTAINER, id))
		return 0;
	r = caller_find(c, KIND_CONTAINER, id, &o, e);
	if (r)
		return MIN(r, 0);
	caller_dispatch(c, o, sm_event_new(CTR_EVENT_REMOVE));
	return 0;
}

int container_update(struct caller *c, const Runtime__V1__UpdateContainerResourcesRequest *req,
		     struct err *e)
{
	struct payload_resources *f;
	struct object *o;
	int r = world_lookup(KIND_CONTAINER, req->container_id, &o, e);

	if (r < 0)
		return r;
	f = xcalloc(1, sizeof(*f));
	if (req->linux) {
		f->size = runtime__v1__linux_container_resources__get_packed_size(req->linux);
		f->packed = xmalloc(f->size + 1);
		runtime__v1__linux_container_resources__pack(req->linux, f->packed);
	}
	caller_dispatch(c, o, ctr_event_update(f));
	return 0;
}
