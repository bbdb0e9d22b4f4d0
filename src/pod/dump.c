/*
 * dump.c - writes a container's checkpoint and packs it into an archive.
 *
 * Everything is made in the directory dump/ of the container; only the archive goes beside the
 * location, with a temporary name that derives from the container's id, and is renamed when it is
 * complete and synced.  All programs hold the lock, so the next daemon finds those of a killed one.
 */
#include "pod/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "core/objects.h"
#include "core/paths.h"
#include "os/cgroup.h"
#include "pod/dumpfiles.h"
#include "pod/dumpone.h"

struct dump {
	const struct dump_request *in;
	const char *id;
	const Crisp__State__Container *row;
	char *dir; /* dump/ of the container's directory */
	char *parent, *temp; /* directory of the location, the archive while it is written */
	char *cgroup;
	char *lock_path;
	struct dump_run run;
	bool stuck; /* the processes may stand still */
	json_t *spec;
	struct dump_log log;
};

static void dump_init(struct dump *d, const char *id, const Crisp__State__Container *row)
{
	_cleanup_free_ char *run = path_container_run(world.conf, id);
	_cleanup_free_ char *dir = path_container_dir(world.conf, id);
	const char *slash = strrchr(row->checkpoint_location, '/');

	*d = (struct dump){ .id = id, .row = row, .run = DUMP_RUN_NULL, .log.fd = -1 };
	d->dir = xasprintf("%s/dump", dir);
	d->cgroup = cgroup_dir(row->cgroups_path);
	d->lock_path = xasprintf("%s/dump.lock", run);
	d->run.until_ns = clock_monotonic_ns() + row->checkpoint_until_ns - clock_realtime_ns();
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
	dumprun_done(&d->run);
	close_fdp(&d->log.fd);
	json_decref(d->spec);
}

/* --- checks --- */

static int check_location(const struct dump *d, struct err *e)
{
	const char *location = d->row->checkpoint_location;
	struct stat st;

	if (dumprun_check_directory(d->parent, "location", e) < 0)
		return -(int)e->code;
	if (lstat(location, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "location: %s is no regular file", location);
	return 0;
}

/* Both belong together: no process runs in between. */
static int dump_frozen(struct dump *d, struct err *e)
{
	const struct dump_one one = { .run = &d->run,
				      .id = d->id,
				      .row = d->row,
				      .dir = d->dir,
				      .work = d->dir,
				      .spec = d->spec,
				      .options = { "--file-locks" } };
	struct err thaw = ERR_NULL;
	int r = cgroup_freeze(world.cgroups, d->cgroup, e);

	if (r < 0)
		return r;
	r = dumpone_processes(&one, e);
	if (r == 0)
		r = dumpone_files(&one, e);
	d->log = dumpfiles_log_mark(d->row->log_path);
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
					     "rootfs-diff.tar", "deleted.files", DUMPFILES_LOG,
					     DUMPFILES_STDIO };
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
	r = dumprun_tar(&d->run, argv, NULL, e);
	if (r == 0 && fsync(fd) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "write %s", d->temp);
	return r;
}

static int publish(const struct dump *d, struct err *e)
{
	const char *location = d->row->checkpoint_location;

	if (dumprun_is_cancelled(&d->run))
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

static int make(struct dump *d, struct err *e)
{
	int r = dumprun_check_criu(e);

	if (r == 0)
		r = check_location(d, e);
	if (r == 0)
		r = dumprun_lock(&d->run, d->lock_path, e);
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
		r = dumpfiles_log_copy(&d->log, d->dir, DUMPFILES_LOG, e);
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
	d.run.cancel_fd = in->cancel_fd;
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
		r = dumprun_lock(&d.run, d.lock_path, e);
	if (r == 0)
		r = cgroup_thaw_one(world.cgroups, d.cgroup, e);
	*ret_stuck = r < 0;
	if (r >= 0)
		r = clean(&d, e);
	dump_done(&d);
	return r < 0 ? err_wrap(e, "container %.13s", id) : 0;
}
