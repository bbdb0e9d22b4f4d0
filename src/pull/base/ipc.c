/*
 * ipc.c - send and receive frames with SCM_RIGHTS.
 */
#include "pull/base/ipc.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
};

static int send_some(int fd, const uint8_t *data, size_t size, const int *fds, size_t n)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t sent;

	if (n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		memset(&control, 0xff, sizeof(control.head));
		control.head = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int) * n),
		};
		memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * n);
	}
	do
		sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return (int)sent;
}

int ipc_send(int fd, const ProtobufCMessage *m, const int *fds, size_t n, struct err *e)
{
	uint32_t size = (uint32_t)protobuf_c_message_get_packed_size(m);
	size_t left = sizeof(size) + size;
	_cleanup_free_ uint8_t *frame = xmalloc(left);
	const uint8_t *p = frame;

	assert(n <= WIRE_FDS_MAX);
	memcpy(frame, &size, sizeof(size));
	protobuf_c_message_pack(m, frame + sizeof(size));
	while (left) {
		int sent = send_some(fd, p, MIN(left, (size_t)1 << 20), fds, n);

		if (sent < 0)
			return err_errno(e, ERR_ABORTED, errno, "another process of the puller");
		p += sent;
		left -= (size_t)sent;
		n = 0;
	}
	return 0;
}

static void take_fds(struct msghdr *msg, int *fds, size_t *n)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		*n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), *n * sizeof(int));
	}
}

/* 1: EOF before the first byte. */
static int read_all(int fd, void *data, size_t size, int *fds, size_t *n_fds, struct err *e)
{
	uint8_t *p = data;
	size_t got = 0;

	while (got < size) {
		struct iovec iov = { p + got, size - got };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		union control control;
		ssize_t n;

		if (fds) {
			msg.msg_control = &control;
			msg.msg_controllen = CMSG_SPACE(sizeof(int) * *n_fds);
		}
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 && !got)
			return 1;
		if (n <= 0)
			return err_errno(e, ERR_ABORTED, n < 0 ? errno : EPIPE,
					 "another process of the puller");
		if (fds) {
			*n_fds = 0;
			take_fds(&msg, fds, n_fds);
			fds = NULL;
		}
		got += (size_t)n;
	}
	return 0;
}

static int recv_frame(int fd, const ProtobufCMessageDescriptor *type, size_t max,
		      ProtobufCMessage **ret, int *fds, size_t *n_fds, struct err *e)
{
	_cleanup_free_ uint8_t *data = NULL;
	uint32_t size;
	int r = read_all(fd, &size, sizeof(size), fds, n_fds, e);

	if (r != 0)
		return r;
	if (size > max)
		return err_set(e, ERR_INTERNAL, "another process of the puller sent %u bytes",
			       size);
	data = xmalloc(size + 1);
	r = size ? read_all(fd, data, size, NULL, NULL, e) : 0;
	if (r != 0)
		return r;
	*ret = protobuf_c_message_unpack(type, NULL, size, data);
	return *ret ? 0 : err_set(e, ERR_INTERNAL, "another process of the puller sent no message");
}

int ipc_recv(int fd, const ProtobufCMessageDescriptor *type, size_t max, ProtobufCMessage **ret,
	     int *fds, size_t *n_fds, struct err *e)
{
	size_t none = 0;
	int r;

	for (size_t i = 0; fds && i < *n_fds; i++)
		fds[i] = -1;
	*ret = NULL;
	r = recv_frame(fd, type, max, ret, fds, n_fds ? n_fds : &none, e);
	for (size_t i = 0; r != 0 && fds && i < *n_fds; i++)
		close_fdp(&fds[i]);
	return r;
}

void ipc_put_error(const struct err *e, Crisp__Pull__Failure *ret)
{
	crisp__pull__failure__init(ret);
	ret->code = (uint32_t)e->code;
	ret->errnum = e->errnum;
	ret->text = (char *)(uintptr_t)e->text;
}

int ipc_get_error(const Crisp__Pull__Failure *f, struct err *e)
{
	uint32_t code = f->code;

	if (code == ERR_OK || code > ERR_UNAUTHENTICATED)
		code = ERR_INTERNAL;
	err_set(e, (enum err_code)code, "%s", f->text);
	e->errnum = f->errnum;
	return -(int)code;
}
