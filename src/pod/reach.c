/*
 * reach.c - sends SIGKILL in rounds until no process of a container is left.
 *
 * Each round opens a pidfd, checks the pid again, then kills by the pidfd: a recycled pid is never
 * hit.  The walk of /proc for processes outside the cgroup starts after the first rounds:
 * almost every container's PID namespace ends with its first process.
 */
#include "pod/reach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "core/objects.h"
#include "core/paths.h"
#include "os/cgroup.h"
#include "shimproto/shimproto.h"

#define ROUND_MS 20
#define HOLDER_MS 5000 /* for killed lock holders to end */
#define ROUNDS_WALK 10 /* between two walks of /proc */

/* A namespace by the inode of /proc/PID/ns/NAME; ino 0: unknown. */
struct ns_id {
	const char *name;
	dev_t dev;
	ino_t ino;
};

struct reach {
	const char *cgroup; /* NULL: no cgroup */
	char *parent; /* the pod's cgroup; NULL: the parent is shared by pods */
	pid_t spare;
	pid_t init;
	int pidfd; /* of init, -1: ended */
	struct ns_id ns; /* namespace of the container's processes alone */
	bool shared; /* shared PID namespace, which does not end with init */
	const char *keep; /* name of cgroups to leave frozen, NULL: none */
};

/* Identify a namespace of pid.  ret_fd: keeps the namespace alive, since the kernel reuses inode
 * numbers at once; NULL: do not keep. */
static struct ns_id ns_of(pid_t pid, const char *name, int *ret_fd)
{
	struct ns_id id = { .name = name };
	_cleanup_close_ int fd = -1;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return id;
	id.dev = st.st_dev;
	id.ino = st.st_ino;
	if (ret_fd)
		*ret_fd = take_fd(fd);
	return id;
}

static bool ns_equal(const struct ns_id *a, const struct ns_id *b)
{
	return a->ino && a->ino == b->ino && a->dev == b->dev;
}

/* --- members of the cgroup --- */

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

static void kill_member(const char *cgroup, pid_t pid)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);

	if (pidfd >= 0 && is_member(cgroup, pid))
		pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
}

/* Kill all members but r->spare.  *left: incremented for each; *first: pid of one. */
static int kill_members(const struct reach *r, size_t *left, pid_t *first, struct err *e)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;

	if (!r->cgroup)
		return 0;
	if (cgroup_pids(world.cgroups, r->cgroup, &pids, &n, e) < 0)
		return -(int)e->code;
	for (size_t i = 0; i < n; i++) {
		if (pids[i] == r->spare)
			continue;
		kill_member(r->cgroup, pids[i]);
		*first = pids[i];
		++*left;
	}
	return 0;
}

/* --- processes that left the cgroup --- */

/* Kill pid if it is in the container's namespace.  Move it to the container's thawed cgroup: in a
 * frozen cgroup of its own the process would not take SIGKILL. */
static void kill_stray(const struct reach *r, pid_t pid, size_t *left, pid_t *first)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);
	struct err ignored = ERR_NULL;
	struct ns_id ns = ns_of(pid, r->ns.name, NULL);

	if (pidfd < 0 || pid == getpid() || !ns_equal(&ns, &r->ns))
		return;
	pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	if (r->cgroup)
		cgroup_pull_thawed(world.cgroups, r->cgroup, pid, &ignored);
	*first = pid;
	++*left;
}

static void kill_strays(const struct reach *r, size_t *left, pid_t *first)
{
	_cleanup_closedir_ DIR *dir = r->ns.ino ? opendir("/proc") : NULL;
	struct dirent *d;
	int64_t pid;

	while (dir && (d = readdir(dir)))
		if (str_to_i64(d->d_name, 2, INT32_MAX, &pid) == 0)
			kill_stray(r, (pid_t)pid, left, first);
}

/* --- rounds --- */

static bool is_alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&p, 1, 0) == 0;
}

/* Thaw the cgroups.  *still: in: frozen in the previous round too, so thaw the parent; out: found
 * frozen. */
static int thaw(const struct reach *r, bool *still, struct err *e)
{
	int frozen = r->cgroup ? cgroup_thaw(world.cgroups, r->cgroup, r->keep, e) : 0;

	if (frozen > 0 && *still && r->parent)
		frozen = cgroup_thaw_one(world.cgroups, r->parent, e);
	*still = frozen > 0;
	return MIN(frozen, 0);
}

/* Run one round.  *left: number of processes found alive. */
static int kill_round(const struct reach *r, bool walk, size_t *left, pid_t *first, struct err *e)
{
	int ret;

	*left = is_alive(r->pidfd);
	if (*left) {
		pidfd_send_signal(r->pidfd, SIGKILL, NULL, 0);
		*first = r->init;
	}
	ret = kill_members(r, left, first, e);
	if (ret == 0 && walk)
		kill_strays(r, left, first);
	return ret;
}

static int fail_left(const struct reach *r, size_t left, pid_t first, bool frozen, struct err *e)
{
	char who[PROC_TEXT_MAX];

	proc_describe(first, who);
	return err_set(e, ERR_UNAVAILABLE, "%zu processes do not end: %s, %scgroup %s", left, who,
		       frozen ? "frozen " : "", r->cgroup ? r->cgroup : "unknown");
}

static int end_all(const struct reach *r, int64_t within_ms, struct err *e)
{
	int64_t until = clock_monotonic_ns() + within_ms * NSEC_PER_MSEC;
	bool frozen = false, strays = r->shared;

	for (unsigned round = 0;; round++) {
		bool walk = r->shared ? strays : round && round % ROUNDS_WALK == 0;
		pid_t first = 0;
		size_t left = 0;
		int ret = kill_round(r, walk, &left, &first, e);

		if (walk)
			strays = left > 0;
		if (ret == 0 && left)
			ret = thaw(r, &frozen, e);
		if (ret < 0 || !left)
			return ret;
		if (clock_monotonic_ns() >= until)
			return fail_left(r, left, first, frozen, e);
		poll(NULL, 0, ROUND_MS);
	}
}

int reach_end_cgroup(const char *cgroup, pid_t spare, struct err *e)
{
	const struct reach r = { .cgroup = cgroup, .spare = spare, .pidfd = -1 };

	return end_all(&r, REACH_LONG_MS, e);
}

/* The PID namespace; for a container in a shared PID namespace the mount namespace.  ino 0 for a
 * namespace of the host or the daemon. */
static struct ns_id own_namespace(const Crisp__State__Container *row, int *ret_fd)
{
	const char *name = row->kill_all ? "mnt" : "pid";
	struct ns_id ns = ns_of(row->pid, name, ret_fd), host = ns_of(1, name, NULL);
	struct ns_id ours = ns_of(getpid(), name, NULL);

	if (ns_equal(&ns, &host) || ns_equal(&ns, &ours))
		ns.ino = 0;
	return ns;
}

/* Parent of the container's cgroup if it belongs to one pod; NULL: the default parent, which pods
 * share. */
static char *parent_of(const char *cgroup)
{
	_cleanup_free_ char *shared = cgroup_of_pod(world.conf->default_cgroup_parent);
	_cleanup_free_ char *parent = xstrdup(cgroup);
	char *slash = strrchr(parent, '/');

	if (!slash || slash == parent)
		return NULL;
	*slash = '\0';
	return strcmp(parent, shared) == 0 ? NULL : take_ptr(parent);
}

int reach_end_container(const Crisp__State__Container *row, int64_t within_ms, struct err *e)
{
	_cleanup_free_ char *cgroup = *row->cgroups_path ? cgroup_dir(row->cgroups_path) : NULL;
	_cleanup_free_ char *parent = cgroup ? parent_of(cgroup) : NULL;
	_cleanup_close_ int pidfd = -1, ns_fd = -1;
	struct reach r = {
		.cgroup = cgroup, .parent = parent, .init = row->pid, .shared = row->kill_all
	};
	int ret = 0;

	if (strcmp(row->boot_id, clock_boot_id()) != 0)
		return 0;
	if (row->pid > 1)
		ret = proc_open(row->pid, row->pid_ticks, &pidfd, e);
	if (ret < 0)
		return ret;
	r.pidfd = pidfd;
	/* Alive before and after the read: the pid was not recycled in between. */
	if (is_alive(pidfd)) {
		r.ns = own_namespace(row, &ns_fd);
		if (!is_alive(pidfd))
			r.ns.ino = 0;
	}
	return end_all(&r, within_ms, e);
}

int reach_thaw(const Crisp__State__Container *row, struct err *e)
{
	_cleanup_free_ char *cgroup = *row->cgroups_path ? cgroup_dir(row->cgroups_path) : NULL;
	_cleanup_free_ char *parent = cgroup ? parent_of(cgroup) : NULL;
	/* Leave cgroups that the shim has frozen; the shim thaws them soon, see shim/guard.h. */
	struct reach r = { .cgroup = cgroup, .parent = parent, .keep = SHIM_HELD_NAME };
	bool frozen = false;
	int ret = thaw(&r, &frozen, e);

	return ret == 0 && frozen ? thaw(&r, &frozen, e) : ret;
}

bool reach_lock(int fd, const char *path, int64_t wait_ms)
{
	if (fs_lock_until(fd, wait_ms))
		return true;
	proc_kill_holders(path);
	return fs_lock_until(fd, HOLDER_MS);
}
