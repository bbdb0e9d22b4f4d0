/*
 * conf.c - load and merge the configuration.  Values from files, drop-ins and flags all take one
 * path through keys.c: type, range, form, then the field.
 */
#include "conf/conf.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/apply.h"
#include "conf/cgroups.h"
#include "conf/secrets.h"
#include "os/caps.h"
#include "os/cgroup.h"
#include "os/seccomp.h"
#include "os/spawn.h"

/* --- defaults --- */

struct conf_runtime *conf_runtime_get(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->n_runtimes; i++)
		if (strcmp(c->runtimes[i].name, name) == 0)
			return &c->runtimes[i];
	return NULL;
}

struct conf_runtime *conf_runtime_add(struct conf *c, const char *name)
{
	struct conf_runtime *rt = conf_runtime_get(c, name);

	if (rt)
		return rt;
	c->runtimes = xrealloc(c->runtimes, (c->n_runtimes + 1) * sizeof(*c->runtimes));
	rt = &c->runtimes[c->n_runtimes++];
	*rt = (struct conf_runtime){
		.name = xstrdup(name),
		.path = xstrdup(""),
		.type = xstrdup("oci"),
		.root = xstrdup(""),
		.seccomp_profile = xstrdup(""),
		.monitor_cgroup = xstrdup(""),
		/* Minimum to start: runc is a Go program, crun is not. */
		.container_min_memory = strcmp(name, "crun") == 0 ? 500 * 1024 : 12 * 1024 * 1024,
		.container_create_timeout = 240,
	};
	return rt;
}

static void runtime_done(struct conf_runtime *rt)
{
	free(rt->name);
	free(rt->path);
	free(rt->type);
	free(rt->root);
	free(rt->seccomp_profile);
	free(rt->monitor_cgroup);
}

static void init_runtimes(struct conf *c)
{
	static const char *const known[] = { "runc", "crun" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		_cleanup_free_ char *path = spawn_find_program(known[i], NULL);

		if (path) {
			struct conf_runtime *rt = conf_runtime_add(c, known[i]);

			free(rt->path);
			rt->path = take_ptr(path);
		}
	}
}

static void init_lists(struct conf *c)
{
	static const char *const capabilities[] = { "CHOWN",   "DAC_OVERRIDE",	   "FSETID",
						    "FOWNER",  "SETGID",	   "SETUID",
						    "SETPCAP", "NET_BIND_SERVICE", "KILL",
						    NULL };
	static const char *const plugin_dirs[] = { "/opt/cni/bin", "/usr/lib/cni", NULL };
	static const char *const certs_dirs[] = { "/etc/containers/certs.d", "/etc/docker/certs.d",
						  NULL };
	static const char *const all[] = { "all", NULL };

	c->default_capabilities = conf_list_of(capabilities);
	c->plugin_dirs = conf_list_of(plugin_dirs);
	c->certs_dirs = conf_list_of(certs_dirs);
	c->included_pod_metrics = conf_list_of(all);
}

void conf_init(struct conf *c)
{
	*c = (struct conf){
		.root = xstrdup("/var/lib/crisp"),
		.runroot = xstrdup("/run/crisp"),
		.log_dir = xstrdup("/var/log/crisp/pods"),
		.listen = xstrdup(""),
		.stream_address = xstrdup("127.0.0.1"),
		.stream_port = xstrdup("0"),
		.stream_tls_cert = xstrdup(""),
		.stream_tls_key = xstrdup(""),
		.stream_tls_ca = xstrdup(""),
		.tls_min_version = xstrdup(CONF_TLS12),
		.stream_idle_timeout = xstrdup(""),
		.grpc_max_send_msg_size = LIMIT_MESSAGE,
		.grpc_max_recv_msg_size = LIMIT_MESSAGE,
		.default_runtime = xstrdup("runc"),
		.seccomp_profile = xstrdup(""),
		.seccomp_use_default_when_empty = true,
		.privileged_seccomp_profile = xstrdup(""),
		.log_level = xstrdup("info"),
		.namespaces_dir = xstrdup(""),
		.conmon_cgroup = xstrdup(""),
		.default_cgroup_parent = xstrdup(""),
		.cgroup_prefix = xstrdup(""),
		.cgroup_manager = CONF_CGROUP_MANAGER_CGROUPFS,
		.drop_infra_ctr = true,
		.enable_pod_events = true,
		.ctr_stop_timeout = 30,
		.pids_limit = -1,
		.log_size_max = -1,
		.timezone = xstrdup(""),
		.pause_image = xstrdup(""),
		.pause_command = xstrdup("/pause"),
		.global_auth_file = xstrdup(""),
		.namespaced_auth_dir = xstrdup("/etc/crio/auth"),
		.pause_image_auth_file = xstrdup(""),
		.pull_progress_timeout = xstrdup("0s"),
		.short_name_mode = xstrdup("enforcing"),
		.signature_policy = xstrdup(""),
		.signature_policy_dir = xstrdup("/etc/crisp/policies"),
		.registries_d = xstrdup("/etc/containers/registries.d"),
		.registries_conf = xstrdup("/etc/containers/registries.conf"),
		.max_parallel_layers = 6,
		.remove_image = xstrdup("all"),
		.image_volumes = xstrdup("mkdir"),
		.oci_artifact_mount_support = true,
		.cni_default_network = xstrdup(""),
		.network_dir = xstrdup("/etc/cni/net.d"),
		.metrics_host = xstrdup("127.0.0.1"),
		.metrics_port = 9090,
		.metrics_socket = xstrdup(""),
		.metrics_cert = xstrdup(""),
		.metrics_key = xstrdup(""),
		.set_by_flag = xcalloc(conf_n_keys, sizeof(bool)),
	};
	init_lists(c);
	init_runtimes(c);
}

static void free_field(const struct conf_key *k, char *base)
{
	switch (k->kind) {
	case CONF_KIND_STRING:
	case CONF_KIND_PATH:
		free(*(char **)(void *)(base + k->offset));
		break;
	case CONF_KIND_LIST:
	case CONF_KIND_PATHS:
		conf_list_free(*(char ***)(void *)(base + k->offset));
		break;
	case CONF_KIND_BOOLEAN:
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
	case CONF_KIND_ADD_PATH: /* adds to the field of another key */
	case CONF_KIND_MAP:
	case CONF_KIND_CGROUP_MANAGER:
		break;
	}
}

void conf_done(struct conf *c)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (conf_keys[i].owner == CONF_OWNER_CONF)
			free_field(&conf_keys[i], (char *)c);
	for (size_t i = 0; i < c->n_runtimes; i++)
		runtime_done(&c->runtimes[i]);
	free(c->runtimes);
	conf_list_free(c->warnings);
	conf_list_free(c->ignored);
	conf_list_free(c->errors);
	free(c->set_by_flag);
	conf_places_free(c);
	*c = (struct conf){ .root = NULL };
}

/* --- the whole --- */

const struct conf_runtime *conf_runtime_find(const struct conf *c, const char *name)
{
	if (!name || !*name)
		name = c->default_runtime;
	return conf_runtime_get(c, name);
}

static void derive(char **field, const char *dir, const char *name)
{
	if (**field)
		return;
	free(*field);
	*field = xasprintf("%s/%s", dir, name);
}

/* 0: usable. */
static int finish_runtime(struct conf *c, struct conf_runtime *rt, struct err *e)
{
	char *path = spawn_find_program(*rt->path ? rt->path : rt->name, NULL);

	if (!path && *rt->path)
		return err_set(e, ERR_INVALID,
			       CONF_RUNTIMES ".%s.runtime_path: %s is no executable file", rt->name,
			       rt->path);
	if (!path)
		return err_set(e, ERR_INVALID,
			       CONF_RUNTIMES ".%s: there is no %s in PATH; set "
					     "runtime_path",
			       rt->name, rt->name);
	free(rt->path);
	rt->path = path;
	if (fs_check_trusted(rt->path, e) < 0)
		return err_wrap(e, CONF_RUNTIMES ".%s.runtime_path", rt->name);
	if (!*rt->type) {
		free(rt->type);
		rt->type = xstrdup("oci");
	}
	/* Below runroot, apart from other users of the same runtime: crisp owns all entries. */
	derive(&rt->root, c->runroot, rt->name);
	return 0;
}

static int finish_runtimes(struct conf *c, struct err *e)
{
	size_t kept = 0;

	if (!conf_runtime_get(c, c->default_runtime))
		return err_set(e, ERR_INVALID,
			       "crio.runtime.default_runtime: %s is not configured; "
			       "install it in PATH or add [" CONF_RUNTIMES
			       ".%s] with its runtime_path",
			       c->default_runtime, c->default_runtime);
	for (size_t i = 0; i < c->n_runtimes; i++) {
		struct conf_runtime *rt = &c->runtimes[i];
		struct err why = ERR_NULL;

		if (finish_runtime(c, rt, &why) == 0) {
			c->runtimes[kept++] = *rt;
			continue;
		}
		if (strcmp(rt->name, c->default_runtime) == 0) {
			/* Close the gap left by dropped handlers, for conf_done. */
			memmove(&c->runtimes[kept], rt, (c->n_runtimes - i) * sizeof(*rt));
			c->n_runtimes -= i - kept;
			*e = why;
			return -(int)e->code;
		}
		conf_list_add(&c->warnings, xasprintf("%s; the handler is left out", why.text));
		runtime_done(rt);
	}
	c->n_runtimes = kept;
	return 0;
}

static int need(const char *key, const char *value, struct err *e)
{
	return *value ? 0 : err_set(e, ERR_INVALID, "%s: must not be empty", key);
}

static int check_metric_groups(char **groups, struct err *e)
{
	bool all = false;
	size_t n = 0;

	for (; groups && groups[n]; n++)
		all |= strcmp(groups[n], "all") == 0;
	return all && n > 1 ? err_set(e, ERR_INVALID,
				      "crio.stats.included_pod_metrics: \"all\" stands alone")
			    : 0;
}

static int check_whole(const struct conf *c, struct err *e)
{
	int r = need("crio.root", c->root, e);

	if (!r)
		r = need("crio.runroot", c->runroot, e);
	if (!r)
		r = need("crio.log_dir", c->log_dir, e);
	if (!r)
		r = need("crio.network.network_dir", c->network_dir, e);
	if (r < 0)
		return r;
	if (strcmp(c->root, c->runroot) == 0)
		return err_set(e, ERR_INVALID,
			       "crio.root and crio.runroot are both %s; one has to "
			       "survive a reboot, the other must not",
			       c->root);
	if (c->pids_limit == 0)
		return err_set(e, ERR_INVALID,
			       "crio.runtime.pids_limit: 0 would start nothing; -1 "
			       "is no limit");
	if (c->log_size_max >= 0 && c->log_size_max < 8192)
		return err_set(e, ERR_INVALID,
			       "crio.runtime.log_size_max: %lld is below 8192; -1 is "
			       "no limit",
			       (long long)c->log_size_max);
	return check_metric_groups(c->included_pod_metrics, e);
}

/* CRI-O's default, system.slice, stands for no cgroup with the cgroupfs manager, as in CRI-O. */
static int check_monitor_cgroup(struct conf *c, const char *key, const char *place, struct err *e)
{
	if (!*place || strcmp(place, "system.slice") == 0)
		return 0;
	if (c->cgroup_manager == CONF_CGROUP_MANAGER_SYSTEMD) {
		conf_list_add(&c->warnings,
			      xasprintf("%s: \"%s\": with the systemd cgroup manager shims stay "
					"below crispd's own cgroup",
					conf_where(c, key), place));
		return 0;
	}
	if (strcmp(place, "pod") == 0 || cgroup_path_is_valid(place))
		return 0;
	return err_set(e, ERR_INVALID,
		       "%s: \"%s\" is neither \"pod\" nor \"\" nor an absolute path below the "
		       "cgroup root, which the cgroupfs cgroup manager needs",
		       conf_where(c, key), place);
}

static int check_monitor_cgroups(struct conf *c, struct err *e)
{
	int r = check_monitor_cgroup(c, "crio.runtime.conmon_cgroup", c->conmon_cgroup, e);

	for (size_t i = 0; i < c->n_runtimes && r == 0; i++) {
		_cleanup_free_ char *key =
			xasprintf(CONF_RUNTIMES ".%s.monitor_cgroup", c->runtimes[i].name);

		r = check_monitor_cgroup(c, key, c->runtimes[i].monitor_cgroup, e);
	}
	return r;
}

/* Load a profile at start, so that an invalid one is reported before the first container. */
static int check_profile(const struct conf *c, const char *key, const char *path, struct err *e)
{
	json_t *profile = NULL;

	if (!*path)
		return 0;
	if (seccomp_profile_load(path, caps_known(), NULL, &profile, e) < 0)
		return err_wrap(e, "%s", conf_where(c, key));
	json_decref(profile);
	return 0;
}

static int check_profiles(const struct conf *c, struct err *e)
{
	int r = check_profile(c, "crio.runtime.seccomp_profile", c->seccomp_profile, e);

	if (r == 0)
		r = check_profile(c, "crio.runtime.privileged_seccomp_profile",
				  c->privileged_seccomp_profile, e);
	for (size_t i = 0; i < c->n_runtimes && r == 0; i++) {
		_cleanup_free_ char *key =
			xasprintf(CONF_RUNTIMES ".%s.seccomp_profile", c->runtimes[i].name);

		r = check_profile(c, key, c->runtimes[i].seccomp_profile, e);
	}
	return r;
}

static int finish(struct conf *c, struct err *e)
{
	int r = conf_check_guards(c, e);

	if (r == 0)
		r = check_whole(c, e);
	if (r == 0) {
		derive(&c->listen, c->runroot, "crisp.sock");
		r = conf_finish_cgroups(c, e);
	}
	if (r == 0)
		r = check_monitor_cgroups(c, e);
	if (r == 0)
		r = check_profiles(c, e);
	if (r < 0)
		return r;
	conf_check_secrets(c);
	derive(&c->namespaces_dir, c->runroot, "ns");
	return finish_runtimes(c, e);
}

int conf_finish(struct conf *c, struct err *e)
{
	size_t known = conf_list_len(c->errors);
	int r = finish(c, e);

	if (r < 0 && conf_list_len(c->errors) == known)
		conf_add_error(c, xstrdup(e->text));
	return r;
}
