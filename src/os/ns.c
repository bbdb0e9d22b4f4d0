/*
 * ns.c - make, pin and enter namespaces.  Namespaces belong to threads: a new thread enters or
 * makes them and exits, and no other thread changes its own.  Pinning is the last step of each
 * kind, so that a pinned namespace is always complete.
 */
#include "os/ns.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"

#define SYSCTL_NAME_MAX 256
#define SYSCTL_VALUE_MAX 4096

static const struct ns_type {
	enum ns_kind kind;
	int clone_flag;
	const char *name; /* name in DIR and in /proc/PID/ns */
} kinds_all[] = {
	{ NS_KIND_NET, CLONE_NEWNET, "net" },	 { NS_KIND_IPC, CLONE_NEWIPC, "ipc" },
	{ NS_KIND_UTS, CLONE_NEWUTS, "uts" },	 { NS_KIND_PID, CLONE_NEWPID, "pid" },
	{ NS_KIND_USER, CLONE_NEWUSER, "user" },
};

/* --- a new thread --- */

struct ns_task {
	int (*fn)(void *arg, struct err *e);
	void *arg;
	struct err *e;
	int r;
};

static void *task_main(void *p)
{
	struct ns_task *t = p;

	t->r = t->fn(t->arg, t->e);
	return NULL;
}

/* Run fn in a new thread that receives no signals and wait for it. */
static int run_in_thread(int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct ns_task t = { .fn = fn, .arg = arg, .e = e };
	sigset_t all, before;
	pthread_t thread;
	int r;

	/* Signals are blocked before the start: the daemon's loop handles them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, task_main, &t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return err_errno(e, ERR_EXHAUSTED, r, "start a thread for namespaces");
	pthread_join(thread, NULL);
	return t.r;
}

/* --- pinning --- */

bool ns_is_pinned(const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 && st.f_type == NSFS_MAGIC;
}

static int pin(const char *source, const char *path, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "create %s", path);
	if (mount(source, path, NULL, MS_BIND, NULL) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "pin namespace %s at %s", source, path);
	return 0;
}

static int loopback_up(struct err *e)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo" };

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "socket for the loopback interface");
	if (ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "read the loopback interface's flags");
	req.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "bring the loopback interface up");
	return 0;
}

struct pin_job {
	const char *dir, *hostname;
	const struct userns_map *map; /* NULL: no user namespace */
	unsigned kinds;
};

static int clone_flags(unsigned kinds)
{
	int flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds_all); i++)
		if (kinds & kinds_all[i].kind)
			flags |= kinds_all[i].clone_flag;
	return flags;
}

/* In the new namespaces. */
static int furnish(const struct pin_job *job, struct err *e)
{
	if ((job->kinds & NS_KIND_UTS) && job->hostname && *job->hostname &&
	    sethostname(job->hostname, strlen(job->hostname)) < 0)
		return err_errno(e, ERR_INVALID, errno, "set hostname \"%s\"", job->hostname);
	return job->kinds & NS_KIND_NET ? loopback_up(e) : 0;
}

/* Pin the namespaces of kinds of the process or thread with this directory in /proc. */
static int pin_kinds(const struct pin_job *job, unsigned kinds, const char *proc, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(kinds_all); i++) {
		const struct ns_type *k = &kinds_all[i];
		_cleanup_free_ char *source = xasprintf("%s/ns/%s", proc, k->name);
		_cleanup_free_ char *path = xasprintf("%s/%s", job->dir, k->name);

		if (kinds & k->kind)
			r = pin(source, path, e);
	}
	return r;
}

static int pin_in_thread(void *arg, struct err *e)
{
	const struct pin_job *job = arg;
	int r;

	if (unshare(clone_flags(job->kinds)) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make namespaces for %s", job->dir);
	r = furnish(job, e);
	return r == 0 ? pin_kinds(job, job->kinds, "/proc/thread-self", e) : r;
}

/* Enter the namespaces of kinds that the process with this directory in /proc has. */
static int enter_kinds(const char *proc, unsigned kinds, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds_all); i++) {
		_cleanup_free_ char *path = xasprintf("%s/ns/%s", proc, kinds_all[i].name);
		_cleanup_close_ int fd = -1;

		if (!(kinds & kinds_all[i].kind))
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, kinds_all[i].clone_flag) < 0)
			return err_errno(e, ERR_INTERNAL, errno, "enter namespace %s", path);
	}
	return 0;
}

/* The user namespace is pinned last: while it is not there, the others may belong to another. */
static int pin_mapped(void *arg, struct err *e)
{
	const struct pin_job *job = arg;
	_cleanup_free_ char *proc = NULL;
	struct userns_holder holder;
	int r = userns_hold(clone_flags(job->kinds), job->map, &holder, e);

	if (r < 0)
		return r;
	proc = xasprintf("/proc/%d", holder.pid);
	r = enter_kinds(proc, job->kinds, e);
	if (r == 0)
		r = furnish(job, e);
	if (r == 0)
		r = pin_kinds(job, job->kinds, proc, e);
	if (r == 0)
		r = pin_kinds(job, NS_KIND_USER, proc, e);
	userns_release(&holder);
	return r;
}

/* Other programs may use its parents; the directory itself is accessible to root only. */
static int make_dir(const char *dir, struct err *e)
{
	int r = fs_mkdir_all(dir, 0755, e);

	if (r == 0 && chmod(dir, 0700) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "set the mode of %s", dir);
	return r;
}

/* The kinds that are not pinned in dir. */
static unsigned missing_kinds(const char *dir, unsigned kinds)
{
	unsigned missing = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds_all); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, kinds_all[i].name);

		if ((kinds & kinds_all[i].kind) && !ns_is_pinned(path))
			missing |= kinds_all[i].kind;
	}
	return missing;
}

int ns_pin(const char *dir, unsigned kinds, const char *hostname, const struct userns_map *map,
	   struct err *e)
{
	struct pin_job job = { .dir = dir, .hostname = hostname, .map = map };
	int r = 0;

	if (kinds & ~(unsigned)(NS_KIND_NET | NS_KIND_IPC | NS_KIND_UTS))
		return err_set(e, ERR_INTERNAL, "pin %s: only net, ipc and uts can be made here",
			       dir);
	if (!missing_kinds(dir, map ? NS_KIND_USER : kinds))
		return 0;
	job.kinds = map ? kinds : missing_kinds(dir, kinds);
	if (map)
		r = ns_unpin(dir, e);
	if (r == 0)
		r = make_dir(dir, e);
	if (r < 0)
		return r;
	return run_in_thread(map ? pin_mapped : pin_in_thread, &job, e);
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int ns_pin_pid(const char *dir, pid_t pid, struct err *e)
{
	_cleanup_free_ char *source = xasprintf("/proc/%d/ns/pid", pid);
	_cleanup_free_ char *path = xasprintf("%s/pid", dir);
	int r;

	if (is_same_file(source, path))
		return 0;
	/* Pinned for an init that exited during the pod's set-up: no process can start in it. */
	if (ns_is_pinned(path) && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "unpin %s", path);
	r = make_dir(dir, e);
	if (r < 0)
		return r;
	return pin(source, path, e);
}

int ns_unpin(const char *dir, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds_all); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, kinds_all[i].name);

		/* Several mounts, if a crash came between two attempts. */
		while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			;
		if (errno != EINVAL && errno != ENOENT && errno != ENOTDIR)
			return err_errno(e, ERR_INTERNAL, errno, "unpin %s", path);
		if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
			return err_errno(e, ERR_INTERNAL, errno, "remove %s", path);
	}
	if (rmdir(dir) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != ENOTDIR)
		return err_errno(e, ERR_INTERNAL, errno, "remove %s", dir);
	return 0;
}

/* --- inside --- */

struct inside_job {
	int fd;
	const char *path;
	int (*fn)(void *arg, struct err *e);
	void *arg;
};

static int inside_in_thread(void *arg, struct err *e)
{
	const struct inside_job *job = arg;

	if (setns(job->fd, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "enter namespace %s", job->path);
	return job->fn(job->arg, e);
}

int ns_run_inside(const char *path, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct inside_job job = { .fd = fd, .path = path, .fn = fn, .arg = arg };

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open namespace %s", path);
	return run_in_thread(inside_in_thread, &job, e);
}

/* --- sysctls --- */

/* Convert the name to a path below /proc/sys, as sysctl(8) does: the first of .  and / in it is the
 * separator; the other one becomes a dot or slash within a component (interfaces named eth0.100).
 * -1: not a name. */
static int sysctl_path(const char *name, char *out, size_t size)
{
	size_t n = strlen(name), first = strcspn(name, "./");
	bool dots = name[first] == '.';
	size_t part = 0;

	if (n >= size || first == n)
		return -1;
	for (size_t i = 0; i <= n; i++) {
		char c = name[i];

		if (dots && (c == '.' || c == '/'))
			c = c == '.' ? '/' : '.';
		if (c && (!isascii(c) || !isgraph((unsigned char)c)))
			return -1;
		out[i] = c;
		if (c && c != '/')
			continue;
		/* End of a component: it must not be empty, .  or ..  here. */
		if (i == part || (i == part + 1 && out[part] == '.') ||
		    (i == part + 2 && out[part] == '.' && out[part + 1] == '.'))
			return -1;
		part = i + 1;
	}
	return 0;
}

/* The kind of namespace of a path below /proc/sys; 0: none of a pod's namespaces. */
static unsigned sysctl_kind(const char *path)
{
	if (str_starts(path, "net/"))
		return NS_KIND_NET;
	if (str_starts(path, "kernel/shm") || str_starts(path, "kernel/msg") ||
	    strcmp(path, "kernel/sem") == 0 || str_starts(path, "fs/mqueue/"))
		return NS_KIND_IPC;
	return 0;
}

static int sysctl_check(const struct ns_sysctl *s, char *path, size_t size, unsigned *ret_kind,
			struct err *e)
{
	if (sysctl_path(s->name, path, size) < 0)
		return err_set(e, ERR_INVALID, "sysctl \"%s\" is not a valid name", s->name);
	*ret_kind = sysctl_kind(path);
	if (!*ret_kind)
		return err_set(e, ERR_INVALID,
			       "sysctl %s does not belong to a pod: only "
			       "kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.* and net.* do",
			       s->name);
	if (strlen(s->value) > SYSCTL_VALUE_MAX)
		return err_set(e, ERR_INVALID, "sysctl %s: the value is longer than %d bytes",
			       s->name, SYSCTL_VALUE_MAX);
	return 0;
}

int ns_check_sysctl(const struct ns_sysctl *s, bool host_network, bool host_ipc, struct err *e)
{
	char path[SYSCTL_NAME_MAX];
	unsigned kind;
	int r = sysctl_check(s, path, sizeof(path), &kind, e);

	if (r < 0)
		return r;
	if (kind == NS_KIND_NET && host_network)
		return err_set(e, ERR_INVALID,
			       "sysctl %s is not allowed with host network: it would "
			       "change the node",
			       s->name);
	if (kind == NS_KIND_IPC && host_ipc)
		return err_set(e, ERR_INVALID,
			       "sysctl %s is not allowed with host IPC: it would "
			       "change the node",
			       s->name);
	return 0;
}

struct sysctl_job {
	int net_fd, ipc_fd; /* -1: not needed */
	const struct ns_sysctl *s;
	size_t n;
};

/* Write as the owner of the file if root is not: the root of the user namespace that the IPC
 * namespace belongs to.  The system call changes this thread only; the daemon stays root. */
static int write_sysctl(const char *path, const char *value, struct err *e)
{
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	int r = fs_write_existing(path, value, e);
	struct stat st;

	if (r == 0 || e->errnum != EACCES || stat(path, &st) < 0 || st.st_uid == 0)
		return r;
	if (syscall(SYS_setresuid, -1, st.st_uid, -1) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "become user %u", st.st_uid);
	r = fs_write_existing(path, value, e);
	if (syscall(SYS_setresuid, -1, 0, -1) < 0 && r == 0)
		r = err_errno(e, ERR_INTERNAL, errno, "become root again");
	/* The change of the user makes the whole daemon undumpable. */
	prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
	return r;
}

static int sysctls_in_thread(void *arg, struct err *e)
{
	const struct sysctl_job *job = arg;

	if ((job->net_fd >= 0 && setns(job->net_fd, CLONE_NEWNET) < 0) ||
	    (job->ipc_fd >= 0 && setns(job->ipc_fd, CLONE_NEWIPC) < 0))
		return err_errno(e, ERR_INTERNAL, errno, "enter the pod's namespaces for sysctls");
	for (size_t i = 0; i < job->n; i++) {
		const struct ns_sysctl *s = &job->s[i];
		char name[SYSCTL_NAME_MAX];
		_cleanup_free_ char *path = NULL;
		unsigned kind;
		int r = sysctl_check(s, name, sizeof(name), &kind, e);

		if (r < 0)
			return r;
		path = xasprintf("/proc/sys/%s", name);
		if (write_sysctl(path, s->value, e) == 0)
			continue;
		if (e->errnum == ENOENT)
			return err_set(e, ERR_INVALID, "sysctl %s: this kernel does not have it",
				       s->name);
		return err_errno(e, ERR_INVALID, e->errnum, "set sysctl %s=%s", s->name, s->value);
	}
	return 0;
}

char *ns_map_sysctl(const struct ns_sysctl *s, const struct userns_map *map)
{
	char path[SYSCTL_NAME_MAX];
	unsigned low, high;
	int end = 0;

	if (sysctl_path(s->name, path, sizeof(path)) < 0 ||
	    strcmp(path, "net/ipv4/ping_group_range") != 0 ||
	    sscanf(s->value, "%u %u %n", &low, &high, &end) != 2 || s->value[end])
		return xstrdup(s->value);
	if (low > high || low >= map->gid.count)
		return xstrdup("1 0"); /* no group: the kernel's word for an empty range */
	high = MIN(high, map->gid.count - 1);
	return xasprintf("%u %u", map->gid.host + low, map->gid.host + high);
}

/* Open the namespace of that kind for a sysctl; *fd >= 0: already open. */
static int open_for_sysctl(const char *dir, const char *kind, const char *name, int *fd,
			   struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, kind);

	if (*fd >= 0)
		return 0;
	if (!ns_is_pinned(path))
		return err_set(e, ERR_INVALID, "sysctl %s: the pod has no %s namespace of its own",
			       name, kind);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_errno(e, ERR_INTERNAL, errno, "open namespace %s", path) : 0;
}

int ns_set_sysctls(const char *dir, const struct ns_sysctl *s, size_t n, struct err *e)
{
	_cleanup_close_ int net_fd = -1;
	_cleanup_close_ int ipc_fd = -1;
	struct sysctl_job job = { .s = s, .n = n };

	for (size_t i = 0; i < n; i++) {
		char path[SYSCTL_NAME_MAX];
		unsigned kind;
		int r = sysctl_check(&s[i], path, sizeof(path), &kind, e);

		if (r < 0)
			return r;
		r = kind == NS_KIND_NET ? open_for_sysctl(dir, "net", s[i].name, &net_fd, e)
					: open_for_sysctl(dir, "ipc", s[i].name, &ipc_fd, e);
		if (r < 0)
			return r;
	}
	if (!n)
		return 0;
	job.net_fd = net_fd;
	job.ipc_fd = ipc_fd;
	return run_in_thread(sysctls_in_thread, &job, e);
}
