/*
 * remotecommand.c - exec and attach sessions: copy stdin, stdout, stderr and resizes, then send
 * the status.
 */
#include "stream/remotecommand.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "stream/wschan.h"

#define DRAIN_NS (1000 * NSEC_PER_MSEC) /* for output that leftover child processes still write */
#define RESIZE_MAX 1024 /* an incomplete resize message, bytes */
#define CHANNEL_CLOSE 255 /* version 5 over WebSocket: closes the channel named in its data */

/* Numbers of the WebSocket channels. */
enum channel {
	CHANNEL_STDIN,
	CHANNEL_STDOUT,
	CHANNEL_STDERR,
	CHANNEL_ERROR,
	CHANNEL_RESIZE,
	CHANNEL_COUNT,
};

static const char *const channel_names[] = {
	[CHANNEL_STDIN] = "stdin", [CHANNEL_STDOUT] = "stdout", [CHANNEL_STDERR] = "stderr",
	[CHANNEL_ERROR] = "error", [CHANNEL_RESIZE] = "resize",
};

/* One of the container's two outputs. */
struct output {
	struct tap tap;
	enum channel channel;
	int64_t left; /* bytes still to read after the process' end; -1: until EOF */
};

struct remotecommand {
	struct conn *conn;
	unsigned version;
	bool websocket;
	bool wanted[CHANNEL_COUNT];
	uint32_t stream[CHANNEL_COUNT]; /* SPDY: its id, 0: not opened */
	struct wschan chan; /* WebSocket */
	int closing; /* WebSocket: channel named by a CLOSE, -1: none yet */
	struct tap in;
	struct output out[2];
	struct buf typed; /* for the container's stdin */
	bool typed_all; /* the client's stdin has ended */
	bool begun, given, ended, done;
	struct stream_end end;
	struct loop_timer drain;
	struct buf sizes;
	uint16_t width, height; /* 0: not received */
};

static bool is_attach(const struct remotecommand *rc)
{
	return rc->conn->ask.kind == STREAM_KIND_ATTACH;
}

/* --- status --- */

static char *failure_text(const char *text, const char *reason, json_t *rest)
{
	json_t *all = json_pack("{s:s, s:s, s:s}", "status", "Failure", "message", text, "reason",
				reason);
	char *json;

	json_object_update(all, rest);
	json_decref(rest);
	json = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return json;
}

char *remotecommand_status(unsigned version, enum stream_kind kind, const struct stream_end *end)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct buf why = BUF_NULL;
	char code[16];

	if (end->err.code == ERR_OK && end->code == 0)
		return version >= 4 ? xstrdup("{\"status\":\"Success\"}") : NULL;
	if (end->err.code == ERR_OK) {
		snprintf(code, sizeof(code), "%d", end->code);
		text = xasprintf("command terminated with non-zero exit code: exit status %s",
				 code);
		if (version < 4)
			return take_ptr(text);
		return failure_text(text, "NonZeroExitCode",
				    json_pack("{s:{s:[{s:s, s:s}]}}", "details", "causes", "reason",
					      "ExitCode", "message", code));
	}
	buf_add_clean(&why, end->err.text, strlen(end->err.text));
	text = xasprintf("Internal error occurred: error %s container: %s",
			 kind == STREAM_KIND_ATTACH ? "attaching to" : "executing command in",
			 why.len ? why.data : "unknown");
	if (version < 4)
		return take_ptr(text);
	return failure_text(text, "InternalError", json_pack("{s:i}", "code", 500));
}

/* --- towards the client --- */

static void say(struct remotecommand *rc, enum channel ch, const void *data, size_t size, bool fin)
{
	if (!rc->websocket && rc->stream[ch])
		spdy_put_data(conn_out(rc->conn), rc->stream[ch], data, size, fin);
	else if (rc->websocket && size)
		wschan_put(&rc->chan, conn_out(rc->conn), ch, data, size);
}

static void close_all(struct remotecommand *rc)
{
	loop_timer_stop(rc->conn->conns->loop, &rc->drain);
	tap_close(&rc->in);
	tap_close(&rc->out[0].tap);
	tap_close(&rc->out[1].tap);
}

/* Send the status: the container's process has ended and all output was queued. */
static void conclude(struct remotecommand *rc)
{
	_cleanup_free_ char *text = NULL;

	if (rc->done)
		return;
	rc->done = true;
	close_all(rc);
	text = remotecommand_status(rc->version, rc->conn->ask.kind, &rc->end);
	say(rc, CHANNEL_STDOUT, NULL, 0, true);
	say(rc, CHANNEL_STDERR, NULL, 0, true);
	say(rc, CHANNEL_STDIN, NULL, 0, true);
	say(rc, CHANNEL_ERROR, text, text ? strlen(text) : 0, true);
	if (rc->websocket)
		ws_put_close(&rc->conn->ws, conn_out(rc->conn), 1000);
	else
		spdy_put_goaway(rc->conn->spdy, conn_out(rc->conn));
	conn_finish(rc->conn);
}

static bool has_output(const struct remotecommand *rc)
{
	return rc->wanted[CHANNEL_STDOUT] || rc->wanted[CHANNEL_STDERR];
}

static void drain_over(struct loop_timer *t);

static void conclude_if_over(struct remotecommand *rc)
{
	bool quiet = rc->out[0].tap.io.fd < 0 && rc->out[1].tap.io.fd < 0;

	if (quiet && rc->ended)
		conclude(rc);
	else if (quiet && rc->given && is_attach(rc) && has_output(rc))
		/* Wait for the exit status, up to DRAIN_NS.  Without one, report the end of the
		 * container's streams. */
		loop_timer_set(rc->conn->conns->loop, &rc->drain, clock_monotonic_ns() + DRAIN_NS,
			       drain_over);
}

static void output_close(struct remotecommand *rc, struct output *o)
{
	tap_close(&o->tap);
	say(rc, o->channel, NULL, 0, true);
	rc->stream[o->channel] = 0; /* no further frames on it */
	conclude_if_over(rc);
}

static void output_ready(struct loop_io *io, uint32_t events)
{
	struct output *o = container_of(io, struct output, tap.io);
	struct remotecommand *rc = o->tap.conn->session;
	char data[CONN_CHUNK];
	size_t room = sizeof(data);
	ssize_t n;

	(void)events;
	if (o->left >= 0)
		room = (size_t)MIN((int64_t)room, o->left);
	n = read(io->fd, data, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		say(rc, o->channel, data, (size_t)n, false);
	if (n > 0 && o->left > 0)
		o->left -= n;
	conn_mark(rc->conn);
	if (n <= 0 || o->left == 0) /* a terminal's end is EIO */
		output_close(rc, o);
}

/* Another process holds the output open.  Read the bytes that are available now, then stop. */
static void drain_over(struct loop_timer *t)
{
	struct remotecommand *rc = container_of(t, struct remotecommand, drain);

	for (size_t i = 0; i < ARRAY_LEN(rc->out) && !rc->done; i++) {
		struct output *o = &rc->out[i];
		int n = 0;

		if (o->tap.io.fd < 0)
			continue;
		if (ioctl(o->tap.io.fd, FIONREAD, &n) < 0)
			n = 0;
		o->left = n;
		if (n == 0)
			output_close(rc, o);
	}
	if (!rc->ended) {
		rc->ended = true;
		conclude_if_over(rc);
	}
	conn_mark(rc->conn);
}

/* --- towards the container --- */

static void resize_now(struct remotecommand *rc)
{
	const struct winsize ws = { .ws_col = rc->width, .ws_row = rc->height };

	if (!rc->width || !rc->given || !rc->conn->ask.tty || rc->done)
		return;
	if (is_attach(rc))
		rc->conn->conns->hooks->resize(rc->conn->id, rc->width, rc->height);
	else if (rc->out[0].tap.io.fd >= 0)
		ioctl(rc->out[0].tap.io.fd, TIOCSWINSZ, &ws);
}

static uint16_t size_member(json_t *size, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach(
		size, key,
		value) if (strcasecmp(key, name) == 0 && json_integer_value(value) > 0 &&
			   json_integer_value(value) <=
				   UINT16_MAX) return (uint16_t)json_integer_value(value);
	return 0;
}

/* Concatenated JSON objects, split anywhere. */
static void sizes_typed(struct remotecommand *rc, const void *data, size_t size)
{
	/* Garbage fills the buffer and ends resizing, but not the session. */
	buf_add(&rc->sizes, data, MIN(size, RESIZE_MAX - rc->sizes.len));
	while (rc->sizes.len) {
		json_error_t at;
		json_t *j = json_loadb(rc->sizes.data, rc->sizes.len,
				       JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &at);
		uint16_t width = size_member(j, "Width"), height = size_member(j, "Height");

		if (!j)
			break;
		buf_consume(&rc->sizes, (size_t)at.position);
		json_decref(j);
		if (width && height) {
			rc->width = width;
			rc->height = height;
			resize_now(rc);
		}
	}
}

static void stdin_ended(struct remotecommand *rc)
{
	rc->typed_all = true;
	if (rc->typed.len || !rc->given)
		return; /* later */
	/* An exec's terminal stays open.  An attached client is detached, unless its end of stdin
	 * closes the container's. */
	if (!rc->conn->ask.tty)
		tap_close(&rc->in);
	if (is_attach(rc) && (rc->conn->ask.tty || !rc->conn->ask.in_once || !has_output(rc)))
		conclude(rc);
}

static void stdin_push(struct remotecommand *rc)
{
	if (!rc->typed.len || !rc->given)
		return;
	if (rc->in.io.fd < 0 || !tap_write(&rc->in, &rc->typed)) {
		tap_close(&rc->in);
		rc->typed.len = 0;
	}
	if (!rc->typed.len && rc->typed_all)
		stdin_ended(rc);
	conn_mark(rc->conn);
}

static void stdin_ready(struct loop_io *io, uint32_t events)
{
	struct tap *t = container_of(io, struct tap, io);
	struct remotecommand *rc = t->conn->session;

	if (events & (EPOLLERR | EPOLLHUP)) { /* the reading end is closed */
		tap_close(t);
		conn_mark(rc->conn);
	}
	stdin_push(rc);
}

static void typed(struct remotecommand *rc, enum channel ch, const void *data, size_t size)
{
	if (rc->done)
		return;
	if (ch == CHANNEL_RESIZE) {
		sizes_typed(rc, data, size);
	} else if (ch == CHANNEL_STDIN && rc->wanted[ch] && !rc->typed_all) {
		buf_add(&rc->typed, data, size);
		stdin_push(rc);
	}
}

static void channel_ended(struct remotecommand *rc, enum channel ch)
{
	if (ch == CHANNEL_STDIN && rc->wanted[ch] && !rc->done && !rc->typed_all)
		stdin_ended(rc);
}

/* --- SPDY --- */

static int channel_named(const char *name)
{
	for (int i = 0; i < CHANNEL_COUNT; i++)
		if (strcmp(channel_names[i], name) == 0)
			return i;
	return -1;
}

static int channel_of(const struct remotecommand *rc, uint32_t id)
{
	for (int i = 0; i < CHANNEL_COUNT; i++)
		if (id && rc->stream[i] == id)
			return i;
	return -1;
}

static void spdy_opened(void *arg, const struct spdy_open *open)
{
	struct remotecommand *rc = arg;
	int ch = channel_named(open->type);
	struct buf *out = conn_out(rc->conn);

	if (ch < 0 || !rc->wanted[ch] || rc->stream[ch] || rc->begun || rc->done) {
		spdy_put_reset(out, open->id, SPDY_STATUS_REFUSED_STREAM);
		return;
	}
	spdy_put_reply(rc->conn->spdy, out, open->id);
	rc->stream[ch] = open->id;
	for (int i = 0; i < CHANNEL_COUNT; i++)
		if (rc->wanted[i] && !rc->stream[i])
			return;
	rc->begun = true;
	conn_begin(rc->conn);
}

static void spdy_data(void *arg, uint32_t id, const void *data, size_t size)
{
	int ch = channel_of(arg, id);

	if (ch >= 0)
		typed(arg, (enum channel)ch, data, size);
}

static void spdy_finished(void *arg, uint32_t id)
{
	int ch = channel_of(arg, id);

	if (ch >= 0)
		channel_ended(arg, (enum channel)ch);
}

static void spdy_reset(void *arg, uint32_t id)
{
	struct remotecommand *rc = arg;
	int ch = channel_of(rc, id);

	if (ch < 0)
		return;
	channel_ended(rc, (enum channel)ch);
	rc->stream[ch] = 0; /* later output for it is dropped */
}

static void spdy_goaway(void *arg)
{
	conn_kill(((struct remotecommand *)arg)->conn);
}

static const struct spdy_ops rc_spdy = {
	spdy_opened, spdy_data, spdy_finished, spdy_reset, spdy_goaway,
};

/* --- WebSocket --- */

/* Collect the one byte with the channel's number; parts of the message may be empty. */
static void close_said(struct remotecommand *rc, const struct buf *bytes, bool last)
{
	if (bytes->len == 1 && rc->closing < 0)
		rc->closing = (unsigned char)bytes->data[0];
	else if (bytes->len)
		rc->closing = CHANNEL_COUNT;
	if (!last)
		return;
	if (rc->closing < 0 || rc->closing >= CHANNEL_COUNT)
		conn_kill(rc->conn);
	else
		channel_ended(rc, (enum channel)rc->closing);
	rc->closing = -1;
}

static void ws_data(void *arg, const void *data, size_t size, bool first, bool last)
{
	struct remotecommand *rc = arg;
	_cleanup_buf_ struct buf bytes = BUF_NULL;
	unsigned ch = 0;
	int r = wschan_read(&rc->chan, data, size, first, last, &bytes, &ch);

	if (r < 0)
		conn_kill(rc->conn);
	else if (r && ch == CHANNEL_CLOSE && rc->version >= 5)
		close_said(rc, &bytes, last);
	else if (r && bytes.len && ch < CHANNEL_COUNT)
		typed(rc, (enum channel)ch, bytes.data, bytes.len);
}

static void ws_closed(void *arg)
{
	conn_kill(((struct remotecommand *)arg)->conn);
}

static const struct ws_ops rc_ws = { ws_data, ws_closed };

/* --- session --- */

struct remotecommand *remotecommand_new(struct conn *c, const struct remotecommand_form *form)
{
	struct remotecommand *rc = xcalloc(1, sizeof(*rc));
	enum channel hello;

	rc->conn = c;
	rc->version = form->version;
	rc->websocket = form->websocket;
	rc->begun = form->websocket;
	rc->chan.base64 = form->base64;
	rc->closing = -1;
	rc->wanted[CHANNEL_STDIN] = c->ask.in;
	rc->wanted[CHANNEL_STDOUT] = c->ask.out;
	rc->wanted[CHANNEL_STDERR] = c->ask.err && !c->ask.tty;
	rc->wanted[CHANNEL_ERROR] = true;
	rc->wanted[CHANNEL_RESIZE] = c->ask.tty && form->version >= 3;
	tap_init(&rc->in, c, -1, stdin_ready);
	for (size_t i = 0; i < ARRAY_LEN(rc->out); i++) {
		tap_init(&rc->out[i].tap, c, -1, output_ready);
		rc->out[i].channel = i ? CHANNEL_STDERR : CHANNEL_STDOUT;
		rc->out[i].left = -1;
	}
	/* Send an empty message: a client may wait for a sign that the connection is up. */
	hello = rc->wanted[CHANNEL_STDOUT]   ? CHANNEL_STDOUT
		: rc->wanted[CHANNEL_STDERR] ? CHANNEL_STDERR
					     : CHANNEL_ERROR;
	if (form->websocket)
		wschan_put(&rc->chan, conn_out(c), hello, NULL, 0);
	return rc;
}

static void rc_given(void *session, const struct stream_fds *fds)
{
	struct remotecommand *rc = session;

	rc->in.io.fd = fds->in;
	rc->out[0].tap.io.fd = fds->out;
	rc->out[1].tap.io.fd = fds->err;
	rc->given = true;
	if (rc->done) {
		close_all(rc);
		return;
	}
	resize_now(rc);
	stdin_push(rc);
	if (rc->typed_all && !rc->typed.len)
		stdin_ended(rc);
	conclude_if_over(rc);
	conn_mark(rc->conn);
}

static void rc_ended(void *session, const struct stream_end *end)
{
	struct remotecommand *rc = session;

	if (rc->ended)
		return;
	rc->ended = true;
	rc->end = *end;
	tap_close(&rc->in);
	rc->typed.len = 0;
	loop_timer_set(rc->conn->conns->loop, &rc->drain, clock_monotonic_ns() + DRAIN_NS,
		       drain_over);
	conclude_if_over(rc);
	conn_mark(rc->conn);
}

static void rc_aborted(void *session, const struct err *err)
{
	struct remotecommand *rc = session;

	rc->end = (struct stream_end){ .code = -1, .err = *err };
	conclude(rc);
}

static bool rc_update(void *session, bool full)
{
	struct remotecommand *rc = session;

	for (size_t i = 0; i < ARRAY_LEN(rc->out); i++)
		tap_want(&rc->out[i].tap, full ? 0 : EPOLLIN);
	tap_want(&rc->in, rc->typed.len ? EPOLLOUT : 0);
	return rc->typed.len < CONN_IN_MAX;
}

static void rc_free(void *session)
{
	struct remotecommand *rc = session;

	close_all(rc);
	buf_done(&rc->typed);
	buf_done(&rc->sizes);
	free(rc);
}

const struct session_ops remotecommand_ops = {
	.spdy = &rc_spdy,
	.ws = &rc_ws,
	.given = rc_given,
	.ended = rc_ended,
	.aborted = rc_aborted,
	.update = rc_update,
	.free = rc_free,
};
