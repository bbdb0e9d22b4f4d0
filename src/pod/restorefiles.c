/*
 * restorefiles.c - unpacks with `crisp-pull unpack`, which is confined; copies regular files only.
 *
 * All programs hold the lock restore.lock of the bundle, so the next daemon ends those of a killed
 * one before it begins anew.
 */
#include "pod/restorefiles.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "core/objects.h"
#include "core/paths.h"
#include "net/tcphold.h"
#include "oci/json.h"
#include "os/ns.h"
#include "pod/container.h"
#include "pod/criucheck.h"
#include "pod/criuconf.h"
#include "pod/criusockets.h"
#include "pod/dumpfiles.h"
#include "pod/dumpone.h"
#include "pod/dumprun.h"
#include "pod/podfile.h"
#include "pod/podread.h"
#include "pod/restorecheck.h"
#include "shimproto/shimproto.h"

#define UNPACK_NS (280 * NSEC_PER_SEC) /* less than the limit of the state */
#define FILES_MAX 65536 /* of a directory that is copied */
#define HOLD_ID_LEN 24 /* digits of the container's id in a name of nftables */

void restore_origin_done(struct restore_origin *o)
{
	free(o->image_id);
	free(o->image_name);
	*o = RESTORE_ORIGIN_NULL;
}

static int err_name(const Crisp__State__Container *row, struct err *e)
{
	return *row->restore_image ? err_wrap(e, "checkpoint image %.13s", row->restore_image)
				   : err_wrap(e, "checkpoint %s", row->restore_source);
}

static char *restore_dir(const char *id)
{
	_cleanup_free_ char *dir = path_container_dir(world.conf, id);

	return xasprintf("%s/" SHIM_RESTORE_NAME, dir);
}

/* --- a directory --- */

struct copying {
	const char *to;
	bool in_store; /* files of a layer, which only crispd can change */
	int64_t until_ns;
	unsigned n;
};

static int check_trusted(const char *source, struct err *e)
{
	int r = fs_check_trusted(source, e);

	return r > 0 ? err_set(e, ERR_NOT_FOUND, "%s does not exist", source) : r;
}

/* 1: it is missing. */
static int check_type(const char *path, mode_t type, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 1 : err_errno(e, ERR_INVALID, errno, "open %s", path);
	if ((st.st_mode & S_IFMT) != type)
		return err_set(e, ERR_INVALID, "%s is no %s", path,
			       type == S_IFDIR ? "directory" : "regular file");
	return 0;
}

/* The type first: an open of a device has effects. */
static int open_source(const struct copying *c, const char *path, int *ret, struct stat *st,
		       struct err *e)
{
	int r = check_type(path, S_IFREG, e);

	if (r == 0 && !c->in_store)
		r = check_trusted(path, e);
	if (r < 0)
		return r;
	*ret = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*ret < 0 || fstat(*ret, st) < 0)
		return err_errno(e, ERR_INVALID, errno, "open %s", path);
	return 0;
}

static int copy_file(const char *path, const char *name, void *arg, struct err *e)
{
	struct copying *c = arg;
	_cleanup_free_ char *to_path = xasprintf("%s/%s", c->to, name);
	_cleanup_close_ int from = -1, to = -1;
	struct stat st;

	if (++c->n > FILES_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d files", FILES_MAX);
	if (clock_monotonic_ns() > c->until_ns)
		return err_set(e, ERR_DEADLINE, "its files are not copied in time");
	if (open_source(c, path, &from, &st, e) < 0)
		return -(int)e->code;
	to = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0 || dumpfiles_copy(from, to, st.st_size) < 0)
		return err_errno(e, errno == ENOSPC ? ERR_EXHAUSTED : ERR_INTERNAL, errno,
				 "copy %s", path);
	return 0;
}

static int copy_member(const char *dir, const char *name, struct copying *c, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	return fs_exists(path) ? copy_file(path, name, c, e) : 0;
}

/* A link would lead out of the source. */
static int check_images_dir(const struct copying *c, const char *images, struct err *e)
{
	int r = check_type(images, S_IFDIR, e);

	return r == 0 && !c->in_store ? check_trusted(images, e) : r;
}

static int copy_all(const char *from, struct copying c, struct err *e)
{
	static const char *const names[] = { "config.dump",	"spec.dump",	 "bind.mounts",
					     "rootfs-diff.tar", "deleted.files", DUMPFILES_LOG,
					     DUMPFILES_STDIO };
	_cleanup_free_ char *images = xasprintf("%s/checkpoint", from);
	_cleanup_free_ char *images_to = xasprintf("%s/checkpoint", c.to);
	int r = fs_mkdir_all(images_to, 0700, e);

	r = r < 0 ? r : MIN(check_images_dir(&c, images, e), 0);
	for (size_t i = 0; i < ARRAY_LEN(names) && r == 0; i++)
		r = copy_member(from, names[i], &c, e);
	c.to = images_to;
	return r < 0 ? r : fs_each(images, copy_file, &c, e);
}

/* --- source --- */

static int take_path(const struct dump_run *run, const char *source, const char *dir, struct err *e)
{
	struct stat st;
	int r = check_trusted(source, e);

	if (r < 0)
		return r;
	if (lstat(source, &st) < 0)
		return err_errno(e, ERR_NOT_FOUND, errno, "open %s", source);
	return S_ISDIR(st.st_mode)
		       ? copy_all(source, (struct copying){ dir, false, run->until_ns, 0 }, e)
		       : dumprun_unpack(run, source, dir, NULL, e);
}

static int take_layer(const struct dump_run *run, const char *layer, const char *dir, struct err *e)
{
	if (!fs_exists(layer))
		return err_set(e, ERR_DATA_LOSS, "its layer is missing: pull the image again");
	return copy_all(layer, (struct copying){ dir, true, run->until_ns, 0 }, e);
}

static int check_members(const char *dir, struct err *e)
{
	static const char *const needed[] = { "config.dump", "spec.dump",
					      "checkpoint/inventory.img", "checkpoint/pstree.img" };

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, needed[i]);

		if (!fs_exists(path))
			return err_set(e, ERR_PRECONDITION, "%s is missing", needed[i]);
	}
	return 0;
}

/* --- config.dump --- */

/* RFC 3339 with Z, as config.dump has it.  0: another text. */
static int64_t parse_time(const char *s)
{
	struct tm tm = { .tm_isdst = 0 };
	const char *rest = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	return rest && (*rest == '.' || *rest == 'Z') ? (int64_t)timegm(&tm) * NSEC_PER_SEC : 0;
}

static int read_origin(const char *dir, struct restore_origin *ret, struct err *e)
{
	_cleanup_json_ json_t *config = NULL;
	const char *ref, *name;
	int r = restorecheck_load(dir, "config.dump", true, &config, e);

	if (r < 0)
		return r;
	ref = json_string_value(json_object_get(config, "rootfsImageRef"));
	name = json_string_value(json_object_get(config, "rootfsImageName"));
	if (!name || !*name)
		return err_set(e, ERR_INVALID, "config.dump: rootfsImageName is missing");
	ret->image_id = xstrdup(ref && str_is_hex(ref, strlen(ref)) ? ref : "");
	ret->image_name = xstrdup(name);
	ret->checkpointed_ns =
		parse_time(json_string_value(json_object_get(config, "checkpointedTime")));
	return 0;
}

/* --- unpack --- */

static int begin_anew(const char *dir, const char *upper, struct err *e)
{
	int r = fs_remove_tree(dir, e);

	if (r == 0)
		r = fs_remove_tree(upper, e);
	if (r == 0)
		r = fs_mkdir_all(dir, 0700, e);
	return r < 0 ? r : fs_mkdir_all(upper, 0755, e);
}

/* The writable layer, before it is mounted. */
static int fill_upper(const struct dump_run *run, const char *dir, const char *upper, struct err *e)
{
	_cleanup_free_ char *diff = xasprintf("%s/rootfs-diff.tar", dir);
	_cleanup_free_ char *deleted = xasprintf("%s/deleted.files", dir);
	bool has_diff = fs_exists(diff), has_deleted = fs_exists(deleted);

	if (!has_diff && !has_deleted)
		return 0;
	return dumprun_unpack(run, has_diff ? diff : "", upper, has_deleted ? deleted : "", e) < 0
		       ? err_wrap(e, "changed files")
		       : 0;
}

/* --- of a pod --- */

struct copies {
	const struct podread *pod;
	const char *name; /* of the container */
	const char *below; /* "checkpoint/" or "" */
};

static int check_copy(const char *path, const char *name, void *arg, struct err *e)
{
	const struct copies *c = arg;
	_cleanup_free_ char *in_pod =
		xasprintf(PODFILE_CONTAINERS "/%s/%s%s", c->name, c->below, name);
	struct copies images = { c->pod, c->name, "checkpoint/" };

	if (!*c->below && strcmp(name, "checkpoint") == 0)
		return fs_each(path, check_copy, &images, e);
	return podread_check_sum(c->pod, in_pod, path, e);
}

static int check_sums(const Crisp__State__Container *row, const char *dir, struct err *e)
{
	Runtime__V1__ContainerConfig *config;
	struct podread pod = PODREAD_NULL;
	struct copies c = { &pod, NULL, "" };
	int r = podread_open(row->restore_pod, &pod, e);

	if (r < 0)
		return r;
	config = container_config(row);
	c.name = config->metadata->name;
	r = fs_each(dir, check_copy, &c, e);
	runtime__v1__container_config__free_unpacked(config, NULL);
	podread_done(&pod);
	return r;
}

static bool has_option(const Crisp__State__Container *row, const char *option)
{
	for (size_t i = 0; i < row->n_restore_options; i++)
		if (strcmp(row->restore_options[i], option) == 0)
			return true;
	return false;
}

static char *hold_table(const char *id)
{
	return xasprintf("crisp_hold_%.*s", HOLD_ID_LEN, id);
}

static char *netns_of(const Crisp__State__Container *row)
{
	_cleanup_free_ char *ns = path_pod_ns(world.conf, row->sandbox_id);

	return xasprintf("%s/net", ns);
}

/* Until the sockets are there the kernel would reset these connections. */
static int hold_connections(const char *id, const Crisp__State__Container *row, const char *dir,
			    bool *ret, struct err *e)
{
	_cleanup_free_ char *images = xasprintf("%s/checkpoint", dir), *table = hold_table(id);
	_cleanup_free_ char *netns = netns_of(row);
	_cleanup_free_ struct tcp_flow *flows = NULL;
	size_t n = 0;
	int r = 0;

	if (has_option(row, PODFILE_KEEPS_TCP) && ns_is_pinned(netns))
		r = criusockets_connected(images, &flows, &n, e);
	*ret = n > 0;
	return r == 0 && n ? tcphold_set(netns, table, flows, n, e) : r;
}

int restorefiles_let_go(const char *id, const Crisp__State__Container *row, struct err *e)
{
	_cleanup_free_ char *table = hold_table(id), *netns = netns_of(row);

	return row->holds_connections ? tcphold_clear(netns, table, e) : 0;
}

static int unpack_locked(const struct dump_run *run, const char *id,
			 const Crisp__State__Container *row, struct restore_origin *ret,
			 struct err *e)
{
	_cleanup_free_ char *dir = restore_dir(id);
	_cleanup_free_ char *upper = path_container_upper(world.conf, id);
	int r = begin_anew(dir, upper, e);

	if (r == 0)
		r = (*row->restore_image ? take_layer : take_path)(run, row->restore_source, dir,
								   e);
	if (r == 0)
		r = check_members(dir, e);
	if (r == 0 && *row->restore_pod)
		r = check_sums(row, dir, e);
	if (r == 0)
		r = read_origin(dir, ret, e);
	if (r == 0 && *row->restore_pod)
		r = hold_connections(id, row, dir, &ret->holds_connections, e);
	return r < 0 ? r : fill_upper(run, dir, upper, e);
}

int restorefiles_unpack(const char *id, const Crisp__State__Container *row,
			struct restore_origin *ret, struct err *e)
{
	_cleanup_free_ char *run_dir = path_container_run(world.conf, id);
	_cleanup_free_ char *lock = xasprintf("%s/restore.lock", run_dir);
	struct dump_run run = DUMP_RUN_NULL;
	int r = fs_mkdir_all(run_dir, 0700, e);

	run.until_ns = clock_monotonic_ns() + UNPACK_NS;
	if (r == 0)
		r = dumprun_check_criu(e);
	if (r == 0)
		r = dumprun_lock(&run, lock, e);
	if (r == 0)
		r = unpack_locked(&run, id, row, ret, e);
	dumprun_done(&run);
	return r < 0 ? err_name(row, e) : 0;
}

/* --- log --- */

/* Nothing, if the log has content: that of an earlier try, or of another container. */
static int put_log(const char *dir, const char *id, const char *log_path, struct err *e)
{
	_cleanup_free_ char *old = xasprintf("%s/" DUMPFILES_LOG, dir);
	_cleanup_free_ char *temp = xasprintf("%s.%.13s", log_path, id);
	_cleanup_close_ int from = -1, to = -1;
	struct stat st;

	if (!*log_path || (lstat(log_path, &st) == 0 && st.st_size > 0))
		return 0;
	from = open(old, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	to = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (to < 0 || dumpfiles_copy(from, to, st.st_size) < 0 || rename(temp, log_path) < 0) {
		err_errno(e, ERR_INTERNAL, errno, "write the log %s", log_path);
		unlink(temp);
		return -(int)e->code;
	}
	return 0;
}

/* --- prepare --- */

static int link_restore(const char *id, const char *dir, struct err *e)
{
	_cleanup_free_ char *run = path_container_run(world.conf, id);
	_cleanup_free_ char *link = xasprintf("%s/" SHIM_RESTORE_NAME, run);

	if (symlink(dir, link) < 0 && errno != EEXIST)
		return err_errno(e, ERR_INTERNAL, errno, "link %s", link);
	return 0;
}

int restorefiles_prepare(const char *id, const Crisp__State__Container *row, bool has_command,
			 struct err *e)
{
	_cleanup_free_ char *dir = restore_dir(id);
	_cleanup_free_ char *images = xasprintf("%s/checkpoint", dir);
	_cleanup_json_ json_t *config = dumpfiles_spec(id, e), *keys = NULL;
	int r = config ? restorecheck_config(dir, config, has_command, e) : -(int)e->code;

	if (r == 0)
		r = criucheck_images(images, config, e);
	if (r == 0)
		r = restorecheck_load(dir, DUMPFILES_STDIO, false, &keys, e);
	if (r == 0)
		r = criuconf_write_restore(id, row, keys, e);
	if (r == 0)
		r = put_log(dir, id, row->log_path, e);
	if (r == 0)
		r = link_restore(id, dir, e);
	return r < 0 ? err_name(row, e) : 0;
}

void restorefiles_explain(const char *id, struct err *e)
{
	_cleanup_free_ char *dir = restore_dir(id);
	_cleanup_free_ char *log = xasprintf("%s/restore.log", dir);
	_cleanup_buf_ struct buf errors = BUF_NULL;

	dumpone_last_errors(log, &errors);
	if (errors.len)
		err_wrap(e, "CRIU cannot restore the processes: %s", errors.data);
}

int restorefiles_remove(const char *id, struct err *e)
{
	_cleanup_free_ char *dir = restore_dir(id);

	return fs_remove_tree(dir, e);
}
