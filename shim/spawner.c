/*
 * spawner.c - the helper process, and the requests to it over a socket pair.
 *
 * One request at a time; the helper exits with the shim.  CLONE_PARENT: the shim reaps the helper's
 * children.  CLONE_VFORK: the answer contains the result of the exec.
 */
#include "shim/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "shim/jail.h"
#include "shim/pages.h"
#include "shim/poll.h"
#include "shim/runtime.h"
#include "shim/self.h"
#include "shimproto/shimproto.h"

#define STACK_SIZE (64 * 1024) /* of a child until its exec; touched pages count */
#define REQUEST_MAX (SHIM_FRAME_MAX + 16 * 1024)

enum spawner_request {
	SPAWNER_RUN, /* argv; descriptors: one per bit in fds */
	SPAWNER_INIT, /* descriptors: the pod's namespaces, and the program in place 4 */
	SPAWNER_WIDEN, /* size; one descriptor */
};

struct request {
	uint32_t kind;
	uint32_t fds; /* bit 0: stdin, 1: stdout, 2: stderr; 0 to 3: namespaces; 4: program, pipe */
	uint32_t size;
	uint32_t argc; /* strings after the header, each with its NUL */
};

#define FDS_MAX (SPAWNER_NS_MAX + 1)
#define FD_LAST SPAWNER_NS_MAX
#define STEP_MAX 48

struct answer {
	int32_t error; /* errno; 0: success */
	int32_t pid;
	char step[STEP_MAX]; /* the failed step; "": the exec */
};

static int helper_fd = -1; /* the shim's end of the pair */
static const char *init_cgroup; /* for the pod's init; NULL: the helper's */
static struct spawner_owner pod_root;

/* --- in the helper --- */

/* Input and result of a child, which shares the helper's memory until its exec. */
struct start {
	const char *const *argv;
	int fds[FDS_MAX];
	pid_t pid; /* of a child's child; 0: none */
	int error;
	const char *step; /* the failed step; NULL: the exec */
};

extern char **environ;

static int take_stdio(const struct start *s)
{
	for (int i = 0; i < 3; i++) {
		int fd = s->fds[i] >= 0 ? s->fds[i] : open("/dev/null", O_RDWR | O_CLOEXEC);

		if (fd < 0 || dup2(fd, i) < 0)
			return -1;
	}
	return 0;
}

/* A pipe on a read-only file system keeps its owner: it still works, but cannot be opened again. */
static void give_pipes(const struct start *s)
{
	struct stat st;

	for (int i = 0; i < 3; i++)
		if (s->fds[i] >= 0 && fstat(s->fds[i], &st) == 0 && S_ISFIFO(st.st_mode) &&
		    fchown(s->fds[i], pod_root.uid, pod_root.gid) < 0)
			return;
}

static int become_program(void *arg)
{
	struct start *s = arg;
	sigset_t none;

	if (pod_root.uid || pod_root.gid)
		give_pipes(s);
	sigemptyset(&none);
	if (take_stdio(s) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
		execvpe(s->argv[0], (char *const *)s->argv, environ);
	s->error = errno;
	_exit(127);
}

/* In a user namespace, enter_user has entered that and joined the cgroup. */
static int become_init(void *arg)
{
	static char *const argv[] = { "crisp-init", NULL };
	static char *const envp[] = { NULL };
	struct start *s = arg;
	size_t first = pod_root.uid ? 1 : 0, n_ns = first;
	sigset_t none;

	while (n_ns < SPAWNER_NS_MAX && s->fds[n_ns] >= 0)
		n_ns++;
	s->step = jail_enter(s->fds + first, n_ns - first, first ? NULL : init_cgroup);
	sigemptyset(&none);
	if (!s->step && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
		fexecve(s->fds[FD_LAST], argv, envp);
	s->error = errno;
	_exit(127);
}

static char child_stack[STACK_SIZE] PAGES_ALIGNED;
static char inner_stack[STACK_SIZE] PAGES_ALIGNED; /* of a child's child */

static pid_t clone_child(int (*fn)(void *), char *stack, int flags, struct start *s)
{
	return clone(fn, stack + STACK_SIZE,
		     CLONE_VM | CLONE_VFORK | CLONE_PARENT | flags | SIGCHLD, s);
}

/* A PID namespace belongs to the user namespace of the process that makes it. */
static int enter_user(void *arg)
{
	struct start *s = arg;

	if (init_cgroup)
		self_join_cgroup(init_cgroup);
	s->step = "enter the user namespace";
	if (setns(s->fds[0], CLONE_NEWUSER) == 0) {
		s->step = "make a PID namespace";
		s->pid = clone_child(become_init, inner_stack, CLONE_NEWPID, s);
	}
	if (s->pid <= 0)
		s->error = errno;
	_exit(0);
}

static struct answer start_child(int (*fn)(void *), struct start *s, int flags)
{
	pid_t pid = clone_child(fn, child_stack, flags, s);
	struct answer a = { .error = pid < 0 ? errno : s->error, .pid = s->pid > 0 ? s->pid : pid };

	snprintf(a.step, sizeof(a.step), "%s", s->step ? s->step : "");
	return a;
}

static struct answer run(const struct request *req, const char *text, size_t size, struct start *s)
{
	static const char *argv[RUNTIME_ARGV_MAX + 1];
	const struct answer bad = { .error = EINVAL };
	const char *end = text + size;

	if (req->argc == 0 || req->argc > RUNTIME_ARGV_MAX)
		return bad;
	for (uint32_t i = 0; i < req->argc; i++) {
		const char *nul = memchr(text, '\0', (size_t)(end - text));

		if (!nul)
			return bad;
		argv[i] = text;
		text = nul + 1;
	}
	argv[req->argc] = NULL;
	s->argv = argv;
	return start_child(become_program, s, 0);
}

static struct answer widen(int fd, int size)
{
	if (fcntl(fd, F_SETPIPE_SZ, size) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return (struct answer){ .error = 0 };
}

static struct answer serve_one(const char *packet, size_t size, struct start *s)
{
	const struct answer bad = { .error = EINVAL };
	struct request req;

	if (size < sizeof(req))
		return bad;
	memcpy(&req, packet, sizeof(req));
	if (req.kind != SPAWNER_RUN && s->fds[FD_LAST] < 0)
		return bad;
	if (req.kind == SPAWNER_RUN)
		return run(&req, packet + sizeof(req), size - sizeof(req), s);
	if (req.kind == SPAWNER_INIT && pod_root.uid)
		return s->fds[0] < 0 ? bad : start_child(enter_user, s, 0);
	if (req.kind == SPAWNER_INIT)
		return start_child(become_init, s, CLONE_NEWPID);
	return widen(s->fds[FD_LAST], (int)req.size);
}

/* Assign the descriptors in the order of the bits. */
static void sort_fds(struct msghdr *msg, const char *packet, size_t size, int out[FDS_MAX])
{
	struct cmsghdr *h = CMSG_FIRSTHDR(msg);
	size_t n = 0, count = 0;
	struct request req = { .fds = 0 };

	if (size >= sizeof(req))
		memcpy(&req, packet, sizeof(req));
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
		count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (int i = 0; i < FDS_MAX && n < count; i++)
		if (req.fds & (1U << i))
			memcpy(&out[i], CMSG_DATA(h) + n++ * sizeof(int), sizeof(int));
}

static void serve(int fd)
{
	static char packet[REQUEST_MAX] PAGES_ALIGNED;

	for (;;) {
		union {
			struct cmsghdr h;
			char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
		} control;
		struct iovec iov = { .iov_base = packet, .iov_len = sizeof(packet) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		struct start s = { .fds = { -1, -1, -1, -1, -1 } };
		struct answer a;
		ssize_t n;

		/* Release the pages of the last request. */
		pages_release(packet, sizeof(packet));
		pages_release(child_stack, sizeof(child_stack));
		pages_release(inner_stack, sizeof(inner_stack));
		pages_release_unused();
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(0);
		sort_fds(&msg, packet, (size_t)n, s.fds);
		a = serve_one(packet, (size_t)n, &s);
		for (int i = 0; i < FDS_MAX; i++)
			close_fdp(&s.fds[i]);
		if (send(fd, &a, sizeof(a), MSG_NOSIGNAL) != sizeof(a))
			_exit(0);
	}
}

/* The helper blocks all signals, dies with the shim, and keeps no descriptor for children. */
static void helper(int fd)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* The runtime must not inherit ignored signals. */
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		sigaction(sig, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (dup3(fd, 3, O_CLOEXEC) != 3 && fd != 3)
		_exit(1);
	close_range(4, ~0U, 0);
	serve(3);
}

/* --- in the shim --- */

int spawner_start(const char *cgroup, struct spawner_owner owner, struct err *e)
{
	_cleanup_close_ int theirs = -1;
	int fds[2];
	pid_t pid;

	pod_root = owner;
	init_cgroup = cgroup ? xasprintf("%s/init", cgroup) : NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "socketpair for the spawner");
	helper_fd = fds[0];
	theirs = fds[1];
	pid = fork();
	if (pid == 0)
		helper(theirs);
	return pid < 0 ? err_errno(e, ERR_INTERNAL, errno, "fork the spawner") : 0;
}

/* Exit, since a shim without spawner cannot start a program.  The daemon starts another shim, which
 * adopts the containers, and repeats its requests. */
static _Noreturn void spawner_is_gone(void)
{
	log_error("ends", "reason=\"the spawner is gone\"");
	_exit(1);
}

static struct answer ask(struct iovec *parts, size_t n_parts, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { .h = { .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS } };
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = n_parts };
	struct answer a;

	if (n_fds) {
		memcpy(CMSG_DATA(&control.h), fds, n_fds * sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	if (sendmsg(helper_fd, &msg, MSG_NOSIGNAL) < 0 ||
	    recv(helper_fd, &a, sizeof(a), 0) != sizeof(a))
		spawner_is_gone();
	return a;
}

static void on_helper(struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
	spawner_is_gone();
}

int spawner_watch(struct err *e)
{
	static struct watch watch;

	return watch_add(&watch, helper_fd, 0, on_helper, e);
}

int spawner_run(const char *const *argv, int in, int out, int err, pid_t *ret_pid, struct err *e)
{
	const int stdio[] = { in, out, err };
	struct request req = { .kind = SPAWNER_RUN };
	struct iovec parts[RUNTIME_ARGV_MAX + 1] = { { &req, sizeof(req) } };
	struct answer a;
	int fds[3];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(stdio); i++) {
		if (stdio[i] < 0)
			continue;
		req.fds |= 1U << i;
		fds[n++] = stdio[i];
	}
	for (; argv[req.argc]; req.argc++)
		parts[req.argc + 1] =
			(struct iovec){ (char *)argv[req.argc], strlen(argv[req.argc]) + 1 };
	a = ask(parts, req.argc + 1, fds, n);
	*ret_pid = a.pid;
	if (a.error)
		return err_errno(e, a.error == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, a.error,
				 "start OCI runtime %s", argv[0]);
	return 0;
}

int spawner_run_init(int exe, const int *ns, size_t n_ns, pid_t *ret_pid, struct err *e)
{
	struct request req = { .kind = SPAWNER_INIT, .fds = 1U << FD_LAST };
	struct iovec part = { &req, sizeof(req) };
	int fds[FDS_MAX];
	struct answer a;

	for (size_t i = 0; i < n_ns; i++) {
		req.fds |= 1U << i;
		fds[i] = ns[i];
	}
	fds[n_ns] = exe;
	a = ask(&part, 1, fds, n_ns + 1);
	*ret_pid = a.pid;
	if (a.error)
		return err_errno(e, ERR_INTERNAL, a.error, "start the pod's init: %s",
				 *a.step ? a.step : "exec");
	return 0;
}

void spawner_widen(int fd, int size)
{
	struct request req = { .kind = SPAWNER_WIDEN,
			       .fds = 1U << FD_LAST,
			       .size = (uint32_t)size };
	struct iovec part = { &req, sizeof(req) };

	(void)ask(&part, 1, &fd, 1); /* on failure the buffer stays as it was */
}
