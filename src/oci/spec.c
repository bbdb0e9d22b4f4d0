/*
 * spec.c - run the parts of the spec builder in the order of their dependencies: the seccomp
 * profile depends on the capabilities, mounts on labels and the generated passwd.
 */
#include "oci/spec.h"

#include <linux/capability.h>
#include <signal.h>
#include <string.h>

#include "base/fs.h"
#include "oci/ctx.h"
#include "oci/devices.h"
#include "oci/edits.h"
#include "oci/mounts.h"
#include "oci/namespaces.h"
#include "oci/place.h"
#include "oci/process.h"
#include "oci/profiles.h"
#include "oci/resources.h"
#include "oci/rootfs.h"
#include "oci/signals.h"
#include "os/caps.h"

#define OCI_VERSION "1.0.2"

static const Runtime__V1__NamespaceOption no_namespace_options =
	RUNTIME__V1__NAMESPACE_OPTION__INIT;

/* Masked in any case; read-only unless the request has its own list. */
static const char *const default_masked[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
};
static const char *const default_readonly[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* --- the request, for a sandbox as for a container ------------------------------------------ */

/* Convert the sandbox's own context to a container's; both start as empty messages. */
static void view_sandbox(struct oci_ctx *c, Runtime__V1__ContainerConfig *config,
			 Runtime__V1__LinuxContainerSecurityContext *sec)
{
	const Runtime__V1__LinuxPodSandboxConfig *pod = c->in->sandbox->linux;
	const Runtime__V1__LinuxSandboxSecurityContext *from = pod ? pod->security_context : NULL;

	c->config = config;
	c->sec = sec;
	if (!from)
		return;
	sec->selinux_options = from->selinux_options;
	sec->run_as_user = from->run_as_user;
	sec->run_as_group = from->run_as_group;
	sec->supplemental_groups = from->supplemental_groups;
	sec->n_supplemental_groups = from->n_supplemental_groups;
	sec->supplemental_groups_policy = from->supplemental_groups_policy;
	sec->readonly_rootfs = from->readonly_rootfs;
	sec->seccomp = from->seccomp;
	sec->apparmor = from->apparmor;
	sec->no_new_privs = true;
}

static void view_container(struct oci_ctx *c,
			   const Runtime__V1__LinuxContainerSecurityContext *defaults)
{
	const Runtime__V1__LinuxContainerConfig *linux_config = c->in->config->linux;

	c->config = c->in->config;
	c->sec = defaults;
	c->no_context = true;
	if (!linux_config)
		return;
	c->resources = linux_config->resources;
	if (linux_config->security_context) {
		c->sec = linux_config->security_context;
		c->no_context = false;
	}
}

/* Read the CRI's deprecated fields; no other function does. */
static void view_deprecated(struct oci_ctx *c)
{
	const Runtime__V1__LinuxPodSandboxConfig *pod = c->in->sandbox->linux;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	c->seccomp_profile_path = c->sec->seccomp_profile_path;
	c->apparmor_profile = c->sec->apparmor_profile;
	if (c->is_sandbox && pod && pod->security_context)
		c->seccomp_profile_path = pod->security_context->seccomp_profile_path;
#pragma GCC diagnostic pop
}

static int view_request(struct oci_ctx *c, Runtime__V1__ContainerConfig *config,
			Runtime__V1__LinuxContainerSecurityContext *sec)
{
	const Runtime__V1__LinuxPodSandboxConfig *pod = c->in->sandbox->linux;
	const Runtime__V1__LinuxSandboxSecurityContext *pod_sec =
		pod ? pod->security_context : NULL;

	c->is_sandbox = !c->in->config;
	if (c->is_sandbox)
		view_sandbox(c, config, sec);
	else
		view_container(c, sec);
	view_deprecated(c);
	c->privileged = c->sec->privileged;
	if (c->privileged && (!pod_sec || !pod_sec->privileged))
		return err_set(
			c->e, ERR_INVALID,
			"security_context.privileged: the pod sandbox is not privileged, so no "
			"container of it can be");
	c->pod_ns = pod_sec && pod_sec->namespace_options ? pod_sec->namespace_options
							  : &no_namespace_options;
	/* Only pid may differ from the pod's options. */
	c->pid_ns = c->sec->namespace_options ? c->sec->namespace_options : c->pod_ns;
	return 0;
}

/* --- the parts without a file of their own -------------------------------------------------- */

static int check_input(struct oci_ctx *c)
{
	const struct oci_spec_input *in = c->in;

	if (!in->cgroups_path || !*in->cgroups_path)
		return err_set(c->e, ERR_INTERNAL, "no cgroup path for %s", in->id);
	if (!in->rootfs || !fs_path_is_clean(in->rootfs))
		return err_set(c->e, ERR_INTERNAL, "no root file system for %s", in->id);
	return oci_edits_find(c);
}

static void build_root(struct oci_ctx *c)
{
	bool readonly = c->sec->readonly_rootfs || (c->in->conf->read_only && !c->is_sandbox);
	json_t *root = oci_json_need_object(c->root, "root");

	oci_json_put_text(root, "path", c->in->rootfs);
	oci_json_put(root, "readonly", json_boolean(readonly));
}

/* Protobuf cannot distinguish an empty list from an absent one: both mean the defaults.  In a pod
 * with a user namespace an empty list means no path, as the kubelet requests for procMount
 * Unmasked. */
static bool hides_by_default(const struct oci_ctx *c)
{
	return c->is_sandbox || c->no_context || !oci_has_userns(c);
}

struct hidden_paths {
	const char *key, *field; /* of config.json, of the request */
	const char *const *defaults;
	size_t n_defaults;
	bool always; /* the request extends the defaults; else it replaces them */
};

static int put_paths(struct oci_ctx *c, const struct hidden_paths *p, char *const *list, size_t n)
{
	json_t *out = oci_json_array();

	oci_json_put(c->linux_part, p->key, out);
	if (n == 0 ? hides_by_default(c) : p->always)
		for (size_t i = 0; i < p->n_defaults; i++)
			oci_json_push_text(out, p->defaults[i]);
	for (size_t i = 0; i < n; i++) {
		int r = oci_check_text(c, p->field, list[i]);

		if (r < 0)
			return r;
		if (list[i][0] != '/')
			return err_set(c->e, ERR_INVALID,
				       "%s[%zu]: \"%.128s\" is not an absolute path", p->field, i,
				       list[i]);
		if (!oci_json_has_text(out, list[i]))
			oci_json_push_text(out, list[i]);
	}
	return 0;
}

static int build_hidden_paths(struct oci_ctx *c)
{
	static const struct hidden_paths masked = { "maskedPaths", "security_context.masked_paths",
						    default_masked, ARRAY_LEN(default_masked),
						    .always = true };
	static const struct hidden_paths readonly = { "readonlyPaths",
						      "security_context.readonly_paths",
						      default_readonly, ARRAY_LEN(default_readonly),
						      .always = false };
	int r;

	if (c->privileged)
		return 0;
	r = put_paths(c, &masked, c->sec->masked_paths, c->sec->n_masked_paths);
	return r == 0 ? put_paths(c, &readonly, c->sec->readonly_paths, c->sec->n_readonly_paths)
		      : r;
}

static void resources_warn(void *arg, const char *text)
{
	oci_ctx_warn(arg, "%s", text);
}

static int build_resources(struct oci_ctx *c)
{
	const struct conf_runtime *runtime =
		c->in->runtime ? c->in->runtime : conf_runtime_find(c->in->conf, NULL);
	struct oci_resources_input in = {
		.resources = c->resources,
		.host = c->in->host,
		.min_memory = runtime ? runtime->container_min_memory : 0,
		.pids_limit = c->is_sandbox ? 0 : c->in->conf->pids_limit,
		.warn = resources_warn,
		.warn_arg = c,
	};

	oci_json_put_text(c->linux_part, "cgroupsPath", c->in->cgroups_path);
	return oci_resources_put(&in, oci_json_need_object(c->linux_part, "resources"), c->e);
}

/* Hypervisor-based runtimes need these to distinguish a pod from its containers. */
static void build_annotations(struct oci_ctx *c)
{
	const Runtime__V1__PodSandboxMetadata *pod = c->in->sandbox->metadata;
	json_t *out = oci_json_need_object(c->root, "annotations");

	oci_json_put_text(out, "io.kubernetes.cri.container-type",
			  c->is_sandbox ? "sandbox" : "container");
	oci_json_put_text(out, "io.kubernetes.cri.sandbox-id", c->in->sandbox_id);
	if (pod) {
		oci_json_put_text(out, "io.kubernetes.cri.sandbox-name", pod->name);
		oci_json_put_text(out, "io.kubernetes.cri.sandbox-namespace", pod->namespace_);
		oci_json_put_text(out, "io.kubernetes.cri.sandbox-uid", pod->uid);
	}
	if (!c->is_sandbox && c->config->metadata)
		oci_json_put_text(out, "io.kubernetes.cri.container-name",
				  c->config->metadata->name);
	if (c->in->image_name)
		oci_json_put_text(out, "io.kubernetes.cri.image-name", c->in->image_name);
	if (c->in->criu_conf)
		oci_json_put_text(out, "org.criu.config", c->in->criu_conf);
}

static int stop_signal(struct oci_ctx *c, int *ret)
{
	const char *text = c->in->image ? c->in->image->stop_signal : NULL;
	Runtime__V1__Signal asked = c->config->stop_signal;

	*ret = oci_signal_from_cri(asked);
	if (*ret == 0 && asked != RUNTIME__V1__SIGNAL__SIGNAL_RUNTIME_DEFAULT)
		return err_set(c->e, ERR_INVALID, "stop_signal: %d is not a known value",
			       (int)asked);
	if (*ret == 0 && text && *text) {
		*ret = oci_signal_parse(text);
		/* Only a warning: the image is at fault, and SIGTERM still stops the container. */
		if (*ret == 0)
			oci_ctx_warn(
				c, "the image's stop signal \"%.32s\" is not known: SIGTERM it is",
				text);
	}
	if (*ret == 0)
		*ret = SIGTERM;
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

static int build(struct oci_ctx *c, struct oci_spec *ret)
{
	int r;

	c->root = oci_json_object();
	oci_json_put_text(c->root, "ociVersion", OCI_VERSION);
	c->process = oci_json_need_object(c->root, "process");
	c->linux_part = oci_json_need_object(c->root, "linux");
	build_root(c);
	build_annotations(c);
	c->view = rootview_new(c->rootfs);
	r = stop_signal(c, &ret->stop_signal);
	if (r == 0)
		r = oci_namespaces_build(c);
	if (r == 0 && oci_has_userns(c))
		rootview_own(c->view, c->map.uid.host, c->map.gid.host);
	if (r == 0)
		r = oci_place_system(c);
	if (r == 0)
		r = oci_process_build(c);
	if (r == 0)
		r = oci_selinux_build(c);
	if (r == 0)
		r = oci_profiles_build(c);
	if (r == 0)
		r = build_hidden_paths(c);
	if (r == 0)
		r = build_resources(c);
	if (r == 0)
		r = oci_devices_build(c);
	if (r == 0)
		r = oci_edits_build(c);
	/* Before the mounts: into the root file system, never into a volume. */
	if (r == 0)
		r = oci_place_containerenv(c);
	/* Last, because it creates host directories: a refused request should leave none. */
	if (r == 0)
		r = oci_mounts_build(c);
	if (r == 0)
		r = oci_place_mtab(c);
	if (r == 0)
		r = oci_place_devices(c);
	if (r == 0)
		r = oci_place_cwd(c);
	if (r == 0 && c->propagation)
		oci_json_put_text(c->linux_part, "rootfsPropagation", c->propagation);
	return r;
}

static void finish(struct oci_ctx *c, struct oci_spec *ret)
{
	ret->config_json = oci_json_dump(c->root);
	ret->config_size = strlen(ret->config_json);
	ret->uid = c->user.uid;
	ret->gid = c->user.gid;
	ret->n_groups = c->user.n_groups;
	ret->groups = xcalloc(c->user.n_groups + 1, sizeof(*ret->groups));
	for (size_t i = 0; i < c->user.n_groups; i++)
		ret->groups[i] = c->user.groups[i];
	ret->own_pid_ns = c->pid_ns->pid == RUNTIME__V1__NAMESPACE_MODE__CONTAINER;
	ret->may_trace = !c->privileged && (c->bounding & CAPS_BIT(CAP_SYS_PTRACE)) &&
			 c->pid_ns->pid != RUNTIME__V1__NAMESPACE_MODE__NODE;
	ret->warnings = take_ptr(c->warnings);
	ret->mount_label = take_ptr(c->file_label);
}

static void ctx_done(struct oci_ctx *c)
{
	rootview_free(c->view);
	if (c->rootfs >= 0)
		close(c->rootfs);
	for (size_t i = 0; c->warnings && c->warnings[i]; i++)
		free(c->warnings[i]);
	free(c->warnings);
	free(c->edits);
	free(c->passwd_file);
	free(c->group_file);
	free(c->process_label);
	free(c->file_label);
	user_done(&c->user);
	json_decref(c->root);
}

int oci_spec_build(const struct oci_spec_input *in, struct oci_spec *ret, struct err *e)
{
	Runtime__V1__ContainerConfig config = RUNTIME__V1__CONTAINER_CONFIG__INIT;
	Runtime__V1__LinuxContainerSecurityContext sec;
	_cleanup_(ctx_done) struct oci_ctx c = { .in = in, .e = e, .rootfs = -1 };
	int r;

	*ret = OCI_SPEC_NULL;
	runtime__v1__linux_container_security_context__init(&sec);
	r = view_request(&c, &config, &sec);
	if (r == 0)
		r = check_input(&c);
	if (r == 0)
		r = rootfs_open(in->rootfs, &c.rootfs, e);
	if (r == 0)
		r = build(&c, ret);
	if (r == 0)
		finish(&c, ret);
	return r;
}

void oci_spec_done(struct oci_spec *s)
{
	for (size_t i = 0; s->warnings && s->warnings[i]; i++)
		free(s->warnings[i]);
	free(s->warnings);
	free(s->config_json);
	free(s->groups);
	free(s->mount_label);
	*s = OCI_SPEC_NULL;
}
