/*
 * mounts.c - collect the mounts of crisp, the request, CDI and the image's volumes, and order them.
 * Invariants: a later mount on the same path replaces the earlier one, so the request wins over
 * defaults.  Parents come before children, because the runtime mounts in list order.  "/" is never
 * a mount point.  A propagation or a recursive read-only flag is applied as requested, or the
 * container is refused.
 */
#include "oci/mounts.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/reason.h"
#include "oci/edits.h"
#include "oci/hostpath.h"
#include "oci/place.h"
#include "oci/rootfs.h"
#include "os/selinux.h"

#define MOUNTS_MAX 4096

struct mount {
	char *dest; /* clean */
	json_t *json;
	size_t depth, order;
	bool system; /* destination is fixed: /dev, /proc, /sys and mounts below them */
};

struct mounts {
	struct oci_ctx *c;
	struct mount *list;
	size_t n, order;
};

static void mounts_done(struct mounts *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->list[i].dest);
		json_decref(m->list[i].json);
	}
	free(m->list);
}

static size_t path_depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

/* The entry for dest: an existing one, to be replaced, or a new one. */
static struct mount *mounts_slot(struct mounts *m, const char *dest)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->list[i].dest, dest) == 0) {
			json_decref(m->list[i].json);
			return &m->list[i];
		}
	}
	m->list = xrealloc(m->list, (m->n + 1) * sizeof(*m->list));
	m->list[m->n] = (struct mount){ .dest = xstrdup(dest), .depth = path_depth(dest) };
	return &m->list[m->n++];
}

/* options end with NULL; empty ones are skipped. */
static json_t *mounts_add(struct mounts *m, const char *dest, const char *type, const char *source,
			  const char *const *options)
{
	struct mount *slot = mounts_slot(m, dest);
	json_t *list = oci_json_array();

	slot->order = m->order++;
	slot->system = false;
	slot->json = oci_json_object();
	oci_json_put_text(slot->json, "destination", dest);
	oci_json_put_text(slot->json, "type", type);
	oci_json_put_text(slot->json, "source", source);
	oci_json_put(slot->json, "options", list);
	for (; *options; options++)
		if (**options)
			oci_json_push_text(list, *options);
	return slot->json;
}

#define OPTIONS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Does the request itself mount something on path? */
static bool config_mounts(const struct mounts *m, const char *path)
{
	const Runtime__V1__ContainerConfig *config = m->c->config;

	for (size_t i = 0; i < config->n_mounts; i++) {
		_cleanup_free_ char *dest = oci_clean_path(config->mounts[i]->container_path);

		if (strcmp(dest, path) == 0)
			return true;
	}
	return false;
}

/* --- defaults ------------------------------------------------------------------------------- */

static void add_shm(struct mounts *m)
{
	const struct oci_ctx *c = m->c;
	const char *shm = c->in->shm;

	if (!shm && c->pod_ns->ipc == RUNTIME__V1__NAMESPACE_MODE__NODE)
		shm = "/dev/shm";
	if (shm)
		mounts_add(m, "/dev/shm", "bind", shm, OPTIONS("rw", "rbind", "rprivate"));
	else
		mounts_add(m, "/dev/shm", "tmpfs", "shm",
			   OPTIONS("nosuid", "noexec", "nodev", "mode=1777", "size=65536k"));
}

/* The node's user namespace owns the sysfs of the host's network: the pod's binds /sys instead,
 * with the mounts below it. */
static void add_sys(struct mounts *m, const char *rw)
{
	bool host = m->c->pod_ns->network == RUNTIME__V1__NAMESPACE_MODE__NODE;

	if (!oci_has_userns(m->c) || !host)
		mounts_add(m, "/sys", "sysfs", "sysfs", OPTIONS("nosuid", "noexec", "nodev", rw));
	else
		mounts_add(m, "/sys", "bind", "/sys",
			   OPTIONS("rbind", "rprivate", "nosuid", "noexec", "nodev",
				   m->c->privileged ? rw : "rro"));
}

static void add_system(struct mounts *m)
{
	const char *rw = m->c->privileged ? "rw" : "ro";

	mounts_add(m, "/proc", "proc", "proc", OPTIONS("nosuid", "noexec", "nodev"));
	/* A request's mount on /dev or /sys replaces the defaults below it too. */
	if (!config_mounts(m, "/dev")) {
		mounts_add(m, "/dev", "tmpfs", "tmpfs",
			   OPTIONS("nosuid", "strictatime", "mode=755", "size=65536k"));
		mounts_add(m, "/dev/pts", "devpts", "devpts",
			   OPTIONS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
				   "gid=5"));
		mounts_add(m, "/dev/mqueue", "mqueue", "mqueue",
			   OPTIONS("nosuid", "noexec", "nodev"));
		add_shm(m);
	}
	if (!config_mounts(m, "/sys")) {
		add_sys(m, rw);
		mounts_add(m, "/sys/fs/cgroup", "cgroup", "cgroup",
			   OPTIONS("nosuid", "noexec", "nodev", "relatime", rw));
	}
	for (size_t i = 0; i < m->n; i++)
		m->list[i].system = true;
}

/* crio.conf's read_only: the usual writable directories of a read-only container. */
static void add_writable(struct mounts *m)
{
	if (!m->c->in->conf->read_only || m->c->is_sandbox)
		return;
	mounts_add(m, "/run", "tmpfs", "tmpfs",
		   OPTIONS("rw", "nosuid", "nodev", "mode=0755", "tmpcopyup"));
	mounts_add(m, "/tmp", "tmpfs", "tmpfs",
		   OPTIONS("rw", "nosuid", "nodev", "mode=1777", "tmpcopyup"));
	mounts_add(m, "/var/tmp", "tmpfs", "tmpfs",
		   OPTIONS("rw", "nosuid", "nodev", "mode=1777", "tmpcopyup"));
}

static int add_pod_file(struct mounts *m, const char *dest, const char *source, const char *mode)
{
	int r;

	if (!source || config_mounts(m, dest))
		return 0;
	if (m->c->file_label) {
		r = selinux_relabel_tree(source, m->c->file_label, m->c->e);
		if (r < 0)
			return r;
	}
	mounts_add(m, dest, "bind", source,
		   OPTIONS("bind", "rprivate", "nosuid", "nodev", "noexec", mode));
	return 0;
}

static int add_timezone(struct mounts *m)
{
	const char *zone = m->c->in->conf->timezone;
	_cleanup_free_ char *file = NULL, *clean = NULL;

	if (!zone || !*zone)
		return 0;
	clean = oci_clean_path(zone);
	file = strcasecmp(zone, "local") == 0 ? xstrdup("/etc/localtime")
					      : xasprintf("/usr/share/zoneinfo%s", clean);
	if (!fs_exists(file))
		return err_set(m->c->e, ERR_PRECONDITION,
			       "crio.runtime.timezone: %s does not exist, install the zone files",
			       file);
	mounts_add(m, "/etc/localtime", "bind", file,
		   OPTIONS("bind", "rprivate", "nosuid", "nodev", "noexec", "ro"));
	return 0;
}

static int add_pod_files(struct mounts *m)
{
	const struct oci_spec_input *in = m->c->in;
	const char *mode = m->c->sec->readonly_rootfs || in->conf->read_only ? "ro" : "rw";
	int r = add_pod_file(m, "/etc/resolv.conf", in->resolv_conf, mode);

	if (r == 0)
		r = add_pod_file(m, "/etc/hosts", in->hosts_file, mode);
	if (r == 0)
		r = add_pod_file(m, "/etc/hostname", in->hostname_file, mode);
	if (r == 0)
		r = add_pod_file(m, "/etc/passwd", m->c->passwd_file, mode);
	if (r == 0)
		r = add_pod_file(m, "/etc/group", m->c->group_file, mode);
	return r == 0 ? add_timezone(m) : r;
}

/* --- mounts of the request ------------------------------------------------------------------ */

static int mount_wrong(const struct mounts *m, size_t i, const char *what)
{
	return err_set(m->c->e, ERR_INVALID, "mounts[%zu] (%s): %s", i,
		       m->c->config->mounts[i]->container_path, what);
}

/* Those that RuntimeFeatures.mount_options is about: each takes something from the container. */
static const char *const mount_options[] = { "noexec", "nodev", "nosuid" };

/* The option if the request has it, else "". */
static const char *option_of(const Runtime__V1__Mount *req, const char *option)
{
	for (size_t i = 0; i < req->n_mount_options; i++)
		if (strcmp(req->mount_options[i], option) == 0)
			return option;
	return "";
}

/* Other options could weaken the mount, and OCI runtimes pass unknown ones on as data. */
static int check_options(struct mounts *m, size_t i)
{
	const Runtime__V1__Mount *req = m->c->config->mounts[i];

	for (size_t k = 0; k < req->n_mount_options; k++) {
		bool known = false;

		for (size_t n = 0; n < ARRAY_LEN(mount_options); n++)
			known |= strcmp(req->mount_options[k], mount_options[n]) == 0;
		if (!known)
			return err_set(m->c->e, ERR_INVALID,
				       "mounts[%zu] (%s): mount_options[%zu]: \"%.64s\" is not "
				       "noexec, nodev or nosuid",
				       i, req->container_path, k, req->mount_options[k]);
	}
	return 0;
}

static bool is_range(const struct userns_range *r, Runtime__V1__IDMapping *const *list, size_t n)
{
	return n == 1 && list[0]->container_id == 0 && list[0]->host_id == r->host &&
	       list[0]->length == r->count;
}

/* Ids of files are those of the pod, or those of the host. */
static int check_idmap(struct mounts *m, size_t i)
{
	const Runtime__V1__Mount *req = m->c->config->mounts[i];
	const struct userns_map *map = &m->c->map;
	const char *wrong = NULL;

	if (req->n_uidmappings == 0 && req->n_gidmappings == 0)
		return 0;
	if (!is_range(&map->uid, req->uidmappings, req->n_uidmappings))
		wrong = "uidMappings";
	else if (!is_range(&map->gid, req->gidmappings, req->n_gidmappings))
		wrong = "gidMappings";
	if (!wrong)
		return 0;
	return err_set(m->c->e, ERR_INVALID,
		       "mounts[%zu] (%s): %s are not those of the pod's user namespace%s", i,
		       req->container_path, wrong, oci_has_userns(m->c) ? "" : ": it has none");
}

static int check_mount(struct mounts *m, size_t i, char **ret_dest)
{
	const Runtime__V1__Mount *req = m->c->config->mounts[i];
	bool image = req->image && req->image->image && *req->image->image;
	int r = oci_check_text(m->c, "mounts.container_path", req->container_path);

	if (r == 0)
		r = oci_check_text(m->c, "mounts.host_path", req->host_path);
	if (r < 0)
		return r;
	if (!*req->container_path || strlen(req->container_path) >= PATH_MAX)
		return mount_wrong(m, i, "container_path is empty or too long");
	if (image && *req->host_path)
		return mount_wrong(m, i, "host_path and image exclude each other");
	if (image && !req->readonly)
		return mount_wrong(m, i, "an image is mounted read-only: set readonly");
	if (!image && (req->host_path[0] != '/' || strlen(req->host_path) >= PATH_MAX))
		return mount_wrong(m, i, "host_path is not an absolute path");
	*ret_dest = oci_clean_path(req->container_path);
	if (strcmp(*ret_dest, "/") == 0)
		return mount_wrong(m, i, "nothing can be mounted over the root of the container");
	r = check_options(m, i);
	return r == 0 ? check_idmap(m, i) : r;
}

/* A recursive read-only mount is all or nothing: see KEP-3857. */
static int check_rro(struct mounts *m, size_t i)
{
	const Runtime__V1__Mount *req = m->c->config->mounts[i];

	if (!req->readonly)
		return mount_wrong(m, i, "recursive_read_only needs readonly");
	if (req->propagation != RUNTIME__V1__MOUNT_PROPAGATION__PROPAGATION_PRIVATE)
		return mount_wrong(m, i, "recursive_read_only needs private propagation");
	if (m->c->in->features->rro && m->c->in->host->rro)
		return 0;
	err_set(m->c->e, ERR_PRECONDITION, "mounts[%zu] (%s): recursive read-only mounts need %s",
		i, req->container_path,
		m->c->in->host->rro ? "an OCI runtime with the mount option rro" : "Linux 5.12");
	return reason_set(m->c->e, REASON_RRO_UNSUPPORTED);
}

/* Mounts of the host propagate into the container, with both also out of it; the source's own
 * propagation must allow that. */
static int propagate(struct mounts *m, const char *source, bool both)
{
	struct hostpath_propagation host = { .shared = false };
	int r = hostpath_propagation(source, &host, m->c->e);

	if (r < 0)
		return r;
	if (both && !host.shared)
		return err_set(m->c->e, ERR_PRECONDITION,
			       "%s is not on a shared mount, so nothing can propagate out: "
			       "mount --make-rshared it",
			       source);
	if (!host.shared && !host.slave)
		return err_set(m->c->e, ERR_PRECONDITION,
			       "%s is on a mount that is neither shared nor slave, so nothing can "
			       "propagate: mount --make-rshared it",
			       source);
	if (both || !m->c->propagation)
		m->c->propagation = both ? "rshared" : "rslave";
	return 0;
}

/* Map the request's propagation to a mount option. */
static int mount_propagation(struct mounts *m, size_t i, const char *source, const char **ret)
{
	const Runtime__V1__Mount *req = m->c->config->mounts[i];

	switch (req->propagation) {
	case RUNTIME__V1__MOUNT_PROPAGATION__PROPAGATION_PRIVATE:
		*ret = "rprivate";
		return 0;
	case RUNTIME__V1__MOUNT_PROPAGATION__PROPAGATION_HOST_TO_CONTAINER:
		*ret = "rslave";
		return propagate(m, source, false) < 0 ? err_wrap(m->c->e, "mounts[%zu]", i) : 0;
	case RUNTIME__V1__MOUNT_PROPAGATION__PROPAGATION_BIDIRECTIONAL:
		*ret = "rshared";
		return propagate(m, source, true) < 0 ? err_wrap(m->c->e, "mounts[%zu]", i) : 0;
	case _RUNTIME__V1__MOUNT_PROPAGATION_IS_INT_SIZE:
		break;
	}
	return mount_wrong(m, i, "propagation is not a known value");
}

/* The runtime maps the ids: it knows the order of the mounts and their propagation. */
static int add_idmap(struct mounts *m, size_t i, json_t *mount)
{
	const Runtime__V1__Mount *req = m->c->config->mounts[i];

	if (req->n_uidmappings == 0)
		return 0;
	if (!m->c->in->features->idmap)
		return err_set(m->c->e, ERR_PRECONDITION,
			       "mounts[%zu] (%s): this OCI runtime has no idmapped mounts", i,
			       req->container_path);
	oci_json_put(mount, "uidMappings", oci_mappings_json(req->uidmappings, req->n_uidmappings));
	oci_json_put(mount, "gidMappings", oci_mappings_json(req->gidmappings, req->n_gidmappings));
	return 0;
}

static int add_image_mount(struct mounts *m, size_t i, const char *dest)
{
	const Runtime__V1__Mount *req = m->c->config->mounts[i];
	const char *content =
		m->c->in->image_mount_sources ? m->c->in->image_mount_sources[i] : NULL;
	_cleanup_free_ char *source = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (!content) {
		mount_wrong(m, i, "the image is not on this node: pull it first");
		return reason_set(m->c->e, REASON_IMAGE_VOLUME_MOUNT_FAILED);
	}
	if (req->propagation != RUNTIME__V1__MOUNT_PROPAGATION__PROPAGATION_PRIVATE)
		return mount_wrong(m, i, "an image has private propagation only");
	r = rootfs_open(content, &fd, m->c->e);
	if (r == 0)
		r = rootfs_resolve(fd, *req->image_sub_path ? req->image_sub_path : "/", &source,
				   m->c->e);
	if (r == 0)
		r = oci_check_text(m->c, "image_sub_path", source);
	if (r < 0) {
		err_wrap(m->c->e, "mounts[%zu] (%s): image_sub_path \"%.200s\"", i,
			 req->container_path, req->image_sub_path);
		return reason_set(m->c->e, REASON_IMAGE_VOLUME_MOUNT_FAILED);
	}
	mounts_add(m, dest, "bind", source,
		   OPTIONS("rbind", "rprivate", "ro", "nosuid", "nodev", option_of(req, "noexec")));
	return 0;
}

static int add_host_mount(struct mounts *m, size_t i, const char *dest)
{
	const Runtime__V1__Mount *req = m->c->config->mounts[i];
	_cleanup_free_ char *source = NULL;
	const char *propagation = NULL;
	json_t *mount;
	int r = req->recursive_read_only ? check_rro(m, i) : 0;

	if (r == 0)
		r = hostpath_prepare(req->host_path, m->c->in->conf->absent_mount_sources_to_reject,
				     &source, m->c->e);
	if (r == 0)
		r = oci_check_text(m->c, "host path behind a link", source);
	if (r == 0)
		r = mount_propagation(m, i, source, &propagation);
	if (r == 0 && req->selinux_relabel && m->c->file_label)
		r = selinux_relabel_tree(source, m->c->file_label, m->c->e);
	if (r < 0)
		return r;
	mount = mounts_add(m, dest, "bind", source,
			   OPTIONS("rbind", propagation, req->readonly ? "ro" : "rw",
				   req->recursive_read_only ? "rro" : "", option_of(req, "noexec"),
				   option_of(req, "nodev"), option_of(req, "nosuid")));
	return add_idmap(m, i, mount);
}

static int add_request(struct mounts *m)
{
	const Runtime__V1__ContainerConfig *config = m->c->config;
	int r = 0;

	if (config->n_mounts > MOUNTS_MAX)
		return err_set(m->c->e, ERR_INVALID, "mounts: more than %d", MOUNTS_MAX);
	for (size_t i = 0; r == 0 && i < config->n_mounts; i++) {
		const Runtime__V1__Mount *req = config->mounts[i];
		_cleanup_free_ char *dest = NULL;

		r = check_mount(m, i, &dest);
		if (r < 0)
			return r;
		if (req->image && req->image->image && *req->image->image)
			r = add_image_mount(m, i, dest);
		else
			r = add_host_mount(m, i, dest);
	}
	return r;
}

/* --- mounts of CDI -------------------------------------------------------------------------- */

static bool has_one_of(const json_t *mount, const char *const *options)
{
	while (*options && !oci_json_has_text(json_object_get(mount, "options"), *options))
		options++;
	return *options;
}

/* The source of a bind mount must exist: CDI creates nothing on the host. */
static int find_source(struct mounts *m, const json_t *mount, char **ret)
{
	static const char *const in[] = { "slave", "rslave", NULL };
	static const char *const both[] = { "shared", "rshared", NULL };
	const char *path = json_string_value(json_object_get(mount, "hostPath"));

	*ret = path[0] == '/' ? realpath(path, NULL) : NULL;
	if (!*ret)
		return err_errno(m->c->e, ERR_PRECONDITION, path[0] == '/' ? errno : EINVAL,
				 "hostPath %s", path);
	if (!has_one_of(mount, in) && !has_one_of(mount, both))
		return oci_check_text(m->c, "hostPath behind a link", *ret);
	return propagate(m, *ret, has_one_of(mount, both));
}

static int add_cdi_mount(struct mounts *m, const json_t *mount)
{
	static const char *const binds[] = { "bind", "rbind", NULL };
	static const char *const propagations[] = { "private",	  "rprivate",	 "slave",
						    "rslave",	  "shared",	 "rshared",
						    "unbindable", "runbindable", NULL };
	const char *path = json_string_value(json_object_get(mount, "containerPath"));
	const char *type = json_string_value(json_object_get(mount, "type"));
	bool bind = has_one_of(mount, binds) || (type && strcmp(type, "bind") == 0);
	_cleanup_free_ char *dest = oci_clean_path(path), *source = NULL;
	const json_t *option;
	json_t *entry;
	size_t i;

	if (path[0] != '/' || strlen(dest) >= PATH_MAX || strcmp(dest, "/") == 0)
		return err_set(m->c->e, ERR_PRECONDITION,
			       "containerPath \"%.256s\" is no absolute path below the root", path);
	if (!bind && (!type || !*type || strcmp(type, "none") == 0))
		return err_set(m->c->e, ERR_PRECONDITION,
			       "options have neither bind nor rbind, and there is no type");
	if (bind && find_source(m, mount, &source) < 0)
		return -(int)m->c->e->code;
	entry = mounts_add(m, dest, bind ? "bind" : type,
			   bind ? source : json_string_value(json_object_get(mount, "hostPath")),
			   OPTIONS(bind && !has_one_of(mount, binds) ? "bind" : "",
				   bind && !has_one_of(mount, propagations) ? "rprivate" : ""));
	json_array_foreach(json_object_get(mount, "options"), i, option)
		oci_json_push(json_object_get(entry, "options"), json_incref((json_t *)option));
	return 0;
}

static int add_cdi(struct mounts *m)
{
	const json_t *mount;
	size_t k;

	for (size_t i = 0; i < m->c->n_edits; i++) {
		json_array_foreach(json_object_get(m->c->edits[i].json, "mounts"), k, mount)
		{
			if (add_cdi_mount(m, mount) == 0)
				continue;
			err_wrap(m->c->e, "mounts[%zu]", k);
			return oci_edit_wrap(m->c, &m->c->edits[i]);
		}
	}
	return m->n > MOUNTS_MAX
		       ? err_set(m->c->e, ERR_PRECONDITION, "mounts: more than %d", MOUNTS_MAX)
		       : 0;
}

/* --- volumes of the image ------------------------------------------------------------------- */

/* Bind a host directory with the owner and the mode of the directory it hides. */
static int bind_volume(struct mounts *m, const char *path, size_t number)
{
	_cleanup_free_ char *hidden = NULL, *source = NULL;
	struct stat st;
	int r = rootfs_resolve(m->c->rootfs, path, &hidden, m->c->e);

	if (r < 0)
		return r;
	source = xasprintf("%s/%zu", m->c->in->volumes_dir, number);
	r = fs_mkdir_all(source, 0755, m->c->e);
	if (r < 0)
		return r;
	if (stat(hidden, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(m->c->e, ERR_PRECONDITION, "%s is no directory of the image", path);
	if (chown(source, st.st_uid, st.st_gid) < 0 || chmod(source, st.st_mode & 07777) < 0)
		return err_errno(m->c->e, ERR_INTERNAL, errno, "set owner and mode of %s", source);
	if (m->c->file_label) {
		r = selinux_relabel_tree(source, m->c->file_label, m->c->e);
		if (r < 0)
			return r;
	}
	mounts_add(m, path, "bind", source, OPTIONS("rbind", "rprivate", "rw"));
	return 0;
}

/* Is path at or below one of the first n mounts, which are no volumes? */
static bool is_covered(const struct mounts *m, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (fs_path_is_within(path, m->list[i].dest))
			return true;
	return false;
}

static int make_volume(struct mounts *m, const char *path, size_t number)
{
	bool bind = m->c->in->volumes_dir && strcmp(m->c->in->conf->image_volumes, "bind") == 0;
	_cleanup_(rootview_place_done) struct rootview_place place = ROOTVIEW_PLACE_NULL;
	const struct rootview_owner owner = { m->c->user.uid, m->c->user.gid };
	int r = rootview_resolve(m->c->view, path, &place, m->c->e);

	if (r == 0)
		r = rootview_make(m->c->view, &place, true, &owner, m->c->e);
	if (r == 0 && bind && strcmp(path, "/") != 0)
		r = bind_volume(m, path, number);
	return r < 0 ? err_wrap(m->c->e, "volume of the image") : 0;
}

/* Each volume without a mount becomes a directory of the container's own.  One that the image lacks
 * belongs to the container's user. */
static int make_volumes(struct mounts *m)
{
	char **volume = m->c->in->image ? m->c->in->image->volumes : NULL;
	size_t n = m->n;
	int r = 0;

	if (strcmp(m->c->in->conf->image_volumes, "ignore") == 0)
		return 0;
	for (size_t i = 0; r == 0 && volume && volume[i]; i++) {
		_cleanup_free_ char *path = oci_clean_path(volume[i]);

		if (!is_covered(m, n, path))
			r = make_volume(m, path, i);
	}
	return r;
}

static int compare_mounts(const void *a, const void *b)
{
	const struct mount *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Sort parents before children, by both requested and resolved path.  An image's link may lead
 * deeper than the requested path: /shm may be /dev/shm, which must follow /dev. */
static int sort_mounts(struct mounts *m)
{
	qsort(m->list, m->n, sizeof(*m->list), compare_mounts);
	for (size_t i = 0; i < m->n; i++) {
		_cleanup_(rootview_place_done) struct rootview_place place = ROOTVIEW_PLACE_NULL;
		int r = rootview_resolve(m->c->view, m->list[i].dest, &place, m->c->e);

		if (r < 0)
			return err_wrap(m->c->e, "mount on %s", m->list[i].dest);
		m->list[i].depth = MAX(m->list[i].depth, path_depth(place.path));
		for (size_t k = 0; k < i; k++)
			if (fs_path_is_within(m->list[i].dest, m->list[k].dest))
				m->list[i].depth = MAX(m->list[i].depth, m->list[k].depth + 1);
	}
	qsort(m->list, m->n, sizeof(*m->list), compare_mounts);
	return 0;
}

int oci_mounts_build(struct oci_ctx *c)
{
	_cleanup_(mounts_done) struct mounts m = { .c = c };
	json_t *list;
	int r;

	add_system(&m);
	add_writable(&m);
	r = add_pod_files(&m);
	if (r == 0)
		r = add_request(&m);
	if (r == 0)
		r = add_cdi(&m);
	if (r == 0)
		r = make_volumes(&m);
	if (r == 0)
		r = sort_mounts(&m);
	if (r < 0)
		return r;
	list = oci_json_array();
	oci_json_put(c->root, "mounts", list);
	for (size_t i = 0; r == 0 && i < m.n; i++) {
		oci_json_push(list, json_incref(m.list[i].json));
		r = oci_place_mount(c, m.list[i].json, m.list[i].system);
	}
	return r;
}
