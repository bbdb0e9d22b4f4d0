/*
 * sandbox_calls.c - checks requests of RunPodSandbox and RestorePod and makes a sandbox's row.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/inet.h"
#include "base/limits.h"
#include "base/str.h"
#include "core/paths.h"
#include "core/records.h"
#include "oci/namespaces.h"
#include "os/cgroup.h"
#include "os/ns.h"
#include "pod/network.h"
#include "pod/podids.h"
#include "pod/podrestore.h"
#include "pod/runtimes.h"
#include "pod/sandbox.h"

static const Runtime__V1__NamespaceOption *ns_options(const Runtime__V1__PodSandboxConfig *c)
{
	static const Runtime__V1__NamespaceOption none = RUNTIME__V1__NAMESPACE_OPTION__INIT;

	if (c->linux && c->linux->security_context && c->linux->security_context->namespace_options)
		return c->linux->security_context->namespace_options;
	return &none;
}

/* Those of a namespace of the host are skipped later, with a warning. */
static int check_sysctls(const Runtime__V1__PodSandboxConfig *c, struct err *e)
{
	for (size_t i = 0; c->linux && i < c->linux->n_sysctls; i++) {
		struct ns_sysctl s = { c->linux->sysctls[i]->key, c->linux->sysctls[i]->value };

		if (ns_check_sysctl(&s, false, false, e) < 0)
			return err_wrap(e, "config.linux.sysctls");
	}
	return 0;
}

/* Refuse bad mappings here: a CNI plugin that refuses one in ADD refuses it in DEL, too. */
static int check_ports(const Runtime__V1__PodSandboxConfig *c, struct err *e)
{
	if (c->n_port_mappings > LIMIT_PORT_MAPPINGS)
		return err_set(e, ERR_INVALID,
			       "config.port_mappings: %zu are more than the limit of %d",
			       c->n_port_mappings, LIMIT_PORT_MAPPINGS);
	for (size_t i = 0; i < c->n_port_mappings; i++) {
		const Runtime__V1__PortMapping *m = c->port_mappings[i];

		if (m->host_port > 0 && m->container_port == 0)
			return err_set(e, ERR_INVALID,
				       "config.port_mappings[%zu].container_port: "
				       "0 for host port %d: give the port of the container",
				       i, m->host_port);
		if (m->host_port > 0 && *m->host_ip && !inet_is_address(m->host_ip))
			return err_set(e, ERR_INVALID,
				       "config.port_mappings[%zu].host_ip: \"%s\" "
				       "is no IP address",
				       i, m->host_ip);
	}
	return 0;
}

/* *ret_parent: the requested cgroup parent in the row's form; unchanged if not requested. */
static int check_run(const Runtime__V1__PodSandboxConfig *c, const char *handler, char **ret_parent,
		     struct err *e)
{
	size_t config_size = runtime__v1__pod_sandbox_config__get_packed_size(c);
	const struct conf_runtime *rt = conf_runtime_find(world.conf, handler);
	const Runtime__V1__NamespaceOption *ns = ns_options(c);
	struct cni_bandwidth bandwidth = { .ingress_rate = 0 };

	if (config_size > LIMIT_CONFIG_BYTES)
		return err_set(e, ERR_INVALID, "config: %zu bytes are more than the limit of %d",
			       config_size, LIMIT_CONFIG_BYTES);
	if (!rt)
		return err_set(e, ERR_INVALID,
			       "runtime_handler: \"%s\" is not configured: add "
			       "[crio.runtime.runtimes.%s]",
			       handler, handler);
	if (oci_namespaces_check_pod(ns, e) < 0)
		return err_wrap(e, "config.linux.security_context");
	if (pod_userns_check(c, runtimes_features(rt), e) < 0)
		return -(int)e->code;
	if (c->linux && *c->linux->cgroup_parent &&
	    conf_cgroup_parent(world.conf->cgroup_manager, c->linux->cgroup_parent, ret_parent, e) <
		    0)
		return err_wrap(e, "config.linux.cgroup_parent");
	if (check_ports(c, e) < 0 || (ns->network != RUNTIME__V1__NAMESPACE_MODE__NODE &&
				      sandbox_net_check(c, &bandwidth, e) < 0))
		return -(int)e->code;
	return check_sysctls(c, e);
}

/* The shim's cgroup: below the handler's monitor_cgroup; with the systemd manager below the
 * daemon's own, delegated cgroup.  NULL: the shim stays in the daemon's cgroup. */
static char *shim_cgroup(const char *handler, const char *pod_parent, const char *id)
{
	const struct conf_runtime *rt = conf_runtime_find(world.conf, handler);
	const char *parent = world.own_cgroup;

	if (world.conf->cgroup_manager != CONF_CGROUP_MANAGER_SYSTEMD)
		parent = conf_shim_parent(world.conf, rt, pod_parent);
	return parent ? cgroup_of_shim(parent, id) : NULL;
}

static Crisp__State__Sandbox *row_new(const Runtime__V1__PodSandboxConfig *c, const char *handler,
				      const char *parent, const char *key, const char *id)
{
	const Runtime__V1__NamespaceOption *ns = ns_options(c);
	Crisp__State__Sandbox *row = xmalloc(sizeof(*row));
	_cleanup_free_ char *shims = shim_cgroup(handler, parent, id);
	_cleanup_free_ char *own = cgroup_of_sandbox(world.conf, parent, id);

	crisp__state__sandbox__init(row);
	row_set_str(&row->name_key, key);
	row->config.len = runtime__v1__pod_sandbox_config__get_packed_size(c);
	row->config.data = xmalloc(row->config.len);
	runtime__v1__pod_sandbox_config__pack(c, row->config.data);
	row_set_str(&row->runtime_handler, handler);
	row_set_str(&row->boot_id, clock_boot_id());
	row_set_str(&row->cgroup_parent, parent);
	if (shims)
		row_set_str(&row->shim_cgroup, shims);
	if (own)
		row_set_str(&row->cgroup, own);
	row->created_ns = clock_realtime_ns();
	row->host_network = ns->network == RUNTIME__V1__NAMESPACE_MODE__NODE;
	row->host_ipc = ns->ipc == RUNTIME__V1__NAMESPACE_MODE__NODE;
	row->pod_pid = ns->pid == RUNTIME__V1__NAMESPACE_MODE__POD;
	pod_userns_note(row, ns);
	return row;
}

static char *key_of(const Runtime__V1__PodSandboxMetadata *m)
{
	return xasprintf("pod/%s/%s/%s/%u", m->namespace_, m->name, m->uid, m->attempt);
}

static int make(const Runtime__V1__PodSandboxConfig *c, const char *handler, const char *key,
		const Runtime__V1__RestorePodRequest *restore, struct object **ret, struct err *e)
{
	_cleanup_free_ char *parent = NULL;
	Crisp__State__Sandbox *row;
	char id[ID_LEN + 1];
	int r = check_run(c, handler, &parent, e);

	if (r < 0)
		return r;
	id_new(id);
	if (!parent)
		parent = xstrdup(world.conf->default_cgroup_parent);
	row = row_new(c, handler, parent, key, id);
	r = restore ? podrestore_note(restore, row, e) : 0;
	if (r < 0)
		crisp__state__sandbox__free_unpacked(row, NULL);
	else
		*ret = world_new(KIND_SANDBOX, id, row, key);
	return r;
}

int sandbox_for(const Runtime__V1__RunPodSandboxRequest *req, struct object **ret, struct err *e)
{
	_cleanup_free_ char *key = key_of(req->config->metadata);

	*ret = world_find_name(key);
	return *ret ? 0 : make(req->config, req->runtime_handler, key, NULL, ret, e);
}

int sandbox_restore_for(const Runtime__V1__RestorePodRequest *req, struct object **ret,
			struct err *e)
{
	_cleanup_free_ char *key = key_of(req->config->metadata);
	const Crisp__State__Sandbox *row;

	*ret = world_find_name(key);
	if (!*ret)
		return make(req->config, req->runtime_handler, key, req, ret, e);
	row = (*ret)->sm->row;
	if (strcmp(row->restore_path, req->checkpoint_path) != 0)
		return err_set(e, ERR_EXISTS,
			       "config.metadata: there is such a pod, %.13s, which is not made "
			       "from this checkpoint",
			       (*ret)->sm->id);
	return 0;
}
