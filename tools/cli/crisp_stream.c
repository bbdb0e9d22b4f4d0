/*
 * crisp_stream.c - connect to crispd's streaming socket, upgrade to SPDY, copy frames.
 */
#include "crisp_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/listen.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"

#define OUT_MAX (256 * 1024)
#define READ_SIZE 65536
#define HEAD_MAX 8192

struct stream_client {
	struct loop *loop;
	struct loop_io socket;
	struct spdy *spdy;
	const struct stream_client_ops *ops;
	void *arg;
	struct buf out;
	uint32_t next_id;
	uint32_t events; /* watched events */
	bool paused; /* reading is stopped */
	bool over;
};

/* --- the connection --- */

static int connect_local(const char *socket_path, struct err *e)
{
	const char *path = str_starts(socket_path, "unix://") ? socket_path + 7 : socket_path;
	_cleanup_free_ char *name = xasprintf("%s" LISTEN_STREAM_SUFFIX, path);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(name) >= sizeof(addr.sun_path))
		return err_set(e, ERR_INVALID, "socket path %s is too long", name);
	memcpy(addr.sun_path, name, strlen(name) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_errno(e, ERR_UNAVAILABLE, errno, "connect to %s", name);
	return take_fd(fd);
}

/* Read the response's header byte by byte, so that bytes after it stay in the socket. */
static int read_head(int fd, struct buf *head, struct err *e)
{
	while (head->len < HEAD_MAX) {
		char c;
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, ERR_UNAVAILABLE, "crispd has hung up");
		buf_add(head, &c, 1);
		if (str_ends(head->data, "\r\n\r\n"))
			return 0;
	}
	return err_set(e, ERR_INTERNAL, "crispd's answer has no end");
}

/* Make the error of a response other than 101 from its body, which is short. */
static int refused(int fd, const struct buf *head, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	char body[512];
	ssize_t n = read(fd, body, sizeof(body));

	buf_add_clean(&text, body, n > 0 ? (size_t)n : 0);
	return err_set(e, ERR_PRECONDITION, "crispd refuses the session: %.*s %s",
		       (int)strcspn(head->data, "\r\n"), head->data, text.data ? text.data : "");
}

static int upgrade(int fd, const char *url, const char *protocol, struct err *e)
{
	const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
	_cleanup_buf_ struct buf head = BUF_NULL;
	_cleanup_free_ char *request = NULL;
	int r;

	if (!path)
		return err_set(e, ERR_INTERNAL, "\"%s\" is no URL of a session", url);
	request = xasprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
			    "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: %s\r\n\r\n",
			    path, protocol);
	if (fs_write_all(fd, request, strlen(request)) < 0)
		return err_errno(e, ERR_UNAVAILABLE, errno, "ask crispd for the session");
	r = read_head(fd, &head, e);
	if (r == 0 && !str_starts(head.data, "HTTP/1.1 101 "))
		r = refused(fd, &head, e);
	return r;
}

/* --- bytes --- */

static void end(struct stream_client *c, const struct err *why)
{
	if (c->over)
		return;
	c->over = true;
	loop_io_del(&c->socket);
	c->ops->closed(c->arg, why);
}

static void watch(struct stream_client *c)
{
	uint32_t events =
		(c->paused ? 0 : (uint32_t)EPOLLIN) | (c->out.len ? (uint32_t)EPOLLOUT : 0);
	struct err e = ERR_NULL;

	if (c->over || events == c->events)
		return;
	c->events = events;
	if (loop_io_change(&c->socket, events, &e) < 0)
		end(c, &e);
}

static void flush(struct stream_client *c)
{
	bool was_full = stream_client_is_full(c);
	struct err e = ERR_NULL;
	size_t at = 0;
	ssize_t n = 0;

	while (at < c->out.len) {
		n = write(c->socket.fd, c->out.data + at, c->out.len - at);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		err_errno(&e, ERR_UNAVAILABLE, errno, "send to crispd");
		end(c, &e);
		return;
	}
	buf_consume(&c->out, at);
	watch(c);
	if (was_full && !stream_client_is_full(c) && c->ops->room && !c->over)
		c->ops->room(c->arg);
}

static void on_socket(struct loop_io *io, uint32_t events)
{
	struct stream_client *c = container_of(io, struct stream_client, socket);
	char data[READ_SIZE];
	struct err e = ERR_NULL;
	ssize_t n;

	if (events & EPOLLOUT)
		flush(c);
	/* After a hang-up, read the remaining bytes even when paused. */
	if (c->over || !(events & (c->paused ? EPOLLHUP | EPOLLERR : ~(uint32_t)EPOLLOUT)))
		return;
	n = read(io->fd, data, sizeof(data));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		err_set(&e, ERR_UNAVAILABLE, "crispd has hung up");
		end(c, &e);
	} else if (spdy_feed(c->spdy, data, (size_t)n, &c->out, &e) < 0) {
		end(c, &e);
	} else {
		flush(c);
	}
}

/* --- frames --- */

/* The daemon opens no streams. */
static void on_opened(void *arg, const struct spdy_open *open)
{
	struct stream_client *c = arg;

	spdy_put_reset(&c->out, open->id, SPDY_STATUS_REFUSED_STREAM);
}

static void on_data(void *arg, uint32_t id, const void *data, size_t size)
{
	struct stream_client *c = arg;

	if (!c->over)
		c->ops->data(c->arg, id, data, size);
}

static void on_finished(void *arg, uint32_t id)
{
	struct stream_client *c = arg;

	if (!c->over)
		c->ops->finished(c->arg, id);
}

static void on_reset(void *arg, uint32_t id)
{
	struct stream_client *c = arg;

	if (!c->over)
		c->ops->reset(c->arg, id);
}

static void on_goaway(void *arg)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_UNAVAILABLE, "crispd ends the session");
	end(arg, &e);
}

int stream_client_open(struct cli *cli, struct loop *loop, const char *url, const char *protocol,
		       const struct stream_client_ops *ops, void *arg, struct stream_client **ret,
		       struct err *e)
{
	static const struct spdy_ops spdy_ops = { on_opened, on_data, on_finished, on_reset,
						  on_goaway };
	_cleanup_close_ int fd = connect_local(cli->socket, e);
	struct stream_client *c;
	int r;

	/* Report a hang-up as an error of write. */
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	r = fd < 0 ? fd : upgrade(fd, url, protocol, e);

	if (r < 0)
		return r;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "session socket");
	c = xcalloc(1, sizeof(*c));
	c->loop = loop;
	c->ops = ops;
	c->arg = arg;
	c->next_id = 1;
	c->events = EPOLLIN;
	c->spdy = spdy_new(&spdy_ops, c);
	r = loop_io_add(loop, &c->socket, fd, EPOLLIN, on_socket, e);
	if (r < 0) {
		spdy_free(c->spdy);
		free(c);
		return r;
	}
	take_fd(fd);
	*ret = c;
	return 0;
}

void stream_client_close(struct stream_client *c)
{
	if (!c)
		return;
	loop_io_del(&c->socket);
	close_fdp(&c->socket.fd);
	spdy_free(c->spdy);
	buf_done(&c->out);
	free(c);
}

uint32_t stream_client_stream(struct stream_client *c, struct spdy_open *what)
{
	what->id = c->next_id;
	c->next_id += 2;
	spdy_put_open(c->spdy, &c->out, what);
	flush(c);
	return what->id;
}

void stream_client_put(struct stream_client *c, uint32_t id, const void *data, size_t size,
		       bool fin)
{
	if (c->over)
		return;
	spdy_put_data(&c->out, id, data, size, fin);
	flush(c);
}

bool stream_client_is_full(const struct stream_client *c)
{
	return c->out.len >= OUT_MAX;
}

void stream_client_pause(struct stream_client *c, bool pause)
{
	c->paused = pause;
	watch(c);
}
