/*
 * helper.c - fork, readiness, channels and end of the puller's child processes.
 *
 * The control socket carries records. The child's first record reports readiness; each record of
 * the keeper is one byte with a channel's descriptor. EOF ends the child.
 */
#include "pull/base/helper.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

#define DESCRIPTORS 16 /* limit of descriptors for a child */
#define REFUSED_MAX 64 /* limit of open refused channels */
#define END_TEXT_MAX 32
#define END_WAIT_MS 1000 /* wait for the exit of a child that closed its channel */
#define END_LOOK_MS 10

struct ready {
	int code, errnum; /* 0: ready */
	char text[ERR_TEXT_MAX];
};

/* A channel, handed to its thread. */
struct channel_task {
	const struct helper_ops *ops;
	int fd;
};

/* --- child --- */

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_others(const int *keep, size_t n, int control)
{
	int fds[DESCRIPTORS + 1], from = 3;

	assert(n <= DESCRIPTORS);
	for (size_t i = 0; i < n; i++)
		fds[i] = keep[i];
	fds[n++] = control;
	qsort(fds, n, sizeof(*fds), by_number);
	for (size_t i = 0; i < n; i++) {
		if (fds[i] > from)
			close_range((unsigned)from, (unsigned)fds[i] - 1, 0);
		from = MAX(from, fds[i] + 1);
	}
	close_range((unsigned)from, ~0U, 0);
}

static void *run_task(void *arg)
{
	struct channel_task *t = arg;

	t->ops->serve(t->ops->arg, t->fd);
	close(t->fd);
	free(t);
	return NULL;
}

/* Refused channels. They stay open until the keeper closes its end. An earlier close could make the
 * keeper's send fail and hide the reply. */
struct refused {
	struct pollfd fds[1 + REFUSED_MAX]; /* [0]: control socket */
	nfds_t n;
};

static void refused_del(struct refused *r, nfds_t i)
{
	close(r->fds[i].fd);
	memmove(&r->fds[i], &r->fds[i + 1], (--r->n - i) * sizeof(r->fds[0]));
}

static void refuse(struct refused *r, const struct helper_ops *ops, int fd, int errnum)
{
	struct err e = ERR_NULL;

	if (!ops->refuse) {
		close(fd);
		return;
	}
	err_errno(&e, ERR_EXHAUSTED, errnum, "start a thread in process %s", ops->name);
	ops->refuse(fd, &e);
	if (r->n == ARRAY_LEN(r->fds))
		refused_del(r, 1);
	r->fds[r->n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* Wait for the next channel; meanwhile close refused channels. */
static void wait_for_control(struct refused *r)
{
	char bytes[4096];

	do {
		if (poll(r->fds, r->n, -1) < 0)
			continue;
		for (nfds_t i = r->n - 1; i > 0; i--)
			if (r->fds[i].revents && recv(r->fds[i].fd, bytes, sizeof(bytes), 0) <= 0)
				refused_del(r, i);
	} while (!r->fds[0].revents);
}

static void start_task(struct refused *r, const struct helper_ops *ops, int fd)
{
	struct channel_task *t = xmalloc(sizeof(*t));
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	*t = (struct channel_task){ .ops = ops, .fd = fd };
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	failed = pthread_create(&thread, &attr, run_task, t);
	pthread_attr_destroy(&attr);
	if (failed) {
		free(t);
		refuse(r, ops, fd, failed);
	}
}

/* Receive the next channel; -1: the keeper has closed the socket. */
static int next_channel(int control)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c;
	char byte;
	struct iovec iov = { &byte, 1 };
	ssize_t n;
	int fd = -1;

	do {
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &c,
				      .msg_controllen = sizeof(c) };

		n = recvmsg(control, &msg, MSG_CMSG_CLOEXEC);
		if (n > 0 && CMSG_FIRSTHDR(&msg) && c.head.cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(&c.head), sizeof(fd));
	} while ((n < 0 && errno == EINTR) || (n > 0 && fd < 0));
	return fd;
}

static _Noreturn void be_child(const struct helper_ops *ops, int control, const int *keep, size_t n,
			       pid_t keeper)
{
	struct refused refused = { .fds = { { .fd = control, .events = POLLIN } }, .n = 1 };
	struct ready ready = { 0 };
	struct err e = ERR_NULL;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(1);
	prctl(PR_SET_NAME, ops->name);
	close_others(keep, n, control);
	if (ops->prepare(ops->arg, &e) < 0) {
		ready.code = (int)e.code;
		ready.errnum = e.errnum;
		memcpy(ready.text, e.text, sizeof(ready.text));
	}
	if (send(control, &ready, sizeof(ready), MSG_NOSIGNAL) < 0 || ready.code)
		_exit(1);
	while (wait_for_control(&refused), (fd = next_channel(control)) >= 0)
		start_task(&refused, ops, fd);
	_exit(0);
}

/* --- keeper --- */

int helper_start(struct helper *c, const struct helper_ops *ops, const int *keep, size_t n,
		 struct err *e)
{
	pid_t keeper = getpid();
	int pair[2];

	*c = (struct helper){ .name = ops->name, .control = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make a socket pair");
	c->pid = fork();
	if (c->pid == 0)
		be_child(ops, pair[1], keep, n, keeper);
	close(pair[1]);
	if (c->pid < 0) {
		close(pair[0]);
		c->pid = 0;
		return err_errno(e, ERR_EXHAUSTED, errno, "start %s", ops->name);
	}
	c->control = pair[0];
	return 0;
}

int helper_ready(struct helper *c, struct err *e)
{
	struct ready ready;
	ssize_t n;

	do
		n = recv(c->control, &ready, sizeof(ready), 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(ready))
		return helper_lost(c, e);
	if (!ready.code)
		return 0;
	ready.text[sizeof(ready.text) - 1] = '\0';
	return err_fill(e, (enum err_code)ready.code, 0, __FILE__, __LINE__, "%s: %s", c->name,
			ready.text);
}

int helper_channel(const struct helper *c, int *ret, struct err *e)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(sizeof(int)) } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make a socket pair");
	memcpy(CMSG_DATA(&control.head), &pair[1], sizeof(int));
	do
		n = sendmsg(c->control, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	close(pair[1]);
	if (n != 1) {
		close(pair[0]);
		return helper_lost(c, e);
	}
	*ret = pair[0];
	return 0;
}

void helper_end(struct helper *c)
{
	close_fdp(&c->control);
	while (c->pid > 0 && waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
}

/* Describe the child's exit. WNOWAIT: the child stays a zombie until helper_end. */
static const char *end_of(pid_t pid, char text[END_TEXT_MAX])
{
	for (int ms = 0; pid > 0 && ms < END_WAIT_MS; ms += END_LOOK_MS) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			break;
		if (info.si_pid == pid) {
			snprintf(text, END_TEXT_MAX,
				 info.si_code == CLD_EXITED ? " with status %d" : " by signal %d",
				 info.si_status);
			return text;
		}
		poll(NULL, 0, END_LOOK_MS);
	}
	return "";
}

int helper_lost(const struct helper *c, struct err *e)
{
	char text[END_TEXT_MAX];

	return err_set(e, ERR_INTERNAL, "process %s of the puller has ended%s: pull again", c->name,
		       end_of(c->pid, text));
}
