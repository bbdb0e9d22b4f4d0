/*
 * dumprun.c - runs the programs of a checkpoint.
 */
#include "pod/dumprun.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"
#include "core/objects.h"
#include "pod/reach.h"

#define LEFT_MS 10000 /* how long a killed daemon's programs may go on: most end by themselves */

int dumprun_lock(struct dump_run *d, const char *path, struct err *e)
{
	d->lock = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	return reach_lock(d->lock, path, LEFT_MS)
		       ? 0
		       : err_set(e, ERR_UNAVAILABLE,
				 "a checkpoint that an earlier crispd started still runs and "
				 "cannot be killed");
}

void dumprun_done(struct dump_run *d)
{
	close_fdp(&d->lock);
}

bool dumprun_is_cancelled(const struct dump_run *d)
{
	struct pollfd p = { .fd = d->cancel_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static bool is_own(const char *path)
{
	return fs_path_is_within(path, world.conf->root) ||
	       fs_path_is_within(path, world.conf->runroot);
}

/* Only root may change the directory: a link put there would be followed. */
int dumprun_check_directory(const char *path, const char *field, struct err *e)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	struct stat st;

	if (!real || stat(real, &st) < 0)
		return err_errno(e, ERR_INVALID, errno, "%s: directory %s", field, path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "%s: %s is no directory", field, path);
	if (is_own(real))
		return err_set(e, ERR_INVALID, "%s: %s belongs to crispd", field, real);
	return fs_check_trusted(path, e) < 0 ? err_wrap(e, "%s", field) : 0;
}

int dumprun_check_criu(struct err *e)
{
	_cleanup_free_ char *criu = spawn_find_program("criu", NULL);

	return criu ? 0
		    : err_set(e, ERR_PRECONDITION,
			      "criu is not installed: there is no such program in the PATH of "
			      "crispd");
}

/* tar says the second time what it could write. */
enum err_code dumprun_code_of(const char *text, enum err_code other)
{
	return strstr(text, strerror(ENOSPC)) || strstr(text, strerror(EDQUOT)) ||
			       strstr(text, "Wrote only")
		       ? ERR_EXHAUSTED
		       : other;
}

int dumprun_program(const struct dump_run *d, const char *const *argv, const struct buf *in,
		    struct spawn_result *ret, struct err *e)
{
	int64_t left_ms = (d->until_ns - clock_monotonic_ns()) / NSEC_PER_MSEC;
	struct spawn s = SPAWN_NULL;

	if (left_ms <= 0)
		return err_set(e, ERR_DEADLINE, "the checkpoint did not end in time");
	s.argv = argv;
	s.pass_fd = d->lock;
	s.cancel_fd = d->cancel_fd;
	return spawn_run_as(&s, in ? in->data : NULL, in ? in->len : 0, 4096, left_ms, ret, e);
}

int dumprun_tar(const struct dump_run *d, const char *const *argv, const struct buf *in,
		struct err *e)
{
	struct spawn_result res = SPAWN_RESULT_NULL;
	int r = dumprun_program(d, argv, in, &res, e);

	if (r == 0 && res.status != 0) {
		const char *why = res.err.len ? res.err.data : "no message";

		r = err_set(e, dumprun_code_of(why, ERR_INTERNAL), "tar: exit status %d: %s",
			    res.status, why);
	}
	spawn_result_done(&res);
	return r;
}

int dumprun_unpack(const struct dump_run *d, const char *archive, const char *dir,
		   const char *deleted, struct err *e)
{
	const char *const argv[] = { world.pull_path, "unpack", archive, dir, deleted, NULL };
	struct spawn_result res = SPAWN_RESULT_NULL;
	int r = dumprun_program(d, argv, NULL, &res, e);
	const char *why;

	if (r == 0 && res.status != 0) {
		why = res.err.len ? res.err.data : "no message";
		r = err_set(e,
			    res.status <= ERR_UNAUTHENTICATED ? (enum err_code)res.status
							      : ERR_INTERNAL,
			    "%s", why);
	}
	spawn_result_done(&res);
	return r;
}
