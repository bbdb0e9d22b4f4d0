/*
 * stream.c - effects of states/stream.sm: sessions of Exec, Attach and PortForward, between the
 * streaming server's thread and a container or a pod.
 */
#include "pod/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "core/jobs.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_stream.h"
#include "os/ns.h"
#include "pod/container.h"
#include "pod/exec_start.h"
#include "pod/sandbox.h"
#include "pod/shim.h"
#include "stream/stream_server.h"
#include "stream/tls.h"
#include "stream/tokens.h"

#define TRIM_BYTES (1024 * 1024)
#define IDLE_NS (4 * 3600 * NSEC_PER_SEC) /* default, as in cri-streaming */

struct stream_session {
	struct exec_start start; /* first, see exec_start.h */
	struct object *o;
	struct list node; /* in claimed */
	uint64_t connection; /* of the client, from CLAIMED on */
	struct stream_ask ask;
	struct stream_fds fds; /* the daemon's ends, until passed to the streaming server */
	char *url; /* until freed: the answer to the call */
};

static struct stream_server *server; /* NULL: not started, or stopped */
static struct tokens *tokens; /* of session ids */
static struct loop_timer expiry; /* of the last token */
static struct list claimed = { &claimed, &claimed };

static const Crisp__State__Stream *row_of(const struct object *o)
{
	return o->sm->row;
}

static struct stream_session *session_by_connection(uint64_t connection)
{
	list_for_each(pos, &claimed) {
		struct stream_session *s = list_entry(pos, struct stream_session, node);

		if (s->connection == connection)
			return s;
	}
	return NULL;
}

static void report(struct object *o, int event, const struct err *why)
{
	sm_dispatch(o->sm, sm_event_failed(event, why));
}

/* --- prepare --- */

/* End the session of a token that no client used in time. */
static void token_late(void *id)
{
	struct object *o = world_find(KIND_STREAM, id);

	if (o)
		report(o, STM_EVENT_EXPIRED, NULL);
	free(id);
}

static size_t session_size(const struct stream_session *s)
{
	size_t size = sizeof(*s);

	for (size_t i = 0; i < s->start.n_cmd; i++)
		size += strlen(s->start.cmd[i]) + 1 + sizeof(char *);
	return size;
}

static void expire(struct loop_timer *t)
{
	(void)t;
	tokens_expire(tokens, clock_monotonic_ns());
}

/* Return freed memory to the kernel.  Small allocations between the strings of many sessions keep
 * the heap from shrinking by itself. */
static void trim(size_t freed)
{
	static size_t sum;

	sum += freed;
	if (sum < TRIM_BYTES)
		return;
	sum = 0;
	malloc_trim(0);
}

static void session_free(struct stream_session *s)
{
	size_t size = session_size(s);

	list_remove(&s->node);
	stream_fds_close(&s->fds);
	exec_start_done(&s->start);
	free(s->url);
	free(s);
	trim(size);
}

static struct stream_session *session_new(enum stream_kind kind)
{
	struct stream_session *s = xcalloc(1, sizeof(*s));

	list_init(&s->node);
	s->ask.kind = kind;
	s->fds = STREAM_FDS_NULL;
	return s;
}

static const struct exec_start_ops start_ops;

/* Make the object of session s and a URL for it.  Takes s, on error too.  container_id: "" for
 * PortForward. */
static int session_offer(struct stream_session *s, const char *sandbox_id, const char *container_id,
			 struct object **ret, struct err *e)
{
	static const char *const routes[] = {
		[STREAM_KIND_EXEC] = "exec",
		[STREAM_KIND_ATTACH] = "attach",
		[STREAM_KIND_PORT_FORWARD] = "portforward",
	};
	char token[TOKEN_LEN + 1], id[ID_LEN + 1], *token_id;
	Crisp__State__Stream *row;
	int r;

	id_new(id);
	token_id = xstrdup(id);
	r = server ? tokens_add(tokens, s->ask.kind, token_id, session_size(s), token_late,
				clock_monotonic_ns(), token, e)
		   : err_set(e, ERR_UNAVAILABLE, "the streaming server does not run");
	if (r < 0) {
		free(token_id);
		session_free(s);
		return r;
	}
	loop_timer_set(world.loop, &expiry, clock_monotonic_ns() + TOKEN_NS + NSEC_PER_SEC, expire);
	s->url = xasprintf("%s/%s/%s", stream_server_url(server), routes[s->ask.kind], token);
	if (s->ask.kind != STREAM_KIND_PORT_FORWARD)
		exec_start_init(&s->start, &start_ops, container_id, id);
	s->start.tty = s->ask.tty;
	s->start.in = s->ask.in;
	row = xmalloc(sizeof(*row));
	crisp__state__stream__init(row);
	row_set_str(&row->sandbox_id, sandbox_id);
	row_set_str(&row->container_id, container_id);
	*ret = world_new(KIND_STREAM, id, row, NULL);
	(*ret)->own = s;
	s->o = *ret;
	return 0;
}

const char *stream_url(const struct sm_object *sm)
{
	return ((const struct stream_session *)object_of(sm)->own)->url;
}

static int check_streams(bool in, bool out, bool err, bool tty, struct err *e)
{
	if (tty && err)
		return err_set(e, ERR_INVALID, "tty and stderr cannot both be true");
	if (!in && !out && !err)
		return err_set(e, ERR_INVALID, "one of stdin, stdout, or stderr must be set");
	return 0;
}

static const Crisp__State__Container *container_row(const struct object *o)
{
	return o->sm->row;
}

int stream_for_exec(const Runtime__V1__ExecRequest *req, struct object **ret, struct err *e)
{
	struct object *o = NULL;
	struct stream_session *s;
	int r = check_streams(req->stdin, req->stdout, req->stderr, req->tty, e);

	if (r == 0)
		r = exec_start_find(req->container_id, req->cmd, req->n_cmd, &o, e);
	if (r < 0)
		return r;
	s = session_new(STREAM_KIND_EXEC);
	s->ask.tty = req->tty;
	s->ask.in = req->stdin;
	s->ask.out = req->stdout;
	s->ask.err = req->stderr;
	exec_start_set_cmd(&s->start, req->cmd, req->n_cmd);
	return session_offer(s, container_row(o)->sandbox_id, o->sm->id, ret, e);
}

int stream_for_attach(const Runtime__V1__AttachRequest *req, struct object **ret, struct err *e)
{
	Runtime__V1__ContainerConfig *config;
	struct object *o = NULL;
	struct stream_session *s;
	bool tty, once;
	int r = check_streams(req->stdin, req->stdout, req->stderr, req->tty, e);

	if (r == 0)
		r = exec_start_find(req->container_id, NULL, 0, &o, e);
	if (r < 0)
		return r;
	config = container_config(container_row(o));
	tty = config->tty;
	once = config->stdin_once;
	runtime__v1__container_config__free_unpacked(config, NULL);
	if (tty != (bool)req->tty)
		return err_set(e, ERR_INVALID, "tty: container %s has %s terminal",
			       req->container_id, tty ? "a" : "no");
	s = session_new(STREAM_KIND_ATTACH);
	s->ask.tty = req->tty;
	s->ask.in = req->stdin;
	s->ask.out = req->stdout;
	s->ask.err = req->stderr;
	s->ask.in_once = once;
	return session_offer(s, container_row(o)->sandbox_id, o->sm->id, ret, e);
}

static int find_ready(const char *id, struct object **ret, struct err *e)
{
	int r = world_lookup(KIND_SANDBOX, id, ret, e);

	if (r == 0 && !sbx_is_ready((*ret)->sm->state))
		r = err_set(e, ERR_PRECONDITION, "pod %s is not ready", id);
	return r;
}

static int check_ports(const Runtime__V1__PortForwardRequest *req, struct err *e)
{
	if (req->n_port > STREAM_PORTS_MAX)
		return err_set(e, ERR_INVALID, "port: %zu ports, %d are possible", req->n_port,
			       STREAM_PORTS_MAX);
	for (size_t i = 0; i < req->n_port; i++)
		if (req->port[i] < 1 || req->port[i] > UINT16_MAX)
			return err_set(e, ERR_INVALID, "port[%zu]: %d is not a port", i,
				       req->port[i]);
	return 0;
}

int stream_for_port_forward(const Runtime__V1__PortForwardRequest *req, struct object **ret,
			    struct err *e)
{
	struct object *o;
	struct stream_session *s;
	int r = find_ready(req->pod_sandbox_id, &o, e);

	if (r == 0)
		r = check_ports(req, e);
	if (r < 0)
		return r;
	s = session_new(STREAM_KIND_PORT_FORWARD);
	for (size_t i = 0; i < req->n_port; i++)
		s->ask.ports[i] = (uint16_t)req->port[i];
	s->ask.n_ports = (unsigned)req->n_port;
	return session_offer(s, o->sm->id, "", ret, e);
}

/* --- start --- */

/* Duplicate the pty master: the streaming server polls input and output as two descriptors. */
static int split_terminal(struct shim_answer *ans, struct stream_fds *ours, struct err *e)
{
	ours->out = take_fd(ans->fd);
	if (ours->out < 0)
		return err_set(e, ERR_INTERNAL, "the shim sent no terminal");
	ours->in = fcntl(ours->out, F_DUPFD_CLOEXEC, 0);
	if (ours->in < 0 || fcntl(ours->out, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set up the terminal");
	return 0;
}

static int opened(struct object *o, struct stream_fds *ours, struct err *e)
{
	struct stream_session *s = o->own;

	(void)e;
	s->fds = *ours;
	*ours = STREAM_FDS_NULL;
	return 0;
}

static void started(struct object *o, uint64_t gen, struct shim_answer *ans, const struct err *err)
{
	struct stream_session *s = o->own;
	struct err e = ERR_NULL;

	if (err)
		e = *err;
	else if (s->ask.kind == STREAM_KIND_EXEC && s->ask.tty)
		split_terminal(ans, &s->fds, &e);
	effect_report(o, gen, sm_event_failed(e.code ? STM_EVENT_FAILED : STM_EVENT_BEGUN, &e));
}

static const struct exec_start_ops start_ops = { .opened = opened, .started = started };

static void attach_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	const struct stream_ask *a = &((const struct stream_session *)o->own)->ask;
	const bool want[3] = { a->in, a->out, a->err };
	const struct shim_request req = {
		.type = SHIM_ATTACH,
		.id = row_of(o)->container_id,
		.session = o->sm->id,
		.flags = (a->in ? SHIM_STDIN : 0) | (a->out ? SHIM_STDOUT : 0) |
			 (a->err ? SHIM_STDERR : 0),
	};

	exec_start_send(o, gen, p, link, &req, want);
}

void stm_effect_start(struct sm_object *sm)
{
	struct object *o = object_of(sm), *container;
	struct stream_session *s = o->own;
	struct pod *p = pod_find(row_of(o)->sandbox_id);
	struct err e = ERR_NULL;
	int r = exec_start_find(row_of(o)->container_id, NULL, 0, &container, &e);

	if (r == 0 && !p)
		r = err_set(&e, ERR_NOT_FOUND, "the pod was removed");
	if (r < 0)
		exec_start_fail(o, sm->effect_gen, &e);
	else if (s->ask.kind == STREAM_KIND_EXEC)
		exec_start_run(o);
	else
		pod_when_settled(p, o, attach_with);
}

/* --- the end --- */

void stream_shim_says(struct object *o, const struct shim_status *st)
{
	bool attached = ((const struct stream_session *)o->own)->ask.kind == STREAM_KIND_ATTACH;
	struct payload_exit *f;
	struct err e = ERR_NULL;

	if (st->state != SHIM_ENDED)
		return;
	if (attached && st->exit_code < 0)
		err_set(&e, ERR_EXHAUSTED,
			"the client reads too slowly: output is lost, attach again");
	else if (!attached && (st->exit_code < 0 || st->exit_code > 255))
		err_set(&e, ERR_UNKNOWN, "the exit code is not known");
	if (e.code) {
		report(o, STM_EVENT_CUT, &e);
		return;
	}
	f = xcalloc(1, sizeof(*f));
	f->code = attached ? 0 : st->exit_code;
	sm_dispatch(o->sm, stm_event_ended(f));
}

void stream_pod_lost(const struct object *sandbox, const char *why)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_UNAVAILABLE, "%s", why);
	for (struct object *o = NULL; (o = world_child(sandbox, KIND_STREAM, o));)
		report(o, STM_EVENT_CUT, &e);
}

static void give(struct stream_session *s)
{
	if (!server || (s->fds.in < 0 && s->fds.out < 0 && s->fds.err < 0))
		return;
	stream_server_give(server, s->connection, &s->fds);
	s->fds = STREAM_FDS_NULL;
}

static void tell_end(const struct stream_session *s)
{
	const Crisp__State__Stream *row = row_of(s->o);
	struct stream_end end = { .code = row->exit_code };

	if (row->failure) {
		end.code = -1;
		row_failure_err(row->failure, &end.err);
		log_debug("cut a stream session", "ctr=%.13s error=\"%s\"", row->container_id,
			  end.err.text);
	}
	if (server)
		stream_server_end(server, s->connection, &end);
}

static void stream_moved(struct object *o, const struct sm_row *row)
{
	struct stream_session *s = o->own;

	if (stm_is_given(row->target))
		give(s);
	if (stm_is_closed(row->target))
		tell_end(s);
}

static void stream_gone(struct object *o)
{
	session_free(o->own);
}

const struct kind_ops kind_stream = {
	.machine = &stm_machine,
	.moved = stream_moved,
	.gone = stream_gone,
};

/* --- a terminal's size --- */

static void resize(struct stream_session *s, uint16_t width, uint16_t height)
{
	const struct shim_request req = {
		.type = SHIM_RESIZE,
		.id = row_of(s->o)->container_id,
		.width = width,
		.height = height,
	};
	struct pod *p = pod_find(row_of(s->o)->sandbox_id);

	if (p)
		pod_send(p, &req);
}

/* --- port-forward --- */

struct dial {
	struct loop_job base;
	uint64_t id;
	uint32_t pair;
	char *netns; /* "": host network */
	int fds[2];
	int result;
	struct err err;
};

/* Create sockets inside the netns; a socket stays in the netns of its creation. */
static int make_sockets(void *arg, struct err *e)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct dial *d = arg;

	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		d->fds[i] = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fds[0] < 0 && d->fds[1] < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make a socket in the pod's network");
	return 0;
}

static void dial_work(struct loop_job *base)
{
	struct dial *d = container_of(base, struct dial, base);

	d->result = *d->netns ? ns_run_inside(d->netns, make_sockets, d, &d->err)
			      : make_sockets(d, &d->err);
}

static void dial_done(struct loop_job *base)
{
	struct dial *d = container_of(base, struct dial, base);

	if (server) {
		stream_server_dialed(server, d->id, d->pair, d->fds,
				     d->result < 0 ? &d->err : NULL);
	} else {
		close_fdp(&d->fds[0]);
		close_fdp(&d->fds[1]);
	}
	free(d->netns);
	free(d);
}

static void dial(struct stream_session *s, uint32_t pair)
{
	static const int none[2] = { -1, -1 };
	struct object *o = NULL;
	struct err e = ERR_NULL;
	int r = find_ready(row_of(s->o)->sandbox_id, &o, &e);

	if (r == 0) {
		const Crisp__State__Sandbox *row = o->sm->row;
		struct dial *d = xcalloc(1, sizeof(*d));

		d->base.work = dial_work;
		d->base.done = dial_done;
		d->id = s->connection;
		d->pair = pair;
		d->netns = xstrdup(row->host_network ? "" : row->netns);
		d->fds[0] = d->fds[1] = -1;
		r = loop_work(world.loop, LANE_SESSION, &d->base, &e);
		if (r < 0) {
			free(d->netns);
			free(d);
		}
	}
	if (r < 0)
		stream_server_dialed(server, s->connection, pair, none, &e);
}

/* --- posts of the stream thread --- */

enum note_kind {
	NOTE_REDEEM,
	NOTE_BEGIN,
	NOTE_DIAL,
	NOTE_RESIZE,
	NOTE_GONE,
};

struct note {
	struct loop_post post;
	enum note_kind kind;
	uint64_t id;
	enum stream_kind what;
	char token[TOKEN_LEN + 1];
	uint32_t pair;
	uint16_t width, height;
};

static void redeem(const struct note *n)
{
	char *id = tokens_take(tokens, n->what, n->token, clock_monotonic_ns());
	struct object *o = id ? world_find(KIND_STREAM, id) : NULL;
	struct stream_session *s = o ? o->own : NULL;

	free(id);
	if (s) {
		s->connection = n->id;
		list_append(&claimed, &s->node);
		report(o, STM_EVENT_CLAIMED, NULL);
	}
	if (server)
		stream_server_admit(server, n->id, s ? &s->ask : NULL);
}

static void note_run(struct loop_post *post)
{
	struct note *n = container_of(post, struct note, post);
	struct stream_session *s = session_by_connection(n->id);

	switch (n->kind) {
	case NOTE_REDEEM:
		redeem(n);
		break;
	case NOTE_BEGIN:
		if (s && server)
			report(s->o, STM_EVENT_READY, NULL);
		break;
	case NOTE_DIAL:
		if (s && server)
			dial(s, n->pair);
		break;
	case NOTE_RESIZE:
		if (s)
			resize(s, n->width, n->height);
		break;
	case NOTE_GONE:
		if (!s)
			break;
		list_remove(&s->node);
		report(s->o, STM_EVENT_LEFT, NULL);
		break;
	}
	free(n);
}

static struct note *note_new(enum note_kind kind, uint64_t id)
{
	struct note *n = xcalloc(1, sizeof(*n));

	n->post.fn = note_run;
	n->kind = kind;
	n->id = id;
	return n;
}

static void hook_redeem(uint64_t id, enum stream_kind kind, const char *token)
{
	struct note *n = note_new(NOTE_REDEEM, id);

	n->what = kind;
	/* A token of another length is invalid; so is the empty one that stays instead. */
	if (strlen(token) == TOKEN_LEN)
		memcpy(n->token, token, TOKEN_LEN);
	loop_post(world.loop, &n->post);
}

static void hook_begin(uint64_t id)
{
	loop_post(world.loop, &note_new(NOTE_BEGIN, id)->post);
}

static void hook_dial(uint64_t id, uint32_t pair)
{
	struct note *n = note_new(NOTE_DIAL, id);

	n->pair = pair;
	loop_post(world.loop, &n->post);
}

static void hook_resize(uint64_t id, uint16_t width, uint16_t height)
{
	struct note *n = note_new(NOTE_RESIZE, id);

	n->width = width;
	n->height = height;
	loop_post(world.loop, &n->post);
}

static void hook_gone(uint64_t id)
{
	loop_post(world.loop, &note_new(NOTE_GONE, id)->post);
}

static void hook_certificate(const struct err *err)
{
	if (err)
		log_err(LOG_LEVEL_ERROR, "changed TLS files of the streaming server are not used",
			err);
	else
		log_info("the streaming server uses new TLS files", "cert=%s",
			 world.conf->stream_tls_cert);
}

/* --- start and stop --- */

int stream_session_start(int local_fd, struct err *e)
{
	static const struct stream_hooks hooks = {
		hook_redeem, hook_begin, hook_dial, hook_resize, hook_gone, hook_certificate,
	};
	const struct conf *c = world.conf;
	const struct tls_conf tls = {
		.cert = c->stream_tls_cert,
		.key = c->stream_tls_key,
		.ca = c->stream_tls_ca,
		.min_13 = strcmp(c->tls_min_version, CONF_TLS13) == 0,
		.ciphers = (const char *const *)c->tls_cipher_suites,
	};
	struct stream_conf conf = {
		.address = c->stream_address,
		.idle_ns = IDLE_NS,
		.tls = c->stream_enable_tls ? &tls : NULL,
		.local_fd = local_fd,
	};
	int64_t port = 0;
	int r;

	if (str_to_i64(c->stream_port, 0, UINT16_MAX, &port) < 0)
		return err_set(e, ERR_INVALID, "stream_port: \"%s\" is not a port", c->stream_port);
	if (*c->stream_idle_timeout && str_to_duration(c->stream_idle_timeout, &conf.idle_ns) < 0)
		return err_set(e, ERR_INVALID, "stream_idle_timeout: \"%s\" is no duration",
			       c->stream_idle_timeout);
	conf.port = (uint16_t)port;
	tokens = tokens_new();
	r = stream_server_start(&conf, &hooks, &server, e);
	if (r == 0)
		log_info("streaming", "url=%s", stream_server_url(server));
	return r;
}

void stream_session_stop(void)
{
	loop_timer_stop(world.loop, &expiry);
	stream_server_stop(take_ptr(server));
}

void stream_session_free(void)
{
	tokens_free(take_ptr(tokens));
}
