/*
 * stream.c - prepares sessions for URLs, starts execs and attaches by the shim, dials ports.
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
#include "base/words.h"
#include "core/paths.h"
#include "os/ns.h"
#include "pod/container.h"
#include "pod/exec.h"
#include "pod/sandbox.h"
#include "pod/shim.h"
#include "stream/stream_server.h"
#include "stream/tls.h"
#include "stream/tokens.h"

#define RUNTIME_EXEC_MS 60000
#define TRIM_BYTES (1024 * 1024)
#define IDLE_NS (4 * 3600 * NSEC_PER_SEC) /* default, as in cri-streaming */

struct stream_session {
	struct list node;
	unsigned refs; /* of the client or its token, the process, calls and jobs in flight */
	uint64_t id; /* of the connection; 0: no client */
	char name[ID_LEN + 1]; /* session id for the shim */
	char target[ID_LEN + 1]; /* id of the container, or of a port-forward's sandbox */
	char sandbox[ID_LEN + 1];
	struct stream_ask ask;
	char **cmd;
	char *process_path;
	bool running; /* the shim will report the end */
	bool waits; /* starts when the line to the shim is settled */
};

static struct stream_server *server; /* NULL: not started, or stopped */
static struct tokens *tokens;
static struct loop_timer expiry; /* of the last token */
static struct list sessions = { &sessions, &sessions }; /* sessions with redeemed tokens */

/* --- life --- */

static void session_free(struct stream_session *s)
{
	list_remove(&s->node);
	for (size_t i = 0; s->cmd && s->cmd[i]; i++)
		free(s->cmd[i]);
	free(s->cmd);
	/* Ignore errors: the file is on tmpfs and goes with the container's bundle. */
	if (s->process_path)
		unlink(s->process_path);
	free(s->process_path);
	free(s);
}

static void session_unref(struct stream_session *s)
{
	if (--s->refs == 0)
		session_free(s);
}

static void token_late(void *arg)
{
	session_unref(arg);
}

static struct stream_session *session_by_id(uint64_t id)
{
	list_for_each(pos, &sessions) {
		struct stream_session *s = list_entry(pos, struct stream_session, node);

		if (id && s->id == id)
			return s;
	}
	return NULL;
}

static void tell_end(struct stream_session *s, int code, const struct err *err)
{
	struct stream_end end = { .code = code };

	if (err)
		end.err = *err;
	if (server && s->id)
		stream_server_end(server, s->id, &end);
}

static void tell_failure(struct stream_session *s, const struct err *err)
{
	log_debug("stream session failed", "ctr=%.13s error=\"%s\"", s->target, err->text);
	tell_end(s, -1, err);
}

/* --- prepare --- */

static struct stream_session *session_new(enum stream_kind kind, const char *target,
					  const char *sandbox)
{
	struct stream_session *s = xcalloc(1, sizeof(*s));

	list_init(&s->node);
	s->refs = 1;
	s->ask.kind = kind;
	id_new(s->name);
	memcpy(s->target, target, ID_LEN);
	memcpy(s->sandbox, sandbox, ID_LEN);
	return s;
}

static size_t session_size(const struct stream_session *s)
{
	size_t size = sizeof(*s);

	for (size_t i = 0; s->cmd && s->cmd[i]; i++)
		size += strlen(s->cmd[i]) + 1 + sizeof(char *);
	return size;
}

static void expire(struct loop_timer *t)
{
	(void)t;
	/* Freed strings lie between live ones, so free alone does not shrink the heap. */
	if (tokens_expire(tokens, clock_monotonic_ns()) >= TRIM_BYTES)
		malloc_trim(0);
}

static int session_offer(struct stream_session *s, const char *route, char **ret_url, struct err *e)
{
	char token[TOKEN_LEN + 1];
	int r = server ? tokens_add(tokens, s->ask.kind, s, session_size(s), token_late,
				    clock_monotonic_ns(), token, e)
		       : err_set(e, ERR_UNAVAILABLE, "the streaming server does not run");

	if (r < 0) {
		session_unref(s);
		return r;
	}
	loop_timer_set(world.loop, &expiry, clock_monotonic_ns() + TOKEN_NS + NSEC_PER_SEC, expire);
	*ret_url = xasprintf("%s/%s/%s", stream_server_url(server), route, token);
	return 0;
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

static int find_running(const char *id, struct object **ret, struct err *e)
{
	int r = world_lookup(KIND_CONTAINER, id, ret, e);

	if (r == 0 && !ctr_is_running((*ret)->sm->state))
		r = err_set(e, ERR_PRECONDITION, "container %s is not running", id);
	return r;
}

int stream_session_exec(const Runtime__V1__ExecRequest *req, char **ret_url, struct err *e)
{
	struct object *o = NULL;
	struct stream_session *s;
	size_t words = 0;
	int r = check_streams(req->stdin, req->stdout, req->stderr, req->tty, e);

	if (r == 0 && !req->n_cmd)
		r = err_set(e, ERR_INVALID, "cmd must not be empty");
	if (r == 0)
		r = words_check("cmd", req->cmd, req->n_cmd, &words, e);
	if (r == 0)
		r = find_running(req->container_id, &o, e);
	if (r < 0)
		return r;
	s = session_new(STREAM_KIND_EXEC, o->sm->id, container_row(o)->sandbox_id);
	s->ask.tty = req->tty;
	s->ask.in = req->stdin;
	s->ask.out = req->stdout;
	s->ask.err = req->stderr;
	s->cmd = xcalloc(req->n_cmd + 1, sizeof(char *));
	for (size_t i = 0; i < req->n_cmd; i++)
		s->cmd[i] = xstrdup(req->cmd[i]);
	return session_offer(s, "exec", ret_url, e);
}

int stream_session_attach(const Runtime__V1__AttachRequest *req, char **ret_url, struct err *e)
{
	Runtime__V1__ContainerConfig *config;
	struct object *o = NULL;
	struct stream_session *s;
	bool tty, once;
	int r = check_streams(req->stdin, req->stdout, req->stderr, req->tty, e);

	if (r == 0)
		r = find_running(req->container_id, &o, e);
	if (r < 0)
		return r;
	config = container_config(container_row(o));
	tty = config->tty;
	once = config->stdin_once;
	runtime__v1__container_config__free_unpacked(config, NULL);
	if (tty != (bool)req->tty)
		return err_set(e, ERR_INVALID, "tty: container %s has %s terminal",
			       req->container_id, tty ? "a" : "no");
	s = session_new(STREAM_KIND_ATTACH, o->sm->id, container_row(o)->sandbox_id);
	s->ask.tty = req->tty;
	s->ask.in = req->stdin;
	s->ask.out = req->stdout;
	s->ask.err = req->stderr;
	s->ask.in_once = once;
	return session_offer(s, "attach", ret_url, e);
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

int stream_session_port_forward(const Runtime__V1__PortForwardRequest *req, char **ret_url,
				struct err *e)
{
	struct object *o;
	struct stream_session *s;
	int r = find_ready(req->pod_sandbox_id, &o, e);

	if (r == 0)
		r = check_ports(req, e);
	if (r < 0)
		return r;
	s = session_new(STREAM_KIND_PORT_FORWARD, o->sm->id, o->sm->id);
	for (size_t i = 0; i < req->n_port; i++)
		s->ask.ports[i] = (uint16_t)req->port[i];
	s->ask.n_ports = (unsigned)req->n_port;
	return session_offer(s, "portforward", ret_url, e);
}

/* --- pipes --- */

/* Both ends of a session's pipes; -1: none. */
struct pipes {
	struct stream_fds ours;
	int theirs[3]; /* the shim's ends, in the order of its request */
	size_t n;
};

static void pipes_done(struct pipes *p)
{
	close_fdp(&p->ours.in);
	close_fdp(&p->ours.out);
	close_fdp(&p->ours.err);
	for (size_t i = 0; i < p->n; i++)
		close_fdp(&p->theirs[i]);
}

/* side: the daemon's end; 0: read end, 1: write end. */
static int add_pipe(struct pipes *p, int *ours, int side, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make a pipe for a stream");
	*ours = fds[side];
	p->theirs[p->n++] = fds[!side];
	if (fcntl(fds[side], F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set up a pipe for a stream");
	return 0;
}

static int pipes_open(struct pipes *p, bool in, bool out, bool err, struct err *e)
{
	int r = 0;

	*p = (struct pipes){ .ours = { -1, -1, -1 } };
	if (in)
		r = add_pipe(p, &p->ours.in, 1, e);
	if (r == 0 && out)
		r = add_pipe(p, &p->ours.out, 0, e);
	if (r == 0 && err)
		r = add_pipe(p, &p->ours.err, 0, e);
	return r;
}

/* A request to the shim, with the descriptors for the client on success. */
struct shim_op {
	struct stream_session *s;
	struct stream_fds ours;
};

static int shim_call(struct stream_session *s, const struct shim_request *req, struct pipes *p,
		     shim_call_fn *fn, struct err *e)
{
	struct pod *pod = pod_find(s->sandbox);
	struct shim_op *op;
	int r;

	if (!pod || !pod_is_up(pod))
		return err_set(e, ERR_UNAVAILABLE, "the pod's shim does not answer: try again");
	op = xcalloc(1, sizeof(*op));
	op->s = s;
	op->ours = p->ours;
	r = shim_link_call(pod->link, req, p->theirs, p->n, fn, op, e);
	if (r < 0) {
		free(op);
		return r;
	}
	s->refs++;
	p->ours = (struct stream_fds){ -1, -1, -1 }; /* moved to op */
	return 0;
}

static void op_done(struct shim_op *op, bool give)
{
	struct pipes rest = { .ours = op->ours };

	if (give && server && op->s->id)
		stream_server_give(server, op->s->id, &op->ours);
	else
		pipes_done(&rest);
	session_unref(op->s);
	free(op);
}

/* --- exec --- */

/* Duplicate the pty master: the server polls each direction by its own descriptor. */
static int split_terminal(struct shim_answer *ans, struct stream_fds *ours, struct err *e)
{
	ours->out = take_fd(ans->fd);
	if (ours->out < 0)
		return err_set(e, ERR_INTERNAL, "the shim gave no terminal");
	ours->in = fcntl(ours->out, F_DUPFD_CLOEXEC, 0);
	if (ours->in < 0 || fcntl(ours->out, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set up the terminal");
	return 0;
}

static void exec_started(void *arg, struct shim_answer *ans, const struct err *err)
{
	struct shim_op *op = arg;
	struct err e = ERR_NULL;

	if (!err && op->s->ask.tty && split_terminal(ans, &op->ours, &e) < 0)
		tell_failure(op->s, &e);
	if (err) {
		tell_failure(op->s, err);
	} else {
		op->s->running = true;
		op->s->refs++;
	}
	op_done(op, !err && e.code == ERR_OK);
}

static int exec_spawn(struct stream_session *s, struct err *e)
{
	const struct stream_ask *a = &s->ask;
	struct object *ctr = world_find(KIND_CONTAINER, s->target);
	_cleanup_(exec_place_done) struct exec_place place = EXEC_PLACE_NULL;
	struct shim_request req = {
		.type = SHIM_EXEC,
		.session = s->name,
		.id = s->target,
		.process_path = s->process_path,
		.flags = a->tty	 ? SHIM_TTY
			 : a->in ? SHIM_STDIN
				 : 0,
		.timeout_ms = RUNTIME_EXEC_MS,
	};
	struct pipes p;
	/* The process needs stdout and stderr, also those that the client did not request. */
	int r = pipes_open(&p, !a->tty && a->in, !a->tty, !a->tty, e);

	if (ctr)
		exec_place_find(container_row(ctr), s->name, &place);
	exec_place_use(&place, &req);
	if (r == 0)
		r = shim_call(s, &req, &p, exec_started, e);
	pipes_done(&p);
	return r;
}

struct process_job {
	struct loop_job base;
	struct stream_session *s;
	char *config_path;
	int result;
	struct err err;
};

static void exec_write(struct loop_job *base)
{
	struct process_job *j = container_of(base, struct process_job, base);

	/* While this job runs, the loop thread does not access these fields. */
	j->result = exec_write_process(j->config_path, j->s->process_path,
				       (const char *const *)j->s->cmd, j->s->ask.tty, &j->err);
}

static void exec_written(struct loop_job *base)
{
	struct process_job *j = container_of(base, struct process_job, base);

	if (j->s->id && j->result == 0)
		j->result = exec_spawn(j->s, &j->err);
	if (j->s->id && j->result < 0)
		tell_failure(j->s, &j->err);
	session_unref(j->s);
	free(j->config_path);
	free(j);
}

static int exec_begin(struct stream_session *s, struct err *e)
{
	_cleanup_free_ char *run = path_container_run(world.conf, s->target);
	struct process_job *j = xcalloc(1, sizeof(*j));
	int r;

	s->process_path = xasprintf("%s/exec-%s.json", run, s->name);
	j->base.work = exec_write;
	j->base.done = exec_written;
	j->s = s;
	j->config_path = xasprintf("%s/config.json", run);
	r = loop_work(world.loop, LANE_SESSION, &j->base, e);
	if (r < 0) {
		free(j->config_path);
		free(j);
		return r;
	}
	s->refs++;
	return 0;
}

static void exec_over(struct stream_session *s, int code, const struct err *err)
{
	if (!s->running)
		return;
	s->running = false;
	tell_end(s, code, err);
	session_unref(s);
}

void stream_session_ended(const struct shim_status *st)
{
	struct err e = ERR_NULL, slow = ERR_NULL;

	err_set(&slow, ERR_EXHAUSTED, "the client reads too slowly: output is lost, attach again");
	if (st->exit_code < 0 || st->exit_code > 255)
		err_set(&e, ERR_UNKNOWN, "the exit code is not known");
	list_for_each(pos, &sessions) {
		struct stream_session *s = list_entry(pos, struct stream_session, node);

		if (strcmp(s->name, st->session) != 0)
			continue;
		if (s->ask.kind == STREAM_KIND_ATTACH)
			tell_end(s, 0, st->exit_code < 0 ? &slow : NULL);
		else
			exec_over(s, st->exit_code, e.code ? &e : NULL);
		return;
	}
}

void stream_session_pod_lost(const char *sandbox_id, const char *why)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_UNAVAILABLE, "%s", why);
	list_for_each_safe(pos, &sessions) {
		struct stream_session *s = list_entry(pos, struct stream_session, node);

		if (strcmp(s->sandbox, sandbox_id) != 0)
			continue;
		if (s->running)
			exec_over(s, -1, &e);
		else
			tell_end(s, -1, &e);
	}
}

/* --- attach --- */

static void attached(void *arg, struct shim_answer *ans, const struct err *err)
{
	struct shim_op *op = arg;

	(void)ans;
	if (err)
		tell_failure(op->s, err);
	op_done(op, !err);
}

static int attach_begin(struct stream_session *s, struct err *e)
{
	const struct stream_ask *a = &s->ask;
	const struct shim_request req = {
		.type = SHIM_ATTACH,
		.id = s->target,
		.session = s->name,
		.flags = (a->in ? SHIM_STDIN : 0) | (a->out ? SHIM_STDOUT : 0) |
			 (a->err ? SHIM_STDERR : 0),
	};
	struct pipes p;
	int r = pipes_open(&p, a->in, a->out, a->err, e);

	if (r == 0)
		r = shim_call(s, &req, &p, attached, e);
	pipes_done(&p);
	return r;
}

static void resize(struct stream_session *s, uint16_t width, uint16_t height)
{
	const struct shim_request req = {
		.type = SHIM_RESIZE,
		.id = s->target,
		.width = width,
		.height = height,
	};
	struct pod *p = pod_find(s->sandbox);
	struct err e = ERR_NULL;

	if (p && p->link && shim_link_call(p->link, &req, NULL, 0, NULL, NULL, &e) < 0)
		log_err(LOG_LEVEL_DEBUG, "resize a terminal", &e);
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
	int r = find_ready(s->sandbox, &o, &e);

	if (r == 0) {
		const Crisp__State__Sandbox *row = o->sm->row;
		struct dial *d = xcalloc(1, sizeof(*d));

		d->base.work = dial_work;
		d->base.done = dial_done;
		d->id = s->id;
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
		stream_server_dialed(server, s->id, pair, none, &e);
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
	struct stream_session *s = tokens_take(tokens, n->what, n->token, clock_monotonic_ns());

	if (s) {
		s->id = n->id;
		list_append(&sessions, &s->node);
	}
	if (server)
		stream_server_admit(server, n->id, s ? &s->ask : NULL);
	else if (s)
		session_unref(s);
}

static void begin(struct stream_session *s)
{
	const struct pod *pod = pod_find(s->sandbox);
	struct object *o;
	struct err e = ERR_NULL;
	int r = find_running(s->target, &o, &e);

	s->waits = r == 0 && pod && pod_is_settling(pod);
	if (s->waits)
		return;
	if (r == 0)
		r = s->ask.kind == STREAM_KIND_EXEC ? exec_begin(s, &e) : attach_begin(s, &e);
	if (r < 0)
		tell_failure(s, &e);
}

void stream_session_pod_settled(const char *sandbox_id)
{
	list_for_each_safe(pos, &sessions) {
		struct stream_session *s = list_entry(pos, struct stream_session, node);

		if (server && s->waits && strcmp(s->sandbox, sandbox_id) == 0)
			begin(s);
	}
}

static void note_run(struct loop_post *post)
{
	struct note *n = container_of(post, struct note, post);
	struct stream_session *s = session_by_id(n->id);

	switch (n->kind) {
	case NOTE_REDEEM:
		redeem(n);
		break;
	case NOTE_BEGIN:
		if (s && server)
			begin(s);
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
		s->id = 0;
		session_unref(s);
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
		log_err(LOG_LEVEL_ERROR, "the streaming server's TLS files changed; the old stay",
			err);
	else
		log_info("the streaming server has new TLS files", "cert=%s",
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
	while (!list_empty(&sessions))
		session_free(list_entry(sessions.next, struct stream_session, node));
	tokens_free(take_ptr(tokens));
}
