/*
 * bundle.c - mounts root file system and image volumes, writes config.json, and removes all again.
 */
#include "pod/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/reason.h"
#include "cdi/catalog.h"
#include "core/objects.h"
#include "core/paths.h"
#include "core/trash.h"
#include "image/config.h"
#include "image/layers.h"
#include "oci/spec.h"
#include "os/cgroup.h"
#include "os/mount.h"
#include "os/spawn.h"
#include "pod/container.h"
#include "pod/files.h"
#include "pod/sandbox.h"
#include "pod/podids.h"
#include "pod/reach.h"
#include "pod/restorefiles.h"
#include "shimproto/exitrec.h"

#define RUNTIME_DELETE_MS 30000

/* Run the runtime's `delete --force`, if the runtime has state of the container. */
static int runtime_delete(const char *id, const Crisp__State__Container *row, struct err *e)
{
	const char *const argv[] = {
		row->runtime_path, "--root", row->runtime_root, "delete", "--force", id, NULL
	};
	_cleanup_free_ char *state = xasprintf("%s/%s", row->runtime_root, id);
	struct spawn_result res = SPAWN_RESULT_NULL;
	int r;

	/* Spawn no process when the runtime has no state. */
	if (!fs_exists(state))
		return 0;
	r = spawn_run(argv, NULL, NULL, 0, 4096, RUNTIME_DELETE_MS, &res, e);
	if (r == 0 && res.status != 0 && fs_exists(state))
		r = err_set(e, ERR_INTERNAL, "%s delete: exit status %d: %s", row->runtime_path,
			    res.status, res.err.len ? res.err.data : "no message");
	spawn_result_done(&res);
	return r;
}

int bundle_end_runtime(const char *id, const Crisp__State__Container *row, const char *shim_cgroup,
		       struct err *e)
{
	int r = shim_cgroup && *shim_cgroup ? reach_end_cgroup(shim_cgroup, 0, e) : 0;

	if (r == 0)
		r = reach_end_container(row, REACH_LONG_MS, e);
	return r < 0 ? r : runtime_delete(id, row, e);
}

/* How files of images are mapped into the pod's user namespace. */
struct bundle_idmap {
	bool used;
	struct userns_map map;
	char *userns, *dir;
	struct image_idmap image;
};

static void bundle_idmap_init(struct bundle_idmap *m, const struct bundle_parts *in)
{
	_cleanup_free_ char *ns = path_pod_ns(world.conf, in->row->sandbox_id);
	_cleanup_free_ char *run = path_container_run(world.conf, in->id);

	m->used = pod_userns_map(in->pod, &m->map);
	m->userns = xasprintf("%s/user", ns);
	m->dir = xasprintf("%s/mapped/layers", run); /* its parent is closed to the pod */
	m->image = (struct image_idmap){ .userns = m->userns, .map = &m->map, .dir = m->dir };
}

static void bundle_idmap_done(struct bundle_idmap *m)
{
	free(m->userns);
	free(m->dir);
}

static int mount_layers(const struct bundle_parts *in, char *const *layers, size_t n,
			const char *upper, const char *work, const char *target, struct err *e)
{
	_cleanup_free_ char *images = path_images(world.conf);
	_cleanup_(bundle_idmap_done) struct bundle_idmap idmap;

	bundle_idmap_init(&idmap, in);
	return image_mount(images, (const char *const *)layers, n, upper, work, target,
			   idmap.used ? &idmap.image : NULL, e);
}

static int mount_rootfs(const struct bundle_parts *in, struct err *e)
{
	_cleanup_free_ char *dir = path_container_dir(world.conf, in->id);
	_cleanup_free_ char *upper = path_container_upper(world.conf, in->id);
	_cleanup_free_ char *work = xasprintf("%s/work", dir);
	_cleanup_free_ char *rootfs = path_container_rootfs(world.conf, in->id);

	return mount_layers(in, in->row->diff_ids, in->row->n_diff_ids, upper, work, rootfs, e);
}

/* The runtime reaches the root file system as the pod's root. */
static int open_to_pod(const char *run, const Crisp__State__Sandbox *pod, struct err *e)
{
	struct userns_map map;

	if (!pod_userns_map(pod, &map))
		return 0;
	if (chown(run, 0, map.gid.host) < 0 || chmod(run, 0710) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s to the pod's root", run);
	return 0;
}

/* Link to the root file system from the directory of its layers, where CRI-O has it. */
static int link_rootfs(const char *id, struct err *e)
{
	_cleanup_free_ char *rootfs = path_container_rootfs(world.conf, id);
	_cleanup_free_ char *link = path_container_merged(world.conf, id);

	if (symlink(rootfs, link) < 0 && errno != EEXIST)
		return err_errno(e, ERR_INTERNAL, errno, "link %s to %s", link, rootfs);
	return 0;
}

/* Mount the image volumes read-only below the bundle.  ret[i]: mount point of config->mounts[i];
 * NULL: no image volume. */
static int mount_images(const struct bundle_parts *in, const Runtime__V1__ContainerConfig *c,
			char **ret, struct err *e)
{
	_cleanup_free_ char *run = path_container_run(world.conf, in->id);
	size_t k = 0;

	for (size_t i = 0; i < c->n_mounts; i++) {
		char **layers;
		size_t n = 0;

		if (!c->mounts[i]->image || !*c->mounts[i]->image->image)
			continue;
		if (k >= in->row->n_image_mounts)
			return err_set(e, ERR_INTERNAL,
				       "container %s: image mount %zu has no image", in->id, i);
		ret[i] = xasprintf("%s/image-%zu", run, k);
		layers = in->mount_layers[k++];
		while (layers[n])
			n++;
		if (mount_layers(in, layers, n, NULL, NULL, ret[i], e) < 0)
			return reason_set(e, REASON_IMAGE_VOLUME_MOUNT_FAILED);
	}
	return 0;
}

static int write_bundle(const char *run, const struct oci_spec *spec, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/config.json", run);

	return fs_replace_file(path, spec->config_json, spec->config_size, 0600, false, e);
}

static struct payload_bundle *payload_of(const struct oci_spec *spec)
{
	struct payload_bundle *b = xcalloc(1, sizeof(*b));

	b->uid = spec->uid;
	b->gid = spec->gid;
	b->stop_signal = (uint32_t)spec->stop_signal;
	b->may_trace = spec->may_trace;
	b->n_groups = spec->n_groups;
	b->groups =
		spec->n_groups ? xmemdup(spec->groups, spec->n_groups * sizeof(*b->groups)) : NULL;
	return b;
}

static void log_warnings(const char *id, const struct oci_spec *spec)
{
	for (size_t i = 0; spec->warnings && spec->warnings[i]; i++)
		log_info("container setting weakened", "ctr=%.13s reason=\"%s\"", id,
			 spec->warnings[i]);
}

/* Paths of the pod's files and namespaces for its containers. */
struct pod_paths {
	char *run, *ns, *userns, *netns, *ipcns, *utsns, *pidns, *resolv, *hosts, *hostname, *shm;
};

static void pod_paths_init(struct pod_paths *p, const Crisp__State__Container *row,
			   const Crisp__State__Sandbox *pod)
{
	p->run = path_pod_run(world.conf, row->sandbox_id);
	p->ns = path_pod_ns(world.conf, row->sandbox_id);
	p->userns = pod->uids ? xasprintf("%s/user", p->ns) : NULL;
	p->netns = pod->host_network ? NULL : xasprintf("%s/net", p->ns);
	p->utsns = pod->host_network ? NULL : xasprintf("%s/uts", p->ns);
	p->ipcns = pod->host_ipc ? NULL : xasprintf("%s/ipc", p->ns);
	p->pidns = pod->pod_pid ? xasprintf("%s/pid", p->ns) : NULL;
	p->resolv = sandbox_files_path(p->run, SANDBOX_FILE_RESOLV);
	p->hosts = sandbox_files_path(p->run, SANDBOX_FILE_HOSTS);
	p->hostname = sandbox_files_path(p->run, SANDBOX_FILE_HOSTNAME);
	p->shm = pod->host_ipc ? xstrdup("/dev/shm") : xasprintf("%s/" SANDBOX_FILE_SHM, p->run);
}

static void pod_paths_done(struct pod_paths *p)
{
	char *const all[] = { p->run,	p->ns,	   p->userns, p->netns,	   p->ipcns, p->utsns,
			      p->pidns, p->resolv, p->hosts,  p->hostname, p->shm };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		free(all[i]);
}

static int build_spec(const struct bundle_parts *in, const Runtime__V1__ContainerConfig *c,
		      const Runtime__V1__PodSandboxConfig *pc, const struct image_config *image,
		      char *const *image_mounts, struct oci_spec *ret, struct err *e)
{
	_cleanup_free_ char *dir = path_container_run(world.conf, in->id);
	_cleanup_free_ char *rootfs = path_container_rootfs(world.conf, in->id);
	_cleanup_free_ char *own = path_container_dir(world.conf, in->id);
	_cleanup_free_ char *criu_conf = path_container_criu_conf(world.conf, in->id);
	_cleanup_free_ char *volumes = xasprintf("%s/volumes", own);
	_cleanup_free_ char *hostname = sandbox_hostname(pc, in->pod->host_network);
	struct oci_spec_input si = {
		.id = in->id,
		.sandbox_id = in->row->sandbox_id,
		.image_name = c->image->image,
		.config = c,
		.sandbox = pc,
		.image = image,
		.rootfs = rootfs,
		.dir = dir,
		.criu_conf = criu_conf,
		.volumes_dir = volumes,
		.target_pid = in->target_pid,
		.cgroups_path = in->row->cgroups_path,
		.hostname = hostname,
		.image_mount_sources = (const char *const *)image_mounts,
		.cdi = in->cdi,
		.conf = world.conf,
		.runtime = conf_runtime_find(world.conf, in->pod->runtime_handler),
		.features = in->features,
		.host = &world.security,
		.apparmor_default = world.apparmor_default,
	};
	struct pod_paths p;
	int r;

	pod_paths_init(&p, in->row, in->pod);
	si.userns = p.userns;
	si.netns = p.netns;
	si.ipcns = p.ipcns;
	si.utsns = p.utsns;
	si.pidns = p.pidns;
	si.resolv_conf = p.resolv;
	si.hosts_file = p.hosts;
	si.hostname_file = p.hostname;
	si.shm = p.shm;
	r = oci_spec_build(&si, ret, e);
	pod_paths_done(&p);
	return r;
}

static int prepare_with(const struct bundle_parts *in, const Runtime__V1__ContainerConfig *c,
			const Runtime__V1__PodSandboxConfig *pc, struct payload_bundle **ret,
			struct err *e)
{
	_cleanup_free_ char *run = path_container_run(world.conf, in->id);
	char **image_mounts = xcalloc(c->n_mounts + 1, sizeof(char *));
	struct image_config image = IMAGE_CONFIG_NULL;
	struct oci_spec spec = OCI_SPEC_NULL;
	int r;

	r = image_config_parse((const char *)in->row->image_config.data, in->row->image_config.len,
			       &image, e);
	if (r == 0)
		r = mount_images(in, c, image_mounts, e);
	if (r == 0)
		r = build_spec(in, c, pc, &image, image_mounts, &spec, e);
	if (r == 0)
		r = write_bundle(run, &spec, e);
	if (r == 0) {
		log_warnings(in->id, &spec);
		*ret = payload_of(&spec);
	}
	oci_spec_done(&spec);
	image_config_done(&image);
	for (size_t i = 0; i < c->n_mounts; i++)
		free(image_mounts[i]);
	free(image_mounts);
	return r;
}

/* The files of CDI may be a moment old: a resource driver writes them before the kubelet's call. */
static void read_cdi(struct bundle_parts *in, const Runtime__V1__ContainerConfig *c)
{
	struct cdi_catalog *old = in->cdi;

	if (!world.conf->enable_cdi || !oci_spec_wants_cdi(c))
		return;
	in->cdi = cdi_catalog_read(world.conf->cdi_spec_dirs, old);
	cdi_catalog_unref(old);
}

/* Check all images against the policy; must precede any use of their content. */
static int check_trust(const struct bundle_parts *in, const Runtime__V1__PodSandboxConfig *pc,
		       struct err *e)
{
	for (size_t i = 0; in->subjects[i]; i++)
		if (trust_subject_check(in->subjects[i], pc->metadata->namespace_, e) < 0)
			return -(int)e->code;
	return 0;
}

/* Create the log directory: the kubelet does so before, other clients may not. */
static int make_log_dir(const char *log_path, struct err *e)
{
	const char *slash = strrchr(log_path, '/');
	_cleanup_free_ char *dir = slash ? xstrndup(log_path, (size_t)(slash - log_path)) : NULL;

	if (!dir || !*dir || fs_mkdir_all(dir, 0755, e) == 0)
		return 0;
	return err_wrap(e, "config.log_path: directory of the log");
}

int bundle_make(struct bundle_parts *in, struct payload_bundle **ret, struct err *e)
{
	_cleanup_free_ char *run = path_container_run(world.conf, in->id);
	_cleanup_free_ char *dir = path_container_dir(world.conf, in->id);
	_cleanup_free_ char *exit_path = path_container_exit(world.conf, in->id);
	Runtime__V1__ContainerConfig *c = container_config(in->row);
	Runtime__V1__PodSandboxConfig *pc = sandbox_config(in->pod);
	int r = check_trust(in, pc, e);

	if (r == 0 && in->again)
		r = runtime_delete(in->id, in->row, e);
	if (r == 0)
		r = fs_mkdir_all(run, 0700, e);
	if (r == 0)
		r = open_to_pod(run, in->pod, e);
	if (r == 0)
		r = fs_mkdir_all(dir, 0700, e);
	if (r == 0)
		r = exitrec_prepare(exit_path, e);
	if (r == 0)
		r = make_log_dir(in->row->log_path, e);
	if (r == 0)
		r = mount_rootfs(in, e);
	if (r == 0)
		r = link_rootfs(in->id, e);
	if (r == 0)
		read_cdi(in, c);
	if (r == 0)
		r = prepare_with(in, c, pc, ret, e);
	if (r == 0 && *in->row->restore_source)
		r = restorefiles_prepare(in->id, in->row, c->n_command || c->n_args, e);
	runtime__v1__container_config__free_unpacked(c, NULL);
	runtime__v1__pod_sandbox_config__free_unpacked(pc, NULL);
	return r;
}

int bundle_clean(const char *id, const Crisp__State__Container *row, struct err *e)
{
	_cleanup_free_ char *run = path_container_run(world.conf, id);
	_cleanup_free_ char *cgroup = cgroup_dir(row->cgroups_path);
	_cleanup_free_ char *rootfs = path_container_rootfs(world.conf, id);
	int fd, r;

	/* An open descriptor keeps unmount fast; trash_close pays for the dentries instead. */
	fd = open(rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = runtime_delete(id, row, e);
	if (r == 0)
		r = restorefiles_let_go(id, row, e);
	if (r == 0)
		r = mount_remove_below(run, e);
	if (fd >= 0)
		trash_close(fd);
	if (r == 0)
		r = fs_remove_tree(run, e);
	if (r == 0)
		r = cgroup_remove(world.cgroups, cgroup, e);
	if (r == 0)
		r = trash_put_container(id, e);
	return r < 0 ? err_wrap(e, "container %.13s", id) : r;
}
