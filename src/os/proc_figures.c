/*
 * proc_figures.c - count descriptors and sockets: each entry of /proc/PID/fd is a link whose text
 * names its kind.
 */
#include "os/proc_figures.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"

struct fd_count {
	uint64_t fds, sockets;
};

static int count_fd(const char *path, const char *name, void *arg, struct err *e)
{
	struct fd_count *c = arg;
	char text[PATH_MAX];
	ssize_t n = readlink(path, text, sizeof(text) - 1);

	(void)name;
	(void)e;
	text[MAX(n, (ssize_t)0)] = '\0';
	c->sockets += str_starts(text, "socket:");
	return ++c->fds > PROC_FIGURES_FDS_MAX;
}

int proc_figures_read(const struct cgroups *cg, const char *path, pid_t main, struct figures *ret,
		      struct err *e)
{
	_cleanup_free_ pid_t *pids = NULL;
	struct fd_count count = { .fds = 0 };
	struct err ended = ERR_NULL;
	struct rlimit limit;
	size_t n;
	int r = cgroup_pids(cg, path, &pids, &n, e);

	*ret = (struct figures){ .known = 0 };
	if (r < 0)
		return r;
	if (!n)
		return 1;
	for (size_t i = 0; i < n && count.fds <= PROC_FIGURES_FDS_MAX; i++) {
		_cleanup_free_ char *dir = xasprintf("/proc/%d/fd", (int)pids[i]);

		fs_each(dir, count_fd, &count, &ended);
	}
	figure_set(ret, PROC_PROCESSES, n);
	if (count.fds <= PROC_FIGURES_FDS_MAX) {
		figure_set(ret, PROC_FDS, count.fds);
		figure_set(ret, PROC_SOCKETS, count.sockets);
	}
	if (main > 0 && prlimit(main, RLIMIT_NOFILE, NULL, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		figure_set(ret, PROC_NOFILE_SOFT, limit.rlim_cur);
	return 0;
}
