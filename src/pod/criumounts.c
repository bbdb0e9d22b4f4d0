/*
 * criumounts.c - CRIU mounts what its images say, with all privileges: a file system of the host
 * or a writable /proc/sys would be mounted as well.
 */
#include "pod/criumounts.h"

#include <string.h>
#include <sys/mount.h>

#include "base/fs.h"
#include "base/util.h"
#include "oci/json.h"
#include "pod/criuimg.h"

#define MOUNTS_MAX 4096
#define TYPE_OVERLAY 17

/* The numbers of CRIU's fstype for the types that a config.json has. */
static const struct {
	const char *type;
	uint32_t fstype;
} types[] = {
	{ "proc", 1 },	 { "sysfs", 2 },   { "tmpfs", 5 },   { "devpts", 6 },
	{ "cgroup", 5 }, { "cgroup", 12 }, { "cgroup", 23 }, { "mqueue", 14 },
};

struct mount_rules {
	const json_t *mounts, *masked, *readonly; /* of the config.json */
	json_t *seen; /* object whose keys are the mount points */
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static bool is_type(const char *type, uint32_t fstype)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].type, type) == 0 && types[i].fstype == fstype)
			return true;
	return false;
}

/* External: the runtime, not the image, names the source. */
static bool is_external(const Crisp__Criu__Mount *m, const char *key)
{
	return !m->ext_mount && m->ext_key && strcmp(m->ext_key, key) == 0;
}

static bool is_internal(const Crisp__Criu__Mount *m)
{
	return !m->ext_mount && (!m->ext_key || !*m->ext_key);
}

static bool is_read_only(const json_t *config)
{
	return oci_json_has_text(json_object_get(config, "options"), "ro");
}

/* A bind mount is known by its key: links in the image may lead its mount point elsewhere.  The
 * runtime's tmpfs above cgroup controllers may be written. */
static bool fits_config(const Crisp__Criu__Mount *m, const json_t *config)
{
	const char *type = text_of(config, "type"), *at = text_of(config, "destination");
	bool bind = strcmp(type, "bind") == 0 ||
		    oci_json_has_text(json_object_get(config, "options"), "bind") ||
		    oci_json_has_text(json_object_get(config, "options"), "rbind");

	if (strcmp(type, "cgroup") != 0 && is_read_only(config) && !(m->flags & MS_RDONLY))
		return false;
	if (bind)
		return is_external(m, at);
	return strcmp(at, m->mountpoint) == 0 && is_internal(m) && is_type(type, m->fstype) &&
	       strcmp(m->root, "/") == 0;
}

/* The controllers that the runtime mounts below a cgroup mount of version 1. */
static bool is_controller(const Crisp__Criu__Mount *m, const json_t *config)
{
	const char *at = text_of(config, "destination");

	return strcmp(text_of(config, "type"), "cgroup") == 0 && is_type("cgroup", m->fstype) &&
	       fs_path_is_within(m->mountpoint, at) && is_external(m, m->mountpoint) &&
	       (!is_read_only(config) || (m->flags & MS_RDONLY));
}

static bool is_configured(const struct mount_rules *all, const Crisp__Criu__Mount *m)
{
	const json_t *config;
	size_t i;

	json_array_foreach(all->mounts, i, config)
	{
		if (fits_config(m, config) || is_controller(m, config))
			return true;
	}
	return false;
}

static bool is_mask(const Crisp__Criu__Mount *m)
{
	return is_external(m, "/dev/null") ||
	       (is_internal(m) && is_type("tmpfs", m->fstype) && (m->flags & MS_RDONLY));
}

static bool is_read_only_view(const Crisp__Criu__Mount *m)
{
	return is_internal(m) && (m->flags & MS_RDONLY) &&
	       (is_type("proc", m->fstype) || is_type("sysfs", m->fstype));
}

static bool is_permitted(const struct mount_rules *all, const Crisp__Criu__Mount *m)
{
	if (strcmp(m->mountpoint, "/") == 0)
		return m->fstype == TYPE_OVERLAY && strcmp(m->root, "/") == 0 && is_internal(m);
	if (oci_json_has_text(all->masked, m->mountpoint))
		return is_mask(m);
	if (oci_json_has_text(all->readonly, m->mountpoint))
		return is_read_only_view(m);
	return is_configured(all, m);
}

static int check_mount(const ProtobufCMessage *message, void *arg, struct err *e)
{
	const Crisp__Criu__Mount *m = (const Crisp__Criu__Mount *)(const void *)message;
	struct mount_rules *all = arg;

	if (json_object_size(all->seen) >= MOUNTS_MAX)
		return err_set(e, ERR_EXHAUSTED, "it has more than %d mounts", MOUNTS_MAX);
	if (json_object_get(all->seen, m->mountpoint))
		return err_set(e, ERR_DENIED, "two mounts at %.200s", m->mountpoint);
	if (json_object_set_new(all->seen, m->mountpoint, json_true()) < 0)
		return err_set(e, ERR_INVALID, "a mount point is not UTF-8");
	if (!is_permitted(all, m))
		return err_set(e, ERR_DENIED, "the mount at %.200s is not one of the new container",
			       m->mountpoint);
	return 0;
}

/* A path that this kernel does not have is not mounted by the runtime either. */
static int check_all_are_there(const struct mount_rules *all, const json_t *paths, struct err *e)
{
	const json_t *path;
	size_t i;

	json_array_foreach(paths, i, path)
	{
		const char *s = json_string_value(path);

		if (s && fs_exists(s) && !json_object_get(all->seen, s))
			return err_set(e, ERR_DENIED,
				       "nothing is mounted at %.200s, which the new "
				       "container masks or has read-only",
				       s);
	}
	return 0;
}

int criumounts_check(const char *dir, const char *name, const json_t *config, struct err *e)
{
	const json_t *lin = json_object_get(config, "linux");
	_cleanup_json_ json_t *seen = oci_json_object();
	struct mount_rules all = {
		.mounts = json_object_get(config, "mounts"),
		.masked = json_object_get(lin, "maskedPaths"),
		.readonly = json_object_get(lin, "readonlyPaths"),
		.seen = seen,
	};
	int r = criuimg_each_of_file(dir, name, CRIUIMG_MOUNTS, check_mount, &all, e);

	if (r == 0)
		r = check_all_are_there(&all, all.masked, e);
	return r < 0 ? r : check_all_are_there(&all, all.readonly, e);
}
