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

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/words.h"
#include "core/jobs.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "core/records.h"
#include "oci/exec_process.h"
#include "oci/features.h"
#include "os/cgroup.h"
#include "pod/container.h"
#include "pod/shim.h"

#define DRAIN_NS (1000 * NSEC_PER_MSEC)
/* Both streams and their framing fit one message of the client's limit. */
#define OUTPUT_MAX (LIMIT_EXEC_OUTPUT - 1024)
#define OUTPUT_SURE (64 * 1024) /* kept regardless of other sessions' output */
#define RUNTIME_EXEC_MS 60000

struct stream {
	struct loop_io io;
	struct buf data;
	struct exec_session *session;
	int child_fd; /* write end, until sent to the shim */
	bool open;
};

struct exec_session {
	struct object *o;
	struct stream streams[2]; /* stdout, stderr */
	struct loop_timer drain;
	char *process_path;
	bool draining, cut; /* cut: output was dropped to bound the daemon's memory */
};

static size_t output_held; /* output of all sessions in bytes */

static const Crisp__State__Exec *row_of(const struct object *o)
{
	return o->sm->row;
}

/* NULL: the container does not exist any more. */
static const Crisp__State__Container *container_of_exec(const struct object *o)
{
	struct object *ctr = world_find(KIND_CONTAINER, row_of(o)->container_id);

	return ctr ? ctr->sm->row : NULL;
}

static struct pod *pod_of(const struct object *o)
{
	const Crisp__State__Container *ctr = container_of_exec(o);

	return ctr ? pod_find(ctr->sandbox_id) : NULL;
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

static int stream_open(struct exec_session *s, struct stream *st, struct err *e)
{
	int fds[2];
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make a pipe for exec output");
	st->session = s;
	st->child_fd = fds[1];
	r = fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0
		    ? err_errno(e, ERR_INTERNAL, errno, "exec output")
		    : loop_io_add(world.loop, &st->io, fds[0], EPOLLIN, stream_read, e);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	st->open = true;
	return 0;
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

/* --- cgroup of an exec --- */

static enum oci_exec_cgroup exec_cgroup_of(const char *runtime_path)
{
	for (size_t i = 0; world.features && i < world.conf->n_runtimes; i++)
		if (strcmp(world.conf->runtimes[i].path, runtime_path) == 0)
			return world.features[i].exec_cgroup;
	return OCI_EXEC_CGROUP_NONE;
}

/* On v1 use one hierarchy only, enough to find the processes: in the others they stay in and count
 * to the container's cgroup.  On v2 a cgroup without controllers does the same. */
void exec_place_find(const Crisp__State__Container *row, const char *session,
		     struct exec_place *ret)
{
	enum oci_exec_cgroup can = exec_cgroup_of(row->runtime_path);
	bool v2 = cgroups_layout(world.cgroups) == CGROUP_LAYOUT_V2;
	_cleanup_free_ char *cgroup = cgroup_dir(row->cgroups_path);
	_cleanup_free_ char *dir = NULL;
	struct err ignored = ERR_NULL;

	*ret = EXEC_PLACE_NULL;
	if (can == OCI_EXEC_CGROUP_NONE || (can == OCI_EXEC_CGROUP_PATH && !v2) ||
	    cgroup_controller_dir(world.cgroups, "pids", cgroup, &dir, &ignored) != 0)
		return;
	ret->dir = xasprintf("%s/crisp-exec-%s", dir, session);
	ret->option = xasprintf("%scrisp-exec-%s", v2 ? "" : "pids:", session);
}

void exec_place_done(struct exec_place *p)
{
	free(p->dir);
	free(p->option);
	*p = EXEC_PLACE_NULL;
}

void exec_place_use(const struct exec_place *p, struct shim_request *req)
{
	if (!p->dir)
		return;
	req->cgroup = p->dir;
	req->args[0] = "--cgroup";
	req->args[1] = p->option;
}

/* --- spawn --- */

struct exec_job {
	struct job base;
	char *config_path, *process_path;
	char **cmd;
};

static struct exec_job *exec_job(struct job *j)
{
	return container_of(j, struct exec_job, base);
}

static void exec_job_free(struct job *j)
{
	struct exec_job *x = exec_job(j);

	for (size_t i = 0; x->cmd && x->cmd[i]; i++)
		free(x->cmd[i]);
	free(x->cmd);
	free(x->config_path);
	free(x->process_path);
	free(x);
}

int exec_write_process(const char *config_path, const char *process_path, const char *const *cmd,
		       bool tty, struct err *e)
{
	_cleanup_buf_ struct buf config = BUF_NULL;
	_cleanup_free_ char *json = NULL;
	int r = fs_read_file(config_path, 16 * LIMIT_CONFIG_BYTES, &config, e);

	if (r == 1)
		return err_set(e, ERR_DATA_LOSS, "%s is missing", config_path);
	if (r == 0)
		r = oci_exec_process(config.data, cmd, tty, &json, e);
	if (r == 0)
		r = fs_replace_file(process_path, json, strlen(json), 0600, false, e);
	return r;
}

static int work_process(struct job *j, struct err *e)
{
	struct exec_job *x = exec_job(j);

	return exec_write_process(x->config_path, x->process_path, (const char *const *)x->cmd,
				  false, e);
}

static void start_failed(struct object *o, uint64_t gen, const struct err *e)
{
	effect_report(o, gen, sm_event_failed(EXE_EVENT_START_FAILED, e));
}

static void shim_spawned(struct object *o, uint64_t gen, struct shim_answer *ans,
			 const struct err *err)
{
	struct payload_init *f;

	if (err) {
		start_failed(o, gen, err);
		return;
	}
	f = xcalloc(1, sizeof(struct payload_init));
	f->pid = (int32_t)ans->status.pid;
	f->ticks = ans->status.start_ticks;
	effect_report(o, gen, exe_event_started(f));
}

static void spawn_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	struct exec_session *s = o->own;
	const Crisp__State__Container *ctr = container_of_exec(o);
	_cleanup_(exec_place_done) struct exec_place place = EXEC_PLACE_NULL;
	struct shim_request req = {
		.type = SHIM_EXEC,
		.session = o->sm->id,
		.id = row_of(o)->container_id,
		.process_path = s->process_path,
		.timeout_ms = RUNTIME_EXEC_MS,
	};
	struct err e = ERR_NULL;
	int fds[2], r;

	r = link ? 0 : err_set(&e, ERR_UNAVAILABLE, "the pod's shim is gone");
	if (r == 0)
		r = stream_open(s, &s->streams[0], &e);
	if (r == 0)
		r = stream_open(s, &s->streams[1], &e);
	if (r < 0) {
		start_failed(o, gen, &e);
		return;
	}
	if (ctr)
		exec_place_find(ctr, o->sm->id, &place);
	exec_place_use(&place, &req);
	fds[0] = s->streams[0].child_fd;
	fds[1] = s->streams[1].child_fd;
	pod_request(p, o, &req, fds, 2, shim_spawned);
	close_fdp(&s->streams[0].child_fd);
	close_fdp(&s->streams[1].child_fd);
}

static void done_process(struct job *j, struct object *o)
{
	struct pod *p = o ? pod_of(o) : NULL;
	struct err e = ERR_NULL;

	if (!o || o->sm->effect_gen != j->gen)
		return;
	if (j->result < 0) {
		start_failed(o, j->gen, &j->err);
	} else if (!p) {
		err_set(&e, ERR_NOT_FOUND, "the container is gone");
		start_failed(o, j->gen, &e);
	} else {
		pod_when_settled(p, o, spawn_with);
	}
}

void exe_effect_spawn(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct exec_session *s = o->own;
	struct exec_job *x = xcalloc(1, sizeof(*x));
	_cleanup_free_ char *run = path_container_run(world.conf, row_of(o)->container_id);

	job_init(&x->base, o, LANE_SESSION, work_process, done_process, exec_job_free);
	x->config_path = xasprintf("%s/config.json", run);
	x->process_path = xstrdup(s->process_path);
	x->cmd = xcalloc(row_of(o)->n_cmd + 1, sizeof(char *));
	for (size_t i = 0; i < row_of(o)->n_cmd; i++)
		x->cmd[i] = xstrdup(row_of(o)->cmd[i]);
	job_start(&x->base);
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
	const Crisp__State__Container *ctr = container_of_exec(o);
	_cleanup_(exec_place_done) struct exec_place place = EXEC_PLACE_NULL;
	struct shim_request req = { .type = SHIM_EXEC_KILL, .session = o->sm->id };

	if (ctr)
		exec_place_find(ctr, o->sm->id, &place);
	req.cgroup = place.dir;
	if (link)
		pod_request(p, o, &req, NULL, 0, killed);
	else
		report_lost(o, gen);
}

void exe_effect_kill(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct pod *p = pod_of(o);

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
	_cleanup_free_ char *run = path_container_run(world.conf, row_of(o)->container_id);

	s->o = o;
	s->streams[0].child_fd = s->streams[1].child_fd = -1;
	s->process_path = xasprintf("%s/exec-%s.json", run, o->sm->id);
	o->own = s;
}

static void exec_gone(struct object *o)
{
	const struct shim_request req = { .type = SHIM_FORGET, .session = o->sm->id };
	struct exec_session *s = o->own;
	struct pod *p = pod_of(o);
	struct err e = ERR_NULL;

	loop_timer_stop(world.loop, &s->drain);
	for (size_t i = 0; i < ARRAY_LEN(s->streams); i++) {
		stream_close(&s->streams[i]);
		close_fdp(&s->streams[i].child_fd);
		output_held -= s->streams[i].data.len;
		buf_done(&s->streams[i].data);
	}
	/* Ignore errors: the file is on tmpfs and goes with the container's bundle. */
	unlink(s->process_path);
	if (p && p->link && shim_link_call(p->link, &req, NULL, 0, NULL, NULL, &e) < 0)
		log_err(LOG_LEVEL_DEBUG, "forget an exec session", &e);
	free(s->process_path);
	free(s);
}

const struct kind_ops kind_exec = {
	.machine = &exe_machine,
	.born = exec_born,
	.gone = exec_gone,
};
