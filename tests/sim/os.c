/*
 * os.c - src/os but for the link to the shim, and src/net: cgroups, mounts, namespaces, programs,
 * CNI.  What they make is in the node, by name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/str.h"
#include "conf/conf.h"
#include "net/cni.h"
#include "net/dirwatch.h"
#include "net/hostports.h"
#include "net/listeners.h"
#include "net/localroute.h"
#include "net/tcphold.h"
#include "net/udpflows.h"
#include "os/apparmor.h"
#include "os/cgroup_figures.h"
#include "os/mount.h"
#include "os/netdev.h"
#include "os/ns.h"
#include "os/proc_figures.h"
#include "os/security.h"
#include "os/selinux.h"
#include "os/spawn.h"
#include "image/layers.h"
#include "sim.h"

#define CGROUP_ROOT "/sim-cgroup"

struct cgroups {
	int unused;
};

/* --- cgroups --- */

int cgroups_open(struct cgroups **ret, struct err *e)
{
	(void)e;
	*ret = xcalloc(1, sizeof(**ret));
	return 0;
}

void cgroups_free(struct cgroups *cg)
{
	free(cg);
}

enum cgroup_layout cgroups_layout(const struct cgroups *cg)
{
	(void)cg;
	return CGROUP_LAYOUT_V1;
}

int cgroups_own(const struct cgroups *cg, char **ret, struct err *e)
{
	(void)cg;
	(void)ret;
	(void)e;
	return 1;
}

bool cgroup_path_is_valid(const char *path)
{
	return path[0] == '/' && path[1] && fs_path_is_clean(path);
}

char *cgroup_slice_name(const char *text)
{
	(void)text;
	return NULL;
}

int cgroup_create(const struct cgroups *cg, const char *path, struct err *e)
{
	(void)cg;
	if (sim_try("make a cgroup", e) < 0)
		return -(int)e->code;
	thing_add(THING_CGROUP, path);
	return 0;
}

int cgroup_create_plain(const struct cgroups *cg, const char *path, struct err *e)
{
	return cgroup_create(cg, path, e);
}

int cgroup_freeze(const struct cgroups *cg, const char *path, struct err *e)
{
	(void)cg;
	if (sim_try("freeze a cgroup", e) < 0)
		return -(int)e->code;
	proc_freeze(path, true);
	return 0;
}

int cgroup_thaw(const struct cgroups *cg, const char *path, const char *except, struct err *e)
{
	(void)cg;
	(void)except;
	if (sim_try("thaw a cgroup", e) < 0)
		return -(int)e->code;
	proc_freeze(path, false);
	return 0;
}

int cgroup_thaw_one(const struct cgroups *cg, const char *path, struct err *e)
{
	return cgroup_thaw(cg, path, NULL, e);
}

int cgroup_pull_thawed(const struct cgroups *cg, const char *path, pid_t pid, struct err *e)
{
	(void)cg;
	(void)path;
	(void)pid;
	(void)e;
	return 0;
}

int cgroup_pids(const struct cgroups *cg, const char *path, pid_t **ret, size_t *ret_n,
		struct err *e)
{
	pid_t *pids = xcalloc(SIM_PROCS, sizeof(*pids));

	(void)cg;
	*ret_n = 0;
	*ret = pids;
	if (sim_try("read cgroup.procs", e) < 0) {
		free(pids);
		*ret = NULL;
		return -(int)e->code;
	}
	for (int i = 0; i < SIM_PROCS; i++)
		if (node->procs[i].alive && *node->procs[i].cgroup &&
		    fs_path_is_within(node->procs[i].cgroup, path))
			pids[(*ret_n)++] = node->procs[i].pid;
	return 0;
}

int cgroup_remove_idle(const struct cgroups *cg, const char *path, struct err *e)
{
	pid_t *pids = NULL;
	size_t n = 0;

	if (cgroup_pids(cg, path, &pids, &n, e) < 0)
		return -(int)e->code;
	free(pids);
	if (n)
		return 1;
	if (sim_try("remove a cgroup", e) < 0)
		return -(int)e->code;
	for (int i = 0; i < SIM_THINGS; i++)
		if (node->things[i].used && node->things[i].kind == THING_CGROUP &&
		    fs_path_is_within(node->things[i].name, path))
			thing_del(THING_CGROUP, node->things[i].name);
	return 0;
}

int cgroup_remove(const struct cgroups *cg, const char *path, struct err *e)
{
	int r = 1;

	for (int try = 0; r > 0 && try < 100; try++) {
		r = cgroup_remove_idle(cg, path, e);
		if (r > 0)
			sim_sleep_until(node->mono + 100 * NSEC_PER_MSEC);
	}
	return r > 0 ? err_set(e, ERR_PRECONDITION, "cgroup %s is busy", path) : r;
}

int cgroup_controller_dir(const struct cgroups *cg, const char *controller, const char *path,
			  char **ret, struct err *e)
{
	(void)cg;
	(void)controller;
	(void)e;
	*ret = xasprintf(CGROUP_ROOT "%s", path);
	return 0;
}

int cgroup_files_open(const struct cgroups *cg, const char *path, bool events,
		      struct cgroup_files *ret, struct err *e)
{
	(void)cg;
	(void)path;
	(void)events;
	(void)e;
	*ret = CGROUP_FILES_NULL;
	return 1;
}

int cgroup_files_read(const struct cgroup_files *f, struct cgroup_usage *ret)
{
	(void)f;
	(void)ret;
	return 1;
}

void cgroup_files_done(struct cgroup_files *f)
{
	(void)f;
}

int cgroup_read_usage(const struct cgroups *cg, const char *path, struct cgroup_usage *ret,
		      struct err *e)
{
	(void)cg;
	(void)path;
	(void)e;
	*ret = (struct cgroup_usage){ .memory_limit = UINT64_MAX };
	return 0;
}

int cgroup_figures_read(const struct cgroups *cg, const char *path, uint64_t want,
			struct figures *ret, struct err *e)
{
	(void)cg;
	(void)path;
	(void)want;
	(void)ret;
	(void)e;
	return 1;
}

void cgroup_devices_read(const struct cgroups *cg, const char *path, struct figure_list *ret)
{
	(void)cg;
	(void)path;
	(void)ret;
}

void cgroup_pages_read(const struct cgroups *cg, const char *path, struct figure_list *ret)
{
	(void)cg;
	(void)path;
	(void)ret;
}

bool cgroup_costs_counted(const struct cgroups *cg)
{
	(void)cg;
	return false;
}

bool cgroup_pages_counted(const struct cgroups *cg)
{
	(void)cg;
	return false;
}

void device_label(unsigned major, unsigned minor, char ret[FIGURE_LABEL_BYTES])
{
	snprintf(ret, FIGURE_LABEL_BYTES, "%u:%u", major, minor);
}

int proc_figures_read(const struct cgroups *cg, const char *path, pid_t main, struct figures *ret,
		      struct err *e)
{
	(void)cg;
	(void)path;
	(void)main;
	(void)ret;
	(void)e;
	return 1;
}

/* --- mounts --- */

int mount_tmpfs(const char *path, uint64_t size, uint64_t inodes, mode_t mode, const char *label,
		struct err *e)
{
	(void)size;
	(void)inodes;
	(void)label;
	if (thing_has(THING_MOUNT, path))
		return 0;
	if (fs_mkdir_all(path, mode, e) < 0 || sim_try("mount a tmpfs", e) < 0)
		return -(int)e->code;
	thing_add(THING_MOUNT, path);
	return 0;
}

int mount_sysfs(const char *path, struct err *e)
{
	return mount_tmpfs(path, 0, 0, 0700, NULL, e);
}

int mount_bind(const char *source, const char *target, unsigned flags, struct err *e)
{
	(void)source;
	(void)flags;
	return mount_tmpfs(target, 0, 0, 0755, NULL, e);
}

int mount_remove(const char *path, struct err *e)
{
	if (sim_try("unmount", e) < 0)
		return -(int)e->code;
	thing_del(THING_MOUNT, path);
	return 0;
}

int mount_remove_below(const char *dir, struct err *e)
{
	for (int i = 0; i < SIM_THINGS; i++)
		if (node->things[i].used && node->things[i].kind == THING_MOUNT &&
		    fs_path_is_within(node->things[i].name, dir) &&
		    mount_remove(node->things[i].name, e) < 0)
			return -(int)e->code;
	return 0;
}

int mount_is_mounted(const char *path, bool *ret, struct err *e)
{
	(void)e;
	*ret = thing_has(THING_MOUNT, path);
	return 0;
}

int __wrap_image_mount(const char *images_root, const char *const *diff_ids, size_t n,
		       const char *upper, const char *work, const char *target,
		       const struct image_idmap *idmap, struct err *e);

int __wrap_image_mount(const char *images_root, const char *const *diff_ids, size_t n,
		       const char *upper, const char *work, const char *target,
		       const struct image_idmap *idmap, struct err *e)
{
	(void)idmap;
	for (size_t i = 0; i < n; i++)
		if (!image_layer_exists(images_root, diff_ids[i]))
			return err_set(e, ERR_DATA_LOSS, "layer %s is missing", diff_ids[i]);
	if (upper && (fs_mkdir_all(upper, 0755, e) < 0 || fs_mkdir_all(work, 0755, e) < 0))
		return -(int)e->code;
	return mount_tmpfs(target, 0, 0, 0755, NULL, e);
}

/* --- namespaces --- */

int __wrap_pod_userns_try(const struct conf *c, struct err *e);

int __wrap_pod_userns_try(const struct conf *c, struct err *e)
{
	(void)c;
	return userns_try_sys(e);
}

int userns_try_sys(struct err *e)
{
	return err_set(e, ERR_PRECONDITION, "the simulated node has no user namespaces");
}

static int pin(const char *dir, const char *name, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	if (thing_has(THING_NS, path))
		return 0;
	if (fs_mkdir_all(dir, 0700, e) < 0 || sim_try("pin a namespace", e) < 0 ||
	    fs_replace_file(path, "", 0, 0600, false, e) < 0)
		return -(int)e->code;
	thing_add(THING_NS, path);
	return 0;
}

int ns_pin(const char *dir, unsigned kinds, const char *hostname, const struct userns_map *map,
	   struct err *e)
{
	(void)hostname;
	if ((kinds & NS_KIND_NET) && pin(dir, "net", e) < 0)
		return -(int)e->code;
	if ((kinds & NS_KIND_IPC) && pin(dir, "ipc", e) < 0)
		return -(int)e->code;
	if ((kinds & NS_KIND_UTS) && pin(dir, "uts", e) < 0)
		return -(int)e->code;
	return map ? pin(dir, "user", e) : 0;
}

int ns_pin_pid(const char *dir, pid_t pid, struct err *e)
{
	int i = proc_find(pid, 0);

	if (i < 0 || !node->procs[i].alive)
		return err_set(e, ERR_UNAVAILABLE, "process %d is gone", pid);
	return pin(dir, "pid", e);
}

int ns_unpin(const char *dir, struct err *e)
{
	for (int i = 0; i < SIM_THINGS; i++) {
		if (!node->things[i].used || node->things[i].kind != THING_NS ||
		    !fs_path_is_within(node->things[i].name, dir))
			continue;
		if (sim_try("unpin a namespace", e) < 0)
			return -(int)e->code;
		thing_del(THING_NS, node->things[i].name);
	}
	return fs_remove_tree(dir, e);
}

bool ns_is_pinned(const char *path)
{
	return thing_has(THING_NS, path);
}

int ns_check_sysctl(const struct ns_sysctl *s, bool host_network, bool host_ipc, struct err *e)
{
	(void)s;
	(void)host_network;
	(void)host_ipc;
	(void)e;
	return 0;
}

char *ns_map_sysctl(const struct ns_sysctl *s, const struct userns_map *map)
{
	(void)map;
	return xstrdup(s->value);
}

int ns_set_sysctls(const char *dir, const struct ns_sysctl *s, size_t n, struct err *e)
{
	(void)dir;
	(void)s;
	(void)n;
	return sim_try("set sysctls", e);
}

int ns_run_inside(const char *path, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	(void)path;
	return fn(arg, e);
}

int netdev_read(const char *path, struct netdev **ret, size_t *ret_n, struct err *e)
{
	(void)path;
	(void)ret;
	(void)ret_n;
	(void)e;
	return 1;
}

int netdev_open(const char *path, int *ret_fd, struct err *e)
{
	(void)path;
	(void)ret_fd;
	(void)e;
	return 1;
}

int netdev_read_fd(int fd, struct netdev **ret, size_t *ret_n, struct err *e)
{
	(void)fd;
	return netdev_read(NULL, ret, ret_n, e);
}

/* --- the host --- */

int os_security_probe(struct os_security *ret, struct err *e)
{
	(void)e;
	*ret = (struct os_security){ .bounding = UINT64_MAX,
				     .oom_score_adj_min = -1000,
				     .may_raise_limits = true,
				     .rro = true,
				     .swap = true };
	return 0;
}

bool apparmor_is_enabled(void)
{
	return false;
}

int apparmor_find_profile(const char *name, struct err *e)
{
	(void)name;
	(void)e;
	return 1;
}

int apparmor_load_default(struct err *e)
{
	return err_set(e, ERR_UNIMPLEMENTED, "sim: no AppArmor");
}

bool selinux_is_enabled(void)
{
	return false;
}

int selinux_make_labels(const struct selinux_parts *parts, const char *seed, char **ret_process,
			char **ret_file, struct err *e)
{
	(void)parts;
	(void)seed;
	(void)ret_process;
	(void)ret_file;
	return err_set(e, ERR_UNIMPLEMENTED, "sim: no SELinux");
}

int selinux_relabel_tree(const char *path, const char *label, struct err *e)
{
	(void)path;
	(void)label;
	return err_set(e, ERR_UNIMPLEMENTED, "sim: no SELinux");
}

/* --- programs: the OCI runtime's delete, and its answers at the start --- */

void spawn_result_done(struct spawn_result *r)
{
	buf_done(&r->out);
	buf_done(&r->err);
}

/* A runtime that may refuse, or hang.  1: it did what it was asked. */
static int runtime_run(int64_t timeout_ms, int cancel_fd, struct spawn_result *ret, struct err *e)
{
	struct pollfd p = { .fd = cancel_fd, .events = POLLIN };

	if (sim_try("run the OCI runtime", e) < 0)
		return -(int)e->code;
	if (sim_chance(node->odds.runtime_fails / 2)) {
		if (poll(&p, 1, (int)timeout_ms) > 0)
			return err_set(e, ERR_ABORTED, "sim: the runtime is killed");
		return err_set(e, ERR_DEADLINE, "sim: the runtime hangs");
	}
	if (!sim_chance(node->odds.runtime_fails))
		return 1;
	ret->status = 1;
	return 0;
}

int spawn_run(const char *const *argv, const char *const *envp, const void *in, size_t in_size,
	      size_t out_max, int64_t timeout_ms, struct spawn_result *ret, struct err *e)
{
	size_t n = 0;
	int r;

	(void)envp;
	(void)in;
	(void)in_size;
	(void)out_max;
	*ret = SPAWN_RESULT_NULL;
	ret->status = 0;
	while (argv[n])
		n++;
	if (n < 5 || !str_starts(argv[3], "delete"))
		return 0;
	r = runtime_run(timeout_ms, -1, ret, e);
	if (r > 0)
		ctr_killed_by_delete(argv[n - 1]);
	return MIN(r, 0);
}

/* `update` and `checkpoint` of a container, and tar. */
int spawn_run_as(const struct spawn *s, const void *in, size_t in_size, size_t out_max,
		 int64_t timeout_ms, struct spawn_result *ret, struct err *e)
{
	(void)in;
	(void)in_size;
	(void)out_max;
	*ret = SPAWN_RESULT_NULL;
	ret->status = 0;
	return MIN(runtime_run(timeout_ms, s->cancel_fd, ret, e), 0);
}

/* --- CNI --- */

void cni_conf_done(struct cni_conf *c)
{
	free(c->name);
	free(c->json);
}

void cni_result_done(struct cni_result *r)
{
	for (size_t i = 0; i < r->n_ips; i++)
		free(r->ips[i].address);
	free(r->ips);
}

int cni_conf_find(const char *dir, const char *default_name, const char *const *plugin_dirs,
		  struct cni_conf *ret, struct err *e)
{
	(void)dir;
	(void)default_name;
	(void)plugin_dirs;
	if (sim_try("read the CNI configuration", e) < 0)
		return -(int)e->code;
	*ret = (struct cni_conf){ xstrdup("sim"), xstrdup("{\"name\":\"sim\"}") };
	return 0;
}

int cni_add(const char *conf_json, const struct cni_request *req, char **ret_result_json,
	    struct cni_result *ret, struct err *e)
{
	bool fails = sim_chance(node->odds.cni_add_fails);

	(void)conf_json;
	if (sim_try("CNI ADD", e) < 0)
		return -(int)e->code;
	if (thing_has(THING_CNI, req->container_id))
		return err_set(e, ERR_INTERNAL, "sim: eth0 is there already");
	if (!fails || sim_below(2))
		thing_add(THING_CNI, req->container_id);
	sim_sleep_until(node->mono + sim_below(300) * NSEC_PER_MSEC);
	if (fails || sim_call("CNI ADD's end", true))
		return err_set(e, ERR_INTERNAL, "sim: CNI ADD fails");
	*ret_result_json = xstrdup("{\"ips\":[]}");
	ret->n_ips = 1;
	ret->ips = xcalloc(1, sizeof(*ret->ips));
	ret->ips[0].address = xstrdup("10.88.0.5");
	return 0;
}

int cni_del(const char *conf_json, const struct cni_request *req, const char *prev_result_json,
	    struct err *e)
{
	(void)conf_json;
	(void)prev_result_json;
	if (sim_try("CNI DEL", e) < 0)
		return -(int)e->code;
	if (sim_chance(node->odds.cni_del_fails))
		return err_set(e, ERR_INTERNAL, "sim: CNI DEL fails");
	thing_del(THING_CNI, req->container_id);
	sim_sleep_until(node->mono + sim_below(100) * NSEC_PER_MSEC);
	return 0;
}

/* --- host ports: those of all pods at once --- */

bool cni_maps_ports(const char *conf_json)
{
	(void)conf_json;
	return false;
}

void hostport_pod_done(struct hostport_pod *p)
{
	free(p->id);
}

int hostport_pod_init(struct hostport_pod *p, const char *id, const char *cni_result,
		      const struct cni_port_mapping *mappings, size_t n, struct err *e)
{
	(void)cni_result;
	(void)mappings;
	(void)n;
	(void)e;
	*p = (struct hostport_pod){ .id = xstrdup(id) };
	return 0;
}

int hostports_settle(struct hostport_pod *pods, size_t n, const char *of, struct err *e)
{
	(void)pods;
	(void)n;
	(void)of;
	(void)e;
	return 0;
}

char *hostports_table(const char *root)
{
	return xstrdup(root);
}

int hostports_replace(const char *table, const struct hostport_pod *pods, size_t n, int hold_fd,
		      struct err *e)
{
	(void)table;
	(void)hold_fd;
	if (sim_try("nft -f", e) < 0)
		return sim_below(2) ? 1 : -(int)e->code;
	thing_del_all(THING_PORTS);
	for (size_t i = 0; i < n; i++)
		thing_add(THING_PORTS, pods[i].id);
	return sim_try("the end of nft", e);
}

int hostports_hash(const char *table, uint64_t *ret, struct err *e)
{
	(void)table;
	*ret = 5;
	return sim_try("nft list", e);
}

int listeners_check(const struct hostport *ports, size_t n, struct err *e)
{
	(void)ports;
	(void)n;
	return sim_try("list sockets", e);
}

int localroute_allow(const char *ip, struct err *e)
{
	(void)ip;
	(void)e;
	return 0;
}

/* No story restores a pod. */
int tcphold_set(const char *netns, const char *table, const struct tcp_flow *flows, size_t n,
		struct err *e)
{
	(void)netns;
	(void)table;
	(void)flows;
	(void)n;
	(void)e;
	return 0;
}

int tcphold_clear(const char *netns, const char *table, struct err *e)
{
	return tcphold_set(netns, table, NULL, 0, e);
}

int udpflows_drop(const uint16_t *ports, size_t n, struct err *e)
{
	(void)ports;
	(void)n;
	return sim_try("drop UDP flows", e);
}

bool cni_has_gc(const char *conf_json)
{
	(void)conf_json;
	return false;
}

int cni_gc(const char *conf_json, const struct cni_attachment *alive, size_t n,
	   const char *const *plugin_dirs, int64_t timeout_ms, struct err *e)
{
	(void)conf_json;
	(void)alive;
	(void)n;
	(void)plugin_dirs;
	(void)timeout_ms;
	(void)e;
	return 0;
}

int cni_ready_cached(const char *dir, const char *default_name, const char *const *plugin_dirs,
		     int64_t timeout_ms, int64_t grace_ns, struct cni_readiness *cache,
		     struct err *e)
{
	(void)dir;
	(void)default_name;
	(void)plugin_dirs;
	(void)timeout_ms;
	(void)grace_ns;
	(void)cache;
	(void)e;
	return 0;
}

int dirwatch_open(const char *dir, const char *const *plugin_dirs)
{
	(void)dir;
	(void)plugin_dirs;
	return -1;
}

bool dirwatch_is_quiet(int fd)
{
	(void)fd;
	return false;
}

char *spawn_find_program(const char *name, const char *path)
{
	(void)path;
	return xstrdup(name);
}
