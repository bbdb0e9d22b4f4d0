/*
 * remains.c - finds pods and containers by directories and shims, and ends them without a row.
 *
 * All derives from the id except two fields of a lost row.  The cgroup is searched by name; the CNI
 * configuration is that of new pods.  Invariant: only ids below crispd's directories are touched.
 */
#include "pod/remains.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "base/str.h"
#include "core/objects.h"
#include "core/paths.h"
#include "core/records.h"
#include "net/cni.h"
#include "os/cgroup.h"
#include "os/ns.h"
#include "pod/bundle.h"
#include "pod/network.h"
#include "pod/reach.h"
#include "pod/sandbox.h"
#include "shimproto/shimlink.h"

#define CNI_DEL_MS 60000
#define CGROUP_DEPTH 12
#define PROBE "/crisp" /* any path; removed from its directory to get the root */

/* Each value that crio.runtime.cgroup_prefix has: it may have changed since the create. */
static const char *const prefixes[] = { "crisp-", "crio-" };

/* --- finding --- */

struct id_list {
	char ***ids;
	size_t *n;
};

static int list_id(const char *path, const char *name, void *arg, struct err *e)
{
	struct id_list *l = arg;

	(void)path;
	(void)e;
	if (id_is_valid(name))
		row_add_str(l->ids, l->n, name);
	return 0;
}

static int list_ids(const char *top, const char *what, char ***ids, size_t *n, struct err *e)
{
	_cleanup_free_ char *dir = xasprintf("%s/%s", top, what);
	struct id_list l = { ids, n };

	return fs_each(dir, list_id, &l, e);
}

static bool same_link(const char *a, const char *b)
{
	char to_a[128], to_b[128];
	ssize_t n = readlink(a, to_a, sizeof(to_a)), m = readlink(b, to_b, sizeof(to_b));

	return n > 0 && n == m && memcmp(to_a, to_b, (size_t)n) == 0;
}

/* Does the process run a shim's program in the daemon's PID namespace?  Only a container with host
 * PID could imitate one. */
static bool is_shim(const char *proc)
{
	_cleanup_free_ char *exe = xasprintf("%s/exe", proc);
	_cleanup_free_ char *ns = xasprintf("%s/ns/pid", proc);
	char path[4096];
	ssize_t n = readlink(exe, path, sizeof(path) - 1);

	if (n <= 0)
		return false;
	path[n] = '\0';
	return strstr(path, "/crisp-shim") && same_link(ns, "/proc/self/ns/pid");
}

/* Find the pod of a shim by --dir on its command line, also if the directory was deleted. */
static int list_shim(const char *path, const char *name, void *arg, struct err *e)
{
	_cleanup_free_ char *file = xasprintf("%s/cmdline", path);
	_cleanup_free_ char *option = NULL;
	_cleanup_buf_ struct buf line = BUF_NULL;
	struct err ignored = ERR_NULL;
	const struct conf *c = ((void **)arg)[0];
	struct remains *r = ((void **)arg)[1];
	const char *id, *dir;

	(void)e;
	if (name[strspn(name, "0123456789")] || !is_shim(path) ||
	    fs_read_file(file, 65536, &line, &ignored) != 0)
		return 0;
	option = xasprintf("%s/pods/", c->runroot);
	for (size_t at = 0; at < line.len; at += strlen(line.data + at) + 1) {
		if (strcmp(line.data + at, "--dir") != 0 || at + sizeof("--dir") >= line.len)
			continue;
		dir = line.data + at + sizeof("--dir");
		id = str_starts(dir, option) ? dir + strlen(option) : "";
		if (id_is_valid(id)) {
			row_add_str(&r->pods, &r->n_pods, id);
			row_add_str(&r->shims, &r->n_shims, id);
		}
	}
	return 0;
}

static int count_layer(const char *path, const char *name, void *arg, struct err *e)
{
	(void)path;
	(void)e;
	if (str_is_hex(name, strlen(name)))
		++*(size_t *)arg;
	return 0;
}

int remains_find(const struct conf *c, struct remains *ret, struct err *e)
{
	_cleanup_free_ char *layers = xasprintf("%s/images/layers", c->root);
	const char *const tops[] = { c->runroot, c->root };
	const void *args[] = { c, ret };
	int r = 0;

	*ret = REMAINS_NULL;
	for (size_t i = 0; i < ARRAY_LEN(tops) && r == 0; i++) {
		r = list_ids(tops[i], "pods", &ret->pods, &ret->n_pods, e);
		if (r == 0)
			r = list_ids(tops[i], "containers", &ret->containers, &ret->n_containers,
				     e);
	}
	if (r == 0)
		r = fs_each("/proc", list_shim, args, e);
	return r == 0 ? fs_each(layers, count_layer, &ret->layers, e) : r;
}

void remains_done(struct remains *r)
{
	row_set_strs(&r->pods, &r->n_pods, NULL);
	row_set_strs(&r->containers, &r->n_containers, NULL);
	row_set_strs(&r->shims, &r->n_shims, NULL);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

char *remains_shims_text(const struct remains *r)
{
	if (!r->n_shims)
		return NULL;
	return xasprintf("%zu shim%s of pods run%s", r->n_shims, plural(r->n_shims),
			 r->n_shims == 1 ? "s" : "");
}

char *remains_pods_text(const struct remains *r, const struct conf *c)
{
	_cleanup_free_ char *shims = remains_shims_text(r);
	const char *id = r->n_pods ? r->pods[0] : r->n_containers ? r->containers[0] : NULL;

	if (!id)
		return NULL;
	return xasprintf("%zu pod%s and %zu container%s (%.13s%s) are left in %s and %s%s%s",
			 r->n_pods, plural(r->n_pods), r->n_containers, plural(r->n_containers), id,
			 r->n_pods + r->n_containers > 1 ? ", ..." : "", c->runroot, c->root,
			 shims ? ", " : "", shims ? shims : "");
}

char *remains_layers_text(const struct remains *r, const struct conf *c)
{
	if (!r->layers)
		return NULL;
	return xasprintf("%zu image layer%s in %s/images", r->layers, plural(r->layers), c->root);
}

/* --- cgroups by name --- */

struct cgroup_search {
	const char *const *names; /* NULL-terminated */
	size_t root; /* length of the hierarchy's directory */
	int depth;
	char *found; /* relative to the hierarchy's directory */
};

/* May a container have made cgroups below this one? */
static bool is_of_container(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(name, prefixes[i]) && strlen(name) >= ID_LEN + strlen(prefixes[i]))
			return true;
	return false;
}

static int search_cgroup(const char *path, const char *name, void *arg, struct err *e)
{
	struct err ignored = ERR_NULL; /* cgroups may vanish during the walk */
	struct cgroup_search *s = arg;
	struct stat st;

	(void)e;
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || s->found)
		return 0;
	for (size_t i = 0; s->names[i]; i++) {
		if (strcmp(name, s->names[i]) != 0)
			continue;
		s->found = xstrdup(path + s->root);
		return 0;
	}
	if (s->depth < CGROUP_DEPTH && !is_of_container(name)) {
		s->depth++;
		fs_each(path, search_cgroup, s, &ignored);
		s->depth--;
	}
	return 0;
}

/* Find a cgroup with one of the names in the first hierarchy that has one; *ret NULL: none. */
static int find_cgroup(const char *const *names, char **ret, struct err *e)
{
	static const char *const controllers[] = { "memory", "pids", "cpu" };
	int r = 0;

	*ret = NULL;
	for (size_t i = 0; i < ARRAY_LEN(controllers) && r == 0 && !*ret; i++) {
		_cleanup_free_ char *root = NULL;
		struct cgroup_search s = { .names = names };

		r = cgroup_controller_dir(world.cgroups, controllers[i], PROBE, &root, e);
		if (r == 1) {
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		s.root = strlen(root) - strlen(PROBE);
		root[s.root] = '\0';
		r = fs_each(root, search_cgroup, &s, e);
		*ret = s.found;
	}
	return r;
}

/* Find PREFIX-ID (cgroupfs) or PREFIX-ID.scope (systemd), of a container or a pod; *ret NULL:
 * none. */
static int find_own_cgroup(const char *id, char **ret, struct err *e)
{
	const char *names[2 * ARRAY_LEN(prefixes) + 1] = { NULL };
	char *made[2 * ARRAY_LEN(prefixes)];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		made[n++] = xasprintf("%s%s", prefixes[i], id);
		made[n++] = xasprintf("%s%s.scope", prefixes[i], id);
	}
	for (size_t i = 0; i < n; i++)
		names[i] = made[i];
	r = find_cgroup(names, ret, e);
	while (n)
		free(made[--n]);
	return r;
}

/* --- ending --- */

int remains_end_shim(const char *id, struct err *e)
{
	_cleanup_free_ char *run = path_pod_run(world.conf, id);

	return sandbox_end_shim(run, 0, e);
}

/* Clean with every configured runtime: the row that named one is lost. */
int remains_end_container(const char *id, struct err *e)
{
	_cleanup_free_ char *dir = path_container_dir(world.conf, id);
	_cleanup_free_ char *cgroup = NULL;
	int r = find_own_cgroup(id, &cgroup, e);

	if (r == 0 && !cgroup)
		cgroup = cgroup_of_container(world.conf, world.conf->default_cgroup_parent, id);
	if (r == 0 && cgroup[0] == '/')
		r = reach_end_cgroup(cgroup, 0, e);
	for (size_t i = 0; i < world.conf->n_runtimes && r >= 0; i++) {
		Crisp__State__Container row = CRISP__STATE__CONTAINER__INIT;

		row.runtime_path = world.conf->runtimes[i].path;
		row.runtime_root = world.conf->runtimes[i].root;
		row.cgroups_path = cgroup;
		r = bundle_clean(id, &row, e);
	}
	if (r == 1)
		r = fs_remove_tree(dir, e);
	return r < 0 ? err_wrap(e, "container %.13s", id) : 0;
}

static int delete_network(const char *id, struct err *e)
{
	_cleanup_free_ char *ns = path_pod_ns(world.conf, id);
	_cleanup_free_ char *netns = xasprintf("%s/net", ns);
	struct cni_conf conf = CNI_CONF_NULL;
	/* portmap removes rules only if it gets a mapping, and finds them by the pod's id. */
	static const struct cni_port_mapping any = { 1, 1, "tcp", NULL };
	const struct cni_request req = {
		.container_id = id,
		.netns = ns_is_pinned(netns) ? netns : "",
		.ifname = POD_IFNAME,
		.port_mappings = &any,
		.n_port_mappings = 1,
		.plugin_dirs = (const char *const *)world.conf->plugin_dirs,
		.timeout_ms = CNI_DEL_MS,
	};
	int r = cni_conf_find(world.conf->network_dir, world.conf->cni_default_network,
			      (const char *const *)world.conf->plugin_dirs, &conf, e);

	if (r == 0)
		r = cni_del(conf.json, &req, NULL, e);
	cni_conf_done(&conf);
	/* Without netns ignore the failure: the pod may use the host network.  Else an IP lease may
	 * stay taken. */
	if (r < 0 && !*req.netns) {
		log_err(LOG_LEVEL_WARN, "network of a pod without a row", e);
		*e = ERR_NULL;
		r = 0;
	}
	return r < 0 ? err_wrap(e, "network") : 0;
}

int remains_end_pod(const char *id, struct err *e)
{
	_cleanup_free_ char *dir = path_pod_dir(world.conf, id);
	_cleanup_free_ char *name = xasprintf("crisp-shim-%s", id), *cgroup = NULL, *own = NULL;
	const char *const names[] = { name, NULL };
	int r = remains_end_shim(id, e);

	if (r == 0)
		r = find_cgroup(names, &cgroup, e);
	if (r == 0)
		r = find_own_cgroup(id, &own, e);
	if (r == 0 && cgroup)
		r = reach_end_cgroup(cgroup, 0, e);
	if (r == 0)
		r = delete_network(id, e);
	if (r == 0)
		r = sandbox_take_down(id, cgroup, 0, e);
	if (r == 0 && own)
		r = cgroup_remove(world.cgroups, own, e);
	if (r == 0)
		r = fs_remove_tree(dir, e);
	return r < 0 ? err_wrap(e, "pod %.13s", id) : 0;
}
