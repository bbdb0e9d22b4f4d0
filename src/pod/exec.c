/*
 * exec.c - effects of states/exec.sm: ExecSync sessions.
 *
 * The loop reads the pipes that the session's process writes.  It drops output after the limit, so
 * the process never blocks.
 */
#include "pod/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/words.h"
#include "core/jobs.h"
#include "core/payloads.h"
#include "core/records.h"
#include "pod/container.h"
#include "pod/exec_start.h"
#include "pod/shim.h"

#define DRAIN_NS (1000 * NSEC_PER_MSEC)
/* Both streams and their framing fit one message of the client's limit. */
#define OUTPUT_MAX (LIMIT_EXEC_OUTPUT - 1024)
#define OUTPUT_SURE (64 * 1024) /* kept regardless of other sessions' output */

struct stream {
	struct loop_io io;
	struct buf data;
	struct exec_session *session;
	bool open;
};

struct exec_session {
	struct exec_start start; /* first, see exec_start.h */
	struct object *o;
	struct stream streams[2]; /* stdout, stderr */
	struct loop_timer drain;
	bool draining, cut; /* cut: output was dropped to bound the daemon's memory */
};

static size_t output_held; /* output of all sessions in bytes */

static const Crisp__State__Exec *row_of(const struct object *o)
{
	return o->sm->row;
}

/* --- output --- */

static void drained(struct exec_session *s)
{
	if (!s->draining)
		return;
	s->draining = false;
	loop_timer_stop(world.loop, &s->drain);
	effect_report(s->o, s->o->sm->effect_gen, sm_event_new(EXE_EVENT_DRAINED));
}

static void stream_close(struct stream *st)
{
	if (!st->open)
		return;
	st->open = false;
	loop_io_del(&st->io);
	close(st->io.fd);
}

/* Returns how many of n more bytes to keep.  Bounds one session's output and that of all sessions,
 * since containers control how much they write. */
static size_t output_take(struct exec_session *s, size_t n)
{
	size_t used = s->streams[0].data.len + s->streams[1].data.len;
	size_t room = OUTPUT_MAX - used, left;

	left = output_held < LIMIT_EXEC_OUTPUTS ? LIMIT_EXEC_OUTPUTS - output_held : 0;
	if (used < OUTPUT_SURE)
		left = MAX(left, OUTPUT_SURE - used);
	n = MIN(n, room);
	if (!s->cut && n > left) {
		s->cut = true;
		log_warn("output of an exec is cut off",
			 "exe=%.13s text=\"all calls of ExecSync "
			 "together have %d MiB of output in memory\"",
			 s->o->sm->id, LIMIT_EXEC_OUTPUTS >> 20);
	}
	n = MIN(n, left);
	output_held += n;
	return n;
}

static void stream_read(struct loop_io *io, uint32_t events)
{
	struct stream *st = container_of(io, struct stream, io);
	struct exec_session *s = st->session;
	char chunk[16384];
	ssize_t n = read(io->fd, chunk, sizeof(chunk));

	(void)events;
	if (n > 0) {
		buf_add(&st->data, chunk, output_take(s, (size_t)n));
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	stream_close(st);
	if (!s->streams[0].open && !s->streams[1].open)
		drained(s);
}

/* Take *fd; on error leave it to the caller. */
static int stream_open(struct exec_session *s, struct stream *st, int *fd, struct err *e)
{
	int r;

	st->session = s;
	r = loop_io_add(world.loop, &st->io, *fd, EPOLLIN, stream_read, e);
	if (r == 0)
		take_fd(*fd);
	st->open = r == 0;
	return r;
}

void exec_output(const struct sm_object *sm, ProtobufCBinaryData *ret_stdout,
		 ProtobufCBinaryData *ret_stderr)
{
	const struct exec_session *s = object_of(sm)->own;

	*ret_stdout =
		(ProtobufCBinaryData){ s->streams[0].data.len, (uint8_t *)s->streams[0].data.data };
	*ret_stderr =
		(ProtobufCBinaryData){ s->streams[1].data.len, (uint8_t *)s->streams[1].data.data };
}

/* --- start --- */

static void started(struct object *o, uint64_t gen, struct shim_answer *ans, const struct err *err)
{
	struct payload_init *f;

	if (err) {
		effect_report(o, gen, sm_event_failed(EXE_EVENT_START_FAILED, err));
		return;
	}
	f = xcalloc(1, sizeof(struct payload_init));
	f->pid = (int32_t)ans->status.pid;
	f->ticks = ans->status.start_ticks;
	effect_report(o, gen, exe_event_started(f));
}

static int opened(struct object *o, struct stream_fds *ours, struct err *e)
{
	struct exec_session *s = o->own;
	int r = stream_open(s, &s->streams[0], &ours->out, e);

	return r == 0 ? stream_open(s, &s->streams[1], &ours->err, e) : r;
}

static const struct exec_start_ops start_ops = { .opened = opened, .started = started };

void exe_effect_spawn(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	exec_start_run(o, row_of(o)->cmd, row_of(o)->n_cmd);
}

void exe_effect_watch(struct sm_object *sm)
{
	(void)sm; /* the shim sends the end unasked */
}

/* --- exit --- */

static void report_lost(struct object *o, uint64_t gen)
{
	effect_report(o, gen, sm_event_new(EXE_EVENT_LOST));
}

static void killed(struct object *o, uint64_t gen, struct shim_answer *ans, const struct err *err)
{
	(void)ans;
	/* On success the shim reports the end.  An error: the shim does not know the session. */
	if (err)
		report_lost(o, gen);
}

static void kill_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	_cleanup_free_ char *cgroup = exec_cgroup_find(row_of(o)->container_id, o->sm->id);
	const struct shim_request req = {
		.type = SHIM_EXEC_KILL,
		.session = o->sm->id,
		.cgroup = cgroup,
	};

	if (link)
		pod_request(p, o, &req, NULL, 0, killed);
	else
		report_lost(o, gen);
}

void exe_effect_kill(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct pod *p = pod_of_container(row_of(o)->container_id);

	if (p)
		pod_when_settled(p, o, kill_with);
	else
		report_lost(o, sm->effect_gen);
}

static void drain_over(struct loop_timer *t)
{
	drained(container_of(t, struct exec_session, drain));
}

/* Read remaining output for DRAIN_NS at most: a surviving child may keep the pipes open forever. */
void exe_effect_drain(struct sm_object *sm)
{
	struct exec_session *s = object_of(sm)->own;

	s->draining = true;
	if (!s->streams[0].open && !s->streams[1].open)
		drained(s);
	else
		loop_timer_set(world.loop, &s->drain, clock_monotonic_ns() + DRAIN_NS, drain_over);
}

void exec_shim_says(struct object *o, const struct shim_status *st)
{
	struct payload_exit *f;

	if (st->state != SHIM_ENDED)
		return;
	if (st->exit_unknown) {
		report_lost(o, o->sm->effect_gen);
		return;
	}
	f = xcalloc(1, sizeof(*f));
	f->code = st->exit_code;
	f->exited_ns = st->exited_ns;
	effect_report(o, o->sm->effect_gen, exe_event_exited(f));
}

void exec_pod_lost(const struct object *sandbox)
{
	for (struct object *c = NULL; (c = world_child(sandbox, KIND_CONTAINER, c));)
		for (struct object *o = NULL; (o = world_child(c, KIND_EXEC, o));)
			report_lost(o, o->sm->effect_gen);
}

/* --- calls and life --- */

int exec_for(const Runtime__V1__ExecSyncRequest *req, struct object **ret, struct err *e)
{
	Crisp__State__Exec *row;
	struct object *ctr;
	char id[ID_LEN + 1];
	size_t words = 0;
	int r = world_lookup(KIND_CONTAINER, req->container_id, &ctr, e);

	if (r == 0)
		r = words_check("cmd", req->cmd, req->n_cmd, &words, e);
	if (r < 0)
		return r;
	if (!ctr_is_running(ctr->sm->state))
		return err_set(e, ERR_PRECONDITION, "container %s is not running",
			       req->container_id);
	row = xmalloc(sizeof(*row));
	crisp__state__exec__init(row);
	row_set_str(&row->container_id, ctr->sm->id);
	row->n_cmd = req->n_cmd;
	row->cmd = xcalloc(req->n_cmd, sizeof(char *));
	for (size_t i = 0; i < req->n_cmd; i++)
		row->cmd[i] = xstrdup(req->cmd[i]);
	row->started_ns = clock_realtime_ns();
	if (req->timeout > 0)
		row->kill_at_ns =
			row->started_ns + MIN(req->timeout, INT64_C(3155760000)) * NSEC_PER_SEC;
	id_new(id);
	*ret = world_new(KIND_EXEC, id, row, NULL);
	return 0;
}

static void exec_born(struct object *o)
{
	struct exec_session *s = xcalloc(1, sizeof(*s));

	s->o = o;
	exec_start_init(&s->start, &start_ops, row_of(o)->container_id, o->sm->id);
	o->own = s;
}

static void exec_gone(struct object *o)
{
	const struct shim_request req = { .type = SHIM_FORGET, .session = o->sm->id };
	struct exec_session *s = o->own;
	struct pod *p = pod_of_container(row_of(o)->container_id);
	struct err e = ERR_NULL;

	loop_timer_stop(world.loop, &s->drain);
	for (size_t i = 0; i < ARRAY_LEN(s->streams); i++) {
		stream_close(&s->streams[i]);
		output_held -= s->streams[i].data.len;
		buf_done(&s->streams[i].data);
	}
	if (p && p->link && shim_link_call(p->link, &req, NULL, 0, NULL, NULL, &e) < 0)
		log_err(LOG_LEVEL_DEBUG, "forget an exec session", &e);
	exec_start_done(&s->start);
	free(s);
}

const struct kind_ops kind_exec = {
	.machine = &exe_machine,
	.born = exec_born,
	.gone = exec_gone,
};
