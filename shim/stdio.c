/*
 * stdio.c - read and log the streams of all containers, and serve attached clients.
 *
 * All containers share one buffer for reading and one for records: the bytes of an event are in the
 * file before the next event.
 */
#include "shim/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "shim/pages.h"
#include "shim/spawner.h"
#include "shim/spool.h"
#include "shimproto/shimproto.h"

#define READ_MAX SPOOL_BULK
#define STREAM_PIPE (256 * 1024)
#define DRAIN_MAX (1024 * 1024) /* the largest pipe */
#define CLIENTS_MAX 16
#define CLIENT_PIPE (1024 * 1024)

struct client {
	struct list node;
	struct stdio *io;
	struct watch in; /* stdin of the client */
	int out, err;
	char session[SHIM_ID_MAX + 1]; /* "": report no end of it */
	bool slow; /* disconnected since it does not read */
	size_t at, len; /* of typed: bytes that the container has not read */
	char typed[4096];
};

static char read_buf[READ_MAX] PAGES_ALIGNED;
static char batch_buf[2 * READ_MAX] PAGES_ALIGNED;
static struct stdio *batch_for;

static void batch_flush(struct logline_batch *b)
{
	if (batch_for->journal.on)
		journal_write(&batch_for->journal, b->data, b->len);
	if (logfile_write(&batch_for->log, b->data, b->len) && batch_for->log_error)
		(batch_for->log_error)(batch_for);
}

static struct logline_batch batch = { .data = batch_buf,
				      .cap = sizeof(batch_buf),
				      .flush = batch_flush };

/* --- attached clients --- */

static void client_free(struct client *c)
{
	struct stdio *io = c->io;
	bool was_typing = c->in.fd >= 0;

	watch_del(&c->in);
	close_fdp(&c->in.fd);
	close_fdp(&c->out);
	close_fdp(&c->err);
	list_remove(&c->node);
	if (*c->session && io->client_left)
		io->client_left(io, c->session, c->slow);
	free(c);
	if (was_typing && io->stdin_once)
		stdio_close_stdin(io);
}

/* false: disconnect the client. */
static bool show_client(struct client *c, int fd, const char *data, size_t size)
{
	ssize_t n = write(fd, data, size);

	if (n == (ssize_t)size)
		return true;
	c->slow = n >= 0 || errno == EAGAIN;
	return false;
}

static void show_clients(struct stdio_stream *s, const char *data, size_t size)
{
	list_for_each_safe(pos, &s->io->clients) {
		struct client *c = list_entry(pos, struct client, node);
		int fd = s == &s->io->err ? c->err : c->out;

		if (fd >= 0 && !show_client(c, fd, data, size))
			client_free(c);
	}
}

static void client_typed(struct watch *w, uint32_t events);

/* Pass the client's input on.  If the container's stdin is full, keep the rest and stop reading. */
static void client_push(struct client *c)
{
	struct stdio *io = c->io;
	struct err e = ERR_NULL;

	while (c->at < c->len && io->stdin.fd >= 0) {
		ssize_t n = write(io->stdin.fd, c->typed + c->at, c->len - c->at);

		if (n < 0 && errno == EAGAIN) {
			/* Remove the watch: a muted one would still report the client's hangup. */
			watch_del(&c->in);
			watch_change(&io->stdin, EPOLLOUT);
			return;
		}
		if (n < 0)
			stdio_close_stdin(io);
		else
			c->at += (size_t)n;
	}
	c->at = c->len = 0;
	if (!c->in.on && watch_add(&c->in, c->in.fd, EPOLLIN, client_typed, &e) < 0)
		close_fdp(&c->in.fd);
}

static void client_typed(struct watch *w, uint32_t events)
{
	struct client *c = container_of(w, struct client, in);
	struct stdio *io = c->io;
	ssize_t n;

	(void)events;
	n = read(w->fd, c->typed, sizeof(c->typed));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		c->at = 0;
		c->len = (size_t)n;
		client_push(c);
		return;
	}
	watch_del(w);
	close_fdp(&w->fd);
	if (io->stdin_once)
		stdio_close_stdin(io);
	if (c->out < 0 && c->err < 0)
		client_free(c);
}

static void stdin_ready(struct watch *w, uint32_t events)
{
	struct stdio *io = container_of(w, struct stdio, stdin);

	if (events & (EPOLLERR | EPOLLHUP)) { /* the container has closed stdin */
		stdio_close_stdin(io);
		return;
	}
	watch_change(w, 0);
	list_for_each_safe(pos, &io->clients) {
		struct client *c = list_entry(pos, struct client, node);

		if (c->at < c->len)
			client_push(c);
	}
}

/* Has the reader of this pipe closed it? */
static bool is_deaf(int fd)
{
	struct pollfd p = { .fd = fd };

	return fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

/* Free clients that left while there was no output, and count the others. */
static int count_clients(struct stdio *io)
{
	int n = 0;

	list_for_each_safe(pos, &io->clients) {
		struct client *c = list_entry(pos, struct client, node);

		if (is_deaf(c->out) || is_deaf(c->err))
			client_free(c);
		else
			n++;
	}
	return n;
}

int stdio_attach(struct stdio *io, const char *session, int in, int out, int err, struct err *e)
{
	struct client *c;
	int n = count_clients(io), r = 0;

	c = xcalloc(1, sizeof(*c));
	c->io = io;
	c->in.fd = in;
	c->out = out;
	c->err = err;
	list_append(&io->clients, &c->node);
	if (out >= 0) {
		fcntl(out, F_SETFL, O_NONBLOCK);
		spawner_widen(out, CLIENT_PIPE); /* only pipes: others have a smaller buffer */
	}
	if (err >= 0) {
		fcntl(err, F_SETFL, O_NONBLOCK);
		spawner_widen(err, CLIENT_PIPE);
	}
	if (n >= CLIENTS_MAX)
		r = err_set(e, ERR_EXHAUSTED, "%d clients are attached already", n);
	else if (in >= 0 && io->stdin.fd < 0)
		r = err_set(e, ERR_PRECONDITION, "the container has no open stdin to attach to");
	if (r == 0 && in >= 0) {
		fcntl(in, F_SETFL, O_NONBLOCK);
		r = watch_add(&c->in, in, EPOLLIN, client_typed, e);
	}
	if (r < 0) {
		c->in.fd = -1; /* a failed attach does not trigger stdin_once */
		close_fdp(&in);
		client_free(c);
	} else {
		snprintf(c->session, sizeof(c->session), "%s", session);
	}
	return r;
}

/* --- output --- */

void stdio_heal(struct stdio *io)
{
	if (io->out.in.fd >= 0 || io->err.in.fd >= 0)
		logfile_heal(&io->log);
}

void stdio_rest(void)
{
	pages_release(read_buf, sizeof(read_buf));
	pages_release(batch_buf, sizeof(batch_buf));
	spool_rest();
}

static int index_of(const struct stdio_stream *s)
{
	return s == &s->io->err;
}

static void stream_close(struct stdio_stream *s)
{
	if (s->in.fd < 0)
		return;
	watch_del(&s->in);
	close_fdp(&s->in.fd);
	batch_for = s->io;
	logline_stamp(&batch, clock_realtime_ns());
	spool_begin(&s->io->spool, &s->io->log);
	logline_end(&s->line, &batch);
	logline_flush(&batch);
	spool_done(&s->io->spool, index_of(s), 0, &s->io->log);
	if (s->io->out.in.fd >= 0 || s->io->err.in.fd >= 0)
		return;
	logfile_settle(&s->io->log);
	list_for_each_safe(pos, &s->io->clients)
		client_free(list_entry(pos, struct client, node));
}

static void log_bytes(struct stdio_stream *s, const char *data, size_t n)
{
	if (s->io->log.fd < 0 && !s->io->journal.on)
		return;
	batch_for = s->io;
	logline_stamp(&batch, clock_realtime_ns());
	spool_begin(&s->io->spool, &s->io->log);
	logline_feed(&s->line, &batch, data, n);
	logline_flush(&batch);
}

/* Read once.  false: no more bytes now, or the stream has ended. */
static bool stream_read(struct stdio_stream *s)
{
	char *data;
	ssize_t n =
		spool_take(&s->io->spool, index_of(s), s->in.fd, read_buf, sizeof(read_buf), &data);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) { /* end of file, or EIO of a pty */
		stream_close(s);
		return false;
	}
	log_bytes(s, data, (size_t)n);
	spool_done(&s->io->spool, index_of(s), s->line.len, &s->io->log);
	show_clients(s, data, (size_t)n);
	return true;
}

static void stream_ready(struct watch *w, uint32_t events)
{
	(void)events;
	stream_read(container_of(w, struct stdio_stream, in));
}

void stdio_drain(struct stdio *io)
{
	struct stdio_stream *const both[] = { &io->out, &io->err };

	for (size_t i = 0; i < ARRAY_LEN(both); i++)
		for (size_t n = 0; both[i]->in.fd >= 0 && n < DRAIN_MAX / READ_MAX; n++)
			if (!stream_read(both[i]))
				break;
}

/* --- setting up --- */

void stdio_child_done(struct stdio_child *c)
{
	close_fdp(&c->in);
	close_fdp(&c->out);
	close_fdp(&c->err);
}

/* Make a named pipe, so that the next shim can open it again.  ours: 0: the shim keeps the read
 * end, 1: the write end.  An output of the container is open read-write there: it always has a
 * reader, and its writes without a shim block instead of failing with EPIPE. */
static int open_fifo(const char *dir, const char *name, int ours, int *ret_ours, int *ret_theirs,
		     struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_close_ int reader = -1, writer = -1;

	unlink(path);
	if (mkfifo(path, 0600) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make %s", path);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	writer = open(path, (ours ? O_WRONLY | O_NONBLOCK : O_RDWR) | O_CLOEXEC);
	if (reader < 0 || writer < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	if (!ours)
		spawner_widen(reader, STREAM_PIPE);
	if (ours && fcntl(reader, F_SETFL, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set up %s", path);
	*(ours ? ret_theirs : ret_ours) = take_fd(reader);
	*(ours ? ret_ours : ret_theirs) = take_fd(writer);
	return 0;
}

void stdio_init(struct stdio *io)
{
	io->out.in.fd = io->err.in.fd = io->stdin.fd = io->log.fd = -1;
	spool_init(&io->spool);
	list_init(&io->clients);
	io->out.io = io->err.io = io;
	io->out.line.stream = "stdout";
	io->err.line.stream = "stderr";
	io->out.line.pending = io->pending[0];
	io->err.line.pending = io->pending[1];
}

int stdio_open(struct stdio *io, uint32_t flags, const char *dir, const char *log_path,
	       uint64_t log_max, struct stdio_child *ret, struct err *e)
{
	int r;

	*ret = STDIO_CHILD_NULL;
	io->tty = flags & SHIM_TTY;
	io->stdin_once = flags & SHIM_STDIN_ONCE;
	r = logfile_open(&io->log, log_path, log_max, e);
	io->log.no_sync = flags & SHIM_NO_SYNC;
	if (r < 0 || io->tty)
		return r;
	if (io->log.fd >= 0)
		spool_open(&io->spool, dir);
	r = open_fifo(dir, SHIM_STDOUT_NAME, 0, &io->out.in.fd, &ret->out, e);
	if (r == 0)
		r = open_fifo(dir, SHIM_STDERR_NAME, 0, &io->err.in.fd, &ret->err, e);
	if (r == 0 && (flags & SHIM_STDIN))
		r = open_fifo(dir, SHIM_STDIN_NAME, 1, &io->stdin.fd, &ret->in, e);
	return r;
}

int stdio_set_pty(struct stdio *io, int fd, struct err *e)
{
	io->out.in.fd = fd;
	/* A second descriptor, since one epoll holds one watch per descriptor. */
	io->stdin.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (io->stdin.fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set up the container's terminal");
	return 0;
}

/* Log the bytes that the earlier shim had read and not logged. */
static void log_left(struct stdio_stream *s)
{
	off_t at = 0;
	size_t n;

	while ((n = spool_left(&s->io->spool, index_of(s), &at, read_buf, sizeof(read_buf))) > 0)
		log_bytes(s, read_buf, n);
	spool_done(&s->io->spool, index_of(s), s->line.len, &s->io->log);
}

int stdio_adopt(struct stdio *io, uint32_t flags, const char *dir, const char *log_path,
		uint64_t log_max, int in, int out, int err, struct err *e)
{
	struct err why = ERR_NULL;

	io->tty = flags & SHIM_TTY;
	io->stdin_once = flags & SHIM_STDIN_ONCE;
	if (logfile_open(&io->log, log_path, log_max, &why) < 0)
		log_err(LOG_LEVEL_WARN, "open a container's log", &why);
	io->log.no_sync = flags & SHIM_NO_SYNC;
	io->out.in.fd = out;
	io->err.in.fd = err;
	io->stdin.fd = in;
	if (!io->tty && io->log.fd >= 0) {
		spool_adopt(&io->spool, dir, &io->log);
		log_left(&io->out);
		log_left(&io->err);
	}
	return io->tty && out >= 0 ? stdio_set_pty(io, out, e) : 0;
}

int stdio_begin(struct stdio *io, struct err *e)
{
	int r = 0;

	if (io->out.in.fd >= 0)
		r = watch_add(&io->out.in, io->out.in.fd, EPOLLIN, stream_ready, e);
	if (r == 0 && io->err.in.fd >= 0)
		r = watch_add(&io->err.in, io->err.in.fd, EPOLLIN, stream_ready, e);
	if (r == 0 && io->stdin.fd >= 0)
		r = watch_add(&io->stdin, io->stdin.fd, 0, stdin_ready, e);
	return r;
}

void stdio_close(struct stdio *io)
{
	stream_close(&io->out);
	stream_close(&io->err);
	list_for_each_safe(pos, &io->clients)
		client_free(list_entry(pos, struct client, node));
	stdio_close_stdin(io);
	spool_close(&io->spool);
	logfile_close(&io->log);
}

int stdio_resize(struct stdio *io, uint32_t width, uint32_t height, struct err *e)
{
	struct winsize ws = { .ws_col = (unsigned short)width, .ws_row = (unsigned short)height };

	if (!io->tty || io->out.in.fd < 0)
		return err_set(e, ERR_PRECONDITION, "the container has no terminal");
	if (width > USHRT_MAX || height > USHRT_MAX)
		return err_set(e, ERR_INVALID, "terminal size %ux%u is out of range", width,
			       height);
	if (ioctl(io->out.in.fd, TIOCSWINSZ, &ws) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "resize the container's terminal");
	return 0;
}

void stdio_close_stdin(struct stdio *io)
{
	watch_del(&io->stdin);
	if (io->stdin.fd >= 0 && io->stdin_closed)
		io->stdin_closed(io);
	close_fdp(&io->stdin.fd);
}
