/*
 * child.c - adopted processes: pidfds, and exits from waitid or, for foreign children, the kernel.
 */
#include "shim/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/util.h"

#define EXIT_UNKNOWN 255
#define LOOK_EVERY_MS 20
#define LOOKS 250 /* five seconds for the parent to reap it */

static struct list children = { &children, &children };

static void end(struct child *c, const struct reaped *r)
{
	struct reaped copy = *r;

	child_drop(c);
	c->fn(c, &copy);
}

/* Poll the kernel for the exit status of a child of another process. */
static void look_for_status(struct timer *t)
{
	struct child *c = container_of(t, struct child, look);
	struct reaped r = { .pid = c->pid, .at_ns = c->ended.at_ns };
	struct err e = ERR_NULL;
	int status = 0, got = proc_exit_status(c->exit.fd, &status, &e);

	if (got > 0 && ++c->looks < LOOKS) {
		timer_set(t, LOOK_EVERY_MS, look_for_status);
		return;
	}
	if (got == 0) {
		r.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		r.code = r.signal ? 128 + r.signal : WEXITSTATUS(status);
	} else {
		if (got > 0)
			err_set(&e, ERR_DEADLINE, "the parent of the process does not reap it");
		log_warn("exit status unknown", "pid=%d reason=\"%s\"", (int)r.pid, e.text);
		r.unknown = true;
		r.code = EXIT_UNKNOWN;
	}
	end(c, &r);
}

/* The process has exited.  waitid returns the status unless another process is its parent. */
static void pidfd_ready(struct watch *w, uint32_t events)
{
	struct child *c = container_of(w, struct child, exit);
	pid_t pid = c->pid;

	(void)events;
	watch_change(w, 0); /* the pidfd stays readable */
	reap_all();
	list_for_each(pos, &children) {
		c = list_entry(pos, struct child, node);
		if (c->pid == pid && &c->exit == w) {
			c->ended.at_ns = clock_realtime_ns();
			look_for_status(&c->look);
			return;
		}
	}
}

static int adopt_pidfd(struct child *c, int pidfd, struct err *e)
{
	int r = watch_add(&c->exit, pidfd, EPOLLIN, pidfd_ready, e);

	if (r < 0)
		return r;
	c->alive = true;
	list_append(&children, &c->node);
	return 0;
}

int child_adopt_pidfd(struct child *c, pid_t pid, uint64_t start_ticks, int pidfd,
		      void (*fn)(struct child *, const struct reaped *), struct err *e)
{
	*c = (struct child){
		.pid = pid, .start_ticks = start_ticks, .fn = fn, .foreign = true, .exit.fd = -1
	};
	return adopt_pidfd(c, pidfd, e);
}

int child_adopt_pid(struct child *c, pid_t pid, void (*fn)(struct child *, const struct reaped *),
		    struct err *e)
{
	int fd, r;

	*c = (struct child){ .pid = pid, .fn = fn, .exit.fd = -1 };
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 && errno != ESRCH)
		return err_errno(e, ERR_INTERNAL, errno, "open process %d", (int)pid);
	if (fd < 0) {
		reap_all(); /* its status may still be unreaped */
		c->has_ended = reap_take_early(pid, &c->ended);
		if (!c->has_ended)
			return err_set(e, ERR_INTERNAL, "process %d has exited already", (int)pid);
	} else {
		/* A zombie has a start time too. */
		r = proc_start_ticks(pid, &c->start_ticks, e);
		if (r == 0)
			r = adopt_pidfd(c, fd, e);
		if (r != 0) {
			close(fd);
			return r < 0 ? r
				     : err_set(e, ERR_INTERNAL, "process %d has exited already",
					       (int)pid);
		}
		return 0;
	}
	c->alive = true;
	list_append(&children, &c->node);
	return 0;
}

int child_adopt(struct child *c, const char *pid_path,
		void (*fn)(struct child *, const struct reaped *), struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int64_t pid;
	int r = fs_read_file(pid_path, 32, &text, e);

	if (r > 0)
		return err_set(e, ERR_INTERNAL, "the OCI runtime wrote no pid file %s", pid_path);
	if (r < 0)
		return r;
	while (text.len && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	if (!text.len || str_to_i64(text.data, 2, INT32_MAX, &pid) < 0)
		return err_set(e, ERR_INTERNAL, "pid file %s of the OCI runtime holds no pid",
			       pid_path);
	/* The shim is the subreaper of all processes that a runtime starts.  With a foreign pid in
	 * the file, signals for the container would kill another process. */
	r = proc_descends_from((pid_t)pid, getpid(), e);
	if (r > 0 && kill((pid_t)pid, 0) == 0)
		r = err_set(e, ERR_INTERNAL,
			    "pid file %s of the OCI runtime names process %d, which it did "
			    "not start",
			    pid_path, (int)pid);
	return r < 0 ? r : child_adopt_pid(c, (pid_t)pid, fn, e);
}

void child_deliver(struct child *c)
{
	if (c->alive && c->has_ended)
		end(c, &c->ended);
}

int child_kill(struct child *c, int sig)
{
	if (!c->alive || c->exit.fd < 0)
		return ESRCH;
	return syscall(SYS_pidfd_send_signal, c->exit.fd, sig, NULL, 0) < 0 ? errno : 0;
}

void child_drop(struct child *c)
{
	if (!c->alive)
		return;
	c->alive = false;
	list_remove(&c->node);
	timer_stop(&c->look);
	watch_del(&c->exit);
	close_fdp(&c->exit.fd);
}

bool child_exited(const struct reaped *r)
{
	list_for_each(pos, &children) {
		struct child *c = list_entry(pos, struct child, node);

		if (c->pid != r->pid || c->foreign || c->has_ended)
			continue;
		end(c, r);
		return true;
	}
	return false;
}
