/*
 * puller.c - start, adopt and watch crisp-pull processes.
 *
 * The puller listens at DIR/<pull id>.sock, on a socket that crispd makes before it starts the
 * puller; a restarted daemon connects there. Two events report the puller's end: EOF of the stream
 * and its pidfd; the later one frees. A frame is a 32-bit length in native byte order and one
 * crisp.pull.FromPuller.
 */
#include "images/puller.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/str.h"
#include "gen/pull.pb-c.h"
#include "os/spawn.h"

#define SOCKET_SUFFIX ".sock"
#define READ_SIZE 65536
/* Largest message: image config and layer list. */
#define FRAME_MAX (2U * LIMIT_MANIFEST)

struct image_pull {
	struct loop *loop;
	const struct image_pull_ops *ops; /* NULL: closed, only reaping remains */
	void *arg;
	char *path; /* of the puller's socket */
	bool adopted; /* not a child: an earlier daemon started the puller */
	struct spawn_child child;
	pid_t peer; /* sender of the last message (SCM_CREDENTIALS) */
	struct loop_io socket, errors, process;
	struct buf in, tail;
	bool reported;
};

static void on_process(struct loop_io *io, uint32_t events);

static void stream_close(struct loop_io *io)
{
	if (io->fd < 0)
		return;
	loop_io_del(io);
	close_fdp(&io->fd);
}

static void report(struct image_pull *p, struct image_pull_result *result, const struct err *err)
{
	const struct image_pull_ops *ops = p->ops;

	if (p->reported || !ops)
		return;
	p->reported = true;
	ops->done(p->arg, result, err); /* may close p */
}

static void report_result(struct image_pull *p, const Crisp__Pull__FromPuller *m)
{
	Crisp__Pull__Result *r = m->result;
	struct image_pull_result result = {
		.fetched = m->fetched,
		.n_fetched = m->n_fetched,
		.image = r->image,
	};
	struct err e = ERR_NULL;

	if (!id_is_valid(r->image_id) || !r->image ||
	    (!r->image->config.len && !*r->image->artifact_type)) {
		err_set(&e, ERR_INTERNAL, "the puller's result is incomplete");
		report(p, NULL, &e);
		return;
	}
	memcpy(result.image_id, r->image_id, sizeof(result.image_id));
	r->image = NULL;
	report(p, &result, NULL);
	crisp__state__image__free_unpacked(result.image, NULL);
}

static void report_progress(struct image_pull *p, const Crisp__Pull__Progress *m)
{
	struct image_pull_progress progress = {
		.bytes_done = m->bytes_done,
		.bytes_total = m->bytes_total,
		.layers_done = m->layers_done,
		.layers_total = m->layers_total,
		.layers_reused = m->layers_reused,
		.layers_waiting = m->layers_waiting,
		.bytes_received = m->bytes_received,
		.rate = m->rate,
		.retries = m->retries,
		.phase = MIN(m->phase, (uint32_t)IMAGE_PULL_PHASE_SYNCING),
	};

	snprintf(progress.host, sizeof(progress.host), "%s", m->host);
	if (p->ops && p->ops->progress)
		p->ops->progress(p->arg, &progress);
}

static void report_failure(struct image_pull *p, const Crisp__Pull__FromPuller *m)
{
	struct image_pull_result result = {
		.kept = m->kept,
		.fetched = m->fetched,
		.n_fetched = m->n_fetched,
	};
	uint32_t code = m->failure->code;
	struct err e = ERR_NULL;

	if (code == ERR_OK || code > ERR_UNAUTHENTICATED)
		code = ERR_UNKNOWN;
	err_set(&e, (enum err_code)code, "%s", m->failure->text);
	report(p, &result, &e);
}

/* Watch the pidfd of an adopted puller; a child's pidfd is already watched. Trust the kernel's
 * sender pid only: a forged hello could name a foreign process to kill. */
static void greet(struct image_pull *p, const Crisp__Pull__Hello *hello)
{
	struct err e = ERR_NULL;
	int r;

	if (!p->adopted || p->process.fd >= 0 || hello->pid != p->peer)
		return;
	r = proc_open(hello->pid, hello->start_ticks, &p->child.pidfd, &e);
	if (r == 0)
		r = loop_io_add(p->loop, &p->process, p->child.pidfd, EPOLLIN, on_process, &e);
	if (r == 0)
		p->child.pid = hello->pid;
	else
		close_fdp(&p->child.pidfd);
}

static void handle(struct image_pull *p, Crisp__Pull__FromPuller *m)
{
	if (m->hello)
		greet(p, m->hello);
	else if (m->progress)
		report_progress(p, m->progress);
	else if (m->result)
		report_result(p, m);
	else if (m->failure)
		report_failure(p, m);
}

/* Handle complete frames from the buffer. -1: protocol error. */
static int take_frames(struct image_pull *p)
{
	uint32_t size;

	/* A report may close the pull, which empties the buffer. */
	while (p->in.len >= sizeof(size)) {
		Crisp__Pull__FromPuller *m;

		memcpy(&size, p->in.data, sizeof(size));
		if (size > FRAME_MAX)
			return -1;
		if (p->in.len < sizeof(size) + size)
			break;
		m = crisp__pull__from_puller__unpack(NULL, size,
						     (uint8_t *)p->in.data + sizeof(size));
		if (!m)
			return -1;
		buf_consume(&p->in, sizeof(size) + size);
		handle(p, m);
		crisp__pull__from_puller__free_unpacked(m, NULL);
	}
	return 0;
}

static void report_end(struct image_pull *p, int status)
{
	_cleanup_buf_ struct buf text = BUF_NULL, how = BUF_NULL;
	struct err e = ERR_NULL;

	buf_add_clean(&text, p->tail.data, p->tail.len);
	if (status > 128)
		buf_printf(&how, "was killed by signal %d%s", status - 128,
			   status == 128 + SIGKILL ? " (lack of memory?)" : "");
	else
		buf_puts(&how, "ended without a result");
	if (status >= 0 && status <= 128)
		buf_printf(&how, " (status %d)", status);
	err_set(&e, ERR_INTERNAL, "crisp-pull %s: pull again%s%s", how.data, text.len ? ": " : "",
		text.len ? text.data : "");
	report(p, NULL, &e);
}

static ssize_t receive(struct image_pull *p)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { buf_reserve(&p->in, READ_SIZE), READ_SIZE };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(p->socket.fd, &msg, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	struct ucred who = { .pid = 0 };

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
		memcpy(&who, CMSG_DATA(c), sizeof(who));
	p->peer = who.pid;
	return n;
}

static void on_socket(struct loop_io *io, uint32_t events)
{
	struct image_pull *p = container_of(io, struct image_pull, socket);
	struct err e = ERR_NULL;
	ssize_t n = receive(p);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		buf_commit(&p->in, (size_t)n);
		if (take_frames(p) == 0)
			return;
		stream_close(&p->socket);
		err_set(&e, ERR_INTERNAL, "the puller sent an invalid message");
		report(p, NULL, &e);
		return;
	}
	stream_close(&p->socket);
	/* on_process reports the exit status, unless the puller's pid is unknown. */
	if (p->process.fd < 0)
		report_end(p, -1);
}

static void on_errors(struct loop_io *io, uint32_t events)
{
	struct image_pull *p = container_of(io, struct image_pull, errors);
	ssize_t n = read(io->fd, buf_reserve(&p->tail, 4096), 4096);

	(void)events;
	if (n > 0) {
		buf_commit(&p->tail, (size_t)n);
		if (p->tail.len > LIMIT_STDERR_TAIL)
			buf_consume(&p->tail, p->tail.len - LIMIT_STDERR_TAIL);
	} else if (n == 0 || errno != EAGAIN) {
		stream_close(&p->errors);
	}
}

static void acquire_free(struct image_pull *p)
{
	stream_close(&p->socket);
	stream_close(&p->errors);
	stream_close(&p->process);
	buf_done(&p->in);
	buf_done(&p->tail);
	free(p->path);
	free(p);
}

static void on_process(struct loop_io *io, uint32_t events)
{
	struct image_pull *p = container_of(io, struct image_pull, process);
	struct err e = ERR_NULL;
	int status = -1;

	(void)events;
	/* Only the parent can read the exit status. */
	if (!p->adopted && spawn_wait(&p->child, 0, &status, &e) == 1)
		return;
	/* Drain the streams: they may contain the last messages. */
	while (p->socket.fd >= 0 && !p->reported)
		on_socket(&p->socket, EPOLLIN);
	if (p->errors.fd >= 0)
		on_errors(&p->errors, EPOLLIN);
	stream_close(&p->process);
	if (!p->ops)
		acquire_free(p);
	else
		report_end(p, status);
}

/* --- start --- */

static int send_request(int fd, Crisp__Pull__Request *req, struct err *e)
{
	Crisp__Pull__ToPuller to = CRISP__PULL__TO_PULLER__INIT;
	_cleanup_free_ uint8_t *bytes = NULL;
	uint32_t size;
	int ret = 0;

	to.request = req;
	size = (uint32_t)crisp__pull__to_puller__get_packed_size(&to);
	bytes = xmalloc(sizeof(size) + size);
	memcpy(bytes, &size, sizeof(size));
	crisp__pull__to_puller__pack(&to, bytes + sizeof(size));
	/* The socket is empty and blocking, and its buffer is far larger than a request. */
	if (fs_write_all(fd, bytes, sizeof(size) + size) < 0)
		ret = err_errno(e, ERR_INTERNAL, errno, "send the request to crisp-pull");
	explicit_bzero(bytes, sizeof(size) + size);
	return ret;
}

static int spawn_puller(struct image_pull *p, const char *pull_path, int child_fd, int child_err,
			struct err *e)
{
	/* Pass only network settings from the daemon's environment. libcurl ignores HTTP_PROXY,
	 * unlike other programs, so rename it. */
	static const char *const names[][2] = {
		{ "HTTP_PROXY", "http_proxy" },	    { "http_proxy", "http_proxy" },
		{ "HTTPS_PROXY", "HTTPS_PROXY" },   { "https_proxy", "https_proxy" },
		{ "ALL_PROXY", "ALL_PROXY" },	    { "NO_PROXY", "NO_PROXY" },
		{ "no_proxy", "no_proxy" },	    { "SSL_CERT_FILE", "SSL_CERT_FILE" },
		{ "SSL_CERT_DIR", "SSL_CERT_DIR" },
	};
	const char *const argv[] = { pull_path, NULL };
	char *env[ARRAY_LEN(names) + 1] = { NULL };
	struct spawn s = SPAWN_NULL;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (getenv(names[i][0]))
			env[n++] = xasprintf("%s=%s", names[i][1], getenv(names[i][0]));
	s.argv = argv;
	s.envp = (const char *const *)env;
	s.stderr_fd = child_err;
	s.pass_fd = child_fd;
	s.new_session = true;
	r = spawn_start(&s, &p->child, e);
	while (n)
		free(env[--n]);
	return r;
}

static int watch(struct image_pull *p, struct err *e)
{
	if (fcntl(p->socket.fd, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(p->errors.fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "puller descriptors");
	if (loop_io_add(p->loop, &p->socket, p->socket.fd, EPOLLIN, on_socket, e) < 0 ||
	    loop_io_add(p->loop, &p->errors, p->errors.fd, EPOLLIN, on_errors, e) < 0 ||
	    loop_io_add(p->loop, &p->process, p->child.pidfd, EPOLLIN, on_process, e) < 0)
		return -(int)e->code;
	return 0;
}

/* sun_path holds 107 bytes, a path may be longer: address the socket through /proc/self/fd. */
static int address_of(const char *path, struct sockaddr_un *ret, int *ret_dir)
{
	const char *name = strrchr(path, '/');
	_cleanup_free_ char *dir = xstrndup(path, (size_t)(name - path));

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*ret_dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", *ret_dir, name + 1);
	return *ret_dir < 0 ? -1 : 0;
}

static int listen_at(const char *path, int *ret, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = -1;
	struct sockaddr_un addr;

	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(e, ERR_INTERNAL, errno, "remove %s", path);
	if (fd < 0 || address_of(path, &addr, &dir) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, 0600) < 0 ||
	    listen(fd, 4) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "listen at %s", path);
	*ret = take_fd(fd);
	return 0;
}

/* 1: no process listens at path. */
static int connect_to(const char *path, int *ret, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = -1;
	struct sockaddr_un addr;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	const int on = 1;

	/* Before the peer can send. */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return err_errno(e, ERR_INTERNAL, errno,
				 "read the credentials of crisp-pull's socket");
	if (fd < 0 || address_of(path, &addr, &dir) < 0 ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return 1;
		return err_errno(e, ERR_INTERNAL, errno, "connect to %s", path);
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return err_errno(e, ERR_INTERNAL, errno,
				 "read the credentials of the listener at %s", path);
	if (peer.uid != 0 && peer.uid != geteuid())
		return err_set(e, ERR_INTERNAL, "user %u, not crispd's, listens at %s", peer.uid,
			       path);
	*ret = take_fd(fd);
	return 0;
}

static char *socket_path(const char *dir, const char *id)
{
	return xasprintf("%s/%s" SOCKET_SUFFIX, dir, id);
}

static struct image_pull *acquire_new(struct loop *l, const char *dir, const char *id,
				      const struct image_pull_ops *ops, void *arg)
{
	struct image_pull *p = xcalloc(1, sizeof(*p));

	p->loop = l;
	p->ops = ops;
	p->arg = arg;
	p->path = socket_path(dir, id);
	p->child = SPAWN_CHILD_NULL;
	p->socket.fd = p->errors.fd = p->process.fd = -1;
	return p;
}

int image_pull_start(struct loop *l, const char *pull_path, const char *socket_dir,
		     Crisp__Pull__Request *req, const struct image_pull_ops *ops, void *arg,
		     struct image_pull **ret, struct err *e)
{
	struct image_pull *p = acquire_new(l, socket_dir, req->pull_id, ops, arg);
	_cleanup_close_ int listener = -1;
	int errors[2] = { -1, -1 };
	int r = listen_at(p->path, &listener, e);

	/* Queue our connection before the puller starts: if crispd dies, the puller reads EOF from
	 * it. */
	r = r < 0 ? r : connect_to(p->path, &p->socket.fd, e);
	if (r > 0)
		r = err_set(e, ERR_INTERNAL, "socket %s was removed: pull again", p->path);
	if (r == 0 && pipe2(errors, O_CLOEXEC) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "make the puller's pipe");
	p->errors.fd = errors[0];
	if (r == 0)
		r = spawn_puller(p, pull_path, listener, errors[1], e);
	close_fdp(&errors[1]);
	if (r == 0)
		r = send_request(p->socket.fd, req, e);
	if (r == 0)
		r = watch(p, e);
	if (r < 0) {
		(void)unlink(p->path);
		if (p->child.pidfd >= 0)
			pidfd_send_signal(p->child.pidfd, SIGKILL, NULL, 0);
		acquire_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

int image_pull_adopt(struct loop *l, const char *socket_dir, const char *id,
		     const struct image_pull_ops *ops, void *arg, struct image_pull **ret,
		     struct err *e)
{
	struct image_pull *p = acquire_new(l, socket_dir, id, ops, arg);
	int r = connect_to(p->path, &p->socket.fd, e);

	p->adopted = true;
	if (r == 0 && fcntl(p->socket.fd, F_SETFL, O_NONBLOCK) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "puller descriptor");
	if (r == 0)
		r = loop_io_add(l, &p->socket, p->socket.fd, EPOLLIN, on_socket, e);
	if (r != 0) {
		acquire_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

/* --- stop --- */

/* Does not block: the message fits the socket's buffer. */
static void send_end(int fd)
{
	Crisp__Pull__ToPuller to = CRISP__PULL__TO_PULLER__INIT;
	uint8_t bytes[64];
	uint32_t size;

	to.end = true;
	size = (uint32_t)crisp__pull__to_puller__get_packed_size(&to);
	memcpy(bytes, &size, sizeof(size));
	crisp__pull__to_puller__pack(&to, bytes + sizeof(size));
	(void)send(fd, bytes, sizeof(size) + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void image_pull_detach(struct image_pull *p)
{
	if (p)
		acquire_free(p);
}

void image_pull_close(struct image_pull *p)
{
	if (!p)
		return;
	p->ops = NULL;
	buf_done(&p->in);
	if (!p->reported && p->process.fd >= 0)
		pidfd_send_signal(p->child.pidfd, SIGKILL, NULL, 0);
	else if (p->socket.fd >= 0)
		send_end(p->socket.fd);
	(void)unlink(p->path);
	stream_close(&p->socket);
	if (p->process.fd < 0)
		acquire_free(p);
	else
		p->reported = true; /* on_process reaps and frees */
}

static void end_at(const char *path)
{
	_cleanup_close_ int fd = -1;
	struct err ignored = ERR_NULL;

	if (connect_to(path, &fd, &ignored) == 0)
		send_end(fd);
	(void)unlink(path);
}

void image_pull_end(const char *socket_dir, const char *id)
{
	_cleanup_free_ char *path = socket_path(socket_dir, id);

	end_at(path);
}

struct dismissal {
	const char *const *ids;
	size_t n;
};

static int dismiss(const char *path, const char *name, void *arg, struct err *e)
{
	const struct dismissal *d = arg;

	(void)e;
	if (!str_ends(name, SOCKET_SUFFIX))
		return 0;
	for (size_t i = 0; i < d->n; i++)
		if (str_starts(name, d->ids[i]))
			return 0;
	end_at(path);
	return 0;
}

int image_pull_dismiss(const char *socket_dir, const char *const *ids, size_t n, struct err *e)
{
	struct dismissal d = { .ids = ids, .n = n };

	return fs_each(socket_dir, dismiss, &d, e);
}
