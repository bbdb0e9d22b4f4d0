/*
 * devices.c - linux.devices and the device cgroup rules, from the request, crio.conf and the host.
 * Invariants: the cgroup rules start with "deny all" unless the container is privileged.  A
 * requested node that the host lacks is an error.  Walks are bounded and follow no links.
 */
#include "oci/devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fs.h"
#include "base/str.h"
#include "oci/edits.h"

#define DEVICES_MAX 8192
#define DEPTH_MAX 16

/* A walk of a directory; each node found gets these permissions. */
struct device_walk {
	struct oci_ctx *c;
	const char *access;
	json_t *nodes; /* object from paths to entries of linux.devices, in order of insertion */
	json_t *rules; /* linux.resources.devices; NULL: all devices are allowed */
	bool host; /* all of the host's: skip names of the container's own /dev */
};

static void add_rule(json_t *rules, bool allow, const char *type, int64_t major, int64_t minor,
		     const char *access)
{
	json_t *rule = oci_json_object();

	oci_json_put(rule, "allow", json_boolean(allow));
	if (type) {
		oci_json_put_text(rule, "type", type);
		oci_json_put_number(rule, "major", major);
		oci_json_put_number(rule, "minor", minor);
	}
	oci_json_put_text(rule, "access", access);
	oci_json_push(rules, rule);
}

/* Takes node, which replaces an earlier one of the same path. */
static int keep_node(struct device_walk *w, const char *path, json_t *node)
{
	oci_json_put(w->nodes, path, node);
	if (json_object_size(w->nodes) > DEVICES_MAX)
		return err_set(w->c->e, ERR_EXHAUSTED, "more than %d devices", DEVICES_MAX);
	return 0;
}

/* Add a node; the request, and after it CDI, must come last. */
static int add_node(struct device_walk *w, const char *path, const struct stat *st)
{
	const char *type = S_ISCHR(st->st_mode) ? "c" : "b";
	json_t *node = oci_json_object();

	oci_json_put_text(node, "path", path);
	oci_json_put_text(node, "type", type);
	oci_json_put_number(node, "major", major(st->st_rdev));
	oci_json_put_number(node, "minor", minor(st->st_rdev));
	oci_json_put_number(node, "fileMode", st->st_mode & 07777);
	oci_json_put_number(node, "uid", st->st_uid);
	oci_json_put_number(node, "gid", st->st_gid);
	if (w->rules)
		add_rule(w->rules, true, type, major(st->st_rdev), minor(st->st_rdev), w->access);
	return keep_node(w, path, node);
}

static bool is_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
}

/* Names directly in /dev that belong to the container's own /dev. */
static bool skip_host_name(const char *name)
{
	static const char *const names[] = { "pts",  "shm",  "fd",	    "mqueue", "console",
					     "ptmx", ".lxc", ".lxd-mounts", ".udev" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int walk_dir(struct device_walk *w, int dir, const char *path, unsigned depth)
{
	_cleanup_closedir_ DIR *list = fdopendir(dir);
	struct dirent *entry;
	int r = 0;

	if (!list) {
		close(dir);
		return err_errno(w->c->e, ERR_INTERNAL, errno, "read %s", path);
	}
	while (r == 0 && (entry = readdir(list))) {
		_cleanup_free_ char *sub = NULL;
		struct stat st;
		int fd;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    (w->host && depth == 0 && skip_host_name(entry->d_name)) ||
		    !str_is_utf8(entry->d_name, strlen(entry->d_name)))
			continue;
		/* Skip a node removed during the walk. */
		if (fstatat(dirfd(list), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		sub = xasprintf("%s/%s", path, entry->d_name);
		if (is_device(&st)) {
			r = add_node(w, sub, &st);
		} else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
			fd = openat(dirfd(list), entry->d_name,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			r = fd >= 0 ? walk_dir(w, fd, sub, depth + 1) : 0;
		}
	}
	return r;
}

/* Add a node, or every node below a directory, as path in the container. */
static int add_path(struct device_walk *w, const char *host_path, const char *path)
{
	struct stat st;
	int fd;

	/* Follow links: users name disks by /dev/disk/by-id. */
	if (stat(host_path, &st) < 0)
		return err_errno(w->c->e, ERR_PRECONDITION, errno, "device %s", host_path);
	if (is_device(&st))
		return add_node(w, path, &st);
	if (!S_ISDIR(st.st_mode))
		return err_set(w->c->e, ERR_PRECONDITION,
			       "device %s is neither a device nor a directory of devices",
			       host_path);
	fd = open(host_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(w->c->e, ERR_PRECONDITION, errno, "device directory %s",
				 host_path);
	return walk_dir(w, fd, path, 0);
}

static bool access_is_valid(const char *access)
{
	return strspn(access, "rwm") == strlen(access) && strlen(access) <= 3;
}

/* Parse "/dev/host[:/dev/container[:rwm]]" of crio.conf's additional_devices. */
static int add_configured(struct device_walk *w, const char *entry)
{
	_cleanup_free_ char *copy = xstrdup(entry);
	char *host = copy, *path = strchr(copy, ':'), *access = NULL;

	if (path) {
		*path++ = '\0';
		access = strchr(path, ':');
		if (access)
			*access++ = '\0';
		/* "/dev/host:rwm" omits the path. */
		if (!access && path[0] != '/') {
			access = path;
			path = NULL;
		}
	}
	w->access = access && *access ? access : "rwm";
	if (host[0] != '/' || !access_is_valid(w->access))
		return err_set(w->c->e, ERR_INVALID,
			       "crio.runtime.additional_devices: \"%s\" is not of the form "
			       "/dev/HOST:/dev/CONTAINER:rwm",
			       entry);
	return add_path(w, host, path && *path ? path : host);
}

/* A privileged container has the host's nodes: another device there would hide one of them. */
static int check_free(struct device_walk *w, size_t i, const char *path)
{
	if (!w->c->privileged || strcmp(path, w->c->config->devices[i]->host_path) == 0 ||
	    !fs_exists(path))
		return 0;
	return err_set(
		w->c->e, ERR_INVALID,
		"devices[%zu].container_path: a privileged container has the host's devices, "
		"and %s already exists on the host",
		i, path);
}

static int add_requested(struct device_walk *w, size_t i)
{
	const Runtime__V1__Device *req = w->c->config->devices[i];
	_cleanup_free_ char *path = NULL;
	int r = oci_check_text(w->c, "devices.container_path", req->container_path);

	if (r < 0)
		return r;
	if (req->host_path[0] != '/' || strlen(req->host_path) >= PATH_MAX)
		return err_set(w->c->e, ERR_INVALID,
			       "devices[%zu].host_path is not an absolute path", i);
	if (!access_is_valid(req->permissions))
		return err_set(w->c->e, ERR_INVALID,
			       "devices[%zu].permissions: \"%.16s\" is not made of r, w and m", i,
			       req->permissions);
	w->access = *req->permissions ? req->permissions : "rwm";
	path = oci_clean_path(*req->container_path ? req->container_path : req->host_path);
	if (strcmp(path, "/") == 0)
		return err_set(w->c->e, ERR_INVALID, "devices[%zu].container_path is the root", i);
	if (check_free(w, i, path) < 0)
		return -(int)w->c->e->code;
	return add_path(w, req->host_path, path);
}

/* All nodes of the host for a privileged container. */
static int add_host_devices(struct device_walk *w)
{
	const struct conf_runtime *runtime = w->c->in->runtime;

	if (!w->c->privileged || (runtime && runtime->privileged_without_host_devices))
		return 0;
	w->access = "rwm";
	w->host = true;
	return add_path(w, "/dev", "/dev");
}

/* --- device nodes of CDI -------------------------------------------------------------------- */

/* What a CDI device node says, completed from the host's node. */
struct edited_node {
	const char *path, *host_path, *type, *access;
	int64_t major, minor;
	json_t *mode, *uid, *gid; /* NULL: not known */
};

static const char *text_or(const json_t *object, const char *key, const char *other)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? text : other;
}

static const char *type_of(const struct stat *st)
{
	return S_ISCHR(st->st_mode) ? "c" : S_ISBLK(st->st_mode) ? "b" : "p";
}

/* Take from the host's node what the file leaves open.  The node need not exist if the file has
 * type and numbers. */
static int complete_node(struct device_walk *w, struct edited_node *n)
{
	bool complete = n->type && (n->major != 0 || strcmp(n->type, "p") == 0);
	struct stat st;

	if (stat(n->host_path, &st) < 0)
		return complete ? 0
				: err_errno(w->c->e, ERR_PRECONDITION, errno, "device %s",
					    n->host_path);
	if (!is_device(&st) && !S_ISFIFO(st.st_mode))
		return complete ? 0
				: err_set(w->c->e, ERR_PRECONDITION, "%s is not a device",
					  n->host_path);
	if (!n->mode)
		n->mode = oci_json_number(st.st_mode & 07777);
	if (complete)
		return 0;
	if (n->type && strcmp(n->type, type_of(&st)) != 0)
		return err_set(w->c->e, ERR_PRECONDITION, "%s has type %s, not %s", n->host_path,
			       type_of(&st), n->type);
	n->type = type_of(&st);
	n->major = major(st.st_rdev);
	n->minor = minor(st.st_rdev);
	return 0;
}

/* The owner in the file, else the container's own user or group. */
static json_t *owner(const json_t *json, const char *key, uint32_t own)
{
	json_t *id = json_object_get(json, key);

	return json_is_integer(id) ? json_incref(id) : own ? oci_json_number(own) : NULL;
}

static int put_edited(struct device_walk *w, const struct edited_node *n)
{
	json_t *node = oci_json_object();
	bool fifo = strcmp(n->type, "p") == 0;

	oci_json_put_text(node, "path", n->path);
	oci_json_put_text(node, "type", n->type);
	if (!fifo) {
		oci_json_put_number(node, "major", n->major);
		oci_json_put_number(node, "minor", n->minor);
	}
	if (n->mode)
		oci_json_put(node, "fileMode",
			     oci_json_number(json_integer_value(n->mode) & 07777));
	if (n->uid)
		oci_json_put(node, "uid", json_incref(n->uid));
	if (n->gid)
		oci_json_put(node, "gid", json_incref(n->gid));
	if (w->rules && !fifo && strcmp(n->access, "none") != 0)
		add_rule(w->rules, true, n->type, n->major, n->minor, n->access);
	return keep_node(w, n->path, node);
}

static int add_edited(struct device_walk *w, const json_t *json)
{
	_cleanup_free_ char *path = oci_clean_path(text_or(json, "path", ""));
	const char *type = text_or(json, "type", NULL);
	json_t *mode = json_object_get(json, "fileMode");
	struct edited_node n = {
		.path = path,
		.host_path = text_or(json, "hostPath", path),
		/* "u" is the old name of a character device. */
		.type = type && strcmp(type, "u") == 0 ? "c" : type,
		.access = text_or(json, "permissions", "rwm"),
		.major = json_integer_value(json_object_get(json, "major")),
		.minor = json_integer_value(json_object_get(json, "minor")),
		.mode = json_is_integer(mode) ? json_incref(mode) : NULL,
		.uid = owner(json, "uid", w->c->user.uid),
		.gid = owner(json, "gid", w->c->user.gid),
	};
	int r;

	if (n.host_path[0] != '/' || strcmp(path, "/") == 0 || strlen(path) >= PATH_MAX)
		r = err_set(w->c->e, ERR_PRECONDITION, "\"%.256s\" is not a path of a device",
			    n.host_path[0] != '/' ? n.host_path : path);
	else
		r = complete_node(w, &n);
	if (r == 0)
		r = put_edited(w, &n);
	json_decref(n.mode);
	json_decref(n.uid);
	json_decref(n.gid);
	return r;
}

static int add_edits(struct device_walk *w)
{
	const json_t *node;
	size_t k;

	for (size_t i = 0; i < w->c->n_edits; i++) {
		const struct oci_edit *edit = &w->c->edits[i];

		json_array_foreach(json_object_get(edit->json, "deviceNodes"), k, node)
		{
			if (add_edited(w, node) == 0)
				continue;
			err_wrap(w->c->e, "deviceNodes[%zu]", k);
			return oci_edit_wrap(w->c, edit);
		}
	}
	return 0;
}

static int add_all(struct device_walk *w)
{
	const struct oci_ctx *c = w->c;
	char **entry = c->in->conf->additional_devices;
	int r = add_host_devices(w);

	w->host = false;
	for (; r == 0 && !c->is_sandbox && entry && *entry; entry++)
		r = add_configured(w, *entry);
	for (size_t i = 0; r == 0 && i < c->config->n_devices; i++)
		r = add_requested(w, i);
	return r == 0 ? add_edits(w) : r;
}

int oci_devices_build(struct oci_ctx *c)
{
	json_t *resources = oci_json_need_object(c->linux_part, "resources");
	json_t *rules = oci_json_need_array(resources, "devices");
	_cleanup_json_ json_t *nodes = oci_json_object();
	json_t *list = oci_json_need_array(c->linux_part, "devices"), *node;
	struct device_walk w = { .c = c, .nodes = nodes, .rules = c->privileged ? NULL : rules };
	const char *path;
	int r;

	add_rule(rules, c->privileged, NULL, 0, 0, "rwm");
	r = add_all(&w);
	json_object_foreach(nodes, path, node) oci_json_push(list, json_incref(node));
	return r;
}
