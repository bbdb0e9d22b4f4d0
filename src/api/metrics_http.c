/*
 * metrics_http.c - the HTTP server for metrics on the main loop: its sockets, with optional TLS.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "api/httpd.h"
#include "api/listen.h"
#include "api/metrics.h"
#include "base/fs.h"
#include "base/gate.h"
#include "base/inet.h"
#include "base/log.h"
#include "base/nofile.h"
#include "loop/loop.h"
#include "stream/http.h"
#include "stream/selfcert.h"
#include "stream/tls.h"

#define CLIENTS_MAX 64 /* of one listening socket; at the limit the oldest is closed */
#define CLIENTS_PEER_MAX 32

static struct {
	struct loop *loop;
	const struct conf *conf;
	struct loop_io tcp, local;
	struct gate tcp_gate, local_gate;
	struct listener unix_socket;
	struct tls *tls; /* of the TCP socket, NULL: none */
	struct httpd httpd;
} server = {
	.tcp.fd = -1,
	.local.fd = -1,
	.unix_socket = LISTENER_NULL,
};

static void answer(const struct http_head *head, struct httpd_answer *ret)
{
	if (!http_word_is(&head->path, "/metrics")) {
		httpd_say(ret, "404 Not Found", "the figures are at /metrics");
	} else if (!http_origin_may(head)) {
		httpd_say(ret, "403 Forbidden", "the header Origin names a page of another host");
	} else if (head->method != HTTP_METHOD_GET) {
		httpd_only_get(ret);
	} else {
		ret->status = "200 OK";
		ret->type = "text/plain; version=0.0.4; charset=utf-8";
		metrics_render(server.conf, &ret->body);
	}
}

/* Replaced TLS files apply to new connections. */
static struct tls_link *secure(int fd)
{
	struct err e = ERR_NULL;
	int r = tls_refresh(server.tls, &e);

	if (r < 0)
		log_err(LOG_LEVEL_ERROR, "changed TLS files of the metrics server are not used",
			&e);
	else if (r > 0)
		log_info("the metrics server uses new TLS files", "cert=%s",
			 server.conf->metrics_cert);
	return tls_link_new(server.tls, fd);
}

static void on_listener(struct loop_io *io, uint32_t events)
{
	struct gate *gate = io == &server.tcp ? &server.tcp_gate : &server.local_gate;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	/* At EMFILE, epoll would report the listening socket without end. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		httpd_evict(gate);
	if (fd < 0)
		return;
	httpd_add(&server.httpd, gate, fd, server.tls && io == &server.tcp ? secure(fd) : NULL);
}

static int listen_tcp(struct err *e)
{
	_cleanup_free_ char *name = NULL, *address = NULL;
	_cleanup_close_ int fd = -1;
	int r = inet_resolve(server.conf->metrics_host, &address, e);

	if (r < 0)
		return err_wrap(e, "crio.metrics.metrics_host");
	r = inet_listen(address, (uint16_t)server.conf->metrics_port, &fd, e);
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
	if (selfcert_ensure(c->metrics_cert, c->metrics_key, e) < 0 ||
	    tls_new(&tls, &server.tls, e) < 0)
		return err_wrap(e, "crio.metrics");
	return 0;
}

int metrics_start(struct loop *loop, const struct conf *conf, struct err *e)
{
	int r = 0;

	server.loop = loop;
	server.conf = conf;
	httpd_init(&server.httpd, loop, answer);
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
	httpd_done(&server.httpd);
	loop_io_del(&server.tcp);
	close_fdp(&server.tcp.fd);
	loop_io_del(&server.local);
	listener_done(&server.unix_socket);
	tls_free(take_ptr(server.tls));
	server.loop = NULL;
}
