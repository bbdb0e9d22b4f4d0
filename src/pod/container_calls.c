/*
 * container_calls.c - checks CreateContainer and StartContainer requests, makes a container's row.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/reason.h"
#include "base/words.h"
#include "core/paths.h"
#include "core/records.h"
#include "images/image.h"
#include "oci/features.h"
#include "oci/namespaces.h"
#include "pod/container.h"
#include "pod/podfile.h"
#include "pod/restore.h"
#include "pod/runtimes.h"
#include "pod/sandbox.h"
#include "pod/shim.h"

#define DUMP_DEFAULT_S 600 /* a request without timeout */

/* log_directory and log_path of the request, either of which may be missing. */
static int log_path_of(const struct object *sandbox, const Runtime__V1__ContainerConfig *c,
		       const char *id, char **ret, struct err *e)
{
	Runtime__V1__PodSandboxConfig *pod = sandbox_config(sandbox->sm->row);
	_cleanup_free_ char *dir = *pod->log_directory ? xstrdup(pod->log_directory)
						       : path_pod_logs(world.conf, sandbox->sm->id);
	_cleanup_free_ char *path = *c->log_path ? xasprintf("%s/%s", dir, c->log_path)
						 : xasprintf("%s/%s.log", dir, id);

	runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
	if (c->log_path[0] == '/')
		return err_set(e, ERR_INVALID,
			       "config.log_path: must be relative to the pod's "
			       "log_directory");
	if (!fs_path_is_clean(path))
		return err_set(e, ERR_INVALID,
			       "config.log_path: \"%s\" is not a clean absolute path", path);
	*ret = take_ptr(path);
	return 0;
}

char *container_full_name(const char *name, const Runtime__V1__PodSandboxMetadata *pod,
			  uint32_t attempt)
{
	return xasprintf("k8s_%s_%s_%s_%s_%u", name, pod->name, pod->namespace_, pod->uid, attempt);
}

static Runtime__V1__NamespaceMode pid_mode(const Runtime__V1__ContainerConfig *c)
{
	const Runtime__V1__LinuxContainerSecurityContext *s =
		c->linux ? c->linux->security_context : NULL;

	return s && s->namespace_options ? s->namespace_options->pid
					 : RUNTIME__V1__NAMESPACE_MODE__POD;
}

void container_set_image(Crisp__State__Container *row, const struct object *image,
			 const Runtime__V1__ImageSpec *asked)
{
	const Crisp__State__Image *i = image->sm->row;
	_cleanup_free_ char *id = xasprintf("sha256:%s", image->sm->id);
	_cleanup_free_ char *ref = image_shown_ref(image);

	row_set_str(&row->image_id, id);
	row_set_str(&row->image_name, image_shown_name(image, asked));
	row_set_str(&row->image_ref, ref);
	row_set_str(&row->image_runtime_handler, image_shown_handler(i));
	for (size_t k = 0; k < i->n_layers; k++)
		row_add_str(&row->diff_ids, &row->n_diff_ids, i->layers[k]->diff_id);
	row->image_config.data = xmemdup(i->config.data, i->config.len);
	row->image_config.len = i->config.len;
}

/* Artifact type of the image; "": a container image. */
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

static int find_image_volume(const char *name, struct object **ret, struct err *e)
{
	*ret = image_find(name);
	if (!*ret)
		return err_set(e, ERR_NOT_FOUND, "image \"%s\" is not here: pull it first", name);
	if (*artifact_type(*ret) && !world.conf->oci_artifact_mount_support)
		return err_set(e, ERR_PRECONDITION,
			       "\"%s\" is an artifact, and "
			       "crio.image.oci_artifact_mount_support is off",
			       name);
	return 0;
}

static int set_image_mounts(Crisp__State__Container *row, const Runtime__V1__ContainerConfig *c,
			    struct err *e)
{
	for (size_t i = 0; i < c->n_mounts; i++) {
		const Runtime__V1__ImageSpec *spec = c->mounts[i]->image;
		struct object *image;

		if (!spec || !*spec->image)
			continue;
		if (image_check_handler(spec, e) < 0 ||
		    find_image_volume(spec->image, &image, e) < 0) {
			err_wrap(e, "config.mounts[%zu].image", i);
			return reason_set(e, REASON_IMAGE_VOLUME_MOUNT_FAILED);
		}
		row_append_str(&row->image_mounts, &row->n_image_mounts, image->sm->id);
	}
	return 0;
}

static int find_image(const char *name, struct object **ret, struct err *e)
{
	*ret = image_find(name);
	if (!*ret)
		return err_set(e, ERR_NOT_FOUND, "config.image: \"%s\" is not here: pull it first",
			       name);
	if (*artifact_type(*ret))
		return err_set(e, ERR_PRECONDITION,
			       "config.image: \"%s\" is an artifact (%s): it has files to mount "
			       "as an image volume and nothing to run",
			       name, artifact_type(*ret));
	return 0;
}

/* source: of a restore, NULL: an image. */
static int row_new(const Runtime__V1__ContainerConfig *c, const struct object *sandbox,
		   const char *source, const char *id, const char *key,
		   Crisp__State__Container **ret, struct err *e)
{
	const Crisp__State__Sandbox *pod = sandbox->sm->row;
	const struct conf_runtime *rt = conf_runtime_find(world.conf, pod->runtime_handler);
	struct object *image = NULL;
	_cleanup_free_ char *cgroup = NULL, *log_path = NULL, *layer = NULL;
	Crisp__State__Container *row;
	int r;

	if (!source && find_image(c->image->image, &image, e) < 0)
		return -(int)e->code;
	if (image && restore_source_of_image(c, sandbox, image, &layer, e) < 0)
		return -(int)e->code;
	if (!rt)
		return err_set(e, ERR_PRECONDITION,
			       "runtime handler \"%s\" of the sandbox is no "
			       "longer configured",
			       pod->runtime_handler);
	r = log_path_of(sandbox, c, id, &log_path, e);
	if (r < 0)
		return r;
	row = xmalloc(sizeof(*row));
	crisp__state__container__init(row);
	row_set_str(&row->name_key, key);
	row_set_str(&row->sandbox_id, sandbox->sm->id);
	row_set_str(&row->boot_id, clock_boot_id());
	set_config(row, c);
	row_set_str(&row->restore_source, layer ? layer : source);
	if (layer)
		row_set_str(&row->restore_image, image->sm->id);
	else if (image)
		container_set_image(row, image, c->image);
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

/* Refuse words that execve would refuse later, at the start. */
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

/* NULL: not in the request. */
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

int container_check_config(const Runtime__V1__ContainerConfig *c,
			   const Runtime__V1__PodSandboxConfig *pod, struct err *e)
{
	size_t size = runtime__v1__container_config__get_packed_size(c);

	if (size > LIMIT_CONFIG_BYTES)
		return err_set(e, ERR_INVALID, "config: %zu bytes are more than the limit of %d",
			       size, LIMIT_CONFIG_BYTES);
	if (image_check_handler(c->image, e) < 0)
		return err_wrap(e, "config.image");
	if (check_words(c, e) < 0)
		return -(int)e->code;
	return oci_namespaces_check_container(options_of(c), pod_options(pod), e) < 0
		       ? err_wrap(e, "config.linux.security_context")
		       : 0;
}

static int check_create(const Runtime__V1__CreateContainerRequest *req,
			const struct object *sandbox, struct err *e)
{
	Runtime__V1__PodSandboxConfig *pod;
	int r;

	if (!sbx_is_ready(sandbox->sm->state))
		return err_set(e, ERR_PRECONDITION, "sandbox %s is not ready: run another one",
			       sandbox->sm->id);
	pod = sandbox_config(sandbox->sm->row);
	r = container_check_config(req->config, pod, e);
	runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
	return r < 0 ? r : podground_check_pins(sandbox->own, e);
}

/* Key in the table of names. */
static char *key_of(const struct object *sandbox, const Runtime__V1__ContainerMetadata *m)
{
	return xasprintf("ctr/%s/%s/%u", sandbox->sm->id, m->name, m->attempt);
}

int container_for(const Runtime__V1__CreateContainerRequest *req, struct object **ret,
		  struct err *e)
{
	_cleanup_free_ char *key = NULL, *source = NULL;
	Crisp__State__Container *row = NULL;
	struct object *sandbox;
	char id[ID_LEN + 1];
	int r = world_lookup(KIND_SANDBOX, req->pod_sandbox_id, &sandbox, e);

	if (r < 0)
		return r;
	key = key_of(sandbox, req->config->metadata);
	*ret = world_find_name(key);
	if (*ret)
		return 0;
	r = check_create(req, sandbox, e);
	if (r == 0)
		r = restore_source_for(req->config, sandbox, &source, e);
	if (r < 0)
		return r;
	id_new(id);
	r = row_new(req->config, sandbox, source, id, key, &row, e);
	if (r == 0)
		*ret = world_new(KIND_CONTAINER, id, row, key);
	return r;
}

int container_of_checkpoint(const Runtime__V1__ContainerConfig *c, const struct object *sandbox,
			    struct object **ret, struct err *e)
{
	const Crisp__State__Sandbox *pod = sandbox->sm->row;
	_cleanup_free_ char *key = key_of(sandbox, c->metadata), *source = NULL;
	Crisp__State__Container *row = NULL;
	char id[ID_LEN + 1];
	int r;

	*ret = world_find_name(key);
	if (*ret)
		return 0;
	source = xasprintf("%s/" PODFILE_DIR "/" PODFILE_CONTAINERS "/%s", pod->restore_path,
			   c->metadata->name);
	id_new(id);
	r = row_new(c, sandbox, source, id, key, &row, e);
	if (r < 0)
		return r;
	row_set_str(&row->restore_pod, pod->restore_path);
	for (size_t i = 0; i < pod->n_restore_options; i++)
		row_append_str(&row->restore_options, &row->n_restore_options,
			       pod->restore_options[i]);
	*ret = world_new(KIND_CONTAINER, id, row, key);
	return 0;
}

int container_check_criu(const struct conf_runtime *rt, const char *what, bool allowed,
			 struct err *e)
{
	if (!world.conf->enable_criu_support)
		return err_set(e, ERR_PRECONDITION, "%s are off: crio.runtime.enable_criu_support",
			       what);
	if (!allowed)
		return err_set(e, ERR_PRECONDITION,
			       "%s are off: crio.checkpoint_restore.container_level_enabled", what);
	if (rt && runtimes_features(rt)->no_checkpoint)
		return err_set(e, ERR_PRECONDITION, "%s was built without support for checkpoints",
			       rt->path);
	return 0;
}

int container_check_can_dump(const struct conf_runtime *rt, struct err *e)
{
	return container_check_criu(rt, "checkpoints",
				    strcmp(world.conf->container_level_enabled, "none") != 0, e);
}

int container_dump_for(const Runtime__V1__CheckpointContainerRequest *req, const struct object *o,
		       struct payload_checkpoint **ret, struct err *e)
{
	int64_t within_s = req->timeout ? req->timeout : DUMP_DEFAULT_S;
	const Crisp__State__Container *row = o->sm->row;
	const struct object *sandbox = world_find(KIND_SANDBOX, row->sandbox_id);
	const Crisp__State__Sandbox *pod = sandbox ? sandbox->sm->row : NULL;
	struct payload_checkpoint *c;
	int r = container_check_can_dump(
		pod ? conf_runtime_find(world.conf, pod->runtime_handler) : NULL, e);

	if (r < 0)
		return r;
	if (!fs_path_is_clean(req->location) || strcmp(req->location, "/") == 0)
		return err_set(e, ERR_INVALID, "location: \"%s\" is not a clean absolute path",
			       req->location);
	c = xcalloc(1, sizeof(*c));
	c->location = xstrdup(req->location);
	c->until_ns = clock_realtime_ns() + within_s * NSEC_PER_SEC;
	*ret = c;
	return 0;
}

int container_check_start(const Runtime__V1__StartContainerRequest *req, const struct object *o,
			  struct err *e)
{
	const Crisp__State__Container *row = o->sm->row;
	const struct object *sandbox = world_find(KIND_SANDBOX, row->sandbox_id);

	if (!sandbox || !sbx_is_ready(sandbox->sm->state))
		return err_set(e, ERR_PRECONDITION, "the sandbox of container %s is not ready",
			       req->container_id);
	return 0;
}
