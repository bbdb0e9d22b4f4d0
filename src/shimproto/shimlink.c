/*
 * shimlink.c - connect to a shim, start one, send requests, dispatch answers and reports.
 *
 * `unsent` holds requests that do not fit into the socket yet, `calls` those that await their
 * answer.  A loop post fails the calls of a dead link, so that no callback runs inside a function
 * that the caller has called, except shim_link_close.
 */
#include "shimproto/shimlink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/list.h"
#include "base/nofile.h"
#include "base/proc.h"
#include "base/util.h"

#define CALLS_MAX 4096 /* pending calls on one link */
#define FRAMES_A_TURN 32 /* frames per turn, so that other watches get a turn */
#define READY_TEXT_MAX 1024

struct shim_call {
	struct list node;
	uint32_t seq;
	shim_call_fn *fn;
	void *arg;
	/* For a call in unsent. */
	void *frame;
	size_t size;
	int fds[SHIM_FDS_MAX];
	size_t n_fds;
};

struct shim_link {
	struct loop *loop;
	struct loop_io io;
	const struct shim_link_ops *ops;
	void *arg;
	uint32_t hello_seq, next_seq;
	uint32_t optional; /* enum shim_flags of SHIM_FLAGS_OPTIONAL that the shim accepts */
	struct list calls, unsent;
	unsigned n_calls;
	bool dead, *closed; /* closed: where to store that a callback has closed the link */
	bool lost_posted;
	struct loop_post lost_post;
	struct err why;
};

/* --- calls --- */

static void call_free(struct shim_call *c)
{
	for (size_t i = 0; i < c->n_fds; i++)
		close_fdp(&c->fds[i]);
	free(c->frame);
	free(c);
}

/* Call back.  Remove the call from its list first, since fn may close the link. */
static void call_finish(struct shim_link *link, struct shim_call *c, struct shim_answer *ans,
			const struct err *err)
{
	list_remove(&c->node);
	link->n_calls--;
	if (c->fn)
		c->fn(c->arg, ans, err);
	call_free(c);
}

/* closed: set when a callback has closed the link, which has failed the remaining calls. */
static void fail_all(struct shim_link *link, const struct err *why, const bool *closed)
{
	struct list *const lists[] = { &link->calls, &link->unsent };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		while (!list_empty(lists[i])) {
			struct shim_answer ans = { .fd = -1 };

			call_finish(link, list_entry(lists[i]->next, struct shim_call, node), &ans,
				    why);
			if (*closed)
				return;
		}
	}
}

/* --- loss --- */

static void lost(struct loop_post *p)
{
	struct shim_link *link = container_of(p, struct shim_link, lost_post);
	struct err why = link->why;
	bool closed = false;

	link->lost_posted = false;
	link->closed = &closed;
	fail_all(link, &why, &closed);
	if (closed)
		return;
	link->closed = NULL;
	if (link->ops->on_lost)
		link->ops->on_lost(link->arg, &why);
}

/* Stop using the connection; a loop post fails the calls. */
static void break_link(struct shim_link *link)
{
	if (link->dead)
		return;
	link->dead = true;
	loop_io_del(&link->io);
	link->lost_posted = true;
	link->lost_post.fn = lost;
	loop_post(link->loop, &link->lost_post);
}

/* --- out --- */

/* 0: sent.  1: the socket is full. */
static int send_frame(struct shim_link *link, const void *frame, size_t size, const int *fds,
		      size_t n_fds)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(SHIM_FDS_MAX * sizeof(int))];
	} control = { .h = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)frame, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		control.h.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.h), fds, n_fds * sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	if (sendmsg(link->io.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
		return 1;
	return err_errno(&link->why, ERR_UNAVAILABLE, errno, "send to the pod's shim");
}

static void send_more(struct shim_link *link)
{
	struct err ignored = ERR_NULL;

	while (!list_empty(&link->unsent)) {
		struct shim_call *c = list_entry(link->unsent.next, struct shim_call, node);
		int r = send_frame(link, c->frame, c->size, c->fds, c->n_fds);

		if (r > 0)
			return;
		if (r < 0) {
			break_link(link);
			return;
		}
		list_remove(&c->node);
		list_append(&link->calls, &c->node);
		for (size_t i = 0; i < c->n_fds; i++)
			close_fdp(&c->fds[i]);
		c->n_fds = 0;
		free(c->frame);
		c->frame = NULL;
	}
	loop_io_change(&link->io, EPOLLIN, &ignored);
}

/* Queue a frame, with duplicates of its descriptors. */
static int keep_unsent(struct shim_link *link, struct shim_call *c, const void *frame, size_t size,
		       const int *fds, size_t n_fds, struct err *e)
{
	for (size_t i = 0; i < n_fds; i++) {
		c->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (c->fds[i] < 0)
			return err_errno(e, ERR_INTERNAL, errno, "keep a descriptor for the shim");
		c->n_fds++;
	}
	c->frame = xmemdup(frame, size);
	c->size = size;
	list_append(&link->unsent, &c->node);
	return loop_io_change(&link->io, EPOLLIN | EPOLLOUT, e);
}

int shim_link_call(struct shim_link *link, const struct shim_request *req, const int *fds,
		   size_t n_fds, shim_call_fn *fn, void *arg, struct err *e)
{
	struct shim_request accepted = *req;
	char frame[SHIM_FRAME_MAX];
	struct shim_call *c;
	size_t size;
	int r;

	accepted.flags &= ~(SHIM_FLAGS_OPTIONAL & ~link->optional);
	if (link->dead)
		return err_set(e, ERR_UNAVAILABLE, "%s", link->why.text);
	if (n_fds > SHIM_FDS_MAX)
		return err_set(e, ERR_INVALID, "%zu descriptors for one request", n_fds);
	if (link->n_calls >= CALLS_MAX)
		return err_set(e, ERR_EXHAUSTED, "%u requests wait for the pod's shim: try later",
			       link->n_calls);
	r = shimproto_pack_request(&accepted, ++link->next_seq, frame, &size, e);
	if (r < 0)
		return r;
	r = list_empty(&link->unsent) ? send_frame(link, frame, size, fds, n_fds) : 1;
	if (r < 0) {
		*e = link->why;
		break_link(link);
		return -(int)e->code;
	}
	c = xcalloc(1, sizeof(*c));
	*c = (struct shim_call){ .seq = link->next_seq, .fn = fn, .arg = arg };
	list_init(&c->node);
	if (r > 0)
		r = keep_unsent(link, c, frame, size, fds, n_fds, e);
	else
		list_append(&link->calls, &c->node);
	if (r < 0) {
		list_remove(&c->node);
		call_free(c);
		return r;
	}
	link->n_calls++;
	return 0;
}

/* --- in --- */

static void got_answer(struct shim_link *link, const struct shim_report *rep, int *fd)
{
	struct shim_answer ans = { .status = rep->status, .fd = take_fd(*fd) };

	if (rep->seq == link->hello_seq) {
		link->optional = rep->status.flags & SHIM_FLAGS_OPTIONAL;
		if (link->ops->on_ready)
			link->ops->on_ready(link->arg, &rep->status);
		close_fdp(&ans.fd);
		return;
	}
	list_for_each(pos, &link->calls) {
		struct shim_call *c = list_entry(pos, struct shim_call, node);

		if (c->seq != rep->seq)
			continue;
		call_finish(link, c, &ans, rep->err.code == ERR_OK ? NULL : &rep->err);
		break;
	}
	close_fdp(&ans.fd);
}

static void got_report(struct shim_link *link, const struct shim_report *rep, int *fd)
{
	const struct shim_link_ops *ops = link->ops;

	switch (rep->type) {
	case SHIM_ANSWER:
		got_answer(link, rep, fd);
		break;
	case SHIM_CONTAINER:
	case SHIM_EXITED:
		if (ops->on_container)
			ops->on_container(link->arg, &rep->status, fd);
		break;
	case SHIM_EXEC_STATUS:
	case SHIM_EXEC_EXITED:
		if (ops->on_exec)
			ops->on_exec(link->arg, &rep->status);
		break;
	case SHIM_LOG_ERROR:
		if (ops->on_log_error)
			ops->on_log_error(link->arg, &rep->status, &rep->err);
		break;
	case SHIM_HELLO:
	case SHIM_CREATE:
	case SHIM_START:
	case SHIM_KILL:
	case SHIM_EXEC:
	case SHIM_EXEC_KILL:
	case SHIM_REOPEN:
	case SHIM_RESIZE:
	case SHIM_CLOSE_STDIN:
	case SHIM_ATTACH:
	case SHIM_STATUS:
	case SHIM_FORGET:
	case SHIM_INIT:
	case SHIM_SHUTDOWN:
	case SHIM_ADOPT:
	case SHIM_REQUEST_END:
	case SHIM_REPORT_END:
		break; /* the parser refuses such a report */
	}
}

static int take_fd_of(struct msghdr *msg)
{
	int first = -1;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

/* Receive one frame.  1: there is none now. */
static int receive(struct shim_link *link)
{
	char frame[SHIM_FRAME_MAX + 1];
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(SHIM_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = frame, .iov_len = sizeof(frame) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(link->io.fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	_cleanup_close_ int fd = -1;
	struct shim_report rep;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return err_set(&link->why, ERR_UNAVAILABLE, "the pod's shim closed the connection");
	if (n < 0)
		return err_errno(&link->why, ERR_UNAVAILABLE, errno, "receive from the pod's shim");
	fd = take_fd_of(&msg);
	if (shimproto_parse_report(frame, (size_t)n, &rep, &link->why) < 0) {
		link->why.code = ERR_UNAVAILABLE;
		return -(int)link->why.code;
	}
	got_report(link, &rep, &fd);
	return 0;
}

static void link_ready(struct loop_io *io, uint32_t events)
{
	struct shim_link *link = container_of(io, struct shim_link, io);
	bool closed = false;
	int r = 0;

	link->closed = &closed;
	/* Read the pending frames before handling a hangup. */
	for (int i = 0; i < FRAMES_A_TURN && r == 0; i++) {
		r = receive(link);
		if (closed)
			return;
	}
	link->closed = NULL;
	if (r < 0)
		break_link(link);
	else if (events & EPOLLOUT)
		send_more(link);
}

/* --- open and close --- */

/* Connect through /proc/self/fd: a socket address holds 107 bytes, and dir may be longer. */
static int connect_to(const char *dir, int *ret, struct err *e)
{
	_cleanup_close_ int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (fd < 0 || (dir_fd < 0 && errno != ENOENT))
		return err_errno(e, ERR_EXHAUSTED, errno, "socket for a shim");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd,
		 SHIM_SOCKET_NAME);
	if (dir_fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
		*ret = take_fd(fd);
		return 0;
	}
	if (dir_fd < 0 || errno == ENOENT || errno == ECONNREFUSED)
		return err_errno(e, ERR_UNAVAILABLE, errno, "no shim listens in %s", dir);
	return err_errno(e, ERR_EXHAUSTED, errno, "connect to the shim in %s", dir);
}

int shim_link_open(struct loop *l, const char *dir, const struct shim_link_ops *ops, void *arg,
		   struct shim_link **ret, struct err *e)
{
	const struct shim_request hello = { .type = SHIM_HELLO };
	struct shim_link *link;
	char frame[SHIM_FRAME_MAX];
	size_t size;
	int fd = -1, r = connect_to(dir, &fd, e);

	if (r < 0)
		return r;
	link = xcalloc(1, sizeof(*link));
	*link = (struct shim_link){
		.loop = l, .ops = ops, .arg = arg, .hello_seq = 1, .next_seq = 1
	};
	list_init(&link->calls);
	list_init(&link->unsent);
	r = loop_io_add(l, &link->io, fd, EPOLLIN, link_ready, e);
	if (r == 0)
		r = shimproto_pack_request(&hello, link->hello_seq, frame, &size, e);
	if (r == 0 && send_frame(link, frame, size, NULL, 0) != 0)
		r = err_set(e, ERR_UNAVAILABLE, "the shim in %s does not listen", dir);
	if (r < 0) {
		loop_io_del(&link->io);
		close(fd);
		free(link);
		return r;
	}
	*ret = link;
	return 0;
}

static void free_later(struct loop_post *p)
{
	free(container_of(p, struct shim_link, lost_post));
}

void shim_link_close(struct shim_link *link)
{
	struct err why = ERR_NULL;
	const bool again = false;

	if (!link)
		return;
	if (link->closed)
		*link->closed = true;
	link->dead = true;
	loop_io_del(&link->io);
	close_fdp(&link->io.fd);
	err_set(&why, ERR_UNAVAILABLE, "the connection to the pod's shim was closed");
	link->why = why;
	fail_all(link, &why, &again);
	/* A queued post cannot be removed, so it frees the link. */
	if (link->lost_posted)
		link->lost_post.fn = free_later;
	else
		free(link);
}

/* --- the shim's process --- */

/* Read shim.pid and open that process if it lives. */
static void identify(const char *dir, struct spawn_child *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/" SHIM_PID_NAME, dir);
	struct err ignored = ERR_NULL;

	if (proc_load(path, &ret->pid, &ret->pidfd, &ignored) != 0)
		*ret = SPAWN_CHILD_NULL;
}

bool shim_is_alive(const char *dir, struct spawn_child *ret)
{
	_cleanup_free_ char *path = xasprintf("%s/" SHIM_LOCK_NAME, dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (ret)
		*ret = SPAWN_CHILD_NULL;
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return false;
	if (ret)
		identify(dir, ret);
	return true;
}

/* Read the new shim's report up to a newline or the end.  ERR_DEADLINE: none in time. */
static int read_ready(int fd, int64_t timeout_ms, char out[READY_TEXT_MAX], struct err *e)
{
	int64_t until = clock_monotonic_ns() + timeout_ms * NSEC_PER_MSEC;
	size_t len = 0;

	while (len < READY_TEXT_MAX - 1 && !memchr(out, '\n', len)) {
		int64_t left = (until - clock_monotonic_ns()) / NSEC_PER_MSEC;
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int n = poll(&p, 1, (int)MAX(left, (int64_t)0));
		ssize_t got;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, ERR_DEADLINE, "the shim did not come up in %lld ms",
				       (long long)timeout_ms);
		got = read(fd, out + len, READY_TEXT_MAX - 1 - len);
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	out[len] = '\0';
	return 0;
}

int shim_start(const char *shim_path, const char *id, const char *dir, const char *cgroup,
	       const char *owner, int64_t timeout_ms, struct spawn_child *ret, struct err *e)
{
	_cleanup_free_ char *files = xasprintf("%llu", (unsigned long long)nofile_original());
	const char *argv[16] = { shim_path, "--id",	    id,	  "--dir", dir, "--ready-fd",
				 "3",	    "--open-files", files };
	size_t n = 9;
	struct spawn_child child = SPAWN_CHILD_NULL;
	_cleanup_close_ int ready = -1, theirs = -1;
	struct spawn s = SPAWN_NULL;
	char text[READY_TEXT_MAX];
	int fds[2], status, r;

	if (cgroup) {
		argv[n++] = "--cgroup";
		argv[n++] = cgroup;
	}
	if (owner) {
		argv[n++] = "--owner";
		argv[n++] = owner;
	}
	*ret = SPAWN_CHILD_NULL;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "pipe for the shim");
	ready = fds[0];
	theirs = fds[1];
	s.argv = argv;
	s.pass_fd = theirs;
	s.new_session = true;
	r = spawn_start(&s, &child, e);
	close_fdp(&theirs);
	if (r == 0)
		r = read_ready(ready, timeout_ms, text, e);
	/* The started process forks the shim and exits at once. */
	if (child.pidfd >= 0 && spawn_wait(&child, timeout_ms, &status, e) > 0 && r == 0)
		r = err_set(e, ERR_INTERNAL, "it does not detach");
	close_fdp(&child.pidfd);
	if (r == 0 && strcmp(text, "ready\n") != 0 && strcmp(text, "running\n") != 0)
		r = err_set(e, ERR_INTERNAL, "%s", *text ? text : "it ended without a message");
	if (r < 0)
		return err_wrap(e, "start shim %s of pod %s", shim_path, id);
	shim_is_alive(dir, ret);
	return 0;
}
