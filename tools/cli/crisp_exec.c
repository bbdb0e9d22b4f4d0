/*
 * crisp_exec.c - the commands `exec` and `attach`: connect a process's streams to this terminal.
 * Without --timeout, exec copies streams as they are written.  With --timeout, the daemon enforces
 * it and returns all output at the end.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "crisp.h"
#include "crisp_stream.h"

#define PROTOCOL "v4.channel.k8s.io"
#define STATUS_MAX 65536
#define READ_SIZE 32768
#define CALL_TIMEOUT_MS 60000
#define EXIT_LOOK_MS 20
#define EXIT_LOOKS 50 /* one second: a process may run on after closing its streams */
#define DETACH_FIRST 0x10 /* Ctrl-P, then Ctrl-Q */
#define DETACH_SECOND 0x11

/* One session. */
struct terminal {
	struct loop *loop;
	struct stream_client *client;
	uint32_t error, in, out, err, resize; /* streams, 0: not requested */
	bool tty, raw;
	struct termios before;
	struct loop_io keyboard, window;
	bool keyboard_waits; /* until there is room, or at EOF */
	bool may_detach, detach_begun, detached;
	struct buf status;
	bool status_complete, failed;
	struct err e;
};

/* --- input from the daemon --- */

static void done(struct terminal *t)
{
	loop_stop(t->loop);
}

static void fail(struct terminal *t, const struct err *e)
{
	if (!t->failed && !t->detached) {
		t->failed = true;
		t->e = *e;
	}
	done(t);
}

static void on_data(void *arg, uint32_t id, const void *data, size_t size)
{
	struct terminal *t = arg;
	struct err e = ERR_NULL;
	int fd = id == t->out ? STDOUT_FILENO : id == t->err ? STDERR_FILENO : -1;

	if (id == t->error && t->status.len + size <= STATUS_MAX)
		buf_add(&t->status, data, size);
	else if (fd >= 0 && fs_write_all(fd, data, size) < 0) {
		err_errno(&e, ERR_INTERNAL, errno, "write");
		fail(t, &e);
	}
}

static void on_finished(void *arg, uint32_t id)
{
	struct terminal *t = arg;

	if (id == t->error)
		t->status_complete = true;
	else if (id == t->out)
		t->out = 0;
	else if (id == t->err)
		t->err = 0;
	if (t->status_complete && !t->out && !t->err)
		done(t);
}

static void keyboard_stop(struct terminal *t)
{
	loop_io_del(&t->keyboard);
	t->keyboard_waits = true;
}

static void on_reset(void *arg, uint32_t id)
{
	struct terminal *t = arg;

	if (id == t->in) {
		t->in = 0;
		keyboard_stop(t);
	}
}

static void on_closed(void *arg, const struct err *why)
{
	fail(arg, why);
}

/* --- output to the daemon --- */

/* Search the input for Ctrl-P Ctrl-Q; only the bytes before it are sent. */
static size_t look_for_detach(struct terminal *t, char *data, size_t size)
{
	size_t kept = 0;

	if (!t->may_detach)
		return size;
	for (size_t i = 0; i < size; i++) {
		if (t->detach_begun && data[i] == DETACH_SECOND) {
			t->detached = true;
			return kept ? kept - (data[kept - 1] == DETACH_FIRST) : 0;
		}
		t->detach_begun = data[i] == DETACH_FIRST;
		data[kept++] = data[i];
	}
	return kept;
}

static void on_keyboard(struct loop_io *io, uint32_t events)
{
	struct terminal *t = container_of(io, struct terminal, keyboard);
	char data[READ_SIZE];
	ssize_t n = read(io->fd, data, sizeof(data));

	(void)events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		n = (ssize_t)look_for_detach(t, data, (size_t)n);
	if (t->detached) {
		done(t);
		return;
	}
	if (n <= 0) {
		keyboard_stop(t);
		stream_client_put(t->client, t->in, NULL, 0, true);
		t->in = 0;
		return;
	}
	stream_client_put(t->client, t->in, data, (size_t)n, false);
	if (stream_client_is_full(t->client))
		keyboard_stop(t);
}

/* epoll refuses regular files, which are always ready: read them at each `room` callback. */
static void keyboard_start(struct terminal *t)
{
	struct err e = ERR_NULL;

	t->keyboard_waits = false;
	t->keyboard.fd = STDIN_FILENO;
	if (loop_io_add(t->loop, &t->keyboard, STDIN_FILENO, EPOLLIN, on_keyboard, &e) == 0)
		return;
	while (t->in && !t->keyboard_waits)
		on_keyboard(&t->keyboard, EPOLLIN);
}

static void on_room(void *arg)
{
	struct terminal *t = arg;

	if (t->in && t->keyboard_waits)
		keyboard_start(t);
}

static void send_size(struct terminal *t)
{
	struct winsize w;
	char text[64];
	int n;

	if (!t->resize || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
		return;
	n = snprintf(text, sizeof(text), "{\"Width\":%u,\"Height\":%u}\n", w.ws_col, w.ws_row);
	stream_client_put(t->client, t->resize, text, (size_t)n, false);
}

static void on_window(struct loop_io *io, uint32_t events)
{
	struct terminal *t = container_of(io, struct terminal, window);
	struct signalfd_siginfo info;

	(void)events;
	if (read(io->fd, &info, sizeof(info)) == sizeof(info))
		send_size(t);
}

/* --- the terminal --- */

/* main has blocked the signal. */
static int watch_window(struct terminal *t, struct err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "signalfd");
	t->window.fd = fd;
	return loop_io_add(t->loop, &t->window, fd, EPOLLIN, on_window, e);
}

static void make_raw(struct terminal *t)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t->before) < 0)
		return;
	raw = t->before;
	cfmakeraw(&raw);
	t->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void terminal_done(struct terminal *t)
{
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
	loop_io_del(&t->keyboard);
	loop_io_del(&t->window);
	close_fdp(&t->window.fd);
	stream_client_close(t->client);
	loop_free(t->loop);
	buf_done(&t->status);
}

static uint32_t open_stream(struct terminal *t, const char *type)
{
	struct spdy_open what = { .id = 0 };

	snprintf(what.type, sizeof(what.type), "%s", type);
	return stream_client_stream(t->client, &what);
}

/* Connect to the session at url, with the streams that the RPC requested. */
static int terminal_open(struct cli *cli, struct terminal *t, const char *url, bool in,
			 struct err *e)
{
	static const struct stream_client_ops ops = { on_data, on_finished, on_reset, on_room,
						      on_closed };
	int r;

	t->loop = loop_new(e);
	r = t->loop ? stream_client_open(cli, t->loop, url, PROTOCOL, &ops, t, &t->client, e)
		    : -(int)e->code;
	if (r < 0)
		return r;
	t->error = open_stream(t, "error");
	t->in = in ? open_stream(t, "stdin") : 0;
	t->out = open_stream(t, "stdout");
	t->err = t->tty ? 0 : open_stream(t, "stderr");
	t->resize = t->tty ? open_stream(t, "resize") : 0;
	if (t->tty) {
		make_raw(t);
		send_size(t);
		r = watch_window(t, e);
	}
	if (r == 0 && in)
		keyboard_start(t);
	return r;
}

/* Parse {"status":"Success"}, or a failure with the exit code as one of its causes. */
static int read_status(const struct buf *text, int *ret_code, struct err *e)
{
	json_t *root = json_loadb(text->data ? text->data : "", text->len, 0, NULL), *cause;
	const char *status = json_string_value(json_object_get(root, "status"));
	const char *message = json_string_value(json_object_get(root, "message"));
	json_t *causes = json_object_get(json_object_get(root, "details"), "causes");
	int64_t code = -1;
	size_t i;
	int r = 0;

	json_array_foreach(causes, i, cause)
	{
		const char *reason = json_string_value(json_object_get(cause, "reason"));
		const char *value = json_string_value(json_object_get(cause, "message"));

		if (reason && value && strcmp(reason, "ExitCode") == 0)
			(void)str_to_i64(value, 0, 255, &code);
	}
	if (status && strcmp(status, "Success") == 0)
		code = 0;
	if (code < 0)
		r = err_set(e, ERR_UNKNOWN, "%s",
			    message ? message : "the session ended without a status");
	*ret_code = (int)code;
	json_decref(root);
	return r;
}

static int terminal_run(struct cli *cli, struct terminal *t, const char *url, bool in,
			int *ret_code, struct err *e)
{
	int r = terminal_open(cli, t, url, in, e);

	if (r == 0)
		loop_run(t->loop);
	if (r == 0 && t->detached) {
		*ret_code = CLI_EXIT_OK;
	} else if (r == 0 && t->failed && !t->status_complete) {
		*e = t->e;
		r = -(int)e->code;
	} else if (r == 0) {
		r = read_status(&t->status, ret_code, e);
	}
	terminal_done(t);
	return r;
}

/* --- exec --- */

struct exec_options {
	bool in, tty;
	int64_t timeout_s;
};

/* An empty stream has no data: the pointer is NULL. */
static void print_bytes(const ProtobufCBinaryData *data, FILE *out)
{
	if (data->len)
		fwrite(data->data, 1, data->len, out);
	fflush(out);
}

static int exec_sync(struct cli *cli, char *id, char **argv, int argc, int64_t timeout_s,
		     int *ret_code, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ExecSyncResponse *resp = NULL;
	Runtime__V1__ExecSyncRequest req = RUNTIME__V1__EXEC_SYNC_REQUEST__INIT;
	int r;

	/* The daemon enforces the timeout; the client's own deadline covers a daemon that does not
	 * reply. */
	r = cli_connect(cli, timeout_s * 1000 + CALL_TIMEOUT_MS, e);
	if (r < 0)
		return r;
	req.container_id = id;
	req.cmd = argv;
	req.n_cmd = (size_t)argc;
	req.timeout = timeout_s;
	r = cri_call_exec_sync(cli->client, &req, &resp, e);
	if (r < 0)
		return r;
	print_bytes(&resp->stdout, stdout);
	print_bytes(&resp->stderr, stderr);
	*ret_code = resp->exit_code;
	return 0;
}

static int exec_stream(struct cli *cli, char *id, char **argv, int argc,
		       const struct exec_options *o, int *ret_code, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ExecResponse *resp = NULL;
	Runtime__V1__ExecRequest req = RUNTIME__V1__EXEC_REQUEST__INIT;
	struct terminal t = { .tty = o->tty, .keyboard.fd = -1, .window.fd = -1 };
	int r;

	req.container_id = id;
	req.cmd = argv;
	req.n_cmd = (size_t)argc;
	req.tty = o->tty;
	req.stdin = o->in;
	req.stdout = true;
	req.stderr = !o->tty;
	r = cri_call_exec(cli->client, &req, &resp, e);
	return r < 0 ? r : terminal_run(cli, &t, resp->url, o->in, ret_code, e);
}

static int exec_in(struct cli *cli, char **argv, int argc, const struct exec_options *o,
		   int *ret_code, struct err *e)
{
	struct found_object object;
	int r = cli_connect(cli, CALL_TIMEOUT_MS, e);

	if (r == 0)
		r = cli_resolve(cli, argv[0], OBJECT_KIND_CONTAINER, &object, e);
	if (r < 0)
		return r;
	argv++;
	argc--;
	return o->timeout_s ? exec_sync(cli, object.id, argv, argc, o->timeout_s, ret_code, e)
			    : exec_stream(cli, object.id, argv, argc, o, ret_code, e);
}

int cmd_exec(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "stdin", no_argument, NULL, 'i' },
		{ "tty", no_argument, NULL, 't' },
		{ "timeout", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	struct exec_options o = { .in = false };
	struct err e;
	int c, code;

	while ((c = cli_option(cli, argc, argv, "+its:", longs)) != -1) {
		if (c == 'i')
			o.in = true;
		else if (c == 't')
			o.tty = true;
		else
			o.timeout_s = cli_number(cli, "--timeout", optarg, 86400);
	}
	if (argc - optind < 2)
		return cli_usage(cli, "a container and a command are needed");
	if (o.timeout_s && (o.in || o.tty))
		return cli_usage(cli, "--timeout goes with neither -i nor -t");
	if (exec_in(cli, argv + optind, argc - optind, &o, &code, &e) < 0)
		return cli_fail(&e);
	return code;
}

/* --- attach --- */

/* 1: still running. */
static int exit_code_now(struct cli *cli, const char *id, int *ret_code, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ContainerStatusResponse *s = NULL;
	int r = container_status(cli, id, false, &s, e);

	if (r == 0 && s->status->state != RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED)
		return 1;
	if (r == 0)
		*ret_code = s->status->exit_code;
	return r;
}

/* Wait for the container's own exit code: its streams end shortly before the container does. */
static int exit_code_of(struct cli *cli, const char *id, int *ret_code, struct err *e)
{
	int r;

	for (int looks = 0; looks < EXIT_LOOKS; looks++) {
		r = exit_code_now(cli, id, ret_code, e);
		if (r <= 0)
			return r;
		poll(NULL, 0, EXIT_LOOK_MS);
	}
	return 0;
}

static int attach_to(struct cli *cli, const char *name, bool in, bool tty, int *ret_code,
		     struct err *e)
{
	_cleanup_answer_ Runtime__V1__AttachResponse *resp = NULL;
	Runtime__V1__AttachRequest req = RUNTIME__V1__ATTACH_REQUEST__INIT;
	struct terminal t = {
		.tty = tty, .may_detach = tty && in, .keyboard.fd = -1, .window.fd = -1
	};
	struct found_object object;
	int r = cli_connect(cli, CALL_TIMEOUT_MS, e);

	if (r == 0)
		r = cli_resolve(cli, name, OBJECT_KIND_CONTAINER, &object, e);
	if (r < 0)
		return r;
	req.container_id = object.id;
	req.tty = tty;
	req.stdin = in;
	req.stdout = true;
	req.stderr = !tty;
	r = cri_call_attach(cli->client, &req, &resp, e);
	if (r == 0)
		r = terminal_run(cli, &t, resp->url, in, ret_code, e);
	if (r == 0 && !t.detached)
		r = exit_code_of(cli, object.id, ret_code, e);
	return r;
}

int cmd_attach(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "stdin", no_argument, NULL, 'i' },
		{ "tty", no_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	bool in = false, tty = false;
	struct err e;
	int c, code = CLI_EXIT_OK;

	while ((c = cli_option(cli, argc, argv, "it", longs)) != -1) {
		in |= c == 'i';
		tty |= c == 't';
	}
	if (argc - optind != 1)
		return cli_usage(cli, "one container is needed");
	if (attach_to(cli, argv[optind], in, tty, &code, &e) < 0)
		return cli_fail(&e);
	return code;
}
