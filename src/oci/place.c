/*
 * place.c - rules for container paths: allowed links and their targets.
 * Links inside the container are common: /var/run leads to /run in most images.  A link must not
 * redirect a mount or a node into /dev, /proc or /sys, where the runtime sets up the confinement.
 * /dev/shm is the exception, because older images have /run/shm.
 */
#include "oci/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "base/fs.h"

static const char *const system_dirs[] = { "/dev", "/proc", "/sys" };

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool has_option(const json_t *mount, const char *option)
{
	return oci_json_has_text(json_object_get(mount, "options"), option);
}

/* --- /dev, /proc, /sys ---------------------------------------------------------------------- */

/* The image's user-visible name; the kubelet's image.image is an id. */
static char *image_words(const struct oci_ctx *c)
{
	const Runtime__V1__ImageSpec *image = c->config->image;
	const char *name = image && *image->user_specified_image ? image->user_specified_image
								 : c->in->image_name;

	return name ? xasprintf("image %.256s", name) : xstrdup("root file system");
}

int oci_place_system(struct oci_ctx *c)
{
	_cleanup_free_ char *image = image_words(c);

	for (size_t i = 0; i < ARRAY_LEN(system_dirs); i++) {
		_cleanup_(rootview_place_done) struct rootview_place place = {
			.path = xstrdup(system_dirs[i]),
		};
		int r = rootview_look(c->view, place.path, &place.kind, c->e);

		if (r == 0)
			r = rootview_make(c->view, &place, true, NULL, c->e);
		if (r == 0 && place.kind != ROOTVIEW_DIRECTORY)
			return err_set(c->e, ERR_PRECONDITION,
				       "%s: %s is %s, but the runtime mounts on a "
				       "directory there: rebuild the image with a directory %s, or "
				       "with nothing in its place",
				       image, place.path,
				       place.kind == ROOTVIEW_LINK ? "a symbolic link" : "a file",
				       place.path);
		if (r < 0)
			return err_wrap(c->e, "%s", image);
	}
	return 0;
}

int oci_place_mtab(struct oci_ctx *c)
{
	_cleanup_(rootview_place_done) struct rootview_place etc = ROOTVIEW_PLACE_NULL;
	_cleanup_free_ char *mtab = NULL;
	int r = rootview_resolve(c->view, "/etc", &etc, c->e);

	/* Do not write to volumes. */
	if (r < 0 || etc.mount || etc.kind != ROOTVIEW_DIRECTORY)
		return r;
	mtab = xasprintf("%s/mtab", etc.path);
	return rootview_link(c->view, mtab, "/proc/mounts", c->e);
}

int oci_place_containerenv(struct oci_ctx *c)
{
	_cleanup_(rootview_place_done) struct rootview_place file = ROOTVIEW_PLACE_NULL;
	struct err ignored = ERR_NULL;

	/* An image whose /run is no directory has no such file. */
	if (c->is_sandbox || rootview_resolve(c->view, "/run/.containerenv", &file, &ignored) < 0)
		return 0;
	return rootview_make(c->view, &file, false, NULL, c->e);
}

/* The system directory that contains path, NULL: none. */
static const char *system_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(system_dirs); i++)
		if (fs_path_is_within(path, system_dirs[i]) && !fs_path_is_within(path, "/dev/shm"))
			return system_dirs[i];
	return NULL;
}

/* asked: as in the request; real: with links resolved. */
static int check_link(struct oci_ctx *c, const char *asked, const char *real)
{
	const char *system = system_of(real);

	if (strcmp(asked, real) == 0)
		return 0;
	if (strcmp(real, "/") == 0 ||
	    (system && (system != system_of(asked) || strcmp(real, system) == 0)))
		return err_set(c->e, ERR_PRECONDITION,
			       "%s leads to %s by symbolic links of the image or of a volume, and "
			       "nothing can be put there through a link",
			       asked, real);
	return 0;
}

/* --- mounts --------------------------------------------------------------------------------- */

/* Files of /proc that lxcfs and similar tools cover.  Other mounts in /proc could hide masked
 * paths or intercept writes of the runtime. */
static bool may_cover_proc_file(const char *path)
{
	static const char *const files[] = {
		"/cpuinfo",  "/diskstats", "/loadavg", "/meminfo", "/net/dev",
		"/slabinfo", "/stat",	   "/swaps",   "/uptime",  "/sys/kernel/ns_last_pid"
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (strcmp(path, files[i]) == 0)
			return true;
	return false;
}

static bool is_on(const char *source, unsigned long type)
{
	struct statfs fs;

	return statfs(source, &fs) == 0 && (unsigned long)fs.f_type == type;
}

/* The runtime binds /dev/null over masked files: another file there would unmask them. */
static bool is_null_device(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static int check_bind(struct oci_ctx *c, const char *real, const char *source)
{
	_cleanup_free_ char *null_device = NULL;

	if (fs_path_is_within(real, "/proc") &&
	    !(real[5] ? may_cover_proc_file(real + 5) : is_on(source, PROC_SUPER_MAGIC)))
		return err_set(c->e, ERR_PRECONDITION,
			       "nothing can be mounted on %s: the container's /proc is its own",
			       real);
	if (strcmp(real, "/sys/fs") == 0 && !is_on(source, SYSFS_MAGIC))
		return err_set(c->e, ERR_PRECONDITION,
			       "nothing but the host's /sys/fs can be mounted on /sys/fs: the "
			       "runtime mounts cgroups below it");
	if (c->privileged || (strcmp(real, "/dev") != 0 && strcmp(real, "/dev/null") != 0))
		return 0;
	null_device = xasprintf("%s%s", source, real[4] ? "" : "/null");
	if (!is_null_device(null_device))
		return err_set(c->e, ERR_PRECONDITION,
			       "%s is not the null device, which a mount on %s must have so that "
			       "paths can be masked: mount the host's %s, or make the container "
			       "privileged",
			       null_device, real, real);
	return 0;
}

static int check_kind(struct oci_ctx *c, const struct rootview_place *place, const char *source,
		      bool *ret_directory)
{
	struct stat st = { .st_mode = S_IFDIR };

	if (source && stat(source, &st) < 0)
		return err_errno(c->e, ERR_PRECONDITION, errno, "mount source %s", source);
	*ret_directory = S_ISDIR(st.st_mode);
	if ((place->kind == ROOTVIEW_OTHER && *ret_directory) ||
	    (place->kind == ROOTVIEW_DIRECTORY && !*ret_directory))
		return err_set(c->e, ERR_PRECONDITION,
			       "%s is %s in the container, but the mount source %s is %s",
			       place->path, *ret_directory ? "not a directory" : "a directory",
			       source ? source : "", *ret_directory ? "a directory" : "not");
	return 0;
}

static int place_mount(struct oci_ctx *c, json_t *mount, const char *dest, bool required_path)
{
	_cleanup_(rootview_place_done) struct rootview_place place = ROOTVIEW_PLACE_NULL;
	bool bind = strcmp(text_of(mount, "type"), "bind") == 0, directory = true;
	const char *source = bind ? text_of(mount, "source") : NULL;
	int r = rootview_resolve(c->view, dest, &place, c->e);

	if (r == 0 && required_path && strcmp(place.path, dest) != 0)
		return err_set(c->e, ERR_PRECONDITION,
			       "symbolic links lead it to %s, but the runtime needs it where it is",
			       place.path);
	if (r == 0)
		r = check_link(c, dest, place.path);
	if (r == 0 && bind)
		r = check_bind(c, place.path, source);
	if (r == 0)
		r = check_kind(c, &place, source, &directory);
	if (r == 0)
		r = rootview_make(c->view, &place, directory, NULL, c->e);
	/* tmpcopyup keeps the directory's content. */
	if (r == 0 && !has_option(mount, "tmpcopyup"))
		r = rootview_mount(c->view, place.path, source, has_option(mount, "ro"), c->e);
	if (r == 0)
		oci_json_put_text(mount, "destination", place.path);
	return r;
}

int oci_place_mount(struct oci_ctx *c, json_t *mount, bool required_path)
{
	_cleanup_free_ char *dest = xstrdup(text_of(mount, "destination"));

	if (place_mount(c, mount, dest, required_path) < 0)
		return err_wrap(c->e, "mount on %s", dest);
	return 0;
}

/* --- devices and the working directory ------------------------------------------------------ */

static int place_device(struct oci_ctx *c, json_t *node, const char *path)
{
	_cleanup_(rootview_place_done) struct rootview_place place = ROOTVIEW_PLACE_NULL;
	int r = rootview_resolve(c->view, path, &place, c->e);
	const char *system;

	if (r == 0)
		r = check_link(c, path, place.path);
	if (r < 0)
		return r;
	system = system_of(place.path);
	if (system && strcmp(system, "/dev") != 0)
		return err_set(c->e, ERR_PRECONDITION, "no device node can be made in %s", system);
	oci_json_put_text(node, "path", place.path);
	return 0;
}

int oci_place_devices(struct oci_ctx *c)
{
	json_t *node;
	size_t i;

	json_array_foreach(json_object_get(c->linux_part, "devices"), i, node)
	{
		_cleanup_free_ char *path = xstrdup(text_of(node, "path"));

		if (place_device(c, node, path) < 0)
			return err_wrap(c->e, "device %s", path);
	}
	return 0;
}

/* Links of /proc and /dev/fd lead to open files, including those of the runtime. */
static bool may_lead_out(const char *path)
{
	static const char *const plain[] = { "/dev/shm", "/dev/mqueue", "/dev/pts" };

	if (fs_path_is_within(path, "/proc"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (fs_path_is_within(path, plain[i]))
			return false;
	return fs_path_is_within(path, "/dev") && path[4];
}

static int place_cwd(struct oci_ctx *c, const char *cwd)
{
	_cleanup_(rootview_place_done) struct rootview_place place = ROOTVIEW_PLACE_NULL;
	int r = rootview_resolve(c->view, cwd, &place, c->e);

	if (r < 0)
		return r;
	if (may_lead_out(place.path))
		return err_set(c->e, ERR_PRECONDITION,
			       "%s leads to %s, and no process can start in /proc or in a "
			       "subdirectory of /dev",
			       cwd, place.path);
	if (place.kind == ROOTVIEW_OTHER)
		return err_set(c->e, ERR_PRECONDITION, "%s in the container is not a directory",
			       place.path);
	/* In a mount the runtime creates the directory, inside the container. */
	if (!place.mount)
		r = rootview_make(c->view, &place, true, NULL, c->e);
	if (r == 0)
		oci_json_put_text(c->process, "cwd", place.path);
	return r;
}

int oci_place_cwd(struct oci_ctx *c)
{
	_cleanup_free_ char *cwd = xstrdup(text_of(c->process, "cwd"));

	return place_cwd(c, cwd) < 0 ? err_wrap(c->e, "working_dir") : 0;
}
