/*
 * spawn.c - find, start, watch and kill programs.  Invariants: a child starts with default signals,
 * an empty mask and only the named descriptors.  Input is a memfd, so that a child that does not
 * read can neither block crisp nor raise SIGPIPE.  Killing a child kills its process group too.
 */
#include "os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* How long a killed child may take to exit: longer only if it hangs in the kernel. */
#define KILL_WAIT_MS 5000

/* Below this number the child's own descriptors could overwrite a descriptor. */
#define FD_SAFE 16

#define READ_SIZE (16 * 1024)

static const char *path_default(void)
{
	const char *path = getenv("PATH");

	return path && *path ? path : PATH_DEFAULT;
}

static const char *path_of_env(const char *const *envp)
{
	for (; envp && *envp; envp++)
		if (str_starts(*envp, "PATH="))
			return *envp + strlen("PATH=");
	return path_default();
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *spawn_find_program(const char *name, const char *path)
{
	if (!path)
		path = path_default();
	if (strchr(name, '/'))
		return is_program(name) ? xstrdup(name) : NULL;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, ":");
		_cleanup_free_ char *full = xasprintf("%.*s/%s", (int)n, p, name);

		/* A relative entry would find another program in each working directory. */
		if (*p == '/' && is_program(full))
			return take_ptr(full);
		p += n + (p[n] == ':');
	}
	return NULL;
}

/* Add a dup2 of fd, or an open of /dev/null for -1.  The copy cannot collide with other targets;
 * the caller closes it after the spawn. */
static int add_fd(posix_spawn_file_actions_t *fa, int fd, int target, int *ret_copy)
{
	if (fd < 0)
		return posix_spawn_file_actions_addopen(fa, target, "/dev/null",
							target == 0 ? O_RDONLY : O_WRONLY, 0);
	*ret_copy = fcntl(fd, F_DUPFD_CLOEXEC, FD_SAFE);
	if (*ret_copy < 0)
		return errno;
	return posix_spawn_file_actions_adddup2(fa, *ret_copy, target);
}

static int set_attributes(posix_spawnattr_t *attr, bool new_session)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t set;
	int r;

	if (new_session)
		flags |= POSIX_SPAWN_SETSID;
	sigemptyset(&set);
	r = posix_spawnattr_setsigmask(attr, &set);
	if (r)
		return r;
	/* Not sigfillset: it omits the two signals that libc uses itself, which would then be
	 * ignored in the child and in every container below it. */
	memset(&set, 0xff, sizeof(set));
	r = posix_spawnattr_setsigdefault(attr, &set);
	if (r)
		return r;
	return posix_spawnattr_setflags(attr, flags);
}

/* Run the program with the prepared actions.  Returns an errno. */
static int start_prepared(const struct spawn *s, const char *program,
			  posix_spawn_file_actions_t *fa, pid_t *ret_pid)
{
	_cleanup_free_ char *path = xasprintf("PATH=%s", path_default());
	const char *const path_only[] = { path, NULL };
	const char *const *envp = s->envp ? s->envp : path_only;
	posix_spawnattr_t attr;
	int r = posix_spawnattr_init(&attr);

	if (r)
		return r;
	r = set_attributes(&attr, s->new_session);
	if (!r)
		r = posix_spawn(ret_pid, program, fa, &attr, (char *const *)s->argv,
				(char *const *)envp);
	posix_spawnattr_destroy(&attr);
	return r;
}

static int start_program(const struct spawn *s, const char *program, pid_t *ret_pid)
{
	const int fds[4] = { s->stdin_fd, s->stdout_fd, s->stderr_fd, s->pass_fd };
	int copies[4] = { -1, -1, -1, -1 };
	posix_spawn_file_actions_t fa;
	int last = s->pass_fd >= 0 ? 3 : 2;
	int r = posix_spawn_file_actions_init(&fa);

	if (r)
		return r;
	for (int i = 0; i <= last && !r; i++)
		r = add_fd(&fa, fds[i], i, &copies[i]);
	/* crisp's own descriptors are close-on-exec; those of libraries might not be. */
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(&fa, last + 1);
	if (!r)
		r = start_prepared(s, program, &fa, ret_pid);
	posix_spawn_file_actions_destroy(&fa);
	for (int i = 0; i <= last; i++)
		close_fdp(&copies[i]);
	return r;
}

int spawn_start(const struct spawn *s, struct spawn_child *ret, struct err *e)
{
	_cleanup_free_ char *program = NULL;
	pid_t pid = -1;
	int pidfd, r;

	if (strchr(s->argv[0], '/'))
		program = xstrdup(s->argv[0]);
	else
		program = spawn_find_program(s->argv[0], path_of_env(s->envp));
	if (!program)
		return err_errno(e, ERR_INTERNAL, ENOENT, "start %s: no such program in %s",
				 s->argv[0], path_of_env(s->envp));
	r = start_program(s, program, &pid);
	if (r)
		return err_errno(e, ERR_INTERNAL, r, "start %s", program);
	/* It is an unreaped child: its pid is not recycled. */
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		r = errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err_errno(e, ERR_INTERNAL, r, "pidfd of %s", program);
	}
	*ret = (struct spawn_child){ .pid = pid, .pidfd = pidfd };
	return 0;
}

/* Milliseconds until the deadline for poll; -1: for ever. */
static int ms_left(int64_t deadline_ns)
{
	int64_t left;

	if (deadline_ns < 0)
		return -1;
	left = deadline_ns - clock_monotonic_ns();
	if (left <= 0)
		return 0;
	/* Rounded up: rounding down would spin during the last millisecond. */
	return (int)MIN((left + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, (int64_t)INT_MAX);
}

static int64_t deadline_after(int64_t timeout_ms)
{
	return timeout_ms < 0 ? -1 : clock_monotonic_ns() + timeout_ms * NSEC_PER_MSEC;
}

static int reap(struct spawn_child *c, int *ret_status, struct err *e)
{
	siginfo_t info = { .si_pid = 0 };
	int r;

	do
		r = waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_errno(e, ERR_INTERNAL, errno, "wait for pid %d", c->pid);
	*ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 0;
}

int spawn_wait(struct spawn_child *c, int64_t timeout_ms, int *ret_status, struct err *e)
{
	int64_t deadline = deadline_after(timeout_ms);
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	for (;;) {
		int r = poll(&p, 1, ms_left(deadline));

		if (r > 0)
			return reap(c, ret_status, e);
		if (r == 0)
			return 1;
		if (errno != EINTR)
			return err_errno(e, ERR_INTERNAL, errno, "poll for pid %d", c->pid);
	}
}

void spawn_result_done(struct spawn_result *r)
{
	buf_done(&r->out);
	buf_done(&r->err);
	r->status = -1;
}

/* One run of a child. */
struct watched_child {
	const char *name;
	struct spawn_child child;
	int out_fd, err_fd, cancel_fd;
	size_t out_max;
	struct buf out, err;
};

static void run_done(struct watched_child *run)
{
	close_fdp(&run->child.pidfd);
	close_fdp(&run->out_fd);
	close_fdp(&run->err_fd);
	buf_done(&run->out);
	buf_done(&run->err);
}

/* Make a memfd with the text, positioned at its start. */
static int input_open(const void *in, size_t size, int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("stdin", MFD_CLOEXEC);

	if (fd < 0 || fs_write_all(fd, in, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "keep %zu bytes of input", size);
	*ret_fd = take_fd(fd);
	return 0;
}

static int run_start(struct watched_child *run, const struct spawn *what, const void *in,
		     size_t in_size, struct err *e)
{
	_cleanup_close_ int in_fd = -1;
	_cleanup_close_ int out_write = -1;
	_cleanup_close_ int err_write = -1;
	struct spawn s = *what;
	int p[2];
	int r;

	if (in_size) {
		r = input_open(in, in_size, &in_fd, e);
		if (r < 0)
			return r;
	}
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "pipe for %s", run->name);
	run->out_fd = p[0];
	out_write = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "pipe for %s", run->name);
	run->err_fd = p[0];
	err_write = p[1];
	/* Only the read ends: O_NONBLOCK is per open file, so the child's ends block. */
	if (fcntl(run->out_fd, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(run->err_fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "pipe for %s", run->name);
	s.stdin_fd = in_fd;
	s.stdout_fd = out_write;
	s.stderr_fd = err_write;
	s.new_session = true; /* a process group to kill as a whole */
	return spawn_start(&s, &run->child, e);
}

/* Send SIGKILL to the child and its process group, then reap it. */
static void run_kill(struct watched_child *run)
{
	struct err ignored = ERR_NULL;
	int status;

	/* An unreaped child: neither the pid nor the group id is recycled. */
	kill(-run->child.pid, SIGKILL);
	spawn_wait(&run->child, KILL_WAIT_MS, &status, &ignored);
}

/* Read the available bytes; close *fd at end of file.  Bounded, so that endless output cannot delay
 * the check of the deadline.  One call empties a full pipe.  max 0: keep only the tail. */
static int run_read(struct watched_child *run, int *fd, struct buf *b, size_t max, struct err *e)
{
	for (int i = 0; i < 16 && *fd >= 0; i++) {
		ssize_t n = read(*fd, buf_reserve(b, READ_SIZE), READ_SIZE);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_errno(e, ERR_INTERNAL, errno, "output of %s", run->name);
		if (n == 0)
			close_fdp(fd);
		if (n <= 0)
			continue;
		buf_commit(b, (size_t)n);
		if (!max && b->len > LIMIT_STDERR_TAIL)
			buf_consume(b, b->len - LIMIT_STDERR_TAIL);
		if (max && b->len > max)
			return err_set(e, ERR_RANGE,
				       "%s printed more than %zu bytes; it was stopped", run->name,
				       max);
	}
	return 0;
}

static int run_drain(struct watched_child *run, struct err *e)
{
	int r = run_read(run, &run->out_fd, &run->out, run->out_max, e);

	if (r < 0)
		return r;
	return run_read(run, &run->err_fd, &run->err, 0, e);
}

/* Wait for the exit of the child, not for the end of its output: a grandchild may hold the pipe
 * open for ever. */
static int run_watch(struct watched_child *run, int64_t timeout_ms, struct err *e)
{
	int64_t deadline = deadline_after(timeout_ms);

	for (;;) {
		struct pollfd p[4] = {
			{ .fd = run->child.pidfd, .events = POLLIN },
			{ .fd = run->out_fd, .events = POLLIN },
			{ .fd = run->err_fd, .events = POLLIN },
			{ .fd = run->cancel_fd, .events = POLLIN },
		};
		int n = poll(p, ARRAY_LEN(p), ms_left(deadline));
		int r;

		if (n < 0 && errno != EINTR)
			return err_errno(e, ERR_INTERNAL, errno, "poll for %s", run->name);
		if (n < 0)
			continue;
		r = run_drain(run, e);
		if (r < 0)
			return r;
		if (p[0].revents)
			return 0;
		if (p[3].revents)
			return err_set(e, ERR_ABORTED, "%s was killed", run->name);
		if (deadline >= 0 && clock_monotonic_ns() >= deadline)
			return err_set(e, ERR_DEADLINE,
				       "%s did not end within %lld ms; it was killed", run->name,
				       (long long)timeout_ms);
	}
}

/* Add the child's last stderr to an error that it caused. */
static int err_add_stderr(struct err *e, const struct watched_child *run)
{
	_cleanup_buf_ struct buf tail = BUF_NULL;
	_cleanup_free_ char *text = xstrdup(e->text);

	if (!run->err.len)
		return -(int)e->code;
	buf_add_clean(&tail, run->err.data, run->err.len);
	return err_fill(e, e->code, 0, e->file, e->line, "%s; its stderr: %s", text, tail.data);
}

int spawn_run_as(const struct spawn *s, const void *in, size_t in_size, size_t out_max,
		 int64_t timeout_ms, struct spawn_result *ret, struct err *e)
{
	_cleanup_(run_done) struct watched_child run = { .name = s->argv[0],
							 .child = SPAWN_CHILD_NULL,
							 .out_fd = -1,
							 .err_fd = -1,
							 .cancel_fd = s->cancel_fd,
							 .out_max = out_max };
	int r;

	r = run_start(&run, s, in, in_size, e);
	if (r < 0)
		return r;
	r = run_watch(&run, timeout_ms, e);
	if (r < 0) {
		run_kill(&run);
		return err_add_stderr(e, &run);
	}
	r = reap(&run.child, &ret->status, e);
	if (r < 0)
		return r;
	ret->out = run.out;
	run.out = BUF_NULL;
	if (run.err.len)
		buf_add_clean(&ret->err, run.err.data, run.err.len);
	return 0;
}

int spawn_run(const char *const *argv, const char *const *envp, const void *in, size_t in_size,
	      size_t out_max, int64_t timeout_ms, struct spawn_result *ret, struct err *e)
{
	struct spawn s = SPAWN_NULL;

	s.argv = argv;
	s.envp = envp;
	return spawn_run_as(&s, in, in_size, out_max, timeout_ms, ret, e);
}
