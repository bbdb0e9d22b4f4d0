/*
 * network.c - builds CNI requests from sandbox configs; serializes them with plugins of a killed
 * daemon by a lock file.
 */
#include "pod/network.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "core/paths.h"
#include "net/cni.h"
#include "os/ns.h"
#include "pod/netgc.h"
#include "pod/reach.h"
#include "pod/sandbox.h"

#define CNI_TIMEOUT_MS 60000

/* A struct cni_request, with the data that it points to. */
struct net_args {
	Runtime__V1__PodSandboxConfig *config;
	struct cni_port_mapping *ports;
	struct cni_bandwidth bandwidth;
	struct cni_annotation *annotations;
	const char **dns[3];
	struct cni_request req;
};

static void net_args_done(struct net_args *a)
{
	runtime__v1__pod_sandbox_config__free_unpacked(a->config, NULL);
	free(a->ports);
	free(a->annotations);
	for (size_t i = 0; i < ARRAY_LEN(a->dns); i++)
		free(a->dns[i]);
}

static const char **strv_of(char **v, size_t n)
{
	const char **copy = xcalloc(n + 1, sizeof(char *));

	for (size_t i = 0; i < n; i++)
		copy[i] = v[i];
	return copy;
}

/* The rate of an annotation in bits per second; 0: no limit. */
static int read_rate(const Runtime__V1__PodSandboxConfig *c, const char *key, uint64_t *ret,
		     struct err *e)
{
	int64_t rate = 0;

	for (size_t i = 0; i < c->n_annotations; i++)
		if (strcmp(c->annotations[i]->key, key) == 0 &&
		    str_to_quantity(c->annotations[i]->value, &rate) < 0)
			return err_set(
				e, ERR_INVALID,
				"config.annotations[%s]: \"%.64s\" is no quantity of bits per "
				"second, like 10M",
				key, c->annotations[i]->value);
	*ret = (uint64_t)rate;
	return 0;
}

int sandbox_net_check(const Runtime__V1__PodSandboxConfig *c, struct cni_bandwidth *ret,
		      struct err *e)
{
	int r = read_rate(c, "kubernetes.io/ingress-bandwidth", &ret->ingress_rate, e);

	return r < 0 ? r : read_rate(c, "kubernetes.io/egress-bandwidth", &ret->egress_rate, e);
}

static void fill_bandwidth(struct net_args *a)
{
	struct err ignored = ERR_NULL;

	/* Checked when the pod was made; the rows of older builds were not. */
	sandbox_net_check(a->config, &a->bandwidth, &ignored);
	/* Practically unlimited burst, as the kubelet's dockershim had. */
	if (a->bandwidth.ingress_rate)
		a->bandwidth.ingress_burst = INT32_MAX;
	if (a->bandwidth.egress_rate)
		a->bandwidth.egress_burst = INT32_MAX;
	if (a->bandwidth.ingress_rate || a->bandwidth.egress_rate)
		a->req.bandwidth = &a->bandwidth;
}

struct cni_port_mapping *sandbox_ports(const Runtime__V1__PodSandboxConfig *c, size_t *ret_n)
{
	static const char *const protocols[] = {
		[RUNTIME__V1__PROTOCOL__TCP] = "tcp",
		[RUNTIME__V1__PROTOCOL__UDP] = "udp",
		[RUNTIME__V1__PROTOCOL__SCTP] = "sctp",
	};
	struct cni_port_mapping *ports = xcalloc(c->n_port_mappings, sizeof(*ports));

	*ret_n = 0;
	for (size_t i = 0; i < c->n_port_mappings; i++) {
		const Runtime__V1__PortMapping *m = c->port_mappings[i];

		if (m->host_port <= 0)
			continue; /* containerPort without a host port */
		ports[(*ret_n)++] = (struct cni_port_mapping){
			.host_port = (uint16_t)m->host_port,
			.container_port = (uint16_t)m->container_port,
			.protocol = protocols[m->protocol],
			.host_ip = m->host_ip,
		};
	}
	return ports;
}

static void net_args_init(struct net_args *a, const struct conf *conf, const char *id,
			  const Crisp__State__Sandbox *row)
{
	Runtime__V1__PodSandboxConfig *c = sandbox_config(row);

	*a = (struct net_args){ .config = c };
	a->req = (struct cni_request){
		.container_id = id,
		.netns = ns_is_pinned(row->netns) ? row->netns : "",
		.ifname = POD_IFNAME,
		.plugin_dirs = (const char *const *)conf->plugin_dirs,
		.pod_namespace = c->metadata->namespace_,
		.pod_name = c->metadata->name,
		.pod_uid = c->metadata->uid,
		.cgroup_path = row->cgroup_parent,
		.timeout_ms = CNI_TIMEOUT_MS,
	};
	if (c->dns_config) {
		a->dns[0] = strv_of(c->dns_config->servers, c->dns_config->n_servers);
		a->dns[1] = strv_of(c->dns_config->searches, c->dns_config->n_searches);
		a->dns[2] = strv_of(c->dns_config->options, c->dns_config->n_options);
		a->req.dns_servers = a->dns[0];
		a->req.dns_searches = a->dns[1];
		a->req.dns_options = a->dns[2];
	}
	a->annotations = xcalloc(c->n_annotations, sizeof(*a->annotations));
	for (size_t i = 0; i < c->n_annotations; i++)
		a->annotations[i] =
			(struct cni_annotation){ c->annotations[i]->key, c->annotations[i]->value };
	a->req.annotations = a->annotations;
	a->req.n_annotations = c->n_annotations;
	if (!conf->disable_hostport_mapping)
		a->req.port_mappings = a->ports = sandbox_ports(c, &a->req.n_port_mappings);
	fill_bandwidth(a);
}

static struct payload_network *network_of(char *result_json, const struct cni_result *result)
{
	struct payload_network *f = xcalloc(1, sizeof(struct payload_network));

	f->result = result_json;
	f->ips = xcalloc(result->n_ips + 1, sizeof(char *));
	for (size_t i = 0; i < result->n_ips; i++)
		f->ips[i] = xstrdup(result->ips[i].address);
	return f;
}

/* --- plugins of a daemon that was killed --- */

/* Take the pod's network lock.  Each plugin and its children inherit the lock, so it outlives a
 * killed daemon.  again: wait for such plugins up to their timeout, then kill them.  flags: O_CREAT
 * for ADD.  *ret_fd: lock to pass to plugins; -1: no lock file, so no ADD was made. */
static int lock_network(const struct conf *conf, const char *id, int flags, bool again, int *ret_fd,
			struct err *e)
{
	_cleanup_free_ char *run = path_pod_run(conf, id);
	_cleanup_free_ char *path = xasprintf("%s/network.lock", run);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0600);

	*ret_fd = -1;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	if (!again)
		fs_lock_until(fd, 0);
	else if (!reach_lock(fd, path, CNI_TIMEOUT_MS))
		return err_set(e, ERR_UNAVAILABLE,
			       "CNI plugins that an earlier crispd started for pod %.13s still "
			       "run and cannot be killed",
			       id);
	*ret_fd = take_fd(fd);
	return 0;
}

static _Atomic int64_t last_add_ns, last_all_ns;

struct network_times sandbox_net_times(void)
{
	return (struct network_times){ atomic_load(&last_add_ns), atomic_load(&last_all_ns) };
}

/* Did the network give the addresses that it was asked for? */
static int check_ips(const Crisp__State__Sandbox *row, const struct payload_network *got,
		     struct err *e)
{
	for (size_t i = 0; i < row->n_restore_ips; i++) {
		size_t k = 0;

		while (got->ips[k] && strcmp(got->ips[k], row->restore_ips[i]) != 0)
			k++;
		if (!got->ips[k])
			return err_set(e, ERR_PRECONDITION,
				       "connections of the checkpoint have the address %s, which "
				       "the network does not give again: restore without "
				       "tcp-established",
				       row->restore_ips[i]);
	}
	return 0;
}

static int add(const Crisp__State__Sandbox *row, const struct cni_request *req,
	       struct payload_network **ret, struct err *e)
{
	struct cni_result result = CNI_RESULT_NULL;
	char *json = NULL;
	int r = cni_add(row->cni_conf, req, &json, &result, e);

	if (r == 0)
		*ret = network_of(json, &result);
	cni_result_done(&result);
	return r;
}

/* First with the addresses of a checkpoint, which another pod may have by now. */
static int add_asking(const Crisp__State__Sandbox *row, struct cni_request *req,
		      struct payload_network **ret, struct err *e)
{
	const char **ips =
		row->n_restore_ips ? strv_of(row->restore_ips, row->n_restore_ips) : NULL;
	struct err why = ERR_NULL;
	int r;

	req->ips = ips;
	r = add(row, req, ret, e);
	if (r == 0 && row->restore_needs_ips)
		r = check_ips(row, *ret, e);
	req->ips = NULL;
	if (r < 0 && ips && !row->restore_needs_ips) {
		log_err(LOG_LEVEL_INFO, "a restored pod gets another address", e);
		cni_del(row->cni_conf, req, NULL, &why);
		r = add(row, req, ret, e);
	}
	free(ips);
	return r;
}

int sandbox_net_up(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		   bool again, struct payload_network **ret, struct err *e)
{
	int64_t began_ns = clock_monotonic_ns(), add_ns;
	_cleanup_close_ int lock = -1, gate = -1;
	struct net_args a;
	int r = lock_network(conf, id, O_CREAT, again, &lock, e);

	if (r < 0)
		return r;
	net_args_init(&a, conf, id, row);
	a.req.hold_fd = lock;
	if (again) {
		struct err ignored = ERR_NULL;

		/* Ignore errors: perhaps no ADD was made. */
		cni_del(row->cni_conf, &a.req, NULL, &ignored);
	}
	add_ns = clock_monotonic_ns();
	r = netgc_enter(conf, &gate, e);
	if (r == 0)
		r = add_asking(row, &a.req, ret, e);
	if (r == 0) {
		atomic_store(&last_add_ns, clock_monotonic_ns() - add_ns);
		atomic_store(&last_all_ns, clock_monotonic_ns() - began_ns);
	}
	net_args_done(&a);
	return r < 0 ? err_wrap(e, "network of pod %.13s", id) : 0;
}

int sandbox_net_down(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		     bool again, struct err *e)
{
	_cleanup_close_ int lock = -1;
	struct net_args a;
	int r = lock_network(conf, id, 0, again, &lock, e);

	if (r < 0)
		return r;
	net_args_init(&a, conf, id, row);
	a.req.hold_fd = lock;
	r = cni_del(row->cni_conf, &a.req, *row->cni_result ? row->cni_result : NULL, e);
	net_args_done(&a);
	return r < 0 ? err_wrap(e, "network of pod %.13s", id) : 0;
}
