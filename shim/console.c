/*
 * console.c - the console socket, addressed through /proc/PID/fd/N: a socket address holds 107
 * bytes, and the name of the pod directory may be longer.
 */
#include "shim/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

static int console_dir_fd = -1;
static unsigned counter;

void console_init(int dir_fd)
{
	console_dir_fd = dir_fd;
}

int console_open(struct console *c, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int r = 0;

	snprintf(c->name, sizeof(c->name), "console.%u.sock", counter++);
	snprintf(c->runtime_path, sizeof(c->runtime_path), "/proc/%d/fd/%d/%s", (int)getpid(),
		 console_dir_fd, c->name);
	memcpy(addr.sun_path, c->runtime_path, sizeof(c->runtime_path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlinkat(console_dir_fd, c->name, 0);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(c->fd, 1) < 0) {
		r = err_errno(e, ERR_INTERNAL, errno, "open the console socket");
		console_close(c);
	}
	return r;
}

int console_take(struct console *c, int *ret_fd, struct err *e)
{
	_cleanup_close_ int peer = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	_cleanup_close_ int fd = -1;
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char name[256];
	struct iovec iov = { .iov_base = name, .iov_len = sizeof(name) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *h;

	if (peer < 0 || recvmsg(peer, &msg, MSG_CMSG_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno,
				 "the OCI runtime sent no terminal over its console socket");
	h = CMSG_FIRSTHDR(&msg);
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
	    h->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	if (fd < 0 || !isatty(fd))
		return err_set(e, ERR_INTERNAL,
			       "the OCI runtime sent no terminal, but another descriptor");
	*ret_fd = take_fd(fd);
	return 0;
}

void console_close(struct console *c)
{
	if (c->fd < 0)
		return;
	close_fdp(&c->fd);
	unlinkat(console_dir_fd, c->name, 0);
}
