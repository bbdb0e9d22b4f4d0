/*
 * job.c - start the OCI runtime through the spawner, enforce its timeout, read its stderr and log.
 */
#include "shim/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "shim/kill.h"
#include "shim/reap.h"
#include "shim/runtime_log.h"
#include "shim/spawner.h"

#define LOG_MAX (256 * 1024)
#define DRAIN_MAX 64 /* reads of one drain */

static struct list jobs = { &jobs, &jobs };

bool job_any(void)
{
	return !list_empty(&jobs);
}

static void keep_tail(struct shim_job *j, const char *data, size_t n)
{
	if (n > JOB_TAIL) {
		data += n - JOB_TAIL;
		n = JOB_TAIL;
	}
	if (j->tail_len + n > JOB_TAIL) {
		size_t drop = j->tail_len + n - JOB_TAIL;

		memmove(j->tail, j->tail + drop, j->tail_len - drop);
		j->tail_len -= drop;
	}
	memcpy(j->tail + j->tail_len, data, n);
	j->tail_len += n;
}

static void read_stderr(struct watch *w, uint32_t events)
{
	struct shim_job *j = container_of(w, struct shim_job, err);
	char data[4096];

	(void)events;
	for (int i = 0; i < DRAIN_MAX; i++) {
		ssize_t n = read(w->fd, data, sizeof(data));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			watch_del(w);
			return;
		}
		keep_tail(j, data, (size_t)n);
	}
}

static void overdue(struct timer *t)
{
	struct shim_job *j = container_of(t, struct shim_job, deadline);

	j->timed_out = true;
	kill_tree(j->pid); /* an unreaped child: its pid is not recycled */
}

int job_start(struct shim_job *j, const char *const *argv, const struct job_stdio *io,
	      int64_t timeout_ms, void (*done)(struct shim_job *, int), struct err *e)
{
	_cleanup_close_ int write_end = -1;
	int pipe_fds[2] = { -1, -1 }, r;

	*j = (struct shim_job){ .err.fd = -1, .done = done, .own_err = io->err < 0 };
	if (io->err < 0 && pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "pipe");
	write_end = pipe_fds[1];
	j->err.fd = io->err < 0 ? pipe_fds[0] : io->err_read;
	if (j->err.fd >= 0) {
		fcntl(j->err.fd, F_SETFL, O_NONBLOCK);
		r = watch_add(&j->err, j->err.fd, EPOLLIN, read_stderr, e);
		if (r < 0) {
			close_fdp(&pipe_fds[0]);
			return r;
		}
	}
	r = spawner_run(argv, io->in, io->out, io->err < 0 ? write_end : io->err, &j->pid, e);
	if (r < 0) {
		watch_del(&j->err);
		close_fdp(&pipe_fds[0]);
		return r;
	}
	j->running = true;
	list_append(&jobs, &j->node);
	timer_set(&j->deadline, timeout_ms > 0 ? timeout_ms : JOB_TIMEOUT_MS, overdue);
	return 0;
}

bool job_exited(const struct reaped *r)
{
	list_for_each(pos, &jobs) {
		struct shim_job *j = list_entry(pos, struct shim_job, node);

		if (j->pid != r->pid)
			continue;
		list_remove(&j->node);
		timer_stop(&j->deadline);
		if (j->err.on)
			read_stderr(&j->err, EPOLLIN);
		watch_del(&j->err);
		if (j->own_err)
			close_fdp(&j->err.fd);
		j->running = false;
		j->done(j, r->code);
		return true;
	}
	return false;
}

/* A runtime that cannot write its log fails without a message.  *ret: its directory, malloc'ed. */
static bool log_has_no_room(const char *log_path, char **ret)
{
	const char *slash = strrchr(log_path, '/');
	struct statvfs fs;

	*ret = slash ? xstrndup(log_path, (size_t)(slash - log_path)) : NULL;
	return *ret && statvfs(*ret, &fs) == 0 &&
	       (fs.f_bavail == 0 || (fs.f_files && fs.f_favail == 0));
}

int job_error(const struct shim_job *j, int status, const char *what, const char *log_path,
	      struct err *e)
{
	_cleanup_buf_ struct buf log = BUF_NULL;
	_cleanup_free_ char *dir = NULL;
	char text[RUNTIME_LOG_TEXT_MAX];
	struct err ignored = ERR_NULL;
	size_t n = 0;

	/* Of a log larger than LOG_MAX the read part is enough. */
	if (fs_read_file(log_path, LOG_MAX, &log, &ignored) <= 0 && log.len)
		n = runtime_log_message(log.data, log.len, text);
	if (!n)
		n = runtime_log_clean_tail(j->tail, j->tail_len, text);
	if (j->timed_out)
		return err_set(e, ERR_DEADLINE, "OCI runtime %s did not finish in time%s%s", what,
			       n ? ": " : "", n ? text : "");
	if (!n && log_has_no_room(log_path, &dir))
		return err_set(e, ERR_EXHAUSTED,
			       "OCI runtime %s failed with status %d: no space left for its log "
			       "in %s",
			       what, status, dir);
	if (!n)
		return err_set(e, ERR_UNKNOWN,
			       "OCI runtime %s failed with status %d and wrote no message", what,
			       status);
	return err_set(e, ERR_UNKNOWN, "OCI runtime %s failed: %s", what, text);
}
