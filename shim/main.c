/*
 * main.c - crisp-shim, one process per pod.
 *
 * The shim is the parent of the pod's containers, so that the daemon may exit and restart.  It
 * calls the OCI runtime, holds the containers' streams and writes their logs.  It reaps them,
 * writes their exit records, and answers the daemon over DIR/shim.sock.
 *
 * Invariants: a lock ensures one shim per pod.  The shim does not depend on the daemon.  It is
 * single-threaded and never waits for the daemon or a client.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/nofile.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/util.h"
#include "shim/console.h"
#include "shim/control.h"
#include "shim/ctr.h"
#include "shim/exe.h"
#include "shim/pages.h"
#include "shim/podinit.h"
#include "shim/poll.h"
#include "shim/privileges.h"
#include "shim/reap.h"
#include "shim/request.h"
#include "shim/self.h"
#include "shim/spawner.h"
#include "shim/stdio.h"
#include "shimproto/shimproto.h"

#define LONELY_MS 60000 /* interval of the check for a lost directory */

struct options {
	const char *id, *dir, *cgroup;
	int ready_fd; /* gets "ready" or "running" or an error's text; -1: none */
	uint64_t open_files; /* soft limit for containers; 0: unchanged */
	struct spawner_owner owner;
};

static int dir_fd = -1;
static struct watch signals;
static struct timer lonely;

/* UID:GID, neither of them root's. */
static int parse_owner(const char *text, struct spawner_owner *ret)
{
	const char *colon = strchr(text, ':');
	_cleanup_free_ char *uid = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	int64_t u, g;

	if (!uid || str_to_i64(uid, 1, UINT32_MAX - 1, &u) < 0 ||
	    str_to_i64(colon + 1, 1, UINT32_MAX - 1, &g) < 0)
		return -1;
	*ret = (struct spawner_owner){ (uid_t)u, (gid_t)g };
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o, struct err *e)
{
	static const struct option longopts[] = {
		{ "id", required_argument, NULL, 'i' },
		{ "dir", required_argument, NULL, 'd' },
		{ "cgroup", required_argument, NULL, 'c' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "open-files", required_argument, NULL, 'f' },
		{ "owner", required_argument, NULL, 'o' },
		{ 0 },
	};
	enum log_level level;
	int64_t n;
	int c;

	*o = (struct options){ .ready_fd = -1 };
	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (c == 'i')
			o->id = optarg;
		else if (c == 'd')
			o->dir = optarg;
		else if (c == 'c')
			o->cgroup = optarg;
		else if (c == 'r' && str_to_i64(optarg, 3, 1023, &n) == 0)
			o->ready_fd = (int)n;
		else if (c == 'f' && str_to_i64(optarg, 0, INT32_MAX, &n) == 0)
			o->open_files = (uint64_t)n;
		else if (c == 'o' && parse_owner(optarg, &o->owner) == 0)
			continue;
		else if (c == 'l' && log_parse_level(optarg, &level) == 0)
			log_set_level(level);
		else
			return err_set(e, ERR_INVALID, "bad option or value: %s", argv[optind - 1]);
	}
	if (optind != argc || !o->id || !o->dir)
		return err_set(e, ERR_INVALID,
			       "usage: crisp-shim --id POD --dir DIR [--cgroup PATH] "
			       "[--owner UID:GID]");
	if (!shimproto_id_is_valid(o->id) || !fs_path_is_clean(o->dir) ||
	    (o->cgroup && !fs_path_is_clean(o->cgroup)))
		return err_set(e, ERR_INVALID, "--id, --dir or --cgroup is not valid");
	return 0;
}

/* 1: another shim has the lock.  The descriptor stays open until exit. */
static int take_lock(struct err *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = openat(dir_fd, SHIM_LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open " SHIM_LOCK_NAME);
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return 1;
	return err_errno(e, ERR_INTERNAL, errno, "lock " SHIM_LOCK_NAME);
}

/* Call with the lock held: before that, errors go to the stderr of the starter. */
static int redirect_stdio(struct err *e)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int log =
		openat(dir_fd, SHIM_LOG_NAME,
		       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (null < 0 || log < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open " SHIM_LOG_NAME);
	return 0;
}

static int write_pid(const char *dir, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/" SHIM_PID_NAME, dir);
	uint64_t ticks;
	int r = proc_start_ticks(getpid(), &ticks, e);

	if (r != 0)
		return r < 0 ? r
			     : err_set(e, ERR_INTERNAL,
				       "/proc does not show the shim's own process");
	return proc_save(path, getpid(), ticks, e);
}

/* --- running --- */

static void signals_ready(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)events;
	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return;
	/* Ignore all others: containers depend on the shim.  SIGKILL and SHUTDOWN end it. */
	if (si.ssi_signo == SIGCHLD)
		reap_on_signal();
	else
		log_info("signal ignored", "signal=%u from=%u", si.ssi_signo, si.ssi_pid);
	self_cap_log();
}

static int watch_signals(struct err *e)
{
	sigset_t set;
	int fd;

	/* Without SIGPIPE and SIGXFSZ the failed write returns the error. */
	sigfillset(&set);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGBUS);
	sigdelset(&set, SIGFPE);
	sigdelset(&set, SIGILL);
	sigdelset(&set, SIGABRT);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "signalfd");
	return watch_add(&signals, fd, EPOLLIN, signals_ready, e);
}

/* Release memory after a burst of work, and replace removed log files. */
static void rest(void)
{
	control_rest();
	for (struct ctr *c = ctr_next(NULL); c; c = ctr_next(c))
		stdio_heal(&c->io);
	stdio_rest();
	pages_release_unused();
	self_cap_log();
}

/* Exit without container and daemon when the directory is gone: no client can connect any more. */
static void look_around(struct timer *t)
{
	struct stat st;

	if (!ctr_next(NULL) && !exe_next(NULL) && !control_is_open() &&
	    (fstat(dir_fd, &st) < 0 || st.st_nlink == 0)) {
		log_info("ends", "reason=\"the pod's directory is gone\"");
		podinit_stop();
		poll_stop();
		return;
	}
	timer_set(t, LONELY_MS, look_around);
}

/* Become a child of init: the starter may exit, or never wait for the shim. */
static int detach(int ready_fd, struct err *e)
{
	pid_t pid = fork();

	if (pid > 0)
		_exit(0);
	if (pid < 0 || fcntl(ready_fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "detach");
	return 0;
}

static int set_up(const struct options *o, struct err *e)
{
	int r;

	dir_fd = open(o->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", o->dir);
	r = take_lock(e);
	if (r != 0)
		return r;
	setsid(); /* fails for a session leader, which needs none */
	r = redirect_stdio(e);
	if (r < 0)
		return r;
	if (chdir("/") < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "become the subreaper of the pod");
	if (o->cgroup)
		self_join_cgroup(o->cgroup);
	self_protect_from_oom();
	r = spawner_start(o->cgroup, o->owner, e);
	if (r < 0)
		return r;
	console_init(dir_fd);
	r = poll_init(rest, e);
	if (r == 0)
		r = spawner_watch(e);
	if (r == 0)
		r = watch_signals(e);
	if (r == 0)
		r = write_pid(o->dir, e);
	if (r == 0)
		podinit_find(o->dir);
	if (r == 0)
		r = control_listen(dir_fd, request_handle, e);
	timer_set(&lonely, LONELY_MS, look_around);
	return r < 0 ? r : privileges_drop(e);
}

static void tell_ready(const struct options *o, const char *text)
{
	if (o->ready_fd < 0)
		return;
	if (fs_write_all(o->ready_fd, text, strlen(text)) < 0)
		log_warn("the daemon does not wait for the shim's start", "error=\"%s\"",
			 strerror(errno));
	close(o->ready_fd);
}

int main(int argc, char **argv)
{
	struct err e = ERR_NULL;
	struct options o;
	int r = parse_options(argc, argv, &o, &e);

	if (r == 0 && o.open_files)
		nofile_lower(o.open_files);
	if (r == 0 && o.ready_fd >= 0)
		r = detach(o.ready_fd, &e);
	if (r == 0)
		r = set_up(&o, &e);
	if (r > 0) {
		tell_ready(&o, "running\n");
		fprintf(stderr, "crisp-shim: pod %s has a shim already\n", o.id);
		return 0;
	}
	if (r < 0) {
		tell_ready(&o, e.text);
		fprintf(stderr, "crisp-shim: %s\n", e.text);
		return 1;
	}
	log_info("serves", "pod=%s pid=%d", o.id, (int)getpid());
	tell_ready(&o, "ready\n");
	poll_run();
	unlinkat(dir_fd, SHIM_SOCKET_NAME, 0);
	return 0;
}
