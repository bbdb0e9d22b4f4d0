/*
 * crisp_forward.c - the command `port-forward`: forward local ports into a pod.
 * One session with the daemon carries all connections.  Each connection is a pair of streams: one
 * for data, and one for the daemon's error if the connection fails.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/inet.h"
#include "base/list.h"
#include "base/str.h"
#include "crisp.h"
#include "crisp_stream.h"

#define PROTOCOL "portforward.k8s.io"
#define CALL_TIMEOUT_MS 60000
#define PORTS_MAX 64
#define READ_SIZE 32768
#define WAITING_MAX (256 * 1024) /* queued bytes for a client that does not read */
#define PATIENCE_NS (60 * NSEC_PER_SEC) /* limit for a stalled client that blocks the others */
#define ERROR_MAX 1024

struct forward;

struct local_port {
	struct forward *f;
	struct loop_io listener;
	uint16_t remote;
};

/* One connection of a client. */
struct forwarded_conn {
	struct list node;
	struct forward *f;
	struct loop_io socket;
	uint16_t port;
	uint32_t error, data; /* streams */
	uint32_t events; /* watched events */
	struct buf waiting, reason;
	struct loop_timer late; /* runs while the queue is too long and does not shrink */
	bool client_ended, pod_ended, told_end, dead;
};

struct forward {
	struct loop *loop;
	struct stream_client *client;
	struct local_port ports[PORTS_MAX];
	size_t n_ports;
	struct list links;
	uint32_t next_request;
	struct loop_io signals;
	bool failed;
	struct err e;
};

/* --- one connection --- */

static bool is_behind(const struct forwarded_conn *l)
{
	return l->waiting.len > WAITING_MAX;
}

static void conn_free(struct forwarded_conn *l)
{
	loop_timer_stop(l->f->loop, &l->late);
	loop_io_del(&l->socket);
	close_fdp(&l->socket.fd);
	list_remove(&l->node);
	buf_done(&l->waiting);
	buf_done(&l->reason);
	free(l);
}

static void conn_read(struct forwarded_conn *l)
{
	char data[READ_SIZE];
	ssize_t n = read(l->socket.fd, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		l->client_ended = true;
	stream_client_put(l->f->client, l->data, data, n > 0 ? (size_t)n : 0, n <= 0);
}

static void conn_late(struct loop_timer *t)
{
	struct forwarded_conn *l = container_of(t, struct forwarded_conn, late);

	fprintf(stderr, "crisp: port %u: a client that reads nothing is let go\n", l->port);
	l->dead = true;
}

static void conn_write(struct forwarded_conn *l)
{
	ssize_t n = write(l->socket.fd, l->waiting.data, l->waiting.len);

	if (n > 0) {
		buf_consume(&l->waiting, (size_t)n);
		loop_timer_stop(l->f->loop, &l->late);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		l->dead = true;
	}
}

static void on_link(struct loop_io *io, uint32_t events)
{
	struct forwarded_conn *l = container_of(io, struct forwarded_conn, socket);

	if (events & EPOLLOUT)
		conn_write(l);
	if (!l->dead && !l->client_ended && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		conn_read(l);
}

/* Watch for the possible I/O; free a connection with none left. */
static void conn_update(struct forwarded_conn *l)
{
	bool full = stream_client_is_full(l->f->client);
	uint32_t events =
		(!l->client_ended && !full ? EPOLLIN : 0) | (l->waiting.len ? EPOLLOUT : 0);
	struct err ignored = ERR_NULL;

	if (l->pod_ended && !l->waiting.len && !l->told_end) {
		l->told_end = true;
		shutdown(l->socket.fd, SHUT_WR);
	}
	if (l->dead || (l->told_end && l->client_ended)) {
		conn_free(l);
		return;
	}
	if (is_behind(l) && !l->late.slot)
		loop_timer_set(l->f->loop, &l->late, clock_monotonic_ns() + PATIENCE_NS, conn_late);
	if (events == l->events)
		return;
	loop_io_del(&l->socket);
	l->events = events;
	if (events &&
	    loop_io_add(l->f->loop, &l->socket, l->socket.fd, events, on_link, &ignored) < 0)
		conn_free(l);
}

/* Free connections only here, so that no callback loses its own.  The protocol has no flow control
 * per stream: the session waits for the slowest connection. */
static bool turn_end(void *arg)
{
	struct forward *f = arg;
	bool behind = false;

	list_for_each_safe(pos, &f->links)
		conn_update(list_entry(pos, struct forwarded_conn, node));
	list_for_each(pos, &f->links)
		behind |= is_behind(list_entry(pos, struct forwarded_conn, node));
	stream_client_pause(f->client, behind);
	return false;
}

static uint32_t open_stream(struct forwarded_conn *l, const char *type, uint32_t request)
{
	struct spdy_open what = { .id = 0 };

	snprintf(what.type, sizeof(what.type), "%s", type);
	snprintf(what.port, sizeof(what.port), "%u", l->port);
	snprintf(what.request_id, sizeof(what.request_id), "%u", request);
	return stream_client_stream(l->f->client, &what);
}

static void on_client(struct loop_io *io, uint32_t events)
{
	struct local_port *d = container_of(io, struct local_port, listener);
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct forwarded_conn *l;

	(void)events;
	if (fd < 0)
		return;
	l = xcalloc(1, sizeof(*l));
	l->f = d->f;
	l->socket.fd = fd;
	l->port = d->remote;
	list_append(&d->f->links, &l->node);
	l->error = open_stream(l, "error", d->f->next_request);
	l->data = open_stream(l, "data", d->f->next_request++);
	stream_client_put(d->f->client, l->error, NULL, 0, true); /* no data follows */
}

/* --- from the daemon --- */

static struct forwarded_conn *conn_of(struct forward *f, uint32_t id)
{
	list_for_each(pos, &f->links) {
		struct forwarded_conn *l = list_entry(pos, struct forwarded_conn, node);

		if (l->data == id || l->error == id)
			return l;
	}
	return NULL;
}

static void on_data(void *arg, uint32_t id, const void *data, size_t size)
{
	struct forwarded_conn *l = conn_of(arg, id);

	if (!l)
		return;
	if (id == l->error) {
		if (l->reason.len < ERROR_MAX)
			buf_add_clean(&l->reason, data, MIN(size, (size_t)ERROR_MAX));
		return;
	}
	buf_add(&l->waiting, data, size);
	conn_write(l);
}

static void on_finished(void *arg, uint32_t id)
{
	struct forwarded_conn *l = conn_of(arg, id);

	if (!l)
		return;
	if (id == l->error && l->reason.len) {
		fprintf(stderr, "crisp: port %u: %s\n", l->port, l->reason.data);
		l->dead = true;
	}
	l->pod_ended |= id == l->data;
}

static void on_reset(void *arg, uint32_t id)
{
	struct forwarded_conn *l = conn_of(arg, id);

	if (l)
		l->dead = true;
}

static void on_closed(void *arg, const struct err *why)
{
	struct forward *f = arg;

	f->failed = true;
	f->e = *why;
	loop_stop(f->loop);
}

/* --- ports --- */

/* "[LOCAL:]REMOTE"; LOCAL defaults to REMOTE; 0 or empty: any port. */
static int parse_ports(const char *text, uint16_t *ret_local, uint16_t *ret_remote)
{
	const char *colon = strchr(text, ':');
	_cleanup_free_ char *local = colon ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);
	uint64_t a = 0, b;

	if (str_to_u64(colon ? colon + 1 : text, UINT16_MAX, &b) < 0 || b == 0)
		return -1;
	if (*local && str_to_u64(local, UINT16_MAX, &a) < 0)
		return -1;
	*ret_local = (uint16_t)a;
	*ret_remote = (uint16_t)b;
	return 0;
}

static int open_port(struct forward *f, const char *address, uint16_t local, uint16_t remote,
		     struct err *e)
{
	struct local_port *d = &f->ports[f->n_ports];
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;
	int r = inet_listen(address, local, &fd, e);

	if (r == 0)
		r = loop_io_add(f->loop, &d->listener, fd, EPOLLIN, on_client, e);
	if (r < 0)
		return r;
	d->f = f;
	d->remote = remote;
	f->n_ports++;
	name = inet_name(take_fd(fd));
	printf("Forwarding from %s -> %u\n", name, remote);
	return 0;
}

static int open_ports(struct forward *f, const char *address, char **ports, int n, struct err *e)
{
	uint16_t local, remote;
	int r = 0;

	for (int i = 0; i < n && r == 0; i++) {
		if (parse_ports(ports[i], &local, &remote) < 0)
			return err_set(e, ERR_INVALID, "\"%s\" is not [LOCAL:]REMOTE", ports[i]);
		r = open_port(f, address, local, remote, e);
	}
	fflush(stdout);
	return r;
}

/* --- the command --- */

static void on_signal(struct loop_io *io, uint32_t events)
{
	struct forward *f = container_of(io, struct forward, signals);

	(void)events;
	loop_stop(f->loop);
}

/* main has blocked the signals. */
static int watch_signals(struct forward *f, struct err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "signalfd");
	f->signals.fd = fd;
	return loop_io_add(f->loop, &f->signals, fd, EPOLLIN, on_signal, e);
}

static void forward_done(struct forward *f)
{
	list_for_each_safe(pos, &f->links)
		conn_free(list_entry(pos, struct forwarded_conn, node));
	for (size_t i = 0; i < f->n_ports; i++) {
		loop_io_del(&f->ports[i].listener);
		close_fdp(&f->ports[i].listener.fd);
	}
	loop_io_del(&f->signals);
	close_fdp(&f->signals.fd);
	stream_client_close(f->client);
	loop_free(f->loop);
}

static int forward(struct cli *cli, const char *address, char **argv, int argc, struct err *e)
{
	static const struct stream_client_ops ops = { on_data, on_finished, on_reset, NULL,
						      on_closed };
	_cleanup_answer_ Runtime__V1__PortForwardResponse *resp = NULL;
	Runtime__V1__PortForwardRequest req = RUNTIME__V1__PORT_FORWARD_REQUEST__INIT;
	struct forward f = { .signals.fd = -1 };
	struct found_object object;
	int r = cli_connect(cli, CALL_TIMEOUT_MS, e);

	list_init(&f.links);
	if (r == 0)
		r = cli_resolve(cli, argv[0], OBJECT_KIND_POD, &object, e);
	if (r < 0)
		return r;
	req.pod_sandbox_id = object.id;
	r = cri_call_port_forward(cli->client, &req, &resp, e);
	if (r < 0)
		return r;
	f.loop = loop_new(e);
	r = f.loop ? stream_client_open(cli, f.loop, resp->url, PROTOCOL, &ops, &f, &f.client, e)
		   : -(int)e->code;
	if (r == 0)
		r = open_ports(&f, address, argv + 1, argc - 1, e);
	if (r == 0)
		r = watch_signals(&f, e);
	if (r == 0) {
		loop_set_turn_end(f.loop, turn_end, &f);
		loop_run(f.loop);
	}
	if (r == 0 && f.failed) {
		*e = f.e;
		r = -(int)e->code;
	}
	forward_done(&f);
	return r;
}

int cmd_port_forward(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "address", required_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	const char *address = "127.0.0.1";
	struct err e;

	while (cli_option(cli, argc, argv, "", longs) != -1)
		address = optarg;
	if (argc - optind < 2)
		return cli_usage(cli, "a pod and at least one port are needed");
	if (argc - optind - 1 > PORTS_MAX)
		return cli_usage(cli, "more than %d ports", PORTS_MAX);
	return forward(cli, address, argv + optind, argc - optind, &e) < 0 ? cli_fail(&e)
									   : CLI_EXIT_OK;
}
