/*
 * dump.c - runs the OCI runtime's `checkpoint`, and tar.
 *
 * Everything is made in the directory dump/ of the container; only the archive goes beside the
 * location, with a temporary name that derives from the container's id, and is renamed when it is
 * complete and synced.  All programs hold the lock, so the next daemon finds those of a killed one.
 */
#include "pod/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "core/objects.h"
#include "core/paths.h"
#include "image/layers.h"
#include "oci/json.h"
#include "os/cgroup.h"
#include "os/spawn.h"
#include "pod/criuconf.h"
#include "pod/dumpfiles.h"
#include "pod/reach.h"
#include "pod/rootdiff.h"

#define CRIU_LOG_MAX (64 * 1024 * 1024)
#define LEFT_MS 10000 /* how long a killed daemon's dump may go on: most end by themselves */

struct dump {
	const struct dump_request *in;
	const char *id;
	const Crisp__State__Container *row;
	char *dir; /* dump/ of the container's directory */
	char *parent, *temp; /* directory of the location, the archive while it is written */
	char *cgroup;
	char *lock_path;
	int lock;
	int64_t until_ns; /* CLOCK_MONOTONIC */
	bool stuck; /* the processes may stand still */
	json_t *spec;
};

static void dump_init(struct dump *d, const char *id, const Crisp__State__Container *row)
{
	_cleanup_free_ char *run = path_container_run(world.conf, id);
	_cleanup_free_ char *dir = path_container_dir(world.conf, id);
	const char *slash = strrchr(row->checkpoint_location, '/');

	*d = (struct dump){ .id = id, .row = row, .lock = -1 };
	d->dir = xasprintf("%s/dump", dir);
	d->cgroup = cgroup_dir(row->cgroups_path);
	d->lock_path = xasprintf("%s/dump.lock", run);
	d->until_ns = clock_monotonic_ns() + row->checkpoint_until_ns - clock_realtime_ns();
	if (!slash)
		return; /* no dump is under way */
	d->parent = xstrndup(row->checkpoint_location,
			     (size_t)MAX(slash - row->checkpoint_location, (ptrdiff_t)1));
	d->temp = xasprintf("%s/.checkpoint-%s", d->parent, id);
}

static void dump_done(struct dump *d)
{
	free(d->dir);
	free(d->parent);
	free(d->temp);
	free(d->cgroup);
	free(d->lock_path);
	close_fdp(&d->lock);
	json_decref(d->spec);
}

/* --- checks --- */

static bool is_own(const char *path)
{
	return fs_path_is_within(path, world.conf->root) ||
	       fs_path_is_within(path, world.conf->runroot);
}

/* Only root may change the directory: a link put there would be followed. */
static int check_location(const struct dump *d, struct err *e)
{
	const char *location = d->row->checkpoint_location;
	_cleanup_free_ char *real = realpath(d->parent, NULL);
	struct stat st;
	int r;

	if (!real)
		return err_errno(e, ERR_INVALID, errno, "location: directory %s", d->parent);
	if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "location: %s is no directory", d->parent);
	if (is_own(real))
		return err_set(e, ERR_INVALID, "location: %s belongs to crispd", real);
	r = fs_check_trusted(d->parent, e);
	if (r < 0)
		return err_wrap(e, "location");
	if (lstat(location, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "location: %s is no regular file", location);
	return 0;
}

static int check_criu(struct err *e)
{
	_cleanup_free_ char *criu = spawn_find_program("criu", NULL);

	return criu ? 0
		    : err_set(e, ERR_PRECONDITION,
			      "criu is not installed: there is no such program in the PATH of "
			      "crispd");
}

/* --- programs --- */

static bool is_cancelled(const struct dump *d)
{
	struct pollfd p = { .fd = d->in->cancel_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* ERR_EXHAUSTED for a full disk, of which tar says the second time what it could write. */
static enum err_code code_of(const char *text, enum err_code other)
{
	return strstr(text, strerror(ENOSPC)) || strstr(text, strerror(EDQUOT)) ||
			       strstr(text, "Wrote only")
		       ? ERR_EXHAUSTED
		       : other;
}

/* 0: it exited, ret is set. */
static int run(const struct dump *d, const char *const *argv, const struct buf *in,
	       struct spawn_result *ret, struct err *e)
{
	int64_t left_ms = (d->until_ns - clock_monotonic_ns()) / NSEC_PER_MSEC;
	struct spawn s = SPAWN_NULL;

	if (left_ms <= 0)
		return err_set(e, ERR_DEADLINE, "the checkpoint did not end in time");
	s.argv = argv;
	s.pass_fd = d->lock;
	s.cancel_fd = d->in->cancel_fd;
	return spawn_run_as(&s, in ? in->data : NULL, in ? in->len : 0, 4096, left_ms, ret, e);
}

static int run_tar(const struct dump *d, const char *const *argv, const struct buf *in,
		   struct err *e)
{
	struct spawn_result res = SPAWN_RESULT_NULL;
	int r = run(d, argv, in, &res, e);

	if (r == 0 && res.status != 0) {
		const char *why = res.err.len ? res.err.data : "no message";

		r = err_set(e, code_of(why, ERR_INTERNAL), "tar: exit status %d: %s", res.status,
			    why);
	}
	spawn_result_done(&res);
	return r;
}

/* --- processes --- */

/* The last three errors in CRIU's log, without times; the very last one says only that it failed.
 */
static void last_errors(const char *log, struct buf *ret)
{
	const char *last[3] = { NULL, NULL, NULL };
	size_t n = 0;

	for (const char *p = log; (p = strstr(p, "Error (")); p += strcspn(p, "\n")) {
		if (memmem(p, strcspn(p, "\n"), "Dumping FAILED", strlen("Dumping FAILED")))
			continue;
		last[n++ % ARRAY_LEN(last)] = p;
	}
	for (size_t i = n > ARRAY_LEN(last) ? n - ARRAY_LEN(last) : 0; i < n; i++) {
		const char *line = last[i % ARRAY_LEN(last)];

		if (ret->len)
			buf_puts(ret, "; ");
		buf_add_clean(ret, line, strcspn(line, "\n"));
	}
}

static int runtime_failed(const struct dump *d, const struct spawn_result *res, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/dump.log", d->dir);
	_cleanup_buf_ struct buf log = BUF_NULL, errors = BUF_NULL;
	struct err ignored = ERR_NULL;

	if (fs_read_file(path, CRIU_LOG_MAX, &log, &ignored) == 0 && log.len)
		last_errors(log.data, &errors);
	if (errors.len)
		return err_set(e, code_of(errors.data, ERR_PRECONDITION),
			       "CRIU cannot write its processes: %s", errors.data);
	return err_set(e, ERR_INTERNAL, "%s checkpoint: exit status %d: %s", d->row->runtime_path,
		       res->status, res->err.len ? res->err.data : "no message");
}

static int dump_processes(const struct dump *d, struct err *e)
{
	_cleanup_free_ char *images = xasprintf("%s/checkpoint", d->dir);
	const char *const argv[] = { d->row->runtime_path,
				     "--root",
				     d->row->runtime_root,
				     "checkpoint",
				     "--leave-running",
				     "--file-locks",
				     "--image-path",
				     images,
				     "--work-path",
				     d->dir,
				     d->id,
				     NULL };
	struct spawn_result res = SPAWN_RESULT_NULL;
	int r = fs_mkdir_all(images, 0700, e);

	if (r == 0)
		r = run(d, argv, NULL, &res, e);
	if (r == 0 && res.status != 0)
		r = runtime_failed(d, &res, e);
	spawn_result_done(&res);
	return r;
}

/* --- files --- */

static int write_diff(const struct dump *d, const struct rootdiff *diff, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/rootfs-diff.tar", d->dir);
	const char *const argv[] = { "tar",
				     "--create",
				     "--file",
				     path,
				     "--directory",
				     diff->upper,
				     "--numeric-owner",
				     "--sparse",
				     "--acls",
				     "--xattrs",
				     "--xattrs-include=user.*",
				     "--xattrs-include=security.capability",
				     "--warning=no-file-ignored",
				     "--no-recursion",
				     "--null",
				     "--verbatim-files-from",
				     "--files-from=-",
				     NULL };
	int r = 0;

	if (diff->names.len)
		r = run_tar(d, argv, &diff->names, e);
	if (r == 0 && json_array_size(diff->deleted))
		r = dumpfiles_put(d->dir, "deleted.files", diff->deleted, e);
	return r;
}

static int dump_files(const struct dump *d, struct err *e)
{
	_cleanup_free_ char *upper = path_container_upper(world.conf, d->id);
	_cleanup_free_ char *images = path_images(world.conf);
	size_t n = d->row->n_diff_ids;
	char **lowers = xcalloc(n + 1, sizeof(*lowers));
	struct rootdiff diff = { .upper = upper,
				 .lowers = (const char *const *)lowers,
				 .mounts = json_object_get(d->spec, "mounts"),
				 .until_ns = d->until_ns };
	int r;

	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *layer = image_layer_dir(images, d->row->diff_ids[i]);

		lowers[i] = xasprintf("%s/fs", layer ? layer : "");
	}
	r = rootdiff_find(&diff, e);
	if (r == 0)
		r = write_diff(d, &diff, e);
	rootdiff_done(&diff);
	for (size_t i = 0; i < n; i++)
		free(lowers[i]);
	free(lowers);
	return r;
}

/* Both belong together: no process runs in between. */
static int dump_frozen(struct dump *d, struct err *e)
{
	struct err thaw = ERR_NULL;
	int r = cgroup_freeze(world.cgroups, d->cgroup, e);

	if (r < 0)
		return r;
	r = criuconf_write(d->id, d->row, e);
	if (r == 0)
		r = dump_processes(d, e);
	if (r == 0)
		r = dump_files(d, e);
	if (cgroup_thaw_one(world.cgroups, d->cgroup, &thaw) < 0) {
		*e = thaw;
		d->stuck = true;
		r = -(int)e->code;
	}
	return r;
}

/* --- the archive --- */

static int write_archive(const struct dump *d, struct err *e)
{
	static const char *const names[] = { "checkpoint",	"config.dump",	 "spec.dump",
					     "bind.mounts",	"dump.log",	 "stats-dump",
					     "rootfs-diff.tar", "deleted.files", DUMPFILES_LOG };
	const char *argv[ARRAY_LEN(names) + 8] = {
		"tar", "--create", "--file", d->temp, "--directory", d->dir, "--numeric-owner"
	};
	_cleanup_close_ int fd = open(d->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t n = 7;
	int r;

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make %s", d->temp);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", d->dir, names[i]);

		if (fs_exists(path))
			argv[n++] = names[i];
	}
	r = run_tar(d, argv, NULL, e);
	if (r == 0 && fsync(fd) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "write %s", d->temp);
	return r;
}

static int publish(const struct dump *d, struct err *e)
{
	const char *location = d->row->checkpoint_location;

	if (is_cancelled(d))
		return err_set(e, ERR_ABORTED, "it was ended before the archive was complete");
	if (rename(d->temp, location) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "rename %s to %s", d->temp, location);
	return fs_sync_dir(d->parent, e);
}

/* --- all of it --- */

static int clean(const struct dump *d, struct err *e)
{
	if (d->temp && unlink(d->temp) < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_errno(e, ERR_INTERNAL, errno, "remove %s", d->temp);
	return fs_remove_tree(d->dir, e);
}

static int lock(struct dump *d, struct err *e)
{
	d->lock = open(d->lock_path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", d->lock_path);
	return reach_lock(d->lock, d->lock_path, LEFT_MS)
		       ? 0
		       : err_set(e, ERR_UNAVAILABLE,
				 "a checkpoint that an earlier crispd started still runs and "
				 "cannot be killed");
}

static int make(struct dump *d, struct err *e)
{
	int r = check_criu(e);

	if (r == 0)
		r = check_location(d, e);
	if (r == 0)
		r = lock(d, e);
	if (r == 0)
		r = clean(d, e);
	if (r == 0)
		r = fs_mkdir_all(d->dir, 0700, e);
	if (r == 0) {
		d->spec = dumpfiles_spec(d->id, e);
		r = d->spec ? dumpfiles_write(d->dir, d->id, d->row, d->in->pod, d->spec, e)
			    : -(int)e->code;
	}
	if (r == 0)
		r = dump_frozen(d, e);
	if (r == 0)
		r = write_archive(d, e);
	return r == 0 ? publish(d, e) : r;
}

int dump_make(const struct dump_request *in, bool *ret_stuck, struct err *e)
{
	struct err left = ERR_NULL;
	struct dump d;
	int r;

	dump_init(&d, in->id, in->row);
	d.in = in;
	r = make(&d, e);
	if (clean(&d, &left) < 0 && r == 0) {
		*e = left;
		r = -(int)e->code;
	}
	*ret_stuck = d.stuck;
	dump_done(&d);
	return r < 0 ? err_wrap(e, "checkpoint of container %.13s", in->id) : 0;
}

int dump_end(const char *id, const Crisp__State__Container *row, bool *ret_stuck, struct err *e)
{
	struct dump d;
	int r = 0;

	dump_init(&d, id, row);
	/* After a reboot the directory of the lock is gone, and so are all programs. */
	if (fs_exists(d.lock_path))
		r = lock(&d, e);
	if (r == 0)
		r = cgroup_thaw_one(world.cgroups, d.cgroup, e);
	*ret_stuck = r < 0;
	if (r >= 0)
		r = clean(&d, e);
	dump_done(&d);
	return r < 0 ? err_wrap(e, "container %.13s", id) : 0;
}
