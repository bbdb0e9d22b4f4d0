/*
 * httpd.c - read one request, write one answer, close.
 */
#include "api/httpd.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"
#include "stream/tls.h"

#define CLIENT_NS (10 * NSEC_PER_SEC)
#define REQUEST_MAX 8192

struct httpd_client {
	struct list node;
	struct gate_entry entry; /* always waiting: an answer is short, a slow client is evicted */
	struct httpd *httpd;
	struct loop_io socket;
	struct loop_timer timer;
	struct tls_link *tls; /* NULL: none */
	struct buf in, out;
};

void httpd_say(struct httpd_answer *a, const char *status, const char *fmt, ...)
{
	va_list ap;

	a->status = status;
	a->type = "text/plain; charset=utf-8";
	va_start(ap, fmt);
	buf_vprintf(&a->body, fmt, ap);
	va_end(ap);
	buf_puts(&a->body, "\n");
}

static const char not_allowed[] = "405 Method Not Allowed";

void httpd_only_get(struct httpd_answer *a)
{
	httpd_say(a, not_allowed, "only GET");
}

static void client_free(struct httpd_client *c)
{
	loop_timer_stop(c->httpd->loop, &c->timer);
	loop_io_del(&c->socket);
	tls_link_free(c->tls);
	close_fdp(&c->socket.fd);
	gate_leave(&c->entry);
	list_remove(&c->node);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
}

static void put_answer(struct buf *out, const struct httpd_answer *a)
{
	buf_printf(out,
		   "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		   "%sConnection: close\r\n\r\n",
		   a->status, a->type, a->body.len,
		   a->status == not_allowed ? "Allow: GET\r\n" : "");
	buf_add(out, a->body.data, a->body.len);
}

void httpd_finish(int fd, const struct httpd_answer *a)
{
	_cleanup_buf_ struct buf out = BUF_NULL;

	put_answer(&out, a);
	send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static ssize_t send_some(struct httpd_client *c)
{
	if (c->tls)
		return tls_link_write(c->tls, c->out.data, c->out.len);
	return send(c->socket.fd, c->out.data, c->out.len, MSG_NOSIGNAL);
}

static void overdue(struct loop_timer *t)
{
	struct httpd_client *c = container_of(t, struct httpd_client, timer);
	struct httpd_answer a = { .body = BUF_NULL };

	if (c->in.len && !c->out.len) {
		httpd_say(&a, "408 Request Timeout", "the request has no end");
		put_answer(&c->out, &a);
		buf_done(&a.body);
		send_some(c);
	}
	client_free(c);
}

/* size 0: the request is longer than REQUEST_MAX.  No answer in c->out: another thread sends it. */
static void make_answer(struct httpd_client *c, size_t size)
{
	struct httpd_answer a = { .client = c->socket.fd, .body = BUF_NULL };
	struct http_head head;
	struct err e = ERR_NULL;

	if (!size)
		httpd_say(&a, "431 Request Header Fields Too Large",
			  "the request has more than %d bytes", REQUEST_MAX);
	else if (http_parse_head(c->in.data, size, &head, &e) < 0)
		httpd_say(&a, "400 Bad Request", "%s", e.text);
	else
		c->httpd->answer(&head, &a);
	if (a.status)
		put_answer(&c->out, &a);
	buf_done(&a.body);
}

/* Wait for the socket after EAGAIN.  false: another error. */
static bool again(struct httpd_client *c, uint32_t events)
{
	struct err ignored = ERR_NULL;

	if (c->tls && tls_link_wants_write(c->tls))
		events |= EPOLLOUT;
	return (errno == EAGAIN || errno == EINTR) &&
	       loop_io_change(&c->socket, events, &ignored) == 0;
}

static void client_write(struct httpd_client *c)
{
	ssize_t n = 1;

	while (c->out.len && n > 0) {
		n = send_some(c);
		if (n > 0)
			buf_consume(&c->out, (size_t)n);
	}
	if (!c->out.len || n == 0 || !again(c, EPOLLOUT))
		client_free(c);
}

/* Read until EAGAIN: epoll does not report bytes that TLS has already buffered. */
static void client_read(struct httpd_client *c)
{
	size_t size = 0;
	ssize_t n = 1;

	while (!size && n > 0 && c->in.len < REQUEST_MAX) {
		size_t most = REQUEST_MAX - c->in.len;
		void *room = buf_reserve(&c->in, most);

		n = c->tls ? tls_link_read(c->tls, room, most) : read(c->socket.fd, room, most);
		if (n > 0)
			buf_commit(&c->in, (size_t)n);
		size = http_head_size(c->in.data, c->in.len);
	}
	if (size || c->in.len == REQUEST_MAX) {
		make_answer(c, size);
		client_write(c);
	} else if (n >= 0 || !again(c, EPOLLIN)) {
		client_free(c);
	}
}

static void on_client(struct loop_io *io, uint32_t events)
{
	struct httpd_client *c = container_of(io, struct httpd_client, socket);

	(void)events;
	if (c->out.len)
		client_write(c);
	else
		client_read(c);
}

void httpd_init(struct httpd *h, struct loop *loop,
		void (*answer)(const struct http_head *head, struct httpd_answer *ret))
{
	h->loop = loop;
	h->answer = answer;
	list_init(&h->clients);
}

void httpd_done(struct httpd *h)
{
	list_for_each_safe(pos, &h->clients)
		client_free(list_entry(pos, struct httpd_client, node));
}

void httpd_add(struct httpd *h, struct gate *gate, int fd, struct tls_link *tls)
{
	struct httpd_client *c = xcalloc(1, sizeof(*c));
	struct err ignored = ERR_NULL;
	struct gate_entry *excess;

	c->httpd = h;
	c->socket.fd = fd;
	c->tls = tls;
	list_append(&h->clients, &c->node);
	gate_enter(gate, &c->entry, gate_peer_of(fd));
	loop_timer_set(h->loop, &c->timer, clock_monotonic_ns() + CLIENT_NS, overdue);
	if (loop_io_add(h->loop, &c->socket, fd, EPOLLIN, on_client, &ignored) < 0)
		client_free(c);
	while ((excess = gate_excess(gate)))
		client_free(container_of(excess, struct httpd_client, entry));
}

bool httpd_evict(struct gate *gate)
{
	struct gate_entry *n = gate_victim(gate);

	if (n)
		client_free(container_of(n, struct httpd_client, entry));
	return n != NULL;
}
