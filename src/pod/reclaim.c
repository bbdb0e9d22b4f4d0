/*
 * reclaim.c - ends a container without a shim.  Its exit status is that of the shim's exit record,
 * else that of the pidfd.
 */
#include "pod/reclaim.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "core/objects.h"
#include "core/paths.h"
#include "os/cgroup.h"
#include "pod/reach.h"
#include "shimproto/exitrec.h"

#define LOOK_MS 20
#define REAP_MS 2000 /* for the new parent of an orphan to wait for it */

/* Read the exit status by pidfd.  NULL: unknown, or the process was not reaped in REAP_MS. */
static struct payload_exit *ask_kernel(int pidfd, const Crisp__State__Container *row)
{
	_cleanup_free_ char *cgroup = cgroup_dir(row->cgroups_path);
	struct cgroup_usage usage = { .oom_kills = 0 };
	int64_t until = clock_monotonic_ns() + REAP_MS * NSEC_PER_MSEC;
	struct err ignored = ERR_NULL;
	struct payload_exit *f;
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

int reclaim_settle(const char *id, const Crisp__State__Container *row, int pidfd,
		   struct payload_exit **ret, struct err *e)
{
	_cleanup_free_ char *path = path_container_exit(world.conf, id);
	struct err unread = ERR_NULL;
	struct exitrec rec;
	int r;

	*ret = NULL;
	r = reach_end_container(row, REACH_LONG_MS, e);
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
	**ret = (struct payload_exit){
		.code = rec.code,
		.oom = rec.oom,
		.started_ns = rec.started_ns,
		.exited_ns = rec.exited_ns,
	};
	return 0;
}
