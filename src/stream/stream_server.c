/*
 * stream_server.c - the stream thread, its listening sockets and the messages from the main loop.
 */
#include "stream/stream_server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/inet.h"
#include "base/nofile.h"
#include "stream/conn.h"
#include "stream/tls.h"

#define PAUSE_NS (NSEC_PER_SEC / 10) /* when the process is out of descriptors */

/* A listening socket with its gate. */
struct door {
	struct stream_server *server;
	struct loop_io listener;
	struct loop_timer pause;
	struct gate gate;
};

enum {
	DOOR_TCP,
	DOOR_LOCAL,
	DOOR_COUNT,
};

struct stream_server {
	struct conns conns;
	struct tls *tls; /* NULL: no TLS */
	struct door doors[DOOR_COUNT];
	pthread_t thread;
	bool thread_runs;
	char *url;
};

/* --- messages --- */

enum message_kind {
	MESSAGE_ADMIT,
	MESSAGE_GIVE,
	MESSAGE_END,
	MESSAGE_DIALED,
	MESSAGE_STOP,
};

struct server_message {
	struct loop_post post;
	struct stream_server *server;
	enum message_kind kind;
	uint64_t id;
	bool admitted;
	struct stream_ask ask;
	struct stream_fds fds;
	struct stream_end end;
	uint32_t pair;
	int sockets[2];
};

static void handle(struct server_message *m, struct conn *c)
{
	switch (m->kind) {
	case MESSAGE_ADMIT:
		conn_admit(c, m->admitted ? &m->ask : NULL);
		break;
	case MESSAGE_GIVE:
		if (!c->session || !c->ops->given)
			break;
		c->ops->given(c->session, &m->fds);
		m->fds = STREAM_FDS_NULL;
		break;
	case MESSAGE_END:
		if (c->session)
			c->ops->ended(c->session, &m->end);
		break;
	case MESSAGE_DIALED:
		if (!c->session || !c->ops->dialed)
			break;
		c->ops->dialed(c->session, m->pair, m->sockets,
			       m->end.err.code ? &m->end.err : NULL);
		m->sockets[0] = m->sockets[1] = -1;
		break;
	case MESSAGE_STOP:
		break;
	}
}

static void message_run(struct loop_post *post)
{
	struct server_message *m = container_of(post, struct server_message, post);
	struct conn *c = conn_find(&m->server->conns, m->id);

	if (m->kind == MESSAGE_STOP) {
		conn_abort_all(&m->server->conns);
		loop_stop(m->server->conns.loop);
	} else if (c) {
		handle(m, c);
	}
	stream_fds_close(&m->fds);
	close_fdp(&m->sockets[0]);
	close_fdp(&m->sockets[1]);
	free(m);
}

static struct server_message *message_new(struct stream_server *s, enum message_kind kind,
					  uint64_t id)
{
	struct server_message *m = xcalloc(1, sizeof(*m));

	m->post.fn = message_run;
	m->server = s;
	m->kind = kind;
	m->id = id;
	m->fds = STREAM_FDS_NULL;
	m->sockets[0] = m->sockets[1] = -1;
	return m;
}

static void message_send(struct server_message *m)
{
	loop_post(m->server->conns.loop, &m->post);
}

void stream_server_admit(struct stream_server *s, uint64_t id, const struct stream_ask *ask)
{
	struct server_message *m = message_new(s, MESSAGE_ADMIT, id);

	m->admitted = ask != NULL;
	if (ask)
		m->ask = *ask;
	message_send(m);
}

void stream_server_give(struct stream_server *s, uint64_t id, const struct stream_fds *fds)
{
	struct server_message *m = message_new(s, MESSAGE_GIVE, id);

	m->fds = *fds;
	message_send(m);
}

void stream_server_end(struct stream_server *s, uint64_t id, const struct stream_end *end)
{
	struct server_message *m = message_new(s, MESSAGE_END, id);

	m->end = *end;
	message_send(m);
}

void stream_server_dialed(struct stream_server *s, uint64_t id, uint32_t pair, const int fds[2],
			  const struct err *err)
{
	struct server_message *m = message_new(s, MESSAGE_DIALED, id);

	m->pair = pair;
	m->sockets[0] = fds[0];
	m->sockets[1] = fds[1];
	if (err)
		m->end.err = *err;
	message_send(m);
}

/* --- the listening sockets --- */

static void listen_again(struct loop_timer *t)
{
	struct door *d = container_of(t, struct door, pause);
	struct err ignored = ERR_NULL;

	(void)loop_io_change(&d->listener, EPOLLIN, &ignored);
}

/* TLS of a door, NULL: none.  Replaced files apply to connections accepted from here on. */
static struct tls *door_tls(struct door *d)
{
	struct stream_server *s = d->server;
	struct tls *t = d == &s->doors[DOOR_TCP] ? s->tls : NULL;
	struct err e = ERR_NULL;
	int r = t ? tls_refresh(t, &e) : 0;

	if (r != 0)
		s->conns.hooks->certificate(r < 0 ? &e : NULL);
	return t;
}

static void accept_client(struct loop_io *io, uint32_t events)
{
	struct door *d = container_of(io, struct door, listener);
	struct conns *cs = &d->server->conns;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct err ignored = ERR_NULL;

	(void)events;
	if (fd >= 0) {
		conn_new(cs, &d->gate, fd, door_tls(d));
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		/* The connection closed here frees a descriptor for the next turn. */
		if (conn_evict(&d->gate))
			return;
		if (loop_io_change(io, 0, &ignored) == 0)
			loop_timer_set(cs->loop, &d->pause, clock_monotonic_ns() + PAUSE_NS,
				       listen_again);
	}
}

static int open_door(struct stream_server *s, int which, int fd, struct err *e)
{
	struct door *d = &s->doors[which];

	return loop_io_add(s->conns.loop, &d->listener, fd, EPOLLIN, accept_client, e);
}

static int open_listener(struct stream_server *s, const struct stream_conf *conf, struct err *e)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;
	int r = inet_listen(conf->address, conf->port, &fd, e);

	if (r < 0)
		return err_wrap(e, "streaming server");
	name = inet_name(fd);
	s->url = xasprintf("%s://%s", conf->tls ? "https" : "http", name);
	r = open_door(s, DOOR_TCP, fd, e);
	if (r == 0)
		fd = -1; /* the door owns it */
	return r;
}

/* --- the thread --- */

static bool turn_end(void *arg)
{
	struct stream_server *s = arg;

	conn_pump_all(&s->conns);
	return false;
}

static void *thread_main(void *arg)
{
	struct stream_server *s = arg;

	loop_run(s->conns.loop);
	return NULL;
}

/* Start the thread with all signals blocked: a hang-up of a client or container is then an error
 * of write. */
static int start_thread(struct stream_server *s, struct err *e)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&s->thread, NULL, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return err_errno(e, ERR_INTERNAL, r, "start the streaming thread");
	s->thread_runs = true;
	return 0;
}

static void server_free(struct stream_server *s)
{
	if (s->conns.loop) {
		for (int i = 0; i < DOOR_COUNT; i++) {
			loop_timer_stop(s->conns.loop, &s->doors[i].pause);
			loop_io_del(&s->doors[i].listener);
		}
		close_fdp(&s->doors[DOOR_TCP].listener.fd);
		loop_free(s->conns.loop);
	}
	tls_free(s->tls);
	free(s->url);
	free(s);
}

int stream_server_start(const struct stream_conf *conf, const struct stream_hooks *hooks,
			struct stream_server **ret, struct err *e)
{
	struct stream_server *s = xcalloc(1, sizeof(*s));
	int r;

	list_init(&s->conns.all);
	list_init(&s->conns.marked);
	s->conns.hooks = hooks;
	for (int i = 0; i < DOOR_COUNT; i++) {
		s->doors[i].server = s;
		s->doors[i].listener.fd = -1;
		gate_init(&s->doors[i].gate, nofile_budget(CONN_WAITING_MAX, 32),
			  nofile_budget(CONN_WAITING_PEER_MAX, 64), nofile_budget(CONN_MAX, 32));
	}
	s->conns.idle_ns = conf->idle_ns;
	s->conns.loop = loop_new(e);
	r = s->conns.loop ? 0 : -(int)e->code;
	if (r == 0 && conf->tls)
		r = tls_new(conf->tls, &s->tls, e);
	if (r == 0)
		r = open_listener(s, conf, e);
	if (r == 0 && conf->local_fd >= 0)
		r = open_door(s, DOOR_LOCAL, conf->local_fd, e);
	if (r == 0) {
		loop_set_turn_end(s->conns.loop, turn_end, s);
		r = start_thread(s, e);
	}
	if (r == 0)
		*ret = s;
	else
		server_free(s);
	return r;
}

const char *stream_server_url(const struct stream_server *s)
{
	return s->url;
}

void stream_server_stop(struct stream_server *s)
{
	if (!s)
		return;
	if (s->thread_runs) {
		message_send(message_new(s, MESSAGE_STOP, 0));
		pthread_join(s->thread, NULL);
	}
	server_free(s);
}
