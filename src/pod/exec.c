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
#include "base/str.h"
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
/* Begins the shim's names of these sessions; those of streams are bare ids. */
#define SYNC_MARK "sync-"
#define STORED_PREFIX "exec/" /* of the rows of builds that stored sessions */

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
	bool cut; /* output was dropped to bound the daemon's memory */
};

static size_t output_held; /* output of all sessions in bytes */

static const Crisp__State__Exec *row_of(const struct object *o)
{
	return o->sm->row;
}

/* --- output --- */

static void drained(struct exec_session *s)
{
	if (!exe_is_draining(s->o->sm->state))
		return;
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

static ProtobufCBinaryData output(const struct stream *st)
{
	return (ProtobufCBinaryData){ st->data.len, (uint8_t *)st->data.data };
}

int exec_result(const struct sm_object *sm, Runtime__V1__ExecSyncResponse *ret, struct err *e)
{
	const struct exec_session *s = object_of(sm)->own;
	const Crisp__State__Exec *row = row_of(s->o);

	if (row->timed_out)
		return err_set(e, ERR_DEADLINE, "command %s timed out and was killed",
			       s->start.cmd[0]);
	if (row->failure)
		return row_failure_err(row->failure, e);
	if (!row->exit_known)
		return err_set(e, ERR_UNKNOWN, "the command's exit code was lost with its shim");
	ret->stdout = output(&s->streams[0]);
	ret->stderr = output(&s->streams[1]);
	ret->exit_code = row->exit_code;
	return 0;
}

/* --- start --- */

/* The master of the session's terminal has all output. */
static int terminal_open(struct exec_session *s, struct shim_answer *ans, struct err *e)
{
	if (ans->fd < 0)
		return err_set(e, ERR_INTERNAL, "the shim sent no terminal");
	if (fcntl(ans->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set up the terminal");
	return stream_open(s, &s->streams[0], &ans->fd, e);
}

static void started(struct object *o, uint64_t gen, struct shim_answer *ans, const struct err *err)
{
	struct exec_session *s = o->own;
	struct err e = err ? *err : ERR_NULL;

	if (!err && s->start.tty)
		terminal_open(s, ans, &e);
	effect_report(o, gen,
		      sm_event_failed(e.code ? EXE_EVENT_START_FAILED : EXE_EVENT_STARTED, &e));
}

static int opened(struct object *o, struct stream_fds *ours, struct err *e)
{
	struct exec_session *s = o->own;
	int r = s->start.tty ? 0 : stream_open(s, &s->streams[0], &ours->out, e);

	return r == 0 && !s->start.tty ? stream_open(s, &s->streams[1], &ours->err, e) : r;
}

static const struct exec_start_ops start_ops = { .opened = opened, .started = started };

void exe_effect_spawn(struct sm_object *sm)
{
	exec_start_run(object_of(sm));
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

static void ended(struct object *o, uint64_t gen, const struct shim_status *st)
{
	struct payload_exit *f;

	if (st->state != SHIM_ENDED)
		return;
	if (st->exit_unknown) {
		report_lost(o, gen);
		return;
	}
	f = xcalloc(1, sizeof(*f));
	f->code = st->exit_code;
	f->exited_ns = st->exited_ns;
	effect_report(o, gen, exe_event_exited(f));
}

static void killed(struct object *o, uint64_t gen, struct shim_answer *ans, const struct err *err)
{
	/* An error: the shim does not know the session. */
	if (err)
		report_lost(o, gen);
	else
		ended(o, gen, &ans->status);
}

static void kill_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	const struct exec_start *x = o->own;
	_cleanup_free_ char *cgroup = exec_start_cgroup(x);
	const struct shim_request req = {
		.type = SHIM_EXEC_KILL,
		.session = x->session,
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
	struct pod *p = pod_find(row_of(o)->sandbox_id);

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

	if (!s->streams[0].open && !s->streams[1].open)
		drained(s);
	else
		loop_timer_set(world.loop, &s->drain, clock_monotonic_ns() + DRAIN_NS, drain_over);
}

void exec_pod_lost(const struct object *sandbox)
{
	for (struct object *o = NULL; (o = world_child(sandbox, KIND_EXEC, o));)
		report_lost(o, o->sm->effect_gen);
}

/* --- sessions of earlier daemons --- */

static const char *sandbox_of(const struct object *ctr)
{
	return ((const Crisp__State__Container *)ctr->sm->row)->sandbox_id;
}

static Crisp__State__Exec *row_new(const char *sandbox_id, const char *container_id)
{
	Crisp__State__Exec *row = xmalloc(sizeof(*row));

	crisp__state__exec__init(row);
	row_set_str(&row->sandbox_id, sandbox_id);
	row_set_str(&row->container_id, container_id);
	return row;
}

bool exec_shim_says(const struct object *sandbox, const struct shim_status *st)
{
	bool marked = str_starts(st->session, SYNC_MARK);
	const char *id = st->session + (marked ? strlen(SYNC_MARK) : 0);
	struct object *o = world_find(KIND_EXEC, id);

	if (o) {
		ended(o, o->sm->effect_gen, st);
		return true;
	}
	if (!marked || st->state == SHIM_ENDED || !id_is_valid(id))
		return false;
	log_info("kill an exec session of an earlier daemon", "exe=%.13s ctr=%.13s", id, st->id);
	o = world_new(KIND_EXEC, id, row_new(sandbox->sm->id, st->id), NULL);
	sm_dispatch(o->sm, sm_event_new(EXE_EVENT_FOUND));
	return true;
}

static void row_delete(const char *id)
{
	_cleanup_free_ char *key = xasprintf(STORED_PREFIX "%s", id);
	struct err e = ERR_NULL;
	struct store_txn t;

	store_begin(world.store, &t);
	store_del(&t, STORE_ENV_BOOT, key);
	if (store_commit(&t, &e) < 0)
		log_err(LOG_LEVEL_WARN, "delete the row of an exec session", &e);
}

/* The container of a stored row; NULL: it was removed, or the row cannot be read. */
static const struct object *container_of_row(const struct store_row *row)
{
	Crisp__State__Envelope *env =
		row->damaged ? NULL : crisp__state__envelope__unpack(NULL, row->size, row->payload);
	Crisp__State__Exec *exec =
		env ? crisp__state__exec__unpack(NULL, env->row.len, env->row.data) : NULL;
	const struct object *o = exec ? world_find(KIND_CONTAINER, exec->container_id) : NULL;

	crisp__state__exec__free_unpacked(exec, NULL);
	crisp__state__envelope__free_unpacked(env, NULL);
	return o;
}

/* Make an object that kills the session; the row is deleted with the object, so that a daemon
 * killed meanwhile finds it again.  Without its container the process is dead, too. */
static int end_stored(void *arg, const struct store_row *row)
{
	const struct object *ctr = container_of_row(row);
	const char *id = row->key + strlen(STORED_PREFIX);
	Crisp__State__Exec *exec;
	struct object *o;

	(void)arg;
	if (!id_is_valid(id))
		return 0;
	exec = row_new(ctr ? sandbox_of(ctr) : "", ctr ? ctr->sm->id : "");
	exec->stored = true;
	o = world_new(KIND_EXEC, id, exec, NULL);
	sm_dispatch(o->sm, sm_event_new(EXE_EVENT_FOUND));
	return 0;
}

int exec_end_stored(struct err *e)
{
	struct store_read read;
	int r;

	store_read_begin(world.store, &read);
	r = store_scan(&read, STORE_ENV_BOOT, STORED_PREFIX, end_stored, NULL, e);
	store_read_end(&read);
	return r;
}

/* --- calls and life --- */

/* Does the container have a terminal?  Then its sessions have one, too. */
static bool has_terminal(const struct object *ctr)
{
	Runtime__V1__ContainerConfig *c = container_config(ctr->sm->row);
	bool tty = c->tty;

	runtime__v1__container_config__free_unpacked(c, NULL);
	return tty;
}

int exec_for(const Runtime__V1__ExecSyncRequest *req, struct object **ret, struct err *e)
{
	Crisp__State__Exec *row;
	struct object *ctr;
	char id[ID_LEN + 1];
	int r = exec_start_find(req->container_id, req->cmd, req->n_cmd, &ctr, e);

	if (r < 0)
		return r;
	row = row_new(sandbox_of(ctr), ctr->sm->id);
	row->started_ns = clock_realtime_ns();
	if (req->timeout > 0)
		row->kill_at_ns =
			row->started_ns + MIN(req->timeout, INT64_C(3155760000)) * NSEC_PER_SEC;
	id_new(id);
	*ret = world_new(KIND_EXEC, id, row, NULL);
	exec_start_set_cmd((*ret)->own, req->cmd, req->n_cmd);
	((struct exec_session *)(*ret)->own)->start.tty = has_terminal(ctr);
	return 0;
}

static void exec_born(struct object *o)
{
	_cleanup_free_ char *session =
		xasprintf("%s%s", row_of(o)->stored ? "" : SYNC_MARK, o->sm->id);
	struct exec_session *s = xcalloc(1, sizeof(*s));

	s->o = o;
	exec_start_init(&s->start, &start_ops, row_of(o)->container_id, session);
	o->own = s;
}

static void exec_gone(struct object *o)
{
	struct exec_session *s = o->own;
	const struct shim_request req = { .type = SHIM_FORGET, .session = s->start.session };
	struct pod *p = pod_find(row_of(o)->sandbox_id);

	loop_timer_stop(world.loop, &s->drain);
	for (size_t i = 0; i < ARRAY_LEN(s->streams); i++) {
		stream_close(&s->streams[i]);
		output_held -= s->streams[i].data.len;
		buf_done(&s->streams[i].data);
	}
	if (p)
		pod_send(p, &req);
	if (row_of(o)->stored && sm_state(o->sm)->kind == SM_KIND_FINAL)
		row_delete(o->sm->id);
	exec_start_done(&s->start);
	free(s);
}

const struct kind_ops kind_exec = {
	.machine = &exe_machine,
	.born = exec_born,
	.gone = exec_gone,
};
