/*
 * control.c - accept the daemon on the control socket, parse its frames, send answers and reports.
 */
#include "shim/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "shim/pages.h"
#include "shim/poll.h"
#include "shim/spawner.h"

#define SEND_BUFFER (1024 * 1024) /* a HELLO with the maximum number of objects */

static struct watch listener = { .fd = -1 };
static struct watch peer = { .fd = -1 };
static uint32_t connection; /* number of the current one */
static void (*handle_request)(const struct shim_request *, int *, struct waiter *);
static char frame[SHIM_FRAME_MAX + 4096] PAGES_ALIGNED; /* larger, to detect long packets */
static char out[SHIM_FRAME_MAX] PAGES_ALIGNED;

bool control_is_open(void)
{
	return peer.fd >= 0;
}

void control_rest(void)
{
	pages_release(frame, sizeof(frame));
	pages_release(out, sizeof(out));
}

void control_close(void)
{
	watch_del(&peer);
	close_fdp(&peer.fd);
}

/* --- out --- */

static void send_report(const struct shim_report *rep, int fd)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .h = { .cmsg_len = CMSG_LEN(sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = out };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct err e = ERR_NULL;

	if (shimproto_pack_report(rep, out, &iov.iov_len, &e) < 0) {
		log_err(LOG_LEVEL_ERROR, "pack a report", &e);
		return;
	}
	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.h), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	if (sendmsg(peer.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		log_warn("daemon lost", "error=\"%s\"", strerror(errno));
		control_close();
	}
}

static struct shim_report make_report(enum shim_type type, const struct shim_status *st,
				      const struct err *e)
{
	struct shim_report rep = { .type = type };

	if (st)
		rep.status = *st;
	if (e)
		rep.err = *e;
	rep.status.shim_pid = (uint32_t)getpid();
	return rep;
}

void control_answer(struct waiter *w, const struct shim_status *st, int fd, const struct err *e)
{
	struct shim_report rep = make_report(SHIM_ANSWER, st, e);

	rep.seq = w->seq;
	if (w->connection == connection && control_is_open())
		send_report(&rep, fd);
	*w = WAITER_NULL;
}

void control_report(enum shim_type type, const struct shim_status *st, const struct err *e)
{
	struct shim_report rep = make_report(type, st, e);

	if (control_is_open())
		send_report(&rep, -1);
}

void control_report_container(const struct shim_status *st, int fd)
{
	struct shim_report rep = make_report(SHIM_CONTAINER, st, NULL);

	if (control_is_open())
		send_report(&rep, fd);
}

void control_join(struct waiter *place, struct waiter *w)
{
	struct err e = ERR_NULL;

	if (place->connection) {
		err_set(&e, ERR_ABORTED,
			"a repeated request replaces this one and gets its answer");
		control_answer(place, NULL, -1, &e);
	}
	*place = *w;
	*w = WAITER_NULL;
}

/* --- in --- */

/* Copy the descriptors of a frame to fds[SHIM_FDS_MAX]; close surplus ones.  false: too many. */
static bool take_fds(struct msghdr *msg, int *fds)
{
	bool too_many = msg->msg_flags & MSG_CTRUNC;
	size_t n = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (n < SHIM_FDS_MAX) {
				fds[n++] = fd;
			} else {
				close(fd);
				too_many = true;
			}
		}
	}
	return !too_many;
}

static void handle_frame(size_t size, int *fds, bool fds_ok)
{
	struct waiter w = { .connection = connection };
	struct err e = ERR_NULL;
	struct shim_request req;
	int r = shimproto_parse_request(frame, size, &req, &w.seq, &e);

	if (r == 0 && !fds_ok)
		r = err_set(&e, ERR_INVALID, "a request with more than %d descriptors",
			    SHIM_FDS_MAX);
	if (r < 0) {
		log_err(LOG_LEVEL_WARN, "bad request", &e);
		control_answer(&w, NULL, -1, &e);
		return;
	}
	handle_request(&req, fds, &w);
}

static void peer_ready(struct watch *watch, uint32_t events)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = frame, .iov_len = sizeof(frame) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fds[SHIM_FDS_MAX] = { -1, -1, -1, -1 };
	ssize_t n = recvmsg(watch->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		control_close();
		return;
	}
	handle_frame((size_t)n, fds, take_fds(&msg, fds));
	for (int i = 0; i < SHIM_FDS_MAX; i++)
		close_fdp(&fds[i]);
}

static void listener_ready(struct watch *w, uint32_t events)
{
	_cleanup_close_ int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(cred);
	struct err e = ERR_NULL;

	(void)events;
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != geteuid()) {
		log_warn("connection refused", "uid=%d", (int)cred.uid);
		return;
	}
	spawner_widen(fd, SEND_BUFFER);
	control_close();
	connection++;
	if (watch_add(&peer, fd, EPOLLIN, peer_ready, &e) < 0) {
		log_err(LOG_LEVEL_ERROR, "accept the daemon", &e);
		peer.fd = -1;
		return;
	}
	fd = -1;
}

int control_listen(int dir_fd,
		   void (*handle)(const struct shim_request *req, int *fds, struct waiter *w),
		   struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	handle_request = handle;
	/* This shim has the lock, so an existing socket is that of a dead shim. */
	unlinkat(dir_fd, SHIM_SOCKET_NAME, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd,
		 SHIM_SOCKET_NAME);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    fchmodat(dir_fd, SHIM_SOCKET_NAME, 0600, 0) < 0 || listen(fd, 8) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "listen on " SHIM_SOCKET_NAME);
	if (watch_add(&listener, fd, EPOLLIN, listener_ready, e) < 0)
		return -(int)e->code;
	fd = -1;
	return 0;
}
