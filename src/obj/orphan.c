/*
 * orphan.c - see orphan.h.
 *
 * The first process is known by pid and start time.  The others, which live on where the container
 * has no PID namespace of its own, are those in its cgroup: nothing else ever is in there.
 */
#include "obj/orphan.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exitrec.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "obj/paths.h"
#include "obj/world.h"
#include "os/cgroup.h"

#define END_MS 10000
#define LOOK_MS 20
#define REAP_MS 2000 /* for whoever is the parent of an orphan */

static int kill_first(const Crisp__State__Container *row, struct err *e)
{
	_cleanup_close_ int pidfd = -1;
	struct pollfd p;
	int r = proc_open(row->pid, row->pid_ticks, &pidfd, e);

	if (r)
		return MIN(r, 0);
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_errno(e, ERR_INTERNAL, errno, "kill process %d", row->pid);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (poll(&p, 1, END_MS) == 0)
		return err_set(e, ERR_UNAVAILABLE, "process %d does not end", row->pid);
	return 0;
}

static bool is_member(const char *cgroup, pid_t pid)
{
	_cleanup_free_ pid_t *pids = NULL;
	struct err ignored = ERR_NULL;
	size_t n = 0;

	if (cgroup_pids(world.cgroups, cgroup, &pids, &n, &ignored) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* A pid that is a member after its pidfd was opened is the process we mean. */
static void kill_member(const char *cgroup, pid_t pid)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);

	if (pidfd >= 0 && is_member(cgroup, pid))
		pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
}

int orphan_end_all(const char *cgroup, pid_t spare, struct err *e)
{
	int64_t until = clock_monotonic_ns() + END_MS * NSEC_PER_MSEC;

	for (;;) {
		_cleanup_free_ pid_t *pids = NULL;
		size_t n = 0, left = 0;

		if (cgroup_pids(world.cgroups, cgroup, &pids, &n, e) < 0)
			return -(int)e->code;
		for (size_t i = 0; i < n; i++)
			if (pids[i] != spare)
				pids[left++] = pids[i];
		if (left == 0)
			return 0;
		if (clock_monotonic_ns() >= until)
			return err_set(e, ERR_UNAVAILABLE, "%zu processes in cgroup %s do not end",
				       left, cgroup);
		for (size_t i = 0; i < left; i++)
			kill_member(cgroup, pids[i]);
		poll(NULL, 0, LOOK_MS);
	}
}

static int kill_all(const Crisp__State__Container *row, struct err *e)
{
	_cleanup_free_ char *cgroup = cgroup_dir(row->cgroups_path);
	int r = row->pid ? kill_first(row, e) : 0;

	return r < 0 ? r : orphan_end_all(cgroup, 0, e);
}

/* What the kernel still knows.  NULL: nothing, or nobody has waited for the process yet. */
static struct facts_exit *ask_kernel(int pidfd, const Crisp__State__Container *row)
{
	_cleanup_free_ char *cgroup = cgroup_dir(row->cgroups_path);
	struct cgroup_usage usage = { .oom_kills = 0 };
	int64_t until = clock_monotonic_ns() + REAP_MS * NSEC_PER_MSEC;
	struct err ignored = ERR_NULL;
	struct facts_exit *f;
	int status = 0, r = pidfd < 0 ? -1 : proc_exit_status(pidfd, &status, &ignored);

	while (r > 0 && clock_monotonic_ns() < until) {
		poll(NULL, 0, LOOK_MS);
		r = proc_exit_status(pidfd, &status, &ignored);
	}
	if (r != 0 || !row->started_ns)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (f->code != 0 && cgroup_read_usage(world.cgroups, cgroup, &usage, &ignored) == 0)
		f->oom = usage.oom_kills > 0;
	f->exited_ns = clock_realtime_ns();
	return f;
}

int orphan_settle(const char *id, const Crisp__State__Container *row, int pidfd,
		  struct facts_exit **ret, struct err *e)
{
	_cleanup_free_ char *path = path_container_exit(world.conf, id);
	struct err unread = ERR_NULL;
	struct exitrec rec;
	int r = 0;

	*ret = NULL;
	if (strcmp(row->boot_id, clock_boot_id()) == 0)
		r = kill_all(row, e);
	if (r < 0)
		return r;
	r = exitrec_read(path, &rec, &unread);
	if (r < 0)
		log_err(LOG_LEVEL_WARN, "exit record", &unread);
	if (r != 0) {
		*ret = ask_kernel(pidfd, row);
		return 0;
	}
	*ret = xcalloc(1, sizeof(**ret));
	**ret = (struct facts_exit){
		.code = rec.code,
		.oom = rec.oom,
		.started_ns = rec.started_ns,
		.exited_ns = rec.exited_ns,
	};
	return 0;
}
