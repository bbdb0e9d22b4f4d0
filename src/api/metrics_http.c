/*
 * metrics_http.c - the HTTP server for metrics on the main loop, with optional TLS.  Each client
 * costs a bounded buffer and a bounded time.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/listen.h"
#include "api/metrics.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/gate.h"
#include "base/inet.h"
#include "base/list.h"
#include "base/log.h"
#include "base/nofile.h"
#include "loop/loop.h"
#include "stream/http.h"
#include "stream/tls.h"

#define CLIENTS_MAX 64 /* of one listening socket; at the limit the oldest is closed */
#define CLIENTS_PEER_MAX 32
#define CLIENT_NS (10 * NSEC_PER_SEC)
#define REQUEST_MAX 8192

struct scrape {
	struct list node;
	struct gate_entry entry; /* always waiting: a scrape is short, a slow one is evicted */
	struct loop_io socket;
	struct loop_timer timer;
	struct tls_link *tls; /* NULL: none */
	struct buf in, out;
};

static struct {
	struct loop *loop;
	const struct conf *conf;
	struct loop_io tcp, local;
	struct gate tcp_gate, local_gate;
	struct listener unix_socket;
	struct tls *tls; /* of the TCP socket, NULL: none */
	struct list clients;
} server = {
	.tcp.fd = -1,
	.local.fd = -1,
	.unix_socket = LISTENER_NULL,
};

static void scrape_free(struct scrape *c)
{
	loop_timer_stop(server.loop, &c->timer);
	loop_io_del(&c->socket);
	tls_link_free(c->tls);
	close_fdp(&c->socket.fd);
	gate_leave(&c->entry);
	list_remove(&c->node);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
}

static void overdue(struct loop_timer *t)
{
	scrape_free(container_of(t, struct scrape, timer));
}

static void put_answer(struct scrape *c, const char *status, const char *body, size_t size)
{
	buf_printf(&c->out,
		   "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
		   "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		   status, size);
	buf_add(&c->out, body, size);
}

static void answer(struct scrape *c, size_t size)
{
	_cleanup_buf_ struct buf body = BUF_NULL;
	struct http_head head;
	struct err e = ERR_NULL;
	const char *status = "200 OK";

	if (http_parse_head(c->in.data, size, &head, &e) < 0) {
		status = "400 Bad Request";
		buf_printf(&body, "%s\n", e.text);
	} else if (!http_word_is(&head.path, "/metrics")) {
		status = "404 Not Found";
		buf_puts(&body, "the figures are at /metrics\n");
	} else if (!http_origin_may(&head)) {
		status = "403 Forbidden";
		buf_puts(&body, "the header Origin names a page of another host\n");
	} else if (head.method != HTTP_METHOD_GET) {
		status = "405 Method Not Allowed";
		buf_puts(&body, "only GET\n");
	} else {
		metrics_render(server.conf, &body);
	}
	put_answer(c, status, body.data, body.len);
}

/* Wait for the socket after EAGAIN.  false: another error. */
static bool again(struct scrape *c, uint32_t events)
{
	struct err ignored = ERR_NULL;

	if (c->tls && tls_link_wants_write(c->tls))
		events |= EPOLLOUT;
	return (errno == EAGAIN || errno == EINTR) &&
	       loop_io_change(&c->socket, events, &ignored) == 0;
}

static void scrape_write(struct scrape *c)
{
	ssize_t n = 1;

	while (c->out.len && n > 0) {
		n = c->tls ? tls_link_write(c->tls, c->out.data, c->out.len)
			   : write(c->socket.fd, c->out.data, c->out.len);
		if (n > 0)
			buf_consume(&c->out, (size_t)n);
	}
	if (!c->out.len || n == 0 || !again(c, EPOLLOUT))
		scrape_free(c);
}

/* Read until EAGAIN: epoll does not report bytes that TLS has already buffered. */
static void scrape_read(struct scrape *c)
{
	size_t size = 0;
	ssize_t n = 1;

	while (!size && n > 0 && c->in.len < REQUEST_MAX) {
		void *room = buf_reserve(&c->in, REQUEST_MAX);

		n = c->tls ? tls_link_read(c->tls, room, REQUEST_MAX)
			   : read(c->socket.fd, room, REQUEST_MAX);
		if (n > 0)
			buf_commit(&c->in, (size_t)n);
		size = http_head_size(c->in.data, c->in.len);
	}
	if (size) {
		answer(c, size);
		scrape_write(c);
	} else if (n >= 0 || !again(c, EPOLLIN)) {
		scrape_free(c);
	}
}

static void on_client(struct loop_io *io, uint32_t events)
{
	struct scrape *c = container_of(io, struct scrape, socket);

	(void)events;
	if (c->out.len)
		scrape_write(c);
	else
		scrape_read(c);
}

/* Replaced TLS files apply to new connections. */
static struct tls_link *secure(int fd)
{
	struct err e = ERR_NULL;
	int r = tls_refresh(server.tls, &e);

	if (r < 0)
		log_err(LOG_LEVEL_ERROR, "the TLS files of the metrics changed; the old stay", &e);
	else if (r > 0)
		log_info("the metrics have new TLS files", "cert=%s", server.conf->metrics_cert);
	return tls_link_new(server.tls, fd);
}

/* Close one client: at EMFILE, epoll would report the listening socket without end. */
static void out_of_files(struct gate *gate)
{
	struct gate_entry *n = gate_victim(gate);

	if (n)
		scrape_free(container_of(n, struct scrape, entry));
}

static void on_listener(struct loop_io *io, uint32_t events)
{
	struct gate *gate = io == &server.tcp ? &server.tcp_gate : &server.local_gate;
	struct gate_entry *excess;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct err ignored = ERR_NULL;
	struct scrape *c;

	(void)events;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		out_of_files(gate);
	if (fd < 0)
		return;
	c = xcalloc(1, sizeof(*c));
	c->socket.fd = fd;
	if (server.tls && io == &server.tcp)
		c->tls = secure(fd);
	list_append(&server.clients, &c->node);
	gate_enter(gate, &c->entry, gate_peer_of(fd));
	while ((excess = gate_excess(gate)))
		scrape_free(container_of(excess, struct scrape, entry));
	loop_timer_set(server.loop, &c->timer, clock_monotonic_ns() + CLIENT_NS, overdue);
	if (loop_io_add(server.loop, &c->socket, fd, EPOLLIN, on_client, &ignored) < 0)
		scrape_free(c);
}

static int listen_tcp(struct err *e)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;
	int r = inet_listen(server.conf->metrics_host, (uint16_t)server.conf->metrics_port, &fd, e);

	if (r == 0)
		r = loop_io_add(server.loop, &server.tcp, fd, EPOLLIN, on_listener, e);
	if (r < 0)
		return err_wrap(e, "crio.metrics");
	name = inet_name(take_fd(fd));
	log_info("metrics", "url=%s://%s/metrics", server.tls ? "https" : "http", name);
	return 0;
}

static int listen_local(struct err *e)
{
	int r = listener_open(&server.unix_socket, server.conf->metrics_socket, 0660, e);

	if (r == 0)
		r = loop_io_add(server.loop, &server.local, server.unix_socket.fd, EPOLLIN,
				on_listener, e);
	return r < 0 ? err_wrap(e, "crio.metrics.metrics_socket") : 0;
}

static int load_tls(struct err *e)
{
	const struct conf *c = server.conf;
	const struct tls_conf tls = {
		.cert = c->metrics_cert,
		.key = c->metrics_key,
		.ca = "",
		.min_13 = strcmp(c->tls_min_version, CONF_TLS13) == 0,
		.ciphers = (const char *const *)c->tls_cipher_suites,
	};

	if (!*c->metrics_cert && !*c->metrics_key)
		return 0;
	if (!*c->metrics_cert || !*c->metrics_key)
		return err_set(e, ERR_INVALID,
			       "crio.metrics: metrics_cert and metrics_key go together");
	return tls_new(&tls, &server.tls, e) < 0 ? err_wrap(e, "crio.metrics") : 0;
}

int metrics_start(struct loop *loop, const struct conf *conf, struct err *e)
{
	int r = 0;

	server.loop = loop;
	server.conf = conf;
	list_init(&server.clients);
	gate_init(&server.tcp_gate, nofile_budget(CLIENTS_MAX, 64),
		  nofile_budget(CLIENTS_PEER_MAX, 64), 0);
	gate_init(&server.local_gate, nofile_budget(CLIENTS_MAX, 64),
		  nofile_budget(CLIENTS_PEER_MAX, 64), 0);
	if (!conf->enable_metrics)
		return 0;
	if (*conf->metrics_socket)
		r = listen_local(e);
	r = r < 0 ? r : load_tls(e);
	return r < 0 ? r : listen_tcp(e);
}

void metrics_stop(void)
{
	if (!server.loop)
		return;
	list_for_each_safe(pos, &server.clients)
		scrape_free(list_entry(pos, struct scrape, node));
	loop_io_del(&server.tcp);
	close_fdp(&server.tcp.fd);
	loop_io_del(&server.local);
	listener_done(&server.unix_socket);
	tls_free(take_ptr(server.tls));
	server.loop = NULL;
}
